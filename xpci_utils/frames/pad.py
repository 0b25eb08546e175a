"""The one padding rule: reflect to a multiple of 32, ignore the added rows in losses, crop before metrics.

The published frames are 624 x 640; 624 / 16 = 39 is odd, so no network of the paper takes them as they are.
Eight rows above and below make 640 x 640, which suits the denoiser, SAM and all three segmentation networks.
"""

import numpy as np

IGNORE = 255


def padding(height: int, width: int, multiple: int = 32) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) pixels that bring a frame to the next multiple, split evenly."""
    down, across = -height % multiple, -width % multiple
    return (down // 2, down - down // 2), (across // 2, across - across // 2)


def pad_image(image: np.ndarray, multiple: int = 32) -> np.ndarray:
    """Pad the last two axes by reflection ("symmetric", so that a one-pixel frame works too)."""
    return np.pad(image, _per_axis(image, multiple), mode="symmetric")


def pad_labels(labels: np.ndarray, multiple: int = 32) -> np.ndarray:
    """Pad the last two axes with the ignore index 255."""
    return np.pad(labels, _per_axis(labels, multiple), constant_values=IGNORE)


def crop(array, height: int, width: int):
    """Undo the padding: the central ``height`` x ``width`` of the last two axes (NumPy array or tensor)."""
    top, left = (array.shape[-2] - height) // 2, (array.shape[-1] - width) // 2
    return array[..., top : top + height, left : left + width]


def _per_axis(array: np.ndarray, multiple: int) -> list[tuple[int, int]]:
    height, width = array.shape[-2:]
    return [(0, 0)] * (array.ndim - 2) + list(padding(height, width, multiple))
