"""COCO JSON: polygons and run lengths (RLE), drawn by pycocotools in the order of the file; crowds are ignored.

Outlines are taken in every bracketing that programs write: ``[[x, y, x, y, ...]]``, ``[x, y, ...]`` and
``[[x, y], [x, y], ...]``. What has no area, and categories that nothing uses, are left out and told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import IGNORE
from xpci_utils.frames.faults import FolderError, check_size
from xpci_utils.importing.base import Annotations, How, Names, Size, Tally, frame_names, read_json
from xpci_utils.importing.outlines import check_reach, fill_like_coco, points_of, with_area
from xpci_utils.importing.runs import checked_runs

EMPTY = "left out, annotations without outline and without area"
BOXES = "boxes without outline, whose pixels are {}"
UNUSED = "left out, categories that no annotation uses and the classes file does not list"


@dataclass(frozen=True)
class _Region:
    """What is drawn of one annotation: outlines [n, 2], or checked run lengths, and the value it is drawn with."""

    value: int
    outlines: list[np.ndarray] = field(default_factory=list)
    runs: list[dict] = field(default_factory=list)


def open_coco(path: Path, how: How, content: dict | None = None) -> Annotations:
    """The instances of a COCO file; later ones lie on top of earlier ones. ``content`` is the file's, if known."""
    content = read_json(path) if content is None else content
    where = paths.display(path)
    if "shapes" in content and "annotations" not in content:
        raise FolderError(f"{where} is a labelme file; give the folder with all of them")
    images, drawn, categories = (_table(content, key, where) for key in ("images", "annotations", "categories"))
    tally = Tally()
    index, names = _classes(path, how, categories, drawn, tally)
    picture = _pictures(images, path)
    regions: dict[object, list[_Region]] = {key: [] for key in picture}
    for number, entry in enumerate(drawn):
        own = f"{where}, annotation {entry.get('id', number)}"
        if (key := _key(entry, "image_id", own)) not in regions:
            raise FolderError(f"{own} belongs to image {key!r}, which the file does not list")
        if (category := _key(entry, "category_id", own)) not in index:
            raise FolderError(f"{own} has the category {category!r}, which the file does not list")
        regions[key] += _region(entry, index[category], picture[key][1], how, tally, own)
    _check_unit([points for own in regions.values() for one in own for points in one.outlines], where)
    by_name = {name: key for key, (name, _) in picture.items()}
    marked = {entry["image_id"] for entry in drawn}
    bare = tuple(name for name, key in by_name.items() if key not in marked)
    notes = (*names.notes, *tally.notes())

    def read(name: str) -> np.ndarray:
        return _draw(regions[by_name[name]], picture[by_name[name]][1])

    return Annotations(path, "COCO JSON", tuple(by_name), read, names.classes, notes, bare)


def _classes(
    path: Path, how: How, categories: list[dict], drawn: list[dict], tally: Tally
) -> tuple[dict[object, int], Names]:
    """(class index by category id, the names): unused roots and unused categories of no class are left out."""
    where = paths.display(path)
    used = {entry.get("category_id") for entry in drawn if not isinstance(entry.get("category_id"), list | dict)}
    above = {str(entry.get("supercategory")) for entry in categories}
    label = {}
    for entry in categories:
        key, name = (_key(entry, part, f"{where}, a category") for part in ("id", "name"))
        if key in label:
            raise FolderError(f"{where} has two categories with the id {key!r}")
        if key not in used and str(name) in above:
            tally.add("left out, categories that only stand above others", repr(name))
            continue
        label[key] = str(name)
    if how.classes:
        known = Names(path, how, ())
        for key in [key for key, name in label.items() if key not in used and name not in known]:
            tally.add(UNUSED, repr(label.pop(key)))
    names = Names(path, how, ((name, None) for name in label.values()))
    return {key: names[name] for key, name in label.items()}, names


def _pictures(images: list[dict], path: Path) -> dict[object, tuple[str, Size]]:
    """(frame name, (height, width)) by image id."""
    sizes, files = {}, []
    for number, entry in enumerate(images):
        own = f"{paths.display(path)}, image {entry.get('id', number)}"
        shape = tuple(_key(entry, side, own) for side in ("height", "width"))
        if not all(isinstance(side, int) and side > 0 for side in shape):
            raise FolderError(f"{own} is {shape[0]!r} x {shape[1]!r} pixels; sizes are whole numbers")
        check_size(shape, own)
        if (key := _key(entry, "id", own)) in sizes:
            raise FolderError(f"{own}: two images have the id {key!r}")
        sizes[key] = shape
        files.append(str(_key(entry, "file_name", own)))
    return dict(zip(sizes, zip(_names_of(images, files, path), sizes.values(), strict=True), strict=True))


def _names_of(images: list[dict], files: list[str], path: Path) -> tuple[str, ...]:
    """Frames by ``file_name``; where several have one name, by ``path``, in which COCO Annotator keeps the folders."""
    longer = [str(entry.get("path") or file) for entry, file in zip(images, files, strict=True)]
    twice = len({file.casefold() for file in files}) < len(files)
    return frame_names(longer if twice else files, path)


def _region(entry: dict, value: int, size: Size, how: How, tally: Tally, where: str) -> Iterator[_Region]:
    """What is drawn of an annotation: nothing if it has no area, which is told."""
    outline = entry.get("segmentation")
    runs = [outline] if isinstance(outline, dict) else []
    if isinstance(outline, list) and outline and all(isinstance(part, dict) for part in outline):
        runs = outline
    if runs:
        runs = [checked_runs(one, size, where) for one in runs]
        yield _Region(_crowd(entry, value, how, tally, where, coded=True), runs=runs)
        return
    if not outline:
        yield from _box(entry, value, size, how, tally, where)
        return
    outlines = [points for points in _polygons(outline, where) if with_area(points, tally, where)]
    for points in outlines:
        check_reach(points, size, tally, where, fill_like_coco)
    if outlines:
        yield _Region(_crowd(entry, value, how, tally, where, coded=False), outlines)


def _polygons(outline: object, where: str) -> list[np.ndarray]:
    """The polygons of a segmentation, in whichever brackets they are."""
    if not isinstance(outline, list):
        raise FolderError(f"{where} has no outline (segmentation) that can be read")
    if not any(isinstance(part, list) for part in outline):
        return [points_of(outline, where)]
    pairs = all(isinstance(part, list) and len(part) == 2 for part in outline)
    if pairs and len(outline) > 2 and not any(isinstance(value, list) for part in outline for value in part):
        return [points_of(outline, where)]
    return [points_of(part, where) for part in outline]


def _crowd(entry: dict, value: int, how: How, tally: Tally, where: str, coded: bool) -> int:
    """The value of a region, IGNORE for a crowd; to CVAT and Datumaro iscrowd means no more than "is a mask"."""
    if not entry.get("iscrowd") or value == IGNORE:
        return value
    if how.crowds == "learn":
        tally.add("regions marked iscrowd, which are learnt as their class", where)
        return value
    if coded and how.crowds == "ask":
        raise FolderError(
            f"{where} is a mask marked iscrowd: CVAT and Datumaro mark every painted mask like this, COCO marks "
            "crowds whose members are not separated; say --crowds learn if these are particles, --crowds ignore if "
            "they are crowds"
        )
    tally.add("regions marked iscrowd are ignored, not learnt", where)
    return IGNORE


def _box(entry: dict, value: int, size: Size, how: How, tally: Tally, where: str) -> Iterator[_Region]:
    """An annotation without outline: nothing if its box is empty, too, else as the command says."""
    box = entry.get("bbox") or [0, 0, 0, 0]
    if len(box) != 4:
        raise FolderError(f"{where} has neither an outline (segmentation) nor a box of four numbers")
    corner, extent = points_of(box, where)
    if extent.min() <= 0:
        tally.add(EMPTY, where)
        return
    if how.boxes == "ask":
        raise FolderError(
            f"{where} has no outline (segmentation); boxes alone are no masks: outline it, or say --boxes ignore to "
            "have the pixels of such boxes ignored, or --boxes fill to take whole boxes for particles"
        )
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * extent + corner
    check_reach(corners, size, tally, where, fill_like_coco)
    tally.add(BOXES.format("ignored" if how.boxes == "ignore" else "taken for their class"), where)
    yield _Region(IGNORE if how.boxes == "ignore" else value, [corners])


def _check_unit(outlines: list[np.ndarray], where: str) -> None:
    """FolderError when no outline leaves the first pixel, and cuts it into parts: its numbers are no pixels then."""
    numbers = np.concatenate([points.ravel() for points in outlines]) if outlines else np.array([2.0])
    if ((numbers >= 0) & (numbers <= 1)).all() and (numbers * 2 % 1 > 0).any():
        raise FolderError(
            f"{where} has all points of its outlines between 0 and 1: shares of the picture, as YOLO has them, where "
            "COCO has pixels; export COCO from the program that drew them"
        )


def _draw(regions: list[_Region], size: Size) -> np.ndarray:
    from pycocotools import mask as tool

    labels = np.zeros(size, np.uint8)
    for region in regions:
        if region.outlines:
            labels[fill_like_coco(region.outlines, size)] = region.value
        for runs in region.runs:
            labels[tool.decode(tool.frPyObjects(runs, *size)).astype(bool)] = region.value
    return labels


def _table(content: dict, key: str, where: str) -> list[dict]:
    table = content.get(key)
    if not isinstance(table, list) or not all(isinstance(entry, dict) for entry in table):
        raise FolderError(
            f"{where} is not a COCO file: it needs the lists images, annotations and categories; export COCO from the "
            "program that wrote it"
        )
    return table


def _key(entry: dict, key: str, where: str) -> Any:
    if key not in entry or isinstance(entry[key], list | dict):
        raise FolderError(f"{where} lacks {key!r}")
    return entry[key]
