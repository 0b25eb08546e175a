"""Mask agreement: do the masks that the denoiser gives known frames lie where an annotator drew them?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils import files
from xpci_utils.evaluation.overlap import dice_per_class
from xpci_utils.frames.frameset import binary_mask, write_png
from xpci_utils.frames.pad import IGNORE
from xpci_utils.frames.sheet import contact_sheet

SHOWN = 8  # frames in the picture


def mask_agreement(masks: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> pd.DataFrame:
    """One row per frame: binary ``dice`` of a sampled mask [H, W] (foreground not 0) with annotated labels [H, W].

    Pixels that nobody annotated (255) count as background in both; NaN where neither has foreground. ``foreground`` and
    ``annotated`` are shares of the frame, 0..1.
    """
    rows = []
    for mask, truth in zip(masks, labels, strict=True):
        wanted, drawn = binary_mask(truth), (mask != 0) & (truth != IGNORE)
        dice = dice_per_class(drawn.astype(np.uint8), wanted.astype(np.uint8), 2)[1]
        rows.append({"dice": dice, "foreground": drawn.mean(), "annotated": wanted.mean()})
    return pd.DataFrame(rows).rename_axis("frame")


def write_mask_agreement(
    examples: Sequence[tuple[np.ndarray, np.ndarray]], masks: Sequence[np.ndarray], folder: str | Path
) -> pd.DataFrame:
    """Write mask_agreement.csv and mask_agreement.png (frames, annotated masks, sampled masks in three rows).

    ``examples`` are the (image, labels) whose images the ``masks`` were sampled for; returns the table.
    """
    table = mask_agreement(masks, [labels for _, labels in examples])
    with files.atomic_path(Path(folder) / "mask_agreement.csv") as temporary:
        table.round(5).to_csv(temporary)
    shown = list(zip(examples, masks, strict=True))[:SHOWN]
    rows = zip(*((image, binary_mask(labels), mask) for (image, labels), mask in shown), strict=True)
    write_png(Path(folder) / "mask_agreement.png", contact_sheet(list(rows)))
    return table
