"""Flat-field correction: what the object lets through, without the beam's shape and the camera's offsets."""

import numpy as np


def flat_field_correct(raw: np.ndarray, flat: np.ndarray, dark: np.ndarray, hot_sigma: float = 8.0) -> np.ndarray:
    """(raw - dark) / (flat - dark) as float32, H x W; defective pixels become the median of their neighbours.

    ``flat`` and ``dark`` are mean reference frames. Defective are pixels whose dark frame lies more than ``hot_sigma``
    robust standard deviations from the rest, or whose flat hardly exceeds the dark frame.
    """
    if raw.shape != flat.shape or raw.shape != dark.shape:
        raise ValueError(f"flat_field_correct: raw {raw.shape}, flat {flat.shape} and dark {dark.shape} differ in size")
    gain = np.asarray(flat, np.float32) - np.asarray(dark, np.float32)
    away = np.abs(dark - np.median(dark))
    defective = (gain < 0.1 * np.median(gain)) | (away > hot_sigma * (1.5 * np.median(away) + 1))
    corrected = (raw.astype(np.float32) - dark) / np.where(defective, 1, gain)
    for y, x in np.argwhere(defective):
        area = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
        good = corrected[area][~defective[area]]
        corrected[y, x] = np.median(good) if good.size else 1.0
    return corrected.astype(np.float32)
