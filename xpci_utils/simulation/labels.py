"""Labels of a frame: silhouettes, overlap priority, visibility floor, human-like boundaries."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from xpci_utils.simulation.classes import IGNORE, class_index, load_classes

SMALLEST_PIXELS = 6
SMALLEST_SIGMAS = 3.0
Window = tuple[slice, slice]  # rows and columns of a frame


@dataclass(frozen=True)
class Instance:
    """One object of a frame. ``x``, ``y`` [pixel] is the centroid of its silhouette, ``window`` and ``mask`` the whole
    silhouette, also where a rarer object covers it in the flat maps; invisible objects are labelled "ignore".
    """

    id: int
    class_index: int
    class_name: str
    diameter_um: float
    x: float
    y: float
    visible: bool
    window: Window
    mask: np.ndarray


def bin_silhouette(inside: np.ndarray, oversampling: int) -> np.ndarray:
    """Camera pixels of which at least half of the sub-pixels are inside."""
    h, w = inside.shape[0] // oversampling, inside.shape[1] // oversampling
    return inside.reshape(h, oversampling, w, oversampling).mean(axis=(1, 3)) >= 0.5


def is_visible(mask: np.ndarray, window: Window, clean: np.ndarray, noise: float) -> bool:
    """Whether an annotator could draw it: at least 6 pixels, and a dip or fringe of 3 sigma of the noise."""
    if mask.sum() < SMALLEST_PIXELS:
        return False
    wide, area = widened(window, mask, clean.shape, 2)
    area = ndimage.binary_dilation(area, iterations=2)
    return bool(np.abs(clean[wide][area] - 1).max() >= SMALLEST_SIGMAS * noise)


def widened(window: Window, mask: np.ndarray, shape: tuple[int, int], by: int) -> tuple[Window, np.ndarray]:
    """Window and mask with a border of ``by`` pixels, as far as the frame of that shape reaches."""
    rows, columns = (slice(max(s.start - by, 0), min(s.stop + by, n)) for s, n in zip(window, shape, strict=True))
    wide = (rows, columns)
    larger = np.zeros([s.stop - s.start for s in wide], bool)
    inside = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(window, wide, strict=True))
    larger[inside] = mask
    return wide, larger


def humanise(mask: np.ndarray, rng: np.random.Generator, jitter_px: float) -> np.ndarray:
    """A silhouette as a hand would draw it: corners rounded, the boundary wandering by about ``jitter_px`` (rms).

    The area stays, so that small particles do not vanish. Give the mask a border that the boundary may wander into.
    """
    padded = np.pad(mask, 4, mode="edge")  # what the frame's border cuts goes on beyond it
    distance = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    wander = ndimage.gaussian_filter(rng.normal(size=padded.shape), 2.5)
    wander *= jitter_px / max(wander.std(), 1e-9)
    depth = (ndimage.gaussian_filter(distance, 0.8) + wander)[4:-4, 4:-4]
    return depth >= np.partition(depth, -mask.sum(), axis=None)[-mask.sum()]


def paint(instances: list[Instance], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Flat maps of class (uint8, 255 = ignore) and instance (uint16): the rarer class on top, ignored objects below."""
    priority = {c.index: c.priority for c in load_classes()}
    labels, numbers = np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)
    for i in sorted(instances, key=lambda i: (i.visible, priority[i.class_index], i.id)):
        labels[i.window][i.mask] = i.class_index if i.visible else IGNORE
        numbers[i.window][i.mask] = i.id if i.visible else 0
    return labels, numbers


def make_instance(
    number: int, class_name: str, diameter_um: float, window: Window, mask: np.ndarray, visible: bool
) -> Instance:
    """The table entry of a silhouette (mask must not be empty)."""
    rows, columns = np.nonzero(mask)
    x, y = columns.mean() + window[1].start, rows.mean() + window[0].start
    return Instance(
        number, class_index(class_name), class_name, float(diameter_um), float(x), float(y), visible, window, mask
    )
