"""What better labels are worth: networks that learn from the same pairs, labelled in different ways.

    python scripts/compare_pseudo_labels.py none fresh:true ddpm:runs/laptop/sam/vit_b__s0 \
        ddpm:runs/laptop/sam/vit_b__s0:0.9 [--backbones emcad] [--seeds 0 1]       about 100 s of one core a training

A row is `none` (annotated frames alone), POOL:true (the labels that the pool has itself, as `fresh` has) or
POOL:LABELLER with the folder of an adapted labeller, whose labels are the paper's argmax; with :CONFIDENCE behind it
its probabilities are averaged over the eight symmetries, and particles less certain than that are ignored. POOL is a
pool of the run, or a folder with images/ and labels/. Trains as `params/laptop` says, on the frames and pools of a
finished run, and scores new simulated frames that no run trains or tests on: choices made here leave the test frames
unread. Every training is kept in --output; one that was interrupted goes on.
"""

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from tune_networks import train_cell

from xpci_utils import paths
from xpci_utils.evaluation import score_labels
from xpci_utils.frames import FrameSet
from xpci_utils.params import TrainSegmentation
from xpci_utils.params.cells import Cell
from xpci_utils.params.places import pairs_place
from xpci_utils.sam import Naming, label_pool
from xpci_utils.segmentation import load_network, predict, save_network
from xpci_utils.simulation import DEVELOPMENT_FRAMES, DEVELOPMENT_SEED, write_role_frames

SCORES = ("dice_foreground", "micro_f1")  # on the new frames


@dataclass(frozen=True)
class Row:
    """Where the pairs come from and who labels them: ``none``, ``fresh:true``, ``POOL:LABELLER[:CONFIDENCE]``."""

    pool: str
    labeller: str = ""
    confidence: str = ""

    @classmethod
    def parse(cls, text: str) -> "Row":
        return cls(*text.split(":"))

    @property
    def text(self) -> str:
        return ":".join(filter(None, (self.pool, self.labeller, self.confidence)))

    @property
    def name(self) -> str:
        return self.text.replace("/", "_").replace(":", "__")

    @property
    def naming(self) -> Naming:
        return Naming(symmetries=True, min_confidence=float(self.confidence)) if self.confidence else Naming()

    def sources(self, run: Path, output: Path) -> tuple[Path, Path] | None:
        """The folders of the pairs and of their labels; made if they are not there."""
        if self.pool == "none":
            return None
        folder, labels = paths.resolve(self.pool), output / "labels" / self.name
        pairs = folder if folder.is_dir() else run / pairs_place(self.pool).folder
        if self.labeller == "true":
            return pairs, pairs / "labels"
        if not (labels / "labels.csv").is_file():
            label_pool(pairs, self.labeller, labels, naming=self.naming)
        return pairs, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Row.parse, nargs="+")
    parser.add_argument("--run", type=paths.resolve, default=paths.resolve("runs/laptop"), help="a finished run")
    parser.add_argument("--output", type=paths.resolve, default=paths.resolve("runs/pseudo_labels"))
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--arm", default="mix", help="how a batch is made of both, such as added (default: mix)")
    parser.add_argument("--backbones", nargs="+", default=["emcad"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--development", type=int, default=DEVELOPMENT_FRAMES, help="new simulated frames to score")
    options = parser.parse_args()
    torch.set_num_threads(1)
    frames = FrameSet.open(options.run / "frames")
    folder = options.output / f"development_{options.development}"
    new = write_role_frames(frames, folder, options.development, DEVELOPMENT_SEED, "development")
    records = []
    for backbone, row, seed in product(options.backbones, options.rows, options.seeds):
        scores = score_labels(new, predict(trained(frames, options, backbone, row, seed), new))
        records.append({"backbone": backbone, "row": row.text, "seed": seed} | scores)
        print(records[-1], flush=True)
    print(pd.DataFrame(records).groupby(["backbone", "row"], sort=False)[[*SCORES]].agg(list).to_string())


def trained(frames: FrameSet, options: argparse.Namespace, backbone: str, row: Row, seed: int) -> nn.Module:
    """A network trained on annotated frames and the row's pairs, from its file if it was made before."""
    count = options.pairs if row.pool != "none" else 0
    arm = options.arm if count else "mix"
    place = options.output / f"{backbone}__{row.name}__n{count:05d}__{arm}__s{seed}"
    if not (place / "model.safetensors").is_file():
        settings = TrainSegmentation.from_yaml("params/laptop/05_train_segmentation.yaml")
        cell = Cell(backbone, 0, "vit_t" if count else "none", count, arm, seed)
        network = train_cell(cell, frames, row.sources(options.run, options.output), place, settings)
        save_network(place / "model.safetensors", network, frames)
    return load_network(place / "model.safetensors")[0]


if __name__ == "__main__":
    main()
