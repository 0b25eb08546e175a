"""Normalised surface Dice (NSD) of label maps, for all classes in one pass."""

import numpy as np
from numpy.typing import ArrayLike

from xpci_utils.evaluation.overlap import comparable, ratio

_NO_BOUNDARY = 255  # never a class index here: ignored pixels have become background


def surface_dice_per_class(
    predicted: ArrayLike,
    true: ArrayLike,
    num_classes: int,
    tolerance_px: float = 2.0,
    ignore_index: int = 255,
) -> np.ndarray:
    """Normalised surface Dice of every class of one frame, float64 [num_classes] in [0, 1].

    The share of boundary pixels, of both maps together, that lie within ``tolerance_px`` (Euclidean, <=) of the
    other map's boundary of the same class (Seidlitz et al. 2022, the paper's [17]). A pixel is boundary when one
    of its four neighbours belongs to another class or lies outside the frame, so frame borders count, and a
    single pixel is its own boundary: MONAI's definition (``compute_surface_dice``), which the code of Seidlitz et al.
    uses. NaN for a class in neither map, 0 for a class in only one.

    google-deepmind's ``surface-distance`` weighs the length of the contour instead of counting pixels. On maps of moved
    and resized particles this score minus that one is -0.021, -0.012 and +0.002 on average for tolerances of 1, 2 and
    3 px, and between -0.75 and +0.21 for tiny objects (docs/equality.md), so compare scores of one definition alone.

    Only distances up to the tolerance matter, so no distance map is computed: each boundary pixel looks at the
    offsets of a disc, nearest first, and stops at the first hit.
    """
    if not (np.isfinite(tolerance_px) and tolerance_px >= 0):
        raise ValueError(f"tolerance_px is {tolerance_px}; it must be a finite number of pixels, 0 or more.")
    predicted, true = comparable(predicted, true, num_classes, ignore_index)
    reach = int(tolerance_px)
    drawn, wanted = (boundary_classes(labels, reach) for labels in (predicted, true))
    offsets = _disc(tolerance_px, stride=true.shape[1] + 2 * reach)
    total = sum(np.bincount(b[b != _NO_BOUNDARY], minlength=num_classes) for b in (drawn, wanted))
    near = _hits(drawn, wanted, offsets, num_classes) + _hits(wanted, drawn, offsets, num_classes)
    return ratio(near, total)


def boundary_classes(labels: np.ndarray, margin: int = 0) -> np.ndarray:
    """Class index on boundary pixels and 255 elsewhere: uint8 [H + 2 margin, W + 2 margin]."""
    inside = np.zeros(labels.shape, dtype=bool)
    centre = labels[1:-1, 1:-1]
    inside[1:-1, 1:-1] = (
        (centre == labels[:-2, 1:-1])
        & (centre == labels[2:, 1:-1])
        & (centre == labels[1:-1, :-2])
        & (centre == labels[1:-1, 2:])
    )
    return np.pad(np.where(inside, np.uint8(_NO_BOUNDARY), labels), margin, constant_values=_NO_BOUNDARY)


def _disc(radius: float, stride: int) -> np.ndarray:
    """Flat index offsets of a disc's pixels in an array with ``stride`` columns, nearest first."""
    reach = int(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    squared = rows**2 + columns**2
    order = np.argsort(squared, kind="stable")
    return (rows * stride + columns)[order[squared[order] <= radius**2]]


def _hits(boundary: np.ndarray, other: np.ndarray, offsets: np.ndarray, num_classes: int) -> np.ndarray:
    """Count, per class, the pixels of ``boundary`` that find their class in ``other`` at one of ``offsets``."""
    other = other.ravel()
    waiting = np.flatnonzero(boundary != _NO_BOUNDARY)
    classes = boundary.ravel()[waiting]
    total = np.bincount(classes, minlength=num_classes)
    for offset in offsets:
        missed = other[waiting + offset] != classes
        waiting, classes = waiting[missed], classes[missed]
    return total - np.bincount(classes, minlength=num_classes)
