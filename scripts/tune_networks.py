"""Learning rate, number of steps and augmentation of the segmentation networks, tuned on validation frames.

    python scripts/tune_networks.py [--frames runs/laptop/frames] [--output runs/tuning]    about 40 minutes of one core

Trains every backbone on the annotated frames alone, the row that all others are compared with, and scores the
*validation* frames; no test frame is read. What is chosen here is frozen for all cells of the study (docs/study.md).
A number of steps is enough when half as many again gain nothing beyond the noise. Every training is kept in --output,
and an interrupted comparison goes on where it stopped. Prints the table of docs/study.md.
"""

import argparse
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from xpci_utils import files
from xpci_utils.evaluation import foreground_dice
from xpci_utils.frames import FrameSet
from xpci_utils.params import TrainSegmentation
from xpci_utils.params.cells import Cell
from xpci_utils.segmentation import BACKBONES, build_network, predict, train_network
from xpci_utils.segmentation.arms import training_of
from xpci_utils.training import TrainingFolder

LAST = 5  # validation scores that are averaged: of the last quarter of 20 looks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", default="runs/laptop/frames")
    parser.add_argument("--output", type=Path, default=Path("runs/tuning"))
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--steps", type=int, nargs="+", default=[600, 900, 1350])
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[TrainSegmentation().learning_rate])
    parser.add_argument("--arms", nargs="+", default=["mix"], help="mix, noaug, strongaug, copypaste")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    frames = FrameSet.open(options.frames)
    grid = product(options.backbones, options.arms, options.learning_rates, options.steps, options.seeds)
    rows = [measured(frames, options.output, *setting) for setting in grid]
    settings = ["backbone", "arm", "learning_rate", "steps"]
    print(pd.DataFrame(rows).groupby(settings, sort=False).mean().drop(columns="seed").round(4).to_string())


def measured(
    frames: FrameSet, output: Path, backbone: str, arm: str, learning_rate: float, steps: int, seed: int
) -> dict:
    """Validation scores of one training, from its file if it was made before."""
    setting = {"backbone": backbone, "arm": arm, "learning_rate": learning_rate, "steps": steps, "seed": seed}
    place = output / "__".join(f"{value:g}" if isinstance(value, float) else str(value) for value in setting.values())
    if not (place / "scores.json").is_file():
        files.write_json(place / "scores.json", setting | trained(frames, place, **setting))
    scores = files.read_json(place / "scores.json")
    print({name: value if isinstance(value, str) else round(value, 4) for name, value in scores.items()}, flush=True)
    return scores


def trained(
    frames: FrameSet, place: Path, *, backbone: str, arm: str, learning_rate: float, steps: int, seed: int
) -> dict:
    """Train one network on the annotated frames and score the validation frames."""
    began, validation = time.process_time(), frames.split("val")
    cell = Cell(backbone, len(frames.split("train")), "none", 0, arm, seed)
    settings = TrainSegmentation(learning_rate=learning_rate, steps=steps)
    network = train_cell(cell, frames, None, place, settings, watched=True)
    looks = [record["validation_score"] for record in files.read_jsonl(place / "history.jsonl")
             if "validation_score" in record]  # fmt: skip
    return {
        "last": foreground_dice(validation, predict(network, validation)),
        "last_quarter": sum(looks[-LAST:]) / LAST,
        "third_quarter": sum(looks[-2 * LAST : -LAST]) / LAST,
        "cpu_seconds": time.process_time() - began,
    }


def train_cell(
    cell: Cell,
    frames: FrameSet,
    pool: tuple[Path, Path] | None,
    place: Path,
    settings: TrainSegmentation,
    watched: bool = False,
) -> nn.Module:
    """The network of ``cell`` after training on ``frames`` and the (pairs, labels) folders of ``pool``.

    With ``watched`` the validation frames are evaluated on the way. History and checkpoints lie in ``place``, and an
    interrupted training goes on.
    """
    size = {"size": settings.size, "image_size": frames.example_shape}
    network = build_network(cell.backbone, frames.num_classes, seed=cell.seed, **size, **settings.network_settings)
    data, chosen = training_of(cell, frames, pool, settings.settings())
    data = replace(data, validation=frames.split("val") if watched else None, score=foreground_dice)
    train_network(network, data, chosen, TrainingFolder(place, place / "work", place.name))
    return network


if __name__ == "__main__":
    main()
