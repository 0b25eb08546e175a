"""Frames as a small animation that any browser shows."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from xpci_utils.files import atomic_path


def write_gif(path: Path, pictures: Iterable[np.ndarray], width: int = 640, frame_seconds: float = 0.15) -> None:
    """Write uint8 pictures [H, W, 3] as an endless GIF, scaled by a whole factor (or 1 over one) to about ``width``."""
    scaled = []
    for picture in pictures:
        image, side = Image.fromarray(picture), picture.shape[1]
        factor = max(1, round(width / side)), max(1, round(side / width))
        image = image.reduce(factor[1]) if factor[1] > 1 else image
        scaled.append(image.resize((image.width * factor[0], image.height * factor[0]), Image.Resampling.NEAREST))
    with atomic_path(path) as temporary:
        duration = round(1000 * frame_seconds)
        scaled[0].save(temporary, format="GIF", save_all=True, append_images=scaled[1:], duration=duration, loop=0)
