"""Labellers adapted to the same annotated frames in different ways, scored on validation frames and on new ones.

    python scripts/compare_labellers.py study study+paste+2500 close --seeds 0 1 2 [--labellers vit_t] [--csv FILE]

A variant is a sum of parts: those of PARTS, a number of steps, or a parameter of notebook 03 (`ema_decay=0.99`); what
it does not say has the default of notebook 03. Each labeller learns from the first annotated training frames of a run
(by default all of runs/laptop/frames) and is scored, prompted by true masks, on its validation frames and on newly
simulated ones that no run trains or tests on: choices are made here, so the test frames stay out of it. Twenty
validation frames cannot tell 0.60 from 0.65. The same probabilities are read in several ways, those of several seeds
also as an ensemble. Every run is kept in --output, and an interrupted comparison goes on where it stopped. Prints the
tables of docs/sam_experiments.md. --teach writes a frame set from which students learn: the annotated frames, and new
ones with the labels that all runs of the first labeller give them together; --frames takes it.
"""

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from xpci_utils import files
from xpci_utils.evaluation import score_labels
from xpci_utils.frames import FrameSet, binary_mask, write_frames
from xpci_utils.params import AdaptSam
from xpci_utils.sam import (
    Naming,
    SemanticSam,
    adapt_sam,
    count_parameters,
    labels_of,
    load_labeller,
    naming_scores,
    particle_table,
    predict_scores,
    score_frames,
)
from xpci_utils.simulation import DEVELOPMENT_FRAMES, DEVELOPMENT_SEED, write_role_frames
from xpci_utils.stages import decisive
from xpci_utils.training import TrainingFolder

PARTS: dict[str, dict] = {
    "new": {},  # the newest small SAMs, at their learning rate
    "study": {"weights_folder": "data/weights/study", "learning_rate": 3e-3},  # those of the committed study
    "random": {"weights": "random", "unprompted": 0.7, "learning_rate": 3e-3},  # with the settings that suit them best
    "adapters": {"trainable": "adapters"},
    "head": {"trainable": "adapters+head"},
    "flips": {"augmentation": "symmetries"},
    "paste": {"copy_paste": True},
    "close": {"close_up": 32},
    "smooth": {"label_smoothing": 0.1},
    "ema": {"ema_decay": 0.998},
}
STEPS = 1000  # where a variant names no number
WAYS = tuple(product((False, True), ("pixel", "masked", "particle", "split")))  # symmetries, vote
SCORES = ("dice_foreground", "micro_f1", "binary_dice", "particles_right")
BLOCK = 16
CONFIDENCE = 0.7  # of what students learn from


@dataclass(frozen=True)
class Run:
    """One adaptation: its row of the table, and where it lies."""

    labeller: str
    variant: str
    parameters: AdaptSam
    folder: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="+", help=f"sums of {', '.join(PARTS)}, steps, parameter=value")
    parser.add_argument("--frames", default="runs/laptop/frames")
    parser.add_argument("--output", type=Path, default=Path("runs/labellers"))
    parser.add_argument("--annotated", type=int, default=0, help="training frames, the first by index; 0: all")
    parser.add_argument("--labellers", nargs="+", default=["vit_b", "vit_t"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--development", type=int, default=DEVELOPMENT_FRAMES, help="new simulated frames; 0: none")
    parser.add_argument("--together", action="store_true", help="further rows: ensembles of all variants given")
    parser.add_argument("--teach", type=Path, help="folder for the frames that students learn from")
    parser.add_argument("--unlabelled", type=int, default=600, help="new frames among those")
    parser.add_argument("--csv", type=Path, help="where to write all scores")
    options = parser.parse_args()
    torch.set_num_threads(1)
    frames = FrameSet.open(options.frames)
    train = frames.split("train").take(options.annotated)
    judges = {"validation": frames.split("val")}
    if options.development:
        folder = options.output / f"development_{options.development}"
        judges["development"] = write_role_frames(frames, folder, options.development, DEVELOPMENT_SEED, "development")
    rows = []
    for labeller in options.labellers:
        groups = [
            [run_of(labeller, variant, seed, train, options.output) for seed in options.seeds]
            for variant in options.variants
        ]
        for runs in groups:
            rows += [row for run in runs for row in scored(run, train, judges)]
            rows += ensemble(runs, runs[0].variant, judges)
        if options.together:
            rows += ensemble([run for runs in groups for run in runs], "all of these", judges)
        if options.teach and labeller == options.labellers[0]:
            teach([run for runs in groups for run in runs], frames, options.teach, options.unlabelled)
    table = pd.DataFrame(rows)
    if options.csv:
        files.write_csv(options.csv, table.round(4))
    print(markdown(table))


def changes_of(variant: str) -> dict:
    """The parameters of notebook 03 that a variant changes; ValueError for a part that there is not."""
    changes: dict = {"steps": STEPS}
    for part in variant.split("+"):
        name, equals, value = part.partition("=")
        if part in PARTS:
            changes |= PARTS[part]
        elif part.isdigit():
            changes["steps"] = int(part)
        elif equals:
            changes[name] = yaml.safe_load(value)
        else:
            raise ValueError(f"there is no part {part!r}; choose from {', '.join(PARTS)}, or give steps, or name=value")
    return changes


def run_of(labeller: str, variant: str, seed: int, train: FrameSet, output: Path) -> Run:
    """The run of a variant; its folder's name has a digest of all that decides the result."""
    parameters = AdaptSam.checked({"labeller": labeller, "seed": seed} | changes_of(variant), variant)
    digest = files.digest(decisive(parameters), [[frame.image.tolist(), frame.labels.tolist()] for frame in train])
    return Run(labeller, variant, parameters, output / f"{labeller}__{variant}__n{len(train)}__s{seed}__{digest[:8]}")


def scored(run: Run, train: FrameSet, judges: dict[str, FrameSet]) -> Iterator[dict]:
    """Rows of one run, one per set of frames and way; adapted and scored now if that was not done before."""
    facts = adapted(run, train)
    row = {"labeller": run.labeller, "variant": run.variant, "seed": str(run.parameters.seed)} | facts
    for name, judge in judges.items():
        kept = run.folder / f"{judge.folder.name}_{name}.json"
        if not kept.is_file():
            probabilities = {symmetries: probabilities_of(run, judge, name, symmetries) for symmetries in (False, True)}
            files.write_json(kept, scores_of(probabilities, judge))
        scores = files.read_json(kept)
        print(run.folder.name, name, {way: round(score["micro_f1"], 3) for way, score in scores.items()}, flush=True)
        yield from (row | {"frames": name, "way": way} | score for way, score in scores.items())


def adapted(run: Run, train: FrameSet) -> dict:
    """Adapt the labeller of a run, unless that was done before: parameters trained, and core-minutes.

    The minutes of a run that was interrupted are not known.
    """
    facts = run.folder / "adapted.json"
    if not facts.is_file():
        whole, began = not (run.folder / "history.jsonl").exists(), time.process_time()
        model = adapt_sam(train, run.parameters.settings(), TrainingFolder(run.folder, run.folder / "work", "one"))
        minutes = (time.process_time() - began) / 60 if whole else None
        files.write_json(facts, {"trained": count_parameters(model)["trainable"], "core_minutes": minutes})
    return files.read_json(facts)


def probabilities_of(run: Run, judge: FrameSet, name: str, symmetries: bool) -> np.ndarray:
    """Class probabilities float16 [N, C, H, W] of the frames of ``judge``; kept beside the labeller."""
    path = run.folder / f"{judge.folder.name}_{name}{'_symmetries' if symmetries else ''}.npy"
    if not path.is_file():
        model = load_labeller(run.folder / "adapters.safetensors")
        with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.save(file, predicted(model, judge, symmetries).astype(np.float16))
    return np.load(path)


def predicted(model: SemanticSam, judge: FrameSet, symmetries: bool) -> np.ndarray:
    """Class probabilities float32 [N, C, H, W] of the frames of ``judge``, prompted by their true masks."""
    if judge.tile:
        return np.stack(list(score_frames(model, judge, symmetries=symmetries).values()))
    shown = [(frame.image, binary_mask(frame.labels)) for frame in judge]
    blocks = [map(np.stack, zip(*shown[i : i + BLOCK], strict=True)) for i in range(0, len(shown), BLOCK)]
    return np.concatenate([predict_scores(model, *block, symmetries) for block in blocks])


def ensemble(runs: list[Run], variant: str, judges: dict[str, FrameSet]) -> Iterator[dict]:
    """Rows of the mean probabilities of several runs that were scored before."""
    if len(runs) < 2:
        return
    minutes = sum(files.read_json(run.folder / "adapted.json")["core_minutes"] or math.nan for run in runs)
    row = {"labeller": runs[0].labeller, "variant": variant, "seed": f"ensemble of {len(runs)}"}
    for name, judge in judges.items():
        means = {
            symmetries: np.mean([probabilities_of(run, judge, name, symmetries) for run in runs], 0, np.float32)
            for symmetries in (False, True)
        }
        for way, scores in scores_of(means, judge).items():
            yield row | {"core_minutes": minutes, "frames": name, "way": way} | scores


def teach(runs: list[Run], frames: FrameSet, folder: Path, count: int) -> None:
    """Write the annotated frames, and ``count`` new ones of the role "unlabelled" with the labels of an ensemble.

    One class per particle, on the average over runs and symmetries; particles below CONFIDENCE are ignored.
    """
    new = write_role_frames(frames, folder / "unlabelled", count, 0, "unlabelled")
    models = [load_labeller(run.folder / "adapters.safetensors") for run in runs]
    probabilities = np.mean([predicted(model, new, symmetries=True) for model in models], 0)
    naming = Naming(vote="particle", min_confidence=CONFIDENCE)
    labels = [labels_of(p, binary_mask(frame.labels), naming) for p, frame in zip(probabilities, new, strict=True)]
    print("labels of the new frames:", score_labels(new, dict(zip(new.names, labels, strict=True))), flush=True)
    labelled = [
        replace(frame, name=f"new_{frame.name}", split="train", labels=label_map, instances=None)
        for frame, label_map in zip(new, labels, strict=True)
    ]
    info = {name: value for name, value in frames.info.items() if name not in ("height", "width")}
    write_frames(folder, [*frames.split("train"), *frames.split("val"), *labelled], info)


def scores_of(probabilities: dict[bool, np.ndarray], judge: FrameSet) -> dict[str, dict[str, float]]:
    """SCORES by way; ``probabilities`` without and with averaging over symmetries."""
    truth = [frame.labels for frame in judge]
    rows = {}
    for symmetries, vote in WAYS:
        naming = Naming(vote=vote)
        labels = [
            labels_of(scores, binary_mask(true), naming)
            for scores, true in zip(probabilities[symmetries], truth, strict=True)
        ]
        tables = [particle_table(one, binary_mask(true), true) for one, true in zip(labels, truth, strict=True)]
        binary = [naming_scores(one, true)["binary_dice"] for one, true in zip(labels, truth, strict=True)]
        scores = score_labels(judge, dict(zip(judge.names, labels, strict=True)))
        rows[f"{vote}{', symmetries' if symmetries else ''}"] = {
            "dice_foreground": scores["dice_foreground"],
            "micro_f1": scores["micro_f1"],
            "binary_dice": float(np.nanmean(binary)),
            "particles_right": float(np.concatenate([t["class"] == t["true_class"] for t in tables]).mean()),
        }
    return rows


def markdown(table: pd.DataFrame) -> str:
    """Scores on the last set of frames, micro-F1 in every way: mean and, in brackets, standard deviation over seeds."""
    last = table["frames"].iloc[-1]
    ways = [f"{vote}{', symmetries' if symmetries else ''}" for symmetries, vote in WAYS]
    plain = [score for score in SCORES if score != "micro_f1"]
    head = ["labeller", "variant", "seeds", "core-minutes", *ways, *(f"{score}, pixel" for score in plain)]
    lines = [f"micro-F1 on {last} frames by way:\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    table = table[table["frames"] == last]
    together = table["seed"].where(table["seed"].str.startswith("ensemble"), "")
    for (labeller, variant, kind), rows in table.groupby(["labeller", "variant", together], sort=False):
        seeds = kind or str(rows["seed"].nunique())
        of_way = dict(list(rows.groupby("way")))
        cells = [spread(of_way[way]["micro_f1"]) for way in ways] + [spread(of_way["pixel"][score]) for score in plain]
        lines.append(f"| {labeller} | {variant} | {seeds} | {rows['core_minutes'].mean():.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: pd.Series) -> str:
    """Mean, and with several values their standard deviation."""
    deviation = f" ({values.std(ddof=1):.3f})" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


if __name__ == "__main__":
    main()
