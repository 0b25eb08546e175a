"""What a folder of frames holds, in numbers: splits, sequences, particles, pixels, and a digest of its grey levels."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xpci_utils.frames.frameset import FrameSet


def facts_of(folder: str | Path) -> dict[str, Any]:
    """Facts of a folder that notebook 01 wrote, ready for JSON.

    ``sha256`` is that of all images and labels (uint8, row by row, in the order of frames.csv), ``mean_grey`` the mean
    of the images (0 to 255), ``pixels`` those of each class. Per split: ``frames``, ``sequences`` and, where the source
    knows its particles (instances.csv), ``particles``, the annotated ones of each class, and ``distinct``: how many
    differ in sequence, class or diameter. A particle is annotated in several frames of its sequence; one that grows or
    changes its class counts more than once, so there are at most so many.
    """
    frames = FrameSet.open(folder)
    digest, grey, pixels = hashlib.sha256(), [], np.zeros(256, np.int64)
    for frame in frames:
        digest.update(np.ascontiguousarray(frame.image).tobytes() + np.ascontiguousarray(frame.labels).tobytes())
        grey.append(frame.image.mean())
        pixels += np.bincount(frame.labels.ravel(), minlength=256)
    counts = pixels[: frames.num_classes].tolist()
    return {
        "sha256": digest.hexdigest(),
        "mean_grey": round(float(np.mean(grey)), 4),
        "pixels": dict(zip(frames.class_names, counts, strict=True)),
        "splits": _splits(frames),
    }


def _splits(frames: FrameSet) -> dict[str, dict[str, Any]]:
    rows, path = pd.DataFrame(frames.rows), frames.folder / "instances.csv"
    splits: dict[str, dict[str, Any]] = {
        str(split): {"frames": len(part), "sequences": part["sequence"].nunique()}
        for split, part in rows.groupby("split", sort=False)
    }
    if path.is_file():
        particles = pd.read_csv(path).merge(rows[["name", "sequence"]], left_on="frame", right_on="name")
        for split, part in particles.groupby("split"):
            splits[str(split)]["particles"] = part["class"].value_counts().sort_index().to_dict()
            splits[str(split)]["distinct"] = len(part.drop_duplicates(["sequence", "class", "diameter_um"]))
    return splits
