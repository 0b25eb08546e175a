"""Contact sheets: several pictures in one file."""

from collections.abc import Sequence

import numpy as np


def contact_sheet(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """One uint8 picture of rows of pictures of one size (uint8 [H, W]; bool is black and white), grey lines between."""
    return np.vstack([np.hstack([_framed(picture) for picture in row]) for row in rows])


def _framed(picture: np.ndarray) -> np.ndarray:
    grey = picture * np.uint8(255) if picture.dtype == bool else picture.astype(np.uint8)
    return np.pad(grey, 1, constant_values=128)
