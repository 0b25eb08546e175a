"""Labels drawn with the frame, so that no labeller is needed: a denoiser of image and class (one trial,
docs/levers.md).

    python scripts/try_drawn_labels.py runs/laptop [--pairs 1000] [--steps 6000] [--output runs/drawn_labels]

The class index of every pixel is written in binary, and each digit is a channel of -1 or 1 beside the image (analog
bits, Chen et al. 2023, arXiv 2208.04202): five channels for nine classes and background. The denoiser, its training
and the sampler are those of the profile `laptop`. A digit is 1 where its channel is above 0; a number that belongs to
no class is ignored (255). Writes --output/pairs with images/, masks/ and labels/, from which networks learn:

    python scripts/compare_pseudo_labels.py runs/drawn_labels/pairs:true --run runs/laptop --arm added

Training goes on where it was interrupted. Prints how often each class was drawn, beside the annotated frames.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xpci_utils import files, paths
from xpci_utils.diffusion import Denoiser, PairTensors, build_denoiser, denoiser_config, load_denoiser, train_denoiser
from xpci_utils.diffusion.pairs import to_unit
from xpci_utils.diffusion.sampling import sample_block, to_images_and_masks
from xpci_utils.frames import IGNORE, FrameSet
from xpci_utils.frames.files import read_png, write_png
from xpci_utils.frames.pad import pad_image
from xpci_utils.frames.specks import write_pair
from xpci_utils.params import SamplePairs, TrainDdpm
from xpci_utils.training import TrainingFolder
from xpci_utils.training.symmetries import dihedral

BLOCK = 16  # pairs that are drawn together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=paths.resolve, help="a finished run, whose frames are used")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=0, help="of the denoiser's training (default: the profile's)")
    parser.add_argument("--output", type=paths.resolve, default=paths.resolve("runs/drawn_labels"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    frames, began = FrameSet.open(options.run / "frames"), time.process_time()
    denoiser = trained(frames, options.output, options.steps)
    rows = list(drawn(denoiser, frames.num_classes, options.pairs, options.output / "pairs"))
    files.write_csv(options.output / "pairs" / "pairs.csv", pd.DataFrame(rows))
    print(shares(frames, options.output / "pairs", options.pairs).round(4).to_string())
    print(f"{(time.process_time() - began) / 60:.1f} core-minutes in this call")


class LabelledTensors(PairTensors):
    """Image and binary digits of the class index, float32 [N, 1 + digits, H, W] in [-1, 1]."""

    def __init__(self, examples, num_classes: int):
        super().__init__(examples)
        self.digits = digits_of(num_classes)

    def batch(self, indices: Iterable[int], symmetries: Iterable[int] | None = None) -> Tensor:
        planes = [self._planes(*self.examples[int(i)]) for i in indices]
        if symmetries is not None:
            planes = [dihedral(one, int(k)) for one, k in zip(planes, symmetries, strict=True)]
        return to_unit(np.stack(planes))

    def _planes(self, image: np.ndarray, labels: np.ndarray) -> np.ndarray:
        known = np.where(labels == IGNORE, 0, labels)
        return pad_image(np.stack([image, *(255 * (known >> k & 1).astype(np.uint8) for k in range(self.digits))]))


def digits_of(num_classes: int) -> int:
    """Binary digits that write the class indices 0 ... num_classes - 1."""
    return (num_classes - 1).bit_length()


def classes_of(pairs: Tensor, num_classes: int) -> np.ndarray:
    """uint8 [N, H, W]: the class index that the digits of each pixel write, 255 where there is no such class."""
    digits = (pairs[:, 1:] > 0).cpu().numpy()
    index = sum(digits[:, k].astype(np.uint8) << k for k in range(digits.shape[1]))
    return np.where(index < num_classes, index, IGNORE).astype(np.uint8)


def trained(frames: FrameSet, output: Path, steps: int) -> Denoiser:
    """The denoiser of image and digits, trained as the profile `laptop` says, or read where it is finished."""
    weights = output / "denoiser" / "denoiser_ema.safetensors"
    if weights.is_file():
        return load_denoiser(weights)
    parameters = TrainDdpm.from_yaml("params/laptop/02_train_ddpm.yaml")
    settings = replace(parameters.settings(), preview_pairs=0)
    settings = replace(settings, steps=steps or settings.steps)
    tensors = {name: LabelledTensors(frames.examples(name), frames.num_classes) for name in ("train", "val")}
    config = denoiser_config(parameters.size, *frames.example_shape, **parameters.network_settings)
    denoiser = build_denoiser(replace(config, channels=1 + digits_of(frames.num_classes)), parameters.seed)
    place = TrainingFolder(weights.parent, output / "work", "drawn labels")
    return train_denoiser(denoiser, tensors["train"], tensors["val"], settings, place)


def drawn(denoiser: Denoiser, num_classes: int, count: int, folder: Path) -> Iterator[dict]:
    """Draw ``count`` frames with their labels into ``folder``, as a pool has them; yields the lines of pairs.csv."""
    settings = SamplePairs.from_yaml("params/laptop/04a_sample_pairs.yaml")
    how = {"sampler": settings.sampler, "steps": settings.sampling_steps, "seed": settings.seed}
    for first in range(0, count, BLOCK):
        pairs = sample_block(denoiser.eval(), range(first, first + BLOCK), **how)
        images, _ = to_images_and_masks(pairs)
        for index, image, labels in zip(range(first, count), images, classes_of(pairs, num_classes), strict=False):
            write_png(folder / "labels" / f"{index:06d}.png", labels)
            yield write_pair(folder, index, image, np.where(labels > 0, 255, 0).astype(np.uint8), 0)
        print(f"{min(first + BLOCK, count)} of {count} drawn", flush=True)


def shares(frames: FrameSet, folder: Path, count: int) -> pd.DataFrame:
    """Share of the pixels of each class, and of pixels without one, in the drawn and in the annotated frames."""
    pool = (read_png(folder / "labels" / f"{index:06d}.png") for index in range(count))
    annotated = (labels for _, labels in frames.examples("train"))
    counts = {
        name: sum(np.bincount(labels.ravel(), minlength=256) for labels in maps)
        for name, maps in (("drawn", pool), ("annotated", annotated))
    }
    table = pd.DataFrame({name: values / values.sum() for name, values in counts.items()})
    return table.loc[[*range(frames.num_classes), IGNORE]].set_axis([*frames.class_names, "no class"])


if __name__ == "__main__":
    main()
