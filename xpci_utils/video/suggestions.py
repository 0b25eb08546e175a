"""Which frames to annotate next: those that the network is unsure about, and not ten of the same.

Uncertainty sampling with the entropy of the predicted classes (Settles 2009, section 3.1), kept diverse by the
distance to the frames annotated or chosen before, as in k-centre core-sets (Sener and Savarese 2018, arXiv 1708.00489).
Moving particles make neighbours look different, too, so that proposals also keep a distance in time: the frames for
which a typical particle stays in view.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils import files
from xpci_utils.frames.classes import write_classes
from xpci_utils.frames.frameset import write_png

CERTAIN = 0.9999
GRID = 8


def frame_uncertainty(scores: np.ndarray) -> float:
    """Mean entropy of the class probabilities [C, H, W] over the frame, relative to the largest possible: 0..1.

    The sum over all pixels, not over those of particles: it is what annotating the frame would tell, and it finds
    strange objects better (docs/video.md).
    """
    p = scores[:, scores[0] < CERTAIN]  # the empty beam adds nothing and takes most of the time
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum()
    return float(entropy / scores[0].size / np.log(len(scores)))


def describe_frame(scores: np.ndarray) -> np.ndarray:
    """What the network sees where: mean probability of every particle class on a coarse grid, float16 [(C - 1) 64]."""
    _, height, width = scores.shape
    rows, columns = (np.arange(GRID + 1) * side // GRID for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(scores[1:], rows[:-1], axis=1), columns[:-1], axis=2)
    return (sums / np.diff(rows)[:, None] / np.diff(columns)).astype(np.float16).ravel()


def suggest_frames(
    uncertainty: np.ndarray,
    descriptions: np.ndarray,
    count: int,
    annotated: Collection[int] = (),
    apart: int | None = None,
) -> np.ndarray:
    """Indices of ``count`` frames (all, if there are fewer) that are not ``annotated`` yet, the most useful first.

    ``uncertainty`` [N], ``descriptions`` [N, D]. The first is the most uncertain frame; each further one has the
    largest product of its uncertainty and its distance to the nearest frame that is annotated or chosen before. Two of
    them are ``apart`` frames from each other or more (`frames_in_view`). In a short film, or where that is not known,
    they are at least half of the frames that are not annotated, divided by ``count``, apart: then all have room.
    """
    value, free = np.asarray(uncertainty, float), np.ones(len(uncertainty), bool)
    free[list(annotated)] = False
    most = int(free.sum()) // max(2 * count, 1)
    apart = max(1, most if apart is None else min(apart, most))
    nearest = np.full(len(value), np.inf)
    for index in annotated:
        nearest = np.minimum(nearest, _distances(descriptions, index))
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        index = int(np.where(free, value * nearest if chosen else value, -1.0).argmax())
        chosen.append(index)
        nearest = np.minimum(nearest, _distances(descriptions, index))
        free[max(0, index - apart + 1) : index + apart] = False
    return np.array(chosen, int)


def _distances(descriptions: np.ndarray, index: int) -> np.ndarray:
    """Euclidean distances [N] of all descriptions [N, D] to that of one frame."""
    return np.linalg.norm(descriptions.astype(np.float32) - descriptions[index].astype(np.float32), axis=1)


def write_suggestions(
    folder: Path,
    frames: Iterable[tuple[str, np.ndarray, np.ndarray]],
    table: pd.DataFrame,
    names: Sequence[str],
    colours: Sequence[str],
) -> None:
    """Write images/ and masks/ of (name, frame, label map), to be corrected by hand, classes.yaml and next_frames.csv.

    ``names`` and ``colours`` are those of the network's classes, background first.
    """
    write_classes(folder / "classes.yaml", names, colours)
    for name, image, labels in frames:
        write_png(folder / "images" / f"{name}.png", image)
        write_png(folder / "masks" / f"{name}.png", labels)
    with files.atomic_path(folder / "next_frames.csv") as temporary:
        table.to_csv(temporary, index=False)
