"""Counting and sizing particles: what a scientist does with a segmented frame."""

import numpy as np
from numpy.typing import ArrayLike
from skimage.measure import label

from xpci_utils.evaluation.overlap import comparable, f1, ratio


def evaluate_particles(
    predicted: ArrayLike,
    true: ArrayLike,
    num_classes: int,
    pixel_size_um: float = 1.0,
    min_iou: float = 0.5,
    ignore_index: int = 255,
) -> dict[str, float]:
    """Compare the particles of two label maps H x W; a particle is an 8-connected region of one class.

    A predicted particle is *found* when it overlaps a true particle of its own class with IoU >= ``min_iou``
    (at least 0.5), one to one. Returns

    ``particles_true``, ``particles_predicted``, ``particles_matched``
        counts;
    ``detection_f1``
        2 matched / (true + predicted), NaN when there is no particle in either map;
    ``count_error``
        predicted minus true count;
    ``median_diameter_true_um``, ``median_diameter_bias_um``
        median equivalent-circle diameter, and predicted minus true median; NaN without particles.
    """
    if min_iou < 0.5:
        raise ValueError(f"min_iou is {min_iou}; below 0.5 a particle could match several others.")
    predicted, true = comparable(predicted, true, num_classes, ignore_index)
    regions = [label(labels, background=0, connectivity=2) for labels in (predicted, true)]
    areas = [np.bincount(region.ravel())[1:] for region in regions]
    count_predicted, count_true = (len(area) for area in areas)
    matched = _matches(predicted, true, regions, areas, min_iou)
    median_predicted, median_true = (_median_diameter(area, pixel_size_um) for area in areas)
    return {
        "particles_true": count_true,
        "particles_predicted": count_predicted,
        "particles_matched": matched,
        "detection_f1": f1(matched, count_predicted - matched, count_true - matched),
        "count_error": count_predicted - count_true,
        "median_diameter_true_um": median_true,
        "median_diameter_bias_um": median_predicted - median_true,
    }


def _matches(predicted: np.ndarray, true: np.ndarray, regions: list, areas: list, min_iou: float) -> int:
    """Count the pairs of particles of one class with IoU >= ``min_iou``.

    They are one to one: two partners of IoU 0.5 or more would each cover exactly half of a particle, touch, and
    hence be one particle.
    """
    both = (predicted == true) & (true > 0)
    keys, overlap = np.unique(regions[0][both] * (len(areas[1]) + 1) + regions[1][both], return_counts=True)
    first, second = np.divmod(keys, len(areas[1]) + 1)
    iou = ratio(overlap, areas[0][first - 1] + areas[1][second - 1] - overlap)
    return int((iou >= min_iou).sum())


def _median_diameter(areas: np.ndarray, pixel_size_um: float) -> float:
    """Median diameter, in micrometres, of the circles with these areas in pixels; NaN without particles."""
    return float(np.median(2 * np.sqrt(areas / np.pi)) * pixel_size_um) if len(areas) else float("nan")
