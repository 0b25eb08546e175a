"""From corrected intensity to 8 bits."""

from collections.abc import Iterable

import numpy as np


def intensity_window(images: Iterable[np.ndarray], share: float = 0.002, log: bool = False) -> tuple[float, float]:
    """The window (low, high) that leaves ``share`` of the pixels out on either side, from training frames alone.

    ``images`` are corrected intensities; with ``log`` the window is of their natural logarithm. Rounded to 0.01, so
    that it can be written down.
    """
    values = np.concatenate([_values(image, log).ravel() for image in images])
    if values.size == 0:
        raise ValueError("intensity_window: no training images were given")
    low, high = np.quantile(values, [share, 1 - share])
    return float(np.floor(low * 100) / 100), float(np.ceil(high * 100) / 100)


def relative_to_uint8(image: np.ndarray, window: tuple[float, float], log: bool = False) -> np.ndarray:
    """Map corrected intensity linearly (or its logarithm) from the window to 0 ... 255, clipped, uint8."""
    low, high = window
    if not high > low:
        raise ValueError(f"relative_to_uint8: the window ({low}, {high}) must rise")
    scaled = (_values(image, log) - low) / (high - low)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _values(image: np.ndarray, log: bool) -> np.ndarray:
    return np.log(np.maximum(image, 1e-2)) if log else np.asarray(image)
