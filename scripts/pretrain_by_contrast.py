"""One trial: does a small SAM label better when its encoder has seen unlabelled frames before?

    python scripts/pretrain_by_contrast.py vit_t --steps 1200 --output runs/contrast
    python scripts/compare_labellers.py study study+weights_folder=runs/contrast --labellers vit_t

Contrast between particles (SimCLR, Chen et al. 2020; neighbours in time as in Qian et al. 2021): two views of one
particle, from two frames of its track where it has several, shall be more alike than views of different particles. The
frames are newly simulated and their classes are not used. Their instances are: they stand for a tracker over the masks
of a binary network, which is nearly always right. Starts from a small SAM (--start) and writes one of the same form,
whose prompt encoder and decoder are as they were. An interrupted run goes on.
"""

import argparse
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from xpci_utils import paths
from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.frames.frameset import read_png
from xpci_utils.randomness import numpy_rng, stream_indices
from xpci_utils.sam import SemanticSam, build_sam, load_pretrained
from xpci_utils.sam.checkpoints import save_pretrained
from xpci_utils.sam.close_up import CloseUp, centres_of, square
from xpci_utils.simulation import write_role_frames
from xpci_utils.training import TrainingFolder, adamw, augment, cosine_lr, run_steps, set_lr
from xpci_utils.training.settings import TrainingSettings

SIDE, AROUND = 32, 48  # of what SAM sees of a particle, and of what is turned and scaled for it [px]
TEMPERATURE, SMALLEST = 0.2, 12  # of the contrast; pixels of a particle that is taken
Sighting = tuple[np.ndarray, np.ndarray]  # image and mask of one particle in one frame, uint8 [AROUND, AROUND]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variant", choices=("vit_b", "vit_t"))
    parser.add_argument("--frames", default="runs/laptop/frames", help="simulated frames, for what new ones look like")
    parser.add_argument("--start", default="data/weights/study")
    parser.add_argument("--output", type=Path, default=Path("runs/contrast"))
    parser.add_argument("--unlabelled", type=int, default=2000, help="new simulated frames, four of a sequence")
    parser.add_argument("--steps", type=int, default=1200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    frames = FrameSet.open(options.frames)
    folder = options.output / f"unlabelled_{options.unlabelled}"
    tracks = tracks_of(write_role_frames(frames, folder, options.unlabelled, 0, "unlabelled sequences"))
    print(f"{len(tracks)} particles, {sum(len(track) > 1 for track in tracks)} of them in several frames", flush=True)
    model = load_pretrained(build_sam(options.variant, "reduced"), f"{options.start}/{options.variant}")
    settings = TrainingSettings(steps=options.steps, batch_size=32, learning_rate=1e-3)
    place, began = paths.resolve(options.output) / options.variant, time.process_time()
    pretrain(model, tracks, settings, TrainingFolder(place, place / "work", f"{options.start} {settings}"))
    save_pretrained(place, model, {"variant": options.variant, "steps": model.config["pretraining_steps"]})
    print(f"{(time.process_time() - began) / 60:.1f} core-minutes")


def tracks_of(frames: FrameSet) -> list[list[Sighting]]:
    """The sightings of each particle that is labelled anywhere; only its instance number is read, not its class."""
    tracks: dict[tuple[str, int], list[Sighting]] = defaultdict(list)
    for frame in frames:
        instances = read_png(frames.folder / "instances" / f"{frame.name}.png")
        instances = np.where(binary_mask(frame.labels), instances, 0)
        for number in np.setdiff1d(instances, [0]):
            mask = (instances == number).astype(np.uint8)
            if mask.sum() >= SMALLEST:
                centre = centres_of(mask)[0]
                sighting = square(frame.image, centre, AROUND), square(mask, centre, AROUND, beyond=0)
                tracks[frame.sequence, int(number)].append(sighting)
    return list(tracks.values())


def draw_pairs(tracks: list[list[Sighting]], count: int, seed: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and masks, uint8 [2 count, SIDE, SIDE]: one view each of ``count`` particles, then the other ones."""
    rng, view = numpy_rng("contrast", seed, step), CloseUp(partial(augment, kind="affine"), SIDE)
    views: tuple[list, list] = ([], [])
    for index in stream_indices(len(tracks), count, "contrast order", seed, step=step):
        track = tracks[index]
        for side, sighting in enumerate(rng.permutation(len(track))[:2] if len(track) > 1 else (0, 0)):
            views[side].append(view(*track[sighting], rng))
    images, masks = zip(*views[0], *views[1], strict=True)
    return torch.from_numpy(np.stack(images)), torch.from_numpy(binary_mask(np.stack(masks)))


def contrast(vectors: torch.Tensor) -> torch.Tensor:
    """NT-Xent loss of unit vectors [2 n, d] of which i and i + n belong together (Chen et al. 2020, eq. 1)."""
    count = len(vectors) // 2
    likeness = (vectors @ vectors.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    partners = torch.arange(2 * count).roll(count)
    return functional.cross_entropy(likeness, partners)


def pretrain(model: SemanticSam, tracks: list, settings: TrainingSettings, place: TrainingFolder) -> None:
    """Train the image encoder of ``model`` in place, with AdamW and cosine decay."""
    torch.manual_seed(settings.seed)
    width = model.prompt_encoder.embed_dim
    head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
    encoder = model.train().image_encoder
    optimizer = adamw([*encoder.parameters(), *head.parameters()], settings.learning_rate, weight_decay=0.05)

    def update(step: int) -> dict[str, float]:
        set_lr(optimizer, cosine_lr(settings.learning_rate, step, settings.steps))
        images, masks = draw_pairs(tracks, settings.batch_size, settings.seed, step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embedding = encoder(model.preprocess(images, model.input_shape(images)))
        weight = functional.adaptive_avg_pool2d(masks[:, None].float(), embedding.shape[-2:]) + 1e-3
        pooled = (embedding.float() * weight).sum((2, 3)) / weight.sum((2, 3))
        loss = contrast(functional.normalize(head(pooled), dim=1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    state = {"encoder": encoder, "head": head, "optimizer": optimizer}
    run_steps(settings, update, state, place, log_every=50, description="contrast")


if __name__ == "__main__":
    main()
