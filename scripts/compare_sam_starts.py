"""Adapting a small SAM from pre-trained and from random weights: what is trained, for how long, with which seeds.

    python scripts/compare_sam_starts.py [--annotated 40] [--steps 1000] [--seeds 0 1 2] [--rows pretrained-head ...]

Adapts to the first annotated training frames of a run (by default runs/laptop/frames) and scores the *validation*
frames, prompted by their true masks: this is where the defaults of notebook 03 are chosen, so the test frames stay
out of it. Twenty validation frames cannot tell 0.60 from 0.65, so that for simulated frames as many new ones as
--development says are simulated and named, too; no run ever trains or tests on them. Every run is kept in --output,
and an interrupted comparison goes on where it stopped. Prints the table of docs/sam_experiments.md, means and standard
deviations over the seeds.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xpci_utils import files
from xpci_utils.evaluation import foreground_dice, summarise
from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.params import AdaptSam
from xpci_utils.sam import (
    adapt_sam,
    count_parameters,
    evaluate_naming,
    load_labeller,
    naming_scores,
    particle_table,
    predict_frames,
    predict_scores,
)
from xpci_utils.simulation.fresh import fresh_examples
from xpci_utils.stages import decisive
from xpci_utils.training import LabellerTraining, TrainingFolder

# What a row changes in the settings of notebook 03. Random weights get the settings that were chosen for them.
RANDOM = {"weights": "random", "unprompted": 0.7, "learning_rate": 3e-3}
PRETRAINED = {"weights": "pretrained", "unprompted": 0.0}
ROWS = {
    "random-all": RANDOM | {"trainable": "all"},
    "random-head": RANDOM | {"trainable": "adapters+head", "unprompted": 0.0},
    "pretrained-adapters": PRETRAINED | {"trainable": "adapters"},
    "pretrained-head": PRETRAINED | {"trainable": "adapters+head"},
    "pretrained-all": PRETRAINED | {"trainable": "all"},
}
SETTINGS = ("size", "prompt_scale", "batch_size", "learning_rate", "beta1", "dice", "augmentation", "bf16")
DEVELOPMENT = ("development_dice", "development_f1")
SCORES = ("dice_foreground", "binary_dice", "particles_named_right", *DEVELOPMENT)
BLOCK = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", default="runs/laptop/frames")
    parser.add_argument("--output", type=Path, default=Path("runs/sam_starts"))
    parser.add_argument("--annotated", type=int, default=40, help="training frames, the first by index; 0: all")
    parser.add_argument("--steps", type=int, nargs="+", default=[AdaptSam().steps])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labellers", nargs="+", default=["vit_b", "vit_t"])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[0.0], help="0: that of the row")
    parser.add_argument("--development", type=int, default=400, help="new simulated frames to score")
    parser.add_argument("--weights-folder", default=AdaptSam().weights_folder, help="where pre-trained weights lie")
    options = parser.parse_args()
    torch.set_num_threads(1)
    frames = FrameSet.open(options.frames)
    new = list(fresh_examples(frames, options.development, 0, "development"))
    records = [
        {"labeller": labeller, "start": row} | measured(frames, new, options, labeller, row, rate, steps, seed)
        for labeller in options.labellers
        for row in options.rows
        for rate in options.learning_rates
        for steps in options.steps
        for seed in options.seeds
    ]
    print(markdown(pd.DataFrame(records)))


def measured(
    frames: FrameSet,
    new: list[tuple[np.ndarray, np.ndarray]],
    options: argparse.Namespace,
    labeller: str,
    row: str,
    rate: float,
    steps: int,
    seed: int,
) -> dict:
    """The scores of one run, from its file if it was made before."""
    defaults = AdaptSam()
    chosen = {name: getattr(defaults, name) for name in SETTINGS} | ROWS[row] | {"steps": steps, "seed": seed}
    chosen |= {"learning_rate": rate or chosen["learning_rate"], "weights_folder": options.weights_folder}
    start = decisive(AdaptSam(labeller=labeller, weights=chosen["weights"], weights_folder=options.weights_folder))
    name = f"{labeller}__{row}__lr{chosen['learning_rate']:g}__n{options.annotated}__t{steps}__s{seed}"
    name += f"__w{start['weights_sha256'][:8]}" if "weights_sha256" in start else ""
    place = options.output / name
    kept = place / "scores.json"
    found = (
        files.read_json(kept)
        if kept.is_file()
        else chosen | adapted(frames, options.annotated, place, labeller, chosen)
    )
    if found.get("development_frames") != len(new):
        model = load_labeller(place / "adapters.safetensors")

        def prompted(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return predict_scores(model, images, binary_mask(labels))

        found |= development_scores(prompted, new, frames.num_classes) | {"development_frames": len(new)}
        files.write_json(kept, found)
    print(name, {score: round(found[score], 3) for score in SCORES}, flush=True)
    return found


def adapted(frames: FrameSet, annotated: int, place: Path, labeller: str, chosen: dict) -> dict:
    """Adapt one labeller and score the validation frames."""
    began = time.process_time()
    train = frames.split("train").take(annotated)
    settings = LabellerTraining.of(chosen | {"labeller": labeller})
    model = adapt_sam(train, settings, TrainingFolder(place, place / "work", place.name))
    seconds = time.process_time() - began
    validation = frames.split("val")
    predictions = predict_frames(model, validation)
    return {
        "dice_foreground": foreground_dice(validation, predictions),
        "binary_dice": float(
            np.nanmean([naming_scores(predictions[f.name], f.labels)["binary_dice"] for f in validation])
        ),
        "particles_named_right": float(np.mean(named_right(validation, predictions))),
        "trained": count_parameters(model)["trainable"],
        "cpu_seconds": seconds,
    }


def development_scores(
    name: Callable[[np.ndarray, np.ndarray], np.ndarray], new: list[tuple[np.ndarray, np.ndarray]], num_classes: int
) -> dict[str, float]:
    """Foreground Dice and micro-F1 on ``new`` (frame, labels); ``name`` makes class scores of a block of them."""
    named = []
    for first in range(0, len(new), BLOCK):
        images, labels = map(np.stack, zip(*new[first : first + BLOCK], strict=True))
        named += list(name(images, labels).argmax(1).astype(np.uint8))
    truth = [labels for _, labels in new]
    scores = summarise(evaluate_naming(named, truth, num_classes))
    return dict(zip(DEVELOPMENT, (scores["dice_foreground"], scores["micro_f1"]), strict=True))


def named_right(frames: FrameSet, predictions: dict[str, np.ndarray]) -> np.ndarray:
    """Of every particle of the frames, whether most of its pixels got its class."""
    tables = [particle_table(predictions[frame.name], binary_mask(frame.labels), frame.labels) for frame in frames]
    return np.concatenate([table["class"] == table["true_class"] for table in tables])


def markdown(records: pd.DataFrame) -> str:
    """One line per setting: mean and standard deviation over the seeds."""
    groups = records.groupby(["labeller", "start", "learning_rate", "steps"], sort=False)
    lines = ["| labeller | start, trained | learning rate | steps | parameters trained | CPU s | seeds | "
             + " | ".join(SCORES) + " |", "|---" * (7 + len(SCORES)) + "|"]  # fmt: skip
    for (labeller, start, rate, steps), rows in groups:
        scores = [f"{rows[score].mean():.3f} ({rows[score].std(ddof=1):.3f})" for score in SCORES]
        facts = [f"{rows.trained.iloc[0]:,}", f"{rows.cpu_seconds.mean():.0f}", str(len(rows)), *scores]
        lines.append(" | ".join([f"| {labeller}", start, f"{rate:g}", f"{steps:,}", *facts]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
