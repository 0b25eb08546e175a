"""Label maps as shapes that a person can correct: an outline per connected region, exactly the pixels of the region.

Programs fill an outline in two ways. CVAT (as pycocotools) takes pixels whose middle lies inside; labelme (as Pillow)
also takes the pixels that the outline touches, so its points are the outermost pixels themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage import measure

BETWEEN, ON_PIXELS = 0.5, 0.999  # where, from 0 outside to 1 inside, an outline runs between two pixels


@dataclass(frozen=True)
class Piece:
    """A connected region of one class: bool [h, w] within its bounding box, whose corner is (left, top) [px]."""

    index: int
    mask: np.ndarray
    left: int
    top: int

    @property
    def has_hole(self) -> bool:
        """Whether one outline cannot tell it."""
        return bool((ndimage.binary_fill_holes(self.mask) != self.mask).any())

    def outline(self, level: float) -> np.ndarray:
        """Points [n, 2] (x, y) [px], counted from the middle of the first pixel, none of them on a straight line."""
        (contour,) = measure.find_contours(np.pad(self.mask, 1).astype(float), level)
        points = np.round(contour) if level == ON_PIXELS else contour
        points = measure.approximate_polygon(points, 0)
        return points[: len(points) - bool((points[0] == points[-1]).all()), ::-1] + (self.left - 1, self.top - 1)


def pieces(labels: np.ndarray) -> Iterator[Piece]:
    """The connected regions (by sides, not by corners) of every class of a label map [H, W] but the background."""
    for index in np.setdiff1d(labels, [0]).tolist():
        numbered, _ = ndimage.label(labels == index)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), 1):
            yield Piece(index, numbered[rows, columns] == number, columns.start, rows.start)
