"""From corrected intensity to 8 bits."""

from collections.abc import Iterable

import numpy as np


def intensity_window(images: Iterable[np.ndarray], share: float = 0.0005, log: bool = False) -> tuple[float, float]:
    """The window (low, high) that leaves ``share`` of the pixels out on either side, from training frames alone.

    ``images`` are corrected intensities; with ``log`` the window is of their natural logarithm. Rounded to 0.01, so
    that it can be written down.
    """
    # A histogram instead of all pixels, so that any number of frames fits into memory.
    edges = np.linspace(-5, 5, 10001)
    counts = np.zeros(edges.size - 1, np.int64)
    for image in images:
        counts += np.histogram(np.clip(_values(image, log), -4.999, 4.999), edges)[0]
    if counts.sum() == 0:
        raise ValueError("intensity_window: no training images were given")
    below = np.cumsum(counts) / counts.sum()
    low, high = edges[np.searchsorted(below, [share, 1 - share])]
    return float(np.floor(low * 100) / 100), float(np.ceil(high * 100 + 0.1) / 100)


def relative_to_uint8(image: np.ndarray, window: tuple[float, float], log: bool = False) -> np.ndarray:
    """Map corrected intensity linearly (or its logarithm) from the window to 0 ... 255, clipped, uint8."""
    low, high = window
    if not high > low:
        raise ValueError(f"relative_to_uint8: the window ({low}, {high}) must rise")
    scaled = (_values(image, log) - low) / (high - low)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _values(image: np.ndarray, log: bool) -> np.ndarray:
    return np.log(np.maximum(image, 1e-2)) if log else np.asarray(image)
