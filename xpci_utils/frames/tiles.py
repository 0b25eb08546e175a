"""Large frames in small networks: cut into tiles, predict, and stitch the scores back together.

Frames are never resampled (the particles of the published frames, and of many micrographs, are a few pixels
wide); a frame larger than a network's field of view is cut instead.
"""

from collections.abc import Callable
from math import ceil

import numpy as np

from xpci_utils.frames.pad import padding

PARTICLES_WIDE = 8  # of a particle that is an eighth of a tile wide, (1 - 1/8)^2 = 77 % lie whole in one tile
SMALLEST_TILE = 256  # px; ImageNet weights were trained on pictures of 224


def choose_tile(height: int, width: int, diameter: float, largest: int) -> int:
    """Side of the tiles for frames of ``height`` x ``width`` pixels; 0 for whole frames.

    Frames whose padded area is at most that of a square of ``largest`` pixels stay whole: as much fits on a GPU. Others
    are cut into tiles of 8 times ``diameter``, that of the class with the largest particles [px], as the next multiple
    of 32, but not below 256 and not above ``largest`` (itself a multiple of 32).
    """
    (top, bottom), (left, right) = padding(height, width)
    if (height + top + bottom) * (width + left + right) <= largest**2:
        return 0
    wanted = 32 * ceil(PARTICLES_WIDE * diameter / 32)
    return min(max(wanted, SMALLEST_TILE), largest)


def tile_origins(length: int, tile: int) -> list[int]:
    """Offsets of the tiles along one axis: edge to edge, the last one moved inwards to end with the frame."""
    if tile <= 0 or tile >= length:
        return [0]
    return [*range(0, length - tile, tile), length - tile]


def tiles_of(height: int, width: int, tile: int) -> list[tuple[slice, slice]]:
    """Row and column slices of every tile of a frame; a ``tile`` of 0 means the whole frame."""
    rows, columns = (min(tile, side) if tile > 0 else side for side in (height, width))
    return [
        (slice(top, top + rows), slice(left, left + columns))
        for top in tile_origins(height, tile)
        for left in tile_origins(width, tile)
    ]


def frame_scores(
    predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, tile: int, batch_size: int = 16
) -> np.ndarray:
    """Class scores float32 [C, H, W] of one frame, from a network that sees one tile at a time.

    ``image`` [H, W] uint8; ``predict`` maps uint8 tiles [N, h, w] to class scores [N, C, h, w]. Where tiles
    overlap (the last row and column) the scores are averaged.
    """
    height, width = image.shape
    windows = tiles_of(height, width, tile)
    total: np.ndarray | None = None
    count = np.zeros(image.shape, np.float32)
    for start in range(0, len(windows), batch_size):
        batch = windows[start : start + batch_size]
        scores = np.asarray(predict(np.stack([image[window] for window in batch])))
        if total is None:
            total = np.zeros((scores.shape[1], *image.shape), np.float32)
        for window, score in zip(batch, scores, strict=True):
            total[(slice(None), *window)] += score
            count[window] += 1
    assert total is not None  # a frame has at least one tile
    return total / count


def predict_frame(
    predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, tile: int, batch_size: int = 16
) -> np.ndarray:
    """Class of every pixel of one frame, uint8 [H, W]: the highest of its `frame_scores`."""
    return frame_scores(predict, image, tile, batch_size).argmax(0).astype(np.uint8)
