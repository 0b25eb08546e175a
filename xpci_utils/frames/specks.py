"""What every pool says about a mask: its components, and the specks that were removed from it."""

from typing import Any

import numpy as np
from scipy import ndimage

ANY_NEIGHBOUR = np.ones((3, 3), dtype=bool)


def remove_specks(mask: np.ndarray, min_px: int) -> tuple[np.ndarray, int, int]:
    """(mask without components below `min_px` pixels, components left, components removed); corners connect."""
    components, count = ndimage.label(mask > 0, structure=ANY_NEIGHBOUR)
    small = np.bincount(components.ravel(), minlength=count + 1)[1:] < min_px
    cleaned = np.where(np.append(True, small)[components], 0, 255).astype(np.uint8)
    return cleaned, int((~small).sum()), int(small.sum())


def pair_row(index: int, mask: np.ndarray, components: int, removed: int = 0) -> dict[str, Any]:
    """The line of pairs.csv about the pair ``index``, whose ``mask`` [H, W] has so many ``components``."""
    return {
        "index": index,
        "name": f"{index:06d}.png",
        "foreground": round(float((mask > 0).mean()), 6),
        "components": components,
        "specks_removed": removed,
    }
