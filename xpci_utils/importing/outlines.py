"""Outlines to pixels: points in any order of brackets, what leaves the picture, and what has no area."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from xpci_utils.frames.faults import FolderError
from xpci_utils.importing.base import Size, Tally

SMALL = 1.5  # outlines as narrow as this can miss every pixel [px]
SILENT = 1.0  # tools put points on the outer edge of the last pixel, or half a pixel beyond
FEW_POINTS = "left out, outlines of fewer than three points"
FLAT = "left out, outlines without area (their points lie on a line)"
TOO_SMALL = "vanishing, outlines so small that they cover no pixel"
CUT = "cut at the border, outlines that reach beyond the picture"


def points_of(numbers: object, where: str) -> np.ndarray:
    """Points [n, 2] (x, y) of ``[x, y, x, y, ...]`` or ``[[x, y], ...]``; FolderError for anything else."""
    if not isinstance(numbers, list | tuple):
        raise FolderError(f"{where} has an outline that is no list of points")
    if numbers and all(isinstance(point, list | tuple) for point in numbers):
        if any(len(point) != 2 for point in numbers):
            raise FolderError(f"{where} has an outline whose points are not all x and y")
        numbers = [value for point in numbers for value in point]
    if len(numbers) % 2:
        raise FolderError(f"{where} has an outline that ends in half a point")
    if not all(_is_number(value) for value in numbers):
        raise FolderError(f"{where} has an outline with entries that are no numbers")
    return np.array(numbers, float).reshape(-1, 2)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6


def twice_area(points: np.ndarray) -> float:
    """Twice the area that the outline [n, 2] goes round [px^2], without sign; parts that cross count against it."""
    x, y = (points - points[:1]).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def with_area(points: np.ndarray, tally: Tally, where: str) -> bool:
    """Whether an outline goes round anything; if not, ``tally`` tells that it is left out."""
    if len(np.unique(points, axis=0)) < 3:
        tally.add(FEW_POINTS, where)
        return False
    if np.linalg.matrix_rank(points - points[0], tol=1e-6) < 2:
        tally.add(FLAT, where)
        return False
    return True


def check_reach(
    points: np.ndarray, size: Size, tally: Tally, where: str, fill: Callable[[list[np.ndarray], Size], np.ndarray]
) -> None:
    """Tell what reaches over the border or covers no pixel when ``fill`` draws it.

    FolderError for what lies outside, or so far out that it must be of another scale.
    """
    height, width = size
    (left, top), (right, bottom) = points.min(0), points.max(0)
    beyond = max(-left, -top, right - width, bottom - height)
    if right < 0 or bottom < 0 or left >= width or top >= height:
        raise FolderError(f"{where} has an outline that leaves the picture of {height} x {width} pixels altogether")
    if beyond > max(height, width):
        raise FolderError(
            f"{where} has an outline that leaves the picture of {height} x {width} pixels by {beyond:.0f}; it seems to "
            "belong to a picture of another size"
        )
    if beyond > SILENT:
        tally.add(CUT, where)
    if min(right - left, bottom - top) < SMALL and not fill([points], size).any():
        tally.add(TOO_SMALL, where)


def fill_like_coco(outlines: Sequence[np.ndarray], size: Size) -> np.ndarray:
    """bool [H, W]: the union of outlines, drawn by pycocotools; what reaches over the border is cut there."""
    from pycocotools import mask as tool

    def draw(moved: Sequence[np.ndarray], larger: Size) -> np.ndarray:
        flat = [points.ravel().tolist() for points in moved]
        return tool.decode(tool.merge(tool.frPyObjects(flat, *larger))).astype(bool)

    return _on_larger_paper(outlines, size, draw)


def fill_even_odd(outlines: Sequence[np.ndarray], size: Size) -> np.ndarray:
    """bool [H, W]: pixels whose middle (x + 1/2, y + 1/2) lies inside an odd number of outlines; holes stay open.

    Points count from the corner of the first pixel, as in ImageJ and QuPath.
    """
    crossings = np.zeros((size[0], size[1] + 1), np.int64)
    for points in outlines:
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, 0), strict=True):
            low, high = sorted((y0, y1))
            rows = np.arange(max(0, math.ceil(low - 0.5)), min(size[0], math.ceil(high - 0.5)))
            if len(rows) == 0:
                continue
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(crossings, (rows, np.clip(np.ceil(x - 0.5), 0, size[1]).astype(int)), 1)
    return np.cumsum(crossings, 1)[:, :-1] % 2 == 1


class Regions:
    """Regions of the classes by frame, drawn with `fill_even_odd` in the order in which they are added.

    Every picture has the ``size`` of the frames, which the files of Fiji and QuPath do not tell.
    """

    def __init__(self, size: Size, tally: Tally, frames: Iterable[str] = ()):
        """``frames`` are annotated, too, if no region is added to them."""
        self._size, self._tally = size, tally
        self._of: dict[str, list[tuple[list[np.ndarray], int]]] = {name: [] for name in frames}

    def add(self, frame: str, outlines: list[np.ndarray], value: int, where: str) -> None:
        """A region with its outlines [n, 2]; what reaches beyond the picture is told, FolderError if all of it does."""
        check_reach(np.concatenate(outlines), self._size, self._tally, where, fill_even_odd)
        self._of.setdefault(frame, []).append((outlines, value))

    @property
    def frames(self) -> tuple[str, ...]:
        return tuple(self._of)

    def draw(self, frame: str) -> np.ndarray:
        """The label map of a frame, uint8 [H, W]; later regions lie on top."""
        drawn = np.zeros(self._size, np.uint8)
        for outlines, value in self._of[frame]:
            drawn[fill_even_odd(outlines, self._size)] = value
        return drawn


def _on_larger_paper(
    outlines: Sequence[np.ndarray], size: Size, draw: Callable[[Sequence[np.ndarray], Size], np.ndarray]
) -> np.ndarray:
    """Draw with room for what leaves the picture, then cut the picture out."""
    every = np.concatenate(list(outlines))
    left, top = (math.ceil(max(0, -low)) for low in every.min(0))
    right, bottom = (math.ceil(max(0, high - side)) for high, side in zip(every.max(0), size[::-1], strict=True))
    larger = (size[0] + top + bottom, size[1] + left + right)
    return draw([points + (left, top) for points in outlines], larger)[top : top + size[0], left : left + size[1]]


def ellipse(middle: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> np.ndarray:
    """Points [n, 2] of an ellipse, close enough that no pixel's middle lies between it and the true one by 0.01 px."""
    count = max(32, math.ceil(math.pi * math.sqrt(max(max(radii), 1) / 0.02)))
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    return turned(np.stack([x, y], 1), degrees) + middle


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points [n, 2] turned about the origin, clockwise as the picture is seen (y grows downwards)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])
