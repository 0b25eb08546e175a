"""The trivial segmenter that every trained network has to beat."""

from collections.abc import Iterable

import numpy as np

from xpci_utils.evaluation.overlap import dice_from_confusion


def fit_grey_lookup(
    examples: Iterable[tuple[np.ndarray, np.ndarray]], num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Fit the best look-up table from grey value to class: uint8 [256]; predict with ``table[image]``.

    ``examples`` are (image uint8, labels uint8) pairs. Naming the most frequent class of every grey value finds
    background nearly everywhere, which is too easy to beat; so classes weighted by frequency to the power 0,
    -1/2 and -1 compete, and the table with the best foreground Dice on the examples wins. Grey values that never
    occur take the class of the nearest one that does.
    """
    counts = np.zeros((num_classes, 256))
    for image, labels in examples:
        known = labels != ignore_index
        np.add.at(counts, (labels[known], image[known]), 1)
    if not counts.any():
        raise ValueError("No annotated pixel to fit a grey-level look-up table to.")
    frequency = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    tables = [(counts / frequency**power).argmax(axis=0) for power in (0, 0.5, 1)]
    best = max(tables, key=lambda table: _foreground_dice(table, counts)).astype(np.uint8)
    occurring = np.flatnonzero(counts.any(axis=0))
    return best[occurring[np.abs(np.arange(256)[:, None] - occurring).argmin(axis=1)]]


def _foreground_dice(table: np.ndarray, counts: np.ndarray) -> float:
    """Mean Dice, pooled over all pixels, of the particle classes among ``counts`` [class, grey value]."""
    confusion = np.zeros((len(counts), len(counts)))
    np.add.at(confusion.T, table, counts.T)
    dice = dice_from_confusion(confusion)[1:]
    return float(np.nanmean(dice)) if np.isfinite(dice).any() else 0.0
