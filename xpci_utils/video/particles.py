"""Particles of one segmented frame: where, which class, how large, how sure."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops_table


class ParticleLimits(NamedTuple):
    """Which regions are no particles: smaller ones [px], and those where the network is nowhere this sure of one."""

    min_pixels: int
    min_probability: float


MEASURED = ("class", "diameter_um", "x_um", "y_um", "eccentricity", "mean_grey", "confidence", "pixels", "at_border")


def regions_of(labels: np.ndarray) -> np.ndarray:
    """Particles of a label map uint8 [H, W] as regions 1..n, int [H, W]: 8-connected pixels that are not background."""
    return label(labels > 0, connectivity=2)


def find_particles(
    scores: np.ndarray, grey: np.ndarray, pixel_size_um: float, min_pixels: int, min_probability: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(label map uint8 [H, W], measurements of its particles) from class probabilities [C, H, W] and the frame [H, W].

    A particle is a connected region of at least ``min_pixels`` pixels that are not background, in which the network
    is somewhere at least ``min_probability`` sure that there is one. Its class is the one of highest probability on
    the region's average, and all its pixels get it. (Regions of one class instead break a particle about whose class
    the network wavers into many: docs/video.md.) Measured, one value per region 1..n of ``regions_of(labels)``:
    class index; diameter of the circle of equal area, centre x and y from the middle of the top left pixel [um];
    eccentricity; mean grey level (0 to 255); confidence, the mean probability of the class over the region; pixels;
    whether the region touches the border, so that its size is a lower bound.
    """
    regions = regions_of(scores.argmax(0))
    sizes = np.bincount(regions.ravel())
    surest = ndimage.maximum(1 - scores[0], regions, np.arange(len(sizes)))
    kept = (sizes >= min_pixels) & (surest >= min_probability)
    kept[0] = False
    regions = np.where(kept, np.cumsum(kept), 0)[regions]
    inside = regions > 0
    numbers, count = regions[inside], regions.max()
    sums = [np.bincount(numbers, p, minlength=count + 1)[1:] for p in scores[1:, inside].astype(np.float64)]
    pixels = np.bincount(numbers, minlength=count + 1)[1:]
    probability = np.stack(sums) / pixels
    classes = 1 + probability.argmax(0) if count else np.zeros(0, int)
    shape = regionprops_table(regions, grey, properties=("centroid", "eccentricity", "intensity_mean", "bbox"))
    corners = np.stack([shape[f"bbox-{side}"] for side in range(4)])
    at_border = (corners[:2] == 0).any(0) | (corners[2:] == np.array(regions.shape)[:, None]).any(0)
    measured = {
        "class": classes,
        "diameter_um": 2 * np.sqrt(pixels / np.pi) * pixel_size_um,
        "x_um": shape["centroid-1"] * pixel_size_um,
        "y_um": shape["centroid-0"] * pixel_size_um,
        "eccentricity": shape["eccentricity"],
        "mean_grey": shape["intensity_mean"],
        "confidence": probability.max(0, initial=0.0),
        "pixels": pixels,
        "at_border": at_border,
    }
    return np.append(0, classes).astype(np.uint8)[regions], measured
