"""Edges of particles: the bright fringe outside and the dark rim inside that phase contrast draws there.

Distances to the edge are signed, in pixels: negative inside the mask, positive outside, 0 on the line between the two.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import ndimage, stats
from skimage.measure import label

FRINGE_PX = (1.0, 3.0)  # where the fringe is brightest: 2 to 6 um at 2 um per pixel
RIM_PX = (-3.0, 0.0)
BACKGROUND_PX = 5.0  # beyond, a fringe adds less than a tenth of the noise
SURROUNDINGS_PX = 15.0
FEWEST_PIXELS = 20
ROUNDING = 1 / np.sqrt(12)  # noise of 8-bit numbers [grey levels]; none can be less

# Pixels further apart than 3 have independent noise. Half of the plane: an offset and its opposite give the same.
OFFSETS = [(0, 0), *((0, right) for right in (1, 2, 3)), *((d, r) for d in (1, 2, 3) for r in range(-3, 4))]
TIMES = np.array([1, *[2] * (len(OFFSETS) - 1)])

Pairs = Iterable[tuple[np.ndarray, np.ndarray]]


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance of every pixel centre to the edge of ``mask`` (any value but 0 is inside) [px], float [H, W].

    +inf everywhere without foreground, -inf without background.
    """
    inside = mask != 0
    if inside.all() or not inside.any():
        return np.full(inside.shape, -np.inf if inside.any() else np.inf)
    edt = ndimage.distance_transform_edt
    return np.where(inside, 0.5 - edt(inside), edt(~inside) - 0.5)


def background_of(image: np.ndarray, distance: np.ndarray) -> tuple[float, float]:
    """(median, standard deviation) of the pixels 5 px and more outside every mask, in grey levels.

    Pixels beyond 3 standard deviations (hot ones, or objects nobody annotated) are left out of the latter. A frame with
    fewer than 20 such pixels is taken as a whole.
    """
    far = image[distance >= BACKGROUND_PX].astype(float)
    if far.size < FEWEST_PIXELS:
        far = image.ravel().astype(float)
    spread = stats.sigmaclip(far, 3, 3).clipped.std()
    return float(np.median(far)), float(max(spread, ROUNDING))


def edge_contrast(image: np.ndarray, distance: np.ndarray, level: float, noise: float) -> tuple[float, float]:
    """(fringe, rim) of one frame, in units of the background noise; 0 where there is no edge.

    How much brighter than the background the pixels 1 to 3 px outside the edge are, how much darker the 3 px inside.
    """
    outer, inner = (image[(distance >= low) & (distance < high)] for low, high in (FRINGE_PX, RIM_PX))
    fringe = (outer.mean() - level) / noise if outer.size else 0.0
    rim = (level - inner.mean()) / noise if inner.size else 0.0
    return float(fringe), float(rim)


def edge_profile(pairs: Pairs, reach_px: int = 10) -> pd.Series:
    """Mean grey level minus the frame's background, by signed distance to the edge (bins of 1 px, index: their centre).

    The mean is over all pixels of all frames at that distance; NaN where there are none.
    """
    edges = np.arange(-reach_px, reach_px + 1)
    total, count = np.zeros(2 * reach_px), np.zeros(2 * reach_px)
    for image, mask in pairs:
        distance = signed_distance(mask)
        excess = image - background_of(image, distance)[0]
        total += np.histogram(distance, edges, weights=excess)[0]
        count += np.histogram(distance, edges)[0]
    with np.errstate(invalid="ignore"):
        return pd.Series(total / count, index=pd.Index(edges[:-1] + 0.5, name="distance_px"), name="excess")


def edge_significance(pairs: Pairs) -> pd.DataFrame:
    """How clearly each mask component stands out: one row per 8-connected component (frame, area_px, fringe, dip).

    ``fringe`` is the mean 1 to 3 px outside its edge minus the mean of its surroundings (5 to 15 px, nearer to it than
    to any other component), ``dip`` the same for the 3 px inside, both in standard errors. The error comes from the
    measured noise covariance of the frame's background, since neighbouring pixels of a blurred or generated frame
    are not independent. NaN where fewer than 20 pixels of surroundings are in view.
    """
    rows = []
    for number, (image, mask) in enumerate(pairs):
        components, count = label(mask != 0, connectivity=2, return_num=True)
        if count == 0:
            continue
        distance = signed_distance(mask)
        owner = _nearest_component(components)
        image = image - background_of(image, distance)[0]
        covariance = _noise_covariance(image, distance >= BACKGROUND_PX)
        areas = np.bincount(components.ravel())[1:]
        for one, area in enumerate(areas, 1):
            scores = _scores(image, distance, owner == one, covariance)
            rows.append((number, area, *scores))
    return pd.DataFrame(rows, columns=["frame", "area_px", "fringe", "dip"])


def fringe_share(pairs: Pairs, sigmas: float = 3) -> float:
    """Share of the mask components whose edge shows a fringe or a dip of at least ``sigmas`` standard errors.

    A mask that lies on nothing passes by chance in 0.3 % of the cases (at 3). NaN without components to measure.
    """
    table = edge_significance(pairs).dropna()
    marked = (table["fringe"] >= sigmas) | (table["dip"] <= -sigmas)
    return float(marked.mean()) if len(table) else float("nan")


def _nearest_component(components: np.ndarray) -> np.ndarray:
    """For every pixel the number of the component that is nearest to it."""
    rows, columns = ndimage.distance_transform_edt(components == 0, return_distances=False, return_indices=True)
    return components[rows, columns]


def _scores(image: np.ndarray, distance: np.ndarray, own: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
    """Differences of fringe and rim from the surroundings of one component, each over its standard error."""
    window = _window(own & (distance < SURROUNDINGS_PX))
    image, distance, own = image[window], distance[window], own[window]
    surroundings = own & (distance >= BACKGROUND_PX) & (distance < SURROUNDINGS_PX)
    if surroundings.sum() < FEWEST_PIXELS:
        return np.nan, np.nan
    scores = []
    for low, high in (FRINGE_PX, RIM_PX):
        ring = own & (distance >= low) & (distance < high)
        if not ring.any():
            scores.append(np.nan)
            continue
        weights = ring / ring.sum() - surroundings / surroundings.sum()
        # Never below the error of independent pixels: a chance negative covariance must not promise more.
        variance = max((TIMES * covariance * _lagged(weights)).sum(), covariance[0] * (weights**2).sum())
        scores.append((weights * image).sum() / np.sqrt(variance))
    fringe, dip = scores
    return fringe, dip


def _window(inside: np.ndarray) -> tuple[slice, slice]:
    """The smallest window that holds all of ``inside``."""
    return ndimage.find_objects(inside.astype(np.uint8))[0]


def _noise_covariance(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Covariance of background pixels at each of OFFSETS, without outliers beyond 3 standard deviations."""
    if background.sum() < FEWEST_PIXELS:
        background = np.ones_like(background)
    values = image[background]
    clipped, low, high = stats.sigmaclip(values, 3, 3)
    valid = background & (image >= low) & (image <= high)
    products = _lagged(np.where(valid, image - clipped.mean(), 0.0))
    covariance = products / np.maximum(_lagged(valid.astype(float)), 1)
    covariance[0] = max(covariance[0], ROUNDING**2)
    return covariance


def _lagged(values: np.ndarray) -> np.ndarray:
    """Sum over pixels p of values[p] values[p + offset], for each of OFFSETS."""
    height, width = values.shape
    sums = []
    for down, right in OFFSETS:
        first = values[: height - down, max(0, -right) : width - max(0, right)]
        second = values[down:, max(0, right) : width + min(0, right)]
        sums.append((first * second).sum())
    return np.array(sums)
