"""A SAM whose encoder learns from frames without annotation before it is adapted (one trial, docs/levers.md).

    python scripts/try_masked_pretraining.py runs/laptop [--variant vit_b] [--output runs/masked_pretraining]
    python scripts/compare_labellers.py new+close weights_folder=runs/masked_pretraining+close --labellers vit_b

Masked image modelling (MAE, He et al. 2022, arXiv 2111.06377; with the masked squares left in the picture, so that it
serves any encoder: SimMIM, Xie et al. 2022, arXiv 2111.09886): half of the squares of a close-up are painted grey, and
the encoder, with one linear layer behind it, draws them again. The loss is the mean absolute error of the masked
pixels of the frame in units of its standard deviation. Close-ups come from newly simulated frames of the role
`unlabelled`, at places with contrast, since no mask may be known. The encoder starts from the small SAM of --weights
and replaces that one's; prompt encoder and decoder stay. Training goes on where it was interrupted.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from xpci_utils import paths
from xpci_utils.frames import FrameSet
from xpci_utils.randomness import numpy_rng
from xpci_utils.sam import build_sam
from xpci_utils.sam.checkpoints import PRETRAINED_FILE, load_pretrained, save_pretrained
from xpci_utils.sam.close_up import square
from xpci_utils.sam.model import SemanticSam
from xpci_utils.simulation.more import unlabelled_frames
from xpci_utils.training import SamPretraining, TrainingFolder, cosine_lr, precision, run_steps, set_lr, warm_up
from xpci_utils.training.symmetries import dihedral

SIDE, CANDIDATES = 32, 4  # pixels of a close-up; places of a frame of which the one with most contrast is taken
MASKED, SQUARE = 0.5, 4  # share of a close-up that is painted grey, in squares of so many pixels of the frame
MASKS = 3  # of a small SAM that is not adapted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=paths.resolve, help="a finished run; frames like its own are simulated")
    parser.add_argument("--variant", default="vit_b")
    parser.add_argument("--weights", type=paths.resolve, default=paths.resolve("data/weights"))
    parser.add_argument("--frames", type=int, default=1000, help="frames without annotation")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--output", type=paths.resolve, default=paths.resolve("runs/masked_pretraining"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder, began = options.output / options.variant, time.process_time()
    if not (folder / PRETRAINED_FILE).is_file():
        images = list(unlabelled_frames(FrameSet.open(options.run / "frames"), options.frames, seed=0))
        settings = SamPretraining(variant=options.variant, steps=options.steps, learning_rate=1e-3, batch_size=16)
        pretrain(np.stack(images), settings, options.weights / options.variant, folder)
    print(f"{folder / PRETRAINED_FILE}: {(time.process_time() - began) / 60:.1f} core-minutes in this call")


def pretrain(images: np.ndarray, settings: SamPretraining, weights: Path, folder: Path) -> None:
    """Train the encoder of the SAM in ``weights`` on ``images`` uint8 [N, H, W] and write the SAM to ``folder``."""
    model = load_pretrained(build_sam(settings.variant, "reduced", MASKS), weights)
    torch.manual_seed(settings.seed)
    head = nn.LazyConv2d(SQUARE**2, 1)
    optimizer = torch.optim.AdamW(
        [*model.image_encoder.parameters(), *head_parameters(model, head)], settings.learning_rate, (0.9, 0.95)
    )
    run_steps(
        settings,
        update=make_update(model.train(), head, optimizer, images, settings),
        state={"model": model, "head": head, "optimizer": optimizer},
        stage=TrainingFolder(folder, folder / "work", f"masked {settings.variant}"),
        description="masked close-ups",
    )
    save_pretrained(folder, model.eval(), {"steps": settings.steps})


def head_parameters(model: SemanticSam, head: nn.LazyConv2d) -> list[nn.Parameter]:
    """The parameters of the linear layer, once it has seen how many channels the encoder has."""
    with torch.no_grad():
        head(model.image_encoder(model.preprocess(torch.zeros(1, SIDE, SIDE), (model.image_encoder.img_size,) * 2)))
    return [*head.parameters()]


def make_update(
    model: SemanticSam, head: nn.Module, optimizer: torch.optim.Optimizer, images: np.ndarray, settings: SamPretraining
) -> Callable[[int], dict[str, float]]:
    """The optimiser step as a function of the step number."""

    def update(step: int) -> dict[str, float]:
        rng = numpy_rng("masked pre-training", settings.seed, step)
        close_ups = torch.from_numpy(np.stack([close_up(images, rng) for _ in range(settings.batch_size)])).float()
        masked = torch.from_numpy(rng.random((settings.batch_size, SIDE // SQUARE, SIDE // SQUARE)) < MASKED)
        with precision(close_ups.device, settings.bf16):
            loss = masked_error(model, head, close_ups, masked)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        set_lr(optimizer, cosine_lr(settings.learning_rate * warm_up(step, 99), step, settings.steps))
        optimizer.step()
        return {"loss": loss.item()}

    return update


def close_up(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 [SIDE, SIDE] of a random frame, turned, at the place with most contrast of several random ones."""
    image = images[rng.integers(len(images))]
    places = rng.integers(image.shape, size=(CANDIDATES, 2))
    squares = [square(image, place, SIDE) for place in places]
    return dihedral(max(squares, key=np.std)[None], int(rng.integers(8)))[0]


def masked_error(model: SemanticSam, head: nn.Module, images: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of the masked pixels [N, s, s] in units of each close-up's standard deviation."""
    mean, sd = images.mean((1, 2), keepdim=True), images.std((1, 2), keepdim=True).clamp(min=1)
    hidden = masked.repeat_interleave(SQUARE, 1).repeat_interleave(SQUARE, 2)
    painted = torch.where(hidden, mean, images)
    embedding = model.image_encoder(model.preprocess(painted, (model.image_encoder.img_size,) * 2))
    pixels = functional.pixel_shuffle(head(embedding), SQUARE)
    pixels = functional.interpolate(pixels, images.shape[1:], mode="bilinear")[:, 0]
    return (pixels - (images - mean) / sd).abs()[hidden].mean()


if __name__ == "__main__":
    main()
