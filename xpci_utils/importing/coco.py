"""COCO JSON: polygons and run lengths (RLE), drawn by pycocotools in the order of the file; crowds are ignored."""

from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import IGNORE
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, check_size, unique
from xpci_utils.importing.annotations import Annotations, Names, frame_name, read_json


def open_coco(path: Path, classes: list[FrameClass] | None) -> Annotations:
    """The instances of a COCO file; later ones lie on top of earlier ones."""
    content = read_json(path)
    where = paths.display(path)
    if "shapes" in content and "annotations" not in content:
        raise FolderError(f"{where} is a labelme file; give the folder with all of them")
    images, drawn, categories = (_table(content, key, where) for key in ("images", "annotations", "categories"))
    named = [(str(_key(entry, "name", f"{where}, a category")), None) for entry in categories]
    names = Names(path, classes, named)
    index = {_key(entry, "id", f"{where}, a category"): names[str(entry["name"])] for entry in categories}
    picture = _pictures(images, path)
    shapes: dict[object, list[tuple[dict, int]]] = {key: [] for key in picture}
    for number, entry in enumerate(drawn):
        own = f"{where}, annotation {entry.get('id', number)}"
        if (key := _key(entry, "image_id", own)) not in shapes:
            raise FolderError(f"{own} belongs to image {key!r}, which the file does not list")
        if (category := _key(entry, "category_id", own)) not in index:
            raise FolderError(f"{own} has the category {category!r}, which the file does not list")
        shapes[key].append((entry, index[category]))
    by_name = {name: key for key, (name, _) in picture.items()}

    def read(name: str) -> np.ndarray:
        key = by_name[name]
        return _draw(shapes[key], picture[key][1], where)

    crowds = sum(bool(entry.get("iscrowd")) for entry in drawn)
    notes = (f"{crowds} regions marked iscrowd are ignored, not learnt",) if crowds else ()
    return Annotations(path, "COCO JSON", tuple(by_name), read, names.classes, notes)


def _pictures(images: list[dict], path: Path) -> dict[object, tuple[str, tuple[int, int]]]:
    """(frame name, (height, width)) by image id."""
    found = {}
    for number, entry in enumerate(images):
        own = f"{paths.display(path)}, image {entry.get('id', number)}"
        shape = tuple(_key(entry, side, own) for side in ("height", "width"))
        if not all(isinstance(side, int) and side > 0 for side in shape):
            raise FolderError(f"{own} is {shape[0]!r} x {shape[1]!r} pixels; sizes are whole numbers")
        check_size(shape, own)
        if (key := _key(entry, "id", own)) in found:
            raise FolderError(f"{own}: two images have the id {key!r}")
        found[key] = (frame_name(_key(entry, "file_name", own), path), shape)
    unique((name for name, _ in found.values()), path)
    return found


def _draw(shapes: list[tuple[dict, int]], size: tuple[int, int], where: str) -> np.ndarray:
    from pycocotools import mask as tool

    labels = np.zeros(size, np.uint8)
    for entry, value in shapes:
        own = f"{where}, annotation {entry.get('id', '?')}"
        outline = entry.get("segmentation")
        if isinstance(outline, dict):
            coded = _run_lengths(outline, size, own)
        else:
            coded = tool.merge(tool.frPyObjects(_polygons(outline, size, own), *size))
        labels[tool.decode(coded).astype(bool)] = IGNORE if entry.get("iscrowd") else value
    return labels


def _polygons(outline: object, size: tuple[int, int], where: str) -> list[list[float]]:
    """Outlines as pycocotools takes them: at least three points, numbers, and some of it inside the picture."""
    if not isinstance(outline, list) or not outline:
        raise FolderError(f"{where} has no outline (segmentation); boxes alone are no masks")
    for polygon in outline:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise FolderError(f"{where} has an outline of fewer than three points, or half a point")
        if not all(isinstance(number, int | float) and abs(number) < 1e6 for number in polygon):
            raise FolderError(f"{where} has an outline with entries that are no numbers")
        if min(polygon) < -1 or max(polygon[::2]) > size[1] + 1 or max(polygon[1::2]) > size[0] + 1:
            raise FolderError(f"{where} has an outline that leaves the picture of {size[0]} x {size[1]} pixels")
    return outline


def _run_lengths(coded: dict, size: tuple[int, int], where: str) -> dict:
    """A run-length code that fills the picture exactly: pycocotools does not look, and writes beyond its memory."""
    from pycocotools import mask as tool

    if list(coded.get("size", ())) != list(size):
        raise FolderError(f"{where} has a run-length code for {coded.get('size')}, its image is {list(size)}")
    counts = coded.get("counts")
    if isinstance(counts, str | bytes):
        runs = _unpacked(counts.encode() if isinstance(counts, str) else counts)
    else:
        runs = counts
    if not isinstance(runs, list) or not all(isinstance(run, int) and run >= 0 for run in runs):
        raise FolderError(f"{where} has a run-length code that cannot be read; export it again")
    if sum(runs) != size[0] * size[1]:
        raise FolderError(f"{where} has a run-length code for {sum(runs)} pixels, its image has {size[0] * size[1]}")
    return tool.frPyObjects({"size": list(size), "counts": runs}, *size)


def _unpacked(text: bytes) -> list[int] | None:
    """Run lengths of COCO's compressed string: six-bit groups, from the third run on as differences."""
    runs: list[int] = []
    value = shift = 0
    for byte in text:
        group = byte - 48
        if not 0 <= group < 64 or shift > 30:
            return None
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (1 << shift) if group & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs if not shift else None


def _table(content: dict, key: str, where: str) -> list[dict]:
    table = content.get(key)
    if not isinstance(table, list) or not all(isinstance(entry, dict) for entry in table):
        raise FolderError(f"{where} is not a COCO file: it needs the lists images, annotations and categories")
    return table


def _key(entry: dict, key: str, where: str) -> object:
    if key not in entry or isinstance(entry[key], list | dict):
        raise FolderError(f"{where} lacks {key!r}")
    return entry[key]
