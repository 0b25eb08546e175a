"""Numbers that describe one frame: what it is made of, its grey levels, its texture, its edges."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from skimage.measure import label

from xpci_utils.evaluation.edges import background_of, edge_contrast, signed_distance

QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
BANDS = 6
GROUPS = {
    "grey": (
        "grey_mean",
        "grey_sd",
        *(f"grey_q{round(100 * q):02d}" for q in QUANTILES),
        "contrast",
        "background",
        "noise",
    ),
    "spectrum": tuple(f"band_{k}" for k in range(1, BANDS + 1)),
    "particles": ("foreground", "particles", "median_diameter_um", "max_diameter_um"),
    "edges": ("fringe", "rim"),
}
FEATURES = tuple(name for group in GROUPS.values() for name in group)

Pairs = Iterable[tuple[np.ndarray, np.ndarray]]


def composition(pairs: Pairs, min_area_px: int = 1) -> pd.DataFrame:
    """What each frame is made of: one row per (image uint8 [H, W], mask [H, W]), foreground where the mask is not 0.

    ``foreground``      share of the frame's pixels, 0..1
    ``particles``       8-connected components of the mask with at least ``min_area_px`` pixels
    ``median_area_px``  their median area in pixels, NaN without particles
    ``grey_mean``, ``grey_sd``  of all pixels, in grey levels
    ``contrast``        mean grey level of the background minus that of the foreground, NaN without either
    """
    rows = []
    for image, mask in pairs:
        areas = _areas(mask, min_area_px)
        rows.append(
            {
                "foreground": (mask != 0).mean(),
                "particles": len(areas),
                "median_area_px": np.median(areas) if len(areas) else np.nan,
                "grey_mean": image.mean(),
                "grey_sd": image.std(),
                "contrast": _contrast(image, mask),
            }
        )
    return pd.DataFrame(rows)


def frame_features(pairs: Pairs, pixel_size_um: float, min_area_px: int = 1) -> pd.DataFrame:
    """All features of each frame: one row per (image uint8 [H, W], mask [H, W]), one column per name in FEATURES.

    grey       mean, standard deviation, quantiles, particle contrast; median and noise of the background [grey levels]
    spectrum   log10 power in 6 bands of equal width in log frequency, from one wave per frame (band_1) to one per 2 px
    particles  share of foreground, number of components of at least ``min_area_px``, their median and largest
               equivalent-circle diameter [um]
    edges      fringe outside and dark rim inside the mask's edge, in units of the frame's background noise

    What a frame does not have counts as 0 (diameters and contrasts of an empty one), so that every row is complete.
    """
    rows = [
        {**_grey(image), **_bands(image), **_particles(mask, pixel_size_um, min_area_px), **_edges(image, mask)}
        for image, mask in pairs
    ]
    return pd.DataFrame(rows, columns=list(FEATURES)).fillna(0.0)


def power_spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(spatial frequency [cycles per pixel], power [grey levels^2]) of one frame, averaged over directions, up to 0.5.

    The mean is taken off and a Hann window applied, so that the borders do not leak into every frequency; the power is
    that of the unwindowed signal per pixel and Fourier mode.
    """
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2 / (window**2).sum()
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in image.shape), indexing="ij"))
    side = min(image.shape)
    bins = np.rint(frequency * side).astype(int).ravel()
    radial = np.bincount(bins, power.ravel()) / np.maximum(np.bincount(bins), 1)
    wanted = np.arange(1, side // 2 + 1)
    return wanted / side, radial[wanted]


def radial_spectrum(images: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(spatial frequency [cycles per pixel], mean power [grey levels^2]) of frames; see `power_spectrum`."""
    spectra = [power_spectrum(image) for image in images]
    if not spectra:
        raise ValueError("radial_spectrum: there are no images to measure")
    return spectra[0][0], np.mean([power for _, power in spectra], axis=0)


def _grey(image: np.ndarray) -> dict[str, float]:
    levels = zip(GROUPS["grey"][2:7], np.quantile(image, QUANTILES), strict=True)
    return {"grey_mean": image.mean(), "grey_sd": image.std(), **dict(levels)}


def _bands(image: np.ndarray) -> dict[str, float]:
    frequency, power = power_spectrum(image)
    edges = np.geomspace(frequency[0] / 1.0001, frequency[-1] * 1.0001, BANDS + 1)
    band = np.digitize(frequency, edges) - 1
    # A band of a small frame may hold no frequency of its own; it then repeats its neighbour's.
    means = [np.interp(k, band, power) if not (band == k).any() else power[band == k].mean() for k in range(BANDS)]
    return dict(zip(GROUPS["spectrum"], np.log10(np.maximum(means, 1e-3)), strict=True))


def _particles(mask: np.ndarray, pixel_size_um: float, min_area_px: int) -> dict[str, float]:
    areas = _areas(mask, min_area_px)
    diameters = 2 * np.sqrt(areas / np.pi) * pixel_size_um
    return {
        "foreground": (mask != 0).mean(),
        "particles": len(areas),
        "median_diameter_um": np.median(diameters) if len(areas) else 0.0,
        "max_diameter_um": diameters.max() if len(areas) else 0.0,
    }


def _edges(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    distance = signed_distance(mask)
    level, noise = background_of(image, distance)
    fringe, rim = edge_contrast(image, distance, level, noise)
    return {"contrast": _contrast(image, mask), "background": level, "noise": noise, "fringe": fringe, "rim": rim}


def _areas(mask: np.ndarray, min_area_px: int) -> np.ndarray:
    """Areas in pixels of the 8-connected components that have at least ``min_area_px``."""
    areas = np.bincount(label(mask != 0, connectivity=2).ravel())[1:]
    return areas[areas >= min_area_px]


def _contrast(image: np.ndarray, mask: np.ndarray) -> float:
    inside = mask != 0
    return image[~inside].mean() - image[inside].mean() if inside.any() and not inside.all() else np.nan
