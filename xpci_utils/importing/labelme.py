"""labelme: one JSON file per frame with polygons, boxes, circles and masks, drawn as labelme itself draws them.

Files of X-AnyLabeling, labelme's descendant, are read, too: its rectangles have four corners, its ``rotation`` is a
turned box. Later shapes lie on top of earlier ones; the label ``__ignore__`` marks pixels that count for nothing.
Points and lines have no area: they are left out and told, and so are JSON files of other programs in the folder.
"""

import base64
import io
import json
import math
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np
from PIL import Image, ImageDraw

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, check_size, reading
from xpci_utils.frames.pictures import read_png_pixels
from xpci_utils.importing.base import (
    UNCHECKED,
    Annotations,
    How,
    Names,
    Size,
    Tally,
    frame_names,
    frame_size,
    read_json,
)
from xpci_utils.importing.outlines import CUT, FEW_POINTS, SILENT

POLYGONS = ("polygon", "oriented_rectangle", "rotation", "quadrilateral")
COUNTS = {"rectangle": (2, 4), "circle": (2,), "mask": (2,), "rotation": (4,), "oriented_rectangle": (4,)}
COUNTS |= {"quadrilateral": (4,)}
WITHOUT_AREA = ("point", "points", "line", "lines", "linestrip")


@dataclass(frozen=True)
class _Shape:
    """One shape of a file: its label, kind and points [n, 2], and for masks their PNG."""

    label: str
    kind: str
    points: np.ndarray
    patch: Any  # as the file has it
    where: str


def is_labelme_folder(path: Path) -> bool:
    """Whether a folder holds at least one JSON file of labelme."""
    return any("shapes" in any_json(item) for item in json_files(path))


def open_labelme(path: Path, how: How) -> Annotations:
    """The annotations of a folder of labelme files; a frame is named by its file, as labelme names it."""
    tally = Tally()
    files = [item for item in json_files(path) if _is_labelme(item, tally)]
    place = dict(zip(frame_names((item.relative_to(path).as_posix() for item in files), path), files, strict=True))
    shapes = {name: _shapes(file, how, tally) for name, file in place.items()}
    label_names = sorted({shape.label for own, _ in shapes.values() for shape in own})
    names = Names(path, how, ((label, None) for label in label_names))

    def read(name: str) -> np.ndarray:
        own, size = shapes[name]
        labels = np.zeros(size, np.uint8)
        for one in own:
            labels[_mask(one, size)] = names[one.label]
        return labels

    flags = {name: _flag(file) for name, file in place.items()}
    unchecked, exported = tuple(name for name in flags if flags[name]), any(one is not None for one in flags.values())
    notes = (*names.notes, *tally.notes())
    return Annotations(path, "labelme JSON", tuple(place), read, names.classes, notes, (), unchecked, exported)


def _flag(path: Path) -> bool | None:
    """The file's flag "unchecked", a box to be ticked in labelme; None for files that have none."""
    flags = read_json(path).get("flags")
    return flags.get(UNCHECKED) if isinstance(flags, dict) else None


def json_files(path: Path) -> list[Path]:
    """The JSON files of a folder, in order; those of its subfolders when it has none itself."""
    folders = [path, *(item for item in path.iterdir() if item.is_dir() and not item.name.startswith("."))]
    items = [f for one in folders for f in one.iterdir() if f.suffix.lower() == ".json" and not f.name.startswith(".")]
    return sorted([item for item in items if item.parent == path] or items)


def any_json(path: Path) -> dict:
    """What a JSON file holds, {} for damaged ones and for lists, which are no files of labelme."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_labelme(path: Path, tally: Tally) -> bool:
    """Whether a file of the folder is to be read: files of other programs are told, damaged ones are a FolderError."""
    with reading(path, "JSON"):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    if isinstance(content, dict) and ("shapes" in content or not {"images", "annotations", "type"} & content.keys()):
        return True
    tally.add("left out, JSON files in the folder that are not labelme's", path.name)
    return False


def _shapes(path: Path, how: How, tally: Tally) -> tuple[list[_Shape], Size]:
    """(shapes with an area, (height, width)) of one file, checked; labelme 3 does not tell the size."""
    content, where = read_json(path), paths.display(path)
    shapes = content.get("shapes")
    if not isinstance(shapes, list):
        raise FolderError(f"{where} is not a labelme file: it needs the list shapes")
    size = _size(content, where) or frame_size(path, how)
    if _names_another(content.get("imagePath"), path):
        tally.add("read for the frame with the name of the file, although imagePath gives another picture", where)
    regions = []
    for number, shape in enumerate(shapes):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise FolderError(f"{where}: shape {number} has no label")
        one = _shape(shape, f"{where}: shape {number} ({shape['label']})", tally)
        if one is not None:
            regions.append(one)
            _check_reach(one, size, tally)
    return regions, size


def _names_another(picture: object, path: Path) -> bool:
    """Whether a file tells another picture than the one it is called like, as copied and renamed files do."""
    if not isinstance(picture, str) or not picture.strip():
        return False
    name = PurePosixPath(picture.replace("\\", "/")).name
    return unicodedata.normalize("NFC", name.rpartition(".")[0] or name) != unicodedata.normalize("NFC", path.stem)


def _size(content: dict, where: str) -> Size | None:
    """The size that a file tells: in numbers, else by the picture inside it, else not at all (labelme 3)."""
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if height is None and width is None:
        if not content.get("imageData"):
            return None
        with reading(where, "a file of labelme with its picture inside"):
            picture = Image.open(io.BytesIO(base64.b64decode(content["imageData"])))
            height, width = picture.height, picture.width
    if not isinstance(height, int) or not isinstance(width, int):
        raise FolderError(
            f"{where} is {height!r} x {width!r} pixels (imageHeight, imageWidth); sizes are whole numbers"
        )
    check_size((height, width), where)
    return height, width


def _shape(shape: dict, where: str, tally: Tally) -> _Shape | None:
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if kind in WITHOUT_AREA:
        tally.add(f"left out, shapes without area ({kind}, {shape['label']})", where)
        return None
    if kind not in (*POLYGONS, *COUNTS):
        known = ", ".join(dict.fromkeys((*POLYGONS, *COUNTS)))
        raise FolderError(f"{where} is a {kind}, which is not known; outline it (known are {known})")
    if not _are_points(points):
        raise FolderError(f"{where} has too few points, or points without numbers")
    if kind == "polygon" and len({tuple(point) for point in points}) < 3:
        tally.add(FEW_POINTS, where)
        return None
    if kind in COUNTS and len(points) not in COUNTS[kind]:
        counts = " or ".join(map(str, COUNTS[kind]))
        raise FolderError(f"{where} has {len(points)} points; a {kind} has {counts}")
    return _Shape(shape["label"], kind, np.array(points, float), shape.get("mask"), where)


def _are_points(points: object) -> TypeGuard[list[list[float]]]:
    return isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and all(isinstance(v, int | float) and abs(v) < 1e6 for v in point)
        for point in points
    )


def _check_reach(shape: _Shape, size: Size, tally: Tally) -> None:
    """Tell what reaches over the border; FolderError for what lies outside, or seems to be of another picture."""
    low, high = shape.points.min(0), shape.points.max(0)
    if shape.kind == "circle":
        radius = math.dist(*shape.points)
        low, high = shape.points[0] - radius, shape.points[0] + radius
    picture = f"the picture of {size[0]} x {size[1]}"
    if (high < 0).any() or low[0] >= size[1] or low[1] >= size[0]:
        raise FolderError(f"{shape.where} lies outside {picture}")
    beyond = max(*-low, high[0] - size[1], high[1] - size[0])
    if beyond > max(size) and shape.kind != "circle":
        raise FolderError(f"{shape.where} leaves {picture} by {beyond:.0f}; it seems to belong to another picture")
    if beyond > SILENT:
        tally.add(CUT, shape.where)


def _mask(shape: _Shape, size: Size) -> np.ndarray:
    """The pixels of one shape, as labelme draws it."""
    if shape.kind == "mask":
        return _pasted(shape, size)
    picture = Image.new("1", size[::-1])
    draw = ImageDraw.Draw(picture)
    xy = [tuple(point) for point in shape.points.tolist()]
    if shape.kind == "circle":
        (x, y), radius = xy[0], math.dist(*xy)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1, outline=1)
    elif shape.kind == "rectangle" and len(xy) == 2:
        (x0, y0), (x1, y1) = xy
        draw.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=1, outline=1)
    else:
        draw.polygon(xy, fill=1, outline=1)
    return np.array(picture, bool)


def _pasted(shape: _Shape, size: Size) -> np.ndarray:
    """A mask that labelme keeps as a small PNG beside its corner; what leaves the picture is cut off."""
    with reading(shape.where, "a mask of labelme"):
        stored = io.BytesIO(base64.b64decode(shape.patch or "", validate=True))
        patch = read_png_pixels(stored, shape.where, grey=False, smallest=1).astype(bool)
    if patch.ndim != 2 or patch.shape[0] > size[0] or patch.shape[1] > size[1]:
        raise FolderError(f"{shape.where} has a mask of {patch.shape} in a picture of {size[0]} x {size[1]} pixels")
    left, top = (round(v) for v in shape.points[0].tolist())
    rows, columns = np.nonzero(patch)
    inside = (rows + top >= 0) & (rows + top < size[0]) & (columns + left >= 0) & (columns + left < size[1])
    mask = np.zeros(size, bool)
    mask[rows[inside] + top, columns[inside] + left] = True
    return mask
