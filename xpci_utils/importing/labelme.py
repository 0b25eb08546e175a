"""labelme: one JSON file per frame with polygons, boxes, circles and masks, drawn as labelme itself draws them.

Later shapes lie on top of earlier ones; the label ``__ignore__`` marks pixels that count for nothing.
"""

import base64
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from xpci_utils import paths
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, check_size, reading, unique
from xpci_utils.frames.pictures import read_png_pixels
from xpci_utils.importing.annotations import Annotations, Names, frame_name, read_json

POINTS = {"polygon": 3, "rectangle": 2, "circle": 2, "oriented_rectangle": 4, "mask": 2}


def is_labelme_folder(path: Path) -> bool:
    """Whether a folder holds JSON files of labelme."""
    return any("shapes" in read_json(item) for item in _files(path)[:1])


def open_labelme(path: Path, classes: list[FrameClass] | None) -> Annotations:
    """The annotations of a folder of labelme files; a frame is named by its file, as labelme names it."""
    files = dict(zip(unique((frame_name(f.name, path) for f in _files(path)), path), _files(path), strict=True))
    shapes = {name: _shapes(file) for name, file in files.items()}
    told = sorted({shape["label"] for own, _ in shapes.values() for shape in own})
    names = Names(path, classes, ((label, None) for label in told))

    def read(name: str) -> np.ndarray:
        own, size = shapes[name]
        labels = np.zeros(size, np.uint8)
        for one in own:
            labels[_mask(one, size, paths.display(files[name]))] = names[one["label"]]
        return labels

    return Annotations(path, "labelme JSON", tuple(files), read, names.classes)


def _files(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if item.suffix.lower() == ".json" and not item.name.startswith("."))


def _shapes(path: Path) -> tuple[list[dict], tuple[int, int]]:
    """(shapes, (height, width)) of one file, checked."""
    content, where = read_json(path), paths.display(path)
    shapes, size = content.get("shapes"), (content.get("imageHeight"), content.get("imageWidth"))
    if not isinstance(shapes, list) or not all(isinstance(side, int) for side in size):
        raise FolderError(f"{where} is not a labelme file: it needs shapes, imageHeight and imageWidth")
    check_size(size, where)
    for number, shape in enumerate(shapes):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise FolderError(f"{where}: shape {number} has no label")
        kind, points = shape.get("shape_type") or "polygon", shape.get("points")
        if kind not in POINTS:
            raise FolderError(f"{where}: shape {number} ({shape['label']}) is a {kind}, which has no area; outline it")
        if not _are_points(points) or len(points) < POINTS[kind]:
            raise FolderError(
                f"{where}: shape {number} ({shape['label']}) has too few points, or points without numbers"
            )
        if not _touches(points, kind, size):
            raise FolderError(
                f"{where}: shape {number} ({shape['label']}) lies outside the picture of {size[0]} x {size[1]}"
            )
    return shapes, size


def _are_points(points: object) -> bool:
    return isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and all(isinstance(v, int | float) and abs(v) < 1e6 for v in point)
        for point in points
    )


def _touches(points: list, kind: str, size: tuple[int, int]) -> bool:
    x, y = np.array(points, float).T
    if kind == "circle":
        radius = math.dist(*points)
        x, y = x[0] + np.array([-radius, radius]), y[0] + np.array([-radius, radius])
    return x.max() >= 0 and y.max() >= 0 and x.min() < size[1] and y.min() < size[0]


def _mask(shape: dict, size: tuple[int, int], where: str) -> np.ndarray:
    """The pixels of one shape, as labelme draws it."""
    points, kind = shape["points"], shape.get("shape_type") or "polygon"
    if kind == "mask":
        return _pasted(shape, size, where)
    picture = Image.new("1", size[::-1])
    draw = ImageDraw.Draw(picture)
    xy = [tuple(point) for point in points]
    if kind == "circle":
        (x, y), radius = xy[0], math.dist(*xy[:2])
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1, outline=1)
    elif kind == "rectangle":
        (x0, y0), (x1, y1) = xy[:2]
        draw.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=1, outline=1)
    else:
        draw.polygon(xy, fill=1, outline=1)
    return np.array(picture, bool)


def _pasted(shape: dict, size: tuple[int, int], where: str) -> np.ndarray:
    """A mask that labelme keeps as a small PNG beside its corner; what leaves the picture is cut off."""
    with reading(where, "a mask of labelme"):
        stored = io.BytesIO(base64.b64decode(shape.get("mask") or "", validate=True))
        patch = read_png_pixels(stored, where, grey=False, smallest=1).astype(bool)
    if patch.ndim != 2 or patch.shape[0] > size[0] or patch.shape[1] > size[1]:
        raise FolderError(f"{where} has a mask of {patch.shape} in a picture of {size[0]} x {size[1]} pixels")
    left, top = (round(v) for v in shape["points"][0])
    rows, columns = np.nonzero(patch)
    inside = (rows + top >= 0) & (rows + top < size[0]) & (columns + left >= 0) & (columns + left < size[1])
    mask = np.zeros(size, bool)
    mask[rows[inside] + top, columns[inside] + left] = True
    return mask
