"""How synthetic frames compare with annotated ones: composition and texture, in features that fit grey XPCI frames."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from skimage.measure import label


def composition(pairs: Iterable[tuple[np.ndarray, np.ndarray]], min_area_px: int = 1) -> pd.DataFrame:
    """What each frame is made of: one row per (image uint8 [H, W], mask [H, W]), foreground where the mask is not 0.

    ``foreground``      share of the frame's pixels, 0..1
    ``particles``       8-connected components of the mask with at least ``min_area_px`` pixels
    ``median_area_px``  their median area in pixels, NaN without particles
    ``grey_mean``, ``grey_sd``  of all pixels, in grey levels
    ``contrast``        mean grey level of the background minus that of the foreground, NaN without either
    """
    rows = []
    for image, mask in pairs:
        inside = mask != 0
        areas = np.bincount(label(inside, connectivity=2).ravel())[1:]
        areas = areas[areas >= min_area_px]
        mixed = inside.any() and not inside.all()
        rows.append(
            {
                "foreground": inside.mean(),
                "particles": len(areas),
                "median_area_px": np.median(areas) if len(areas) else np.nan,
                "grey_mean": image.mean(),
                "grey_sd": image.std(),
                "contrast": image[~inside].mean() - image[inside].mean() if mixed else np.nan,
            }
        )
    return pd.DataFrame(rows)


def radial_spectrum(images: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(spatial frequency [cycles per pixel], mean power [grey levels^2]) of frames of one size, up to 0.5.

    Each frame's mean is taken off and a Hann window applied, so that its borders do not leak into every frequency;
    the power is that of the unwindowed signal per pixel and Fourier mode.
    """
    total, count = None, 0
    for image in images:
        window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
        power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2 / (window**2).sum()
        total, count = (power if total is None else total + power), count + 1
    if total is None:
        raise ValueError("radial_spectrum: there are no images to measure")
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in total.shape), indexing="ij"))
    bins = np.rint(frequency * min(total.shape)).astype(int)
    radial = np.bincount(bins.ravel(), total.ravel() / count) / np.maximum(np.bincount(bins.ravel()), 1)
    wanted = np.arange(1, min(total.shape) // 2 + 1)
    return wanted / min(total.shape), radial[wanted]
