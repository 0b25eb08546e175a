"""What the run's own pool and labellers are like, in numbers few enough to be committed beside the results."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skimage.measure import label

from xpci_utils.evaluation import pooled_confusion
from xpci_utils.files import read_json
from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.frames.frameset import read_png
from xpci_utils.params.places import labeller_place, labels_place, pairs_place

FRAMES = "frames"  # beside the pool's labellers, the annotated training frames themselves
QUANTILES = np.linspace(0, 1, 51)


def read_evidence(root: Path, runs: dict, labellers: list[str]) -> dict[str, Any]:
    """What the figures of the pool are drawn from, ready for JSON; a key is left out while its stage is unfinished.

    "fidelity" (set -> measures, from fidelity.csv), "mask_agreement" (number of frames and their mean binary Dice) and
    "memorisation" (memorisation.json without its examples) of the pool "ddpm"; "particles" (class -> particles per
    frame) and "foreground" (51 quantiles of the particle share of a frame) by "frames" or labeller, or "pool";
    "confusion" (pixels of the test frames [true class, class by the labeller]) by labeller.
    """
    labelled = [name for name in labellers if labels_place("ddpm", name).folder in runs]
    adapted = [name for name in labellers if labeller_place(name).folder in runs]
    has_pool = pairs_place("ddpm").folder in runs
    evidence = _audit((root / pairs_place("ddpm").folder).parent) if has_pool else {}
    if "frames" not in runs:
        return evidence
    frames = FrameSet.open(root / "frames")
    if has_pool:
        evidence["foreground"] = _foreground(root, frames)
    if labelled:
        evidence["particles"] = _particles(root, frames, labelled)
    confusion = {name: _confusion(root / labeller_place(name).folder, frames) for name in adapted}
    return evidence | ({"confusion": confusion} if all(confusion.values()) and confusion else {})


def _audit(pool: Path) -> dict[str, Any]:
    """What notebook 04c measured of a pool, wherever in the pool's folder that lies."""
    measured: dict[str, Any] = {}
    if path := _product(pool, "fidelity.csv"):
        table = pd.read_csv(path, index_col="set").round(5)
        shown = [name for name in map(str, table) if not name.startswith("d_")]
        measured["fidelity"] = {str(name): _plain(row) for name, row in table[shown].iterrows()}
    if path := _product(pool, "mask_agreement.csv"):
        dice = pd.read_csv(path)["dice"].dropna()
        measured["mask_agreement"] = {"frames": len(dice), "dice": round(float(dice.mean()), 5)}
    if path := _product(pool, "memorisation.json"):
        measured["memorisation"] = {k: v for k, v in read_json(path).items() if isinstance(v, int | float)}
    return measured


def _product(pool: Path, name: str) -> Path | None:
    return next(iter(sorted(pool.glob(f"**/{name}"))), None)


def _plain(row: pd.Series) -> dict[str, float | None]:
    return {str(name): None if pd.isna(value) else float(value) for name, value in row.items()}


def _foreground(root: Path, frames: FrameSet) -> dict[str, list[float]]:
    shares = {FRAMES: [binary_mask(labels).mean() for _, labels in frames.examples("train")]}
    shares["pool"] = pd.read_csv(root / pairs_place("ddpm").folder / "pairs.csv")["foreground"].tolist()
    return {name: np.quantile(values, QUANTILES).round(4).tolist() for name, values in shares.items()}


def _particles(root: Path, frames: FrameSet, labellers: list[str]) -> dict[str, dict[str, float]]:
    """Particles of each class per frame; everywhere a particle is a connected region of the mask, of one class."""
    counts = {FRAMES: _per_frame([main_classes(labels) for _, labels in frames.examples("train")], frames)}
    for name in labellers:
        folder = root / labels_place("ddpm", name).folder
        pairs, regions = pd.read_csv(folder / "labels.csv"), pd.read_csv(folder / "particles.csv")
        counts[name] = _per_frame([regions["class"].to_numpy(), *[np.empty(0, int)] * (len(pairs) - 1)], frames)
    return counts


def main_classes(labels: np.ndarray) -> np.ndarray:
    """The most frequent class of every 8-connected region of particle pixels in a label map [H, W]; int [n]."""
    mask = binary_mask(labels)
    regions = label(mask, connectivity=2)
    counts = np.zeros((regions.max() + 1, 256), int)
    np.add.at(counts, (regions[mask], labels[mask]), 1)
    return counts[1:].argmax(axis=1)


def _per_frame(classes: list[np.ndarray], frames: FrameSet) -> dict[str, float]:
    counts = np.bincount(np.concatenate(classes).astype(int), minlength=256)
    return {name: round(counts[k] / len(classes), 5) for k, name in enumerate(frames.class_names) if k}


def _confusion(folder: Path, frames: FrameSet) -> list[list[int]]:
    """Pixels of the test frames [true, predicted]; [] where a prediction was not kept."""
    test = frames.split("test")
    stored = {name: folder / "predictions" / f"{name}.png" for name in test.names}
    if not all(path.is_file() for path in stored.values()):
        return []
    return pooled_confusion(test, {name: read_png(path) for name, path in stored.items()}).tolist()
