"""What every pool writes of a pair: its pictures, and what pairs.csv says about its mask."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from xpci_utils.frames.files import write_png

ANY_NEIGHBOUR = np.ones((3, 3), dtype=bool)


def remove_specks(mask: np.ndarray, min_px: int) -> tuple[np.ndarray, int, int]:
    """(mask without components below `min_px` pixels, components left, components removed); corners connect."""
    components, count = ndimage.label(mask > 0, structure=ANY_NEIGHBOUR)
    small = np.bincount(components.ravel(), minlength=count + 1)[1:] < min_px
    cleaned = np.where(np.append(True, small)[components], 0, 255).astype(np.uint8)
    return cleaned, int((~small).sum()), int(small.sum())


def write_pair(folder: Path, index: int, image: np.ndarray, mask: np.ndarray, min_px: int) -> dict[str, Any]:
    """Write ``image`` uint8 and ``mask`` [H, W] without specks below ``min_px`` pixels; returns their `pair_row`."""
    mask, *counts = remove_specks(mask, min_px)
    row = pair_row(index, mask, *counts)
    write_png(folder / "images" / row["name"], image)
    write_png(folder / "masks" / row["name"], mask)
    return row


def pair_row(index: int, mask: np.ndarray, components: int, removed: int = 0) -> dict[str, Any]:
    """The line of pairs.csv about the pair ``index``, whose ``mask`` [H, W] has so many ``components``."""
    return {
        "index": index,
        "name": f"{index:06d}.png",
        "foreground": round(float((mask > 0).mean()), 6),
        "components": components,
        "specks_removed": removed,
    }
