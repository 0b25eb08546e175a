"""CVAT's export "CVAT for images 1.1" (annotations.xml): polygons, boxes, ellipses and brush masks of every picture.

Shapes are drawn as CVAT draws them for its mask exports, by pycocotools, in the order of their layers (z_order). Points
and lines have no area: they are left out and told.
"""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, check_size, reading
from xpci_utils.importing.base import UNCHECKED, Annotations, How, Names, Size, Tally, frame_names
from xpci_utils.importing.outlines import check_reach, ellipse, fill_like_coco, points_of, turned, with_area

WITHOUT_AREA = ("points", "polyline", "tag", "skeleton")


@dataclass(frozen=True)
class _Shape:
    """One shape: its label, layer, and outline [n, 2] or mask with its corner (left, top)."""

    label: str
    layer: int
    outline: np.ndarray | None = None
    patch: np.ndarray | None = field(default=None, repr=False)
    corner: tuple[int, int] = (0, 0)


def open_cvat_xml(path: Path, content: bytes, how: How) -> Annotations:
    """The shapes of an annotations.xml, whose bytes are ``content``."""
    root, where, tally = _parsed(content, path), paths.display(path), Tally()
    pictures = root.findall("image")
    sizes: dict[str, Size] = {}
    shapes: dict[str, list[_Shape]] = {}
    for name, picture in zip(
        frame_names((_attribute(p, "name", where) for p in pictures), path), pictures, strict=True
    ):
        own = f"{where}, {name}"
        sizes[name] = (int(_number(picture, "height", own)), int(_number(picture, "width", own)))
        check_size(sizes[name], own)
        shapes[name] = [one for entry in picture if (one := _shape(entry, sizes[name], tally, own)) is not None]
    colours = [(label.findtext("name", "").strip(), label.findtext("color")) for label in root.iterfind(".//label")]
    label_colours = {
        name: colour if re.fullmatch("#[0-9a-fA-F]{6}", colour or "") else None
        for name, colour in colours
        if name and name != UNCHECKED
    }
    label_colours |= {one.label: None for own in shapes.values() for one in own if one.label not in label_colours}
    names = Names(path, how, label_colours.items())
    bare = tuple(name for name, picture in zip(shapes, pictures, strict=True) if not len(picture))
    unchecked = tuple(name for name, picture in zip(shapes, pictures, strict=True) if _is_unchecked(picture))

    def read(name: str) -> np.ndarray:
        labels = np.zeros(sizes[name], np.uint8)
        for one in sorted(shapes[name], key=lambda shape: shape.layer):
            labels[_mask(one, sizes[name])] = names[one.label]
        return labels

    notes = (*names.notes, *tally.notes())
    return Annotations(
        path,
        "CVAT for images 1.1",
        tuple(shapes),
        read,
        names.classes,
        notes,
        bare,
        unchecked,
        UNCHECKED in dict(colours),
    )


def _is_unchecked(picture: ElementTree.Element) -> bool:
    return any(tag.get("label") == UNCHECKED for tag in picture.iterfind("tag"))


def _parsed(content: bytes, path: Path) -> ElementTree.Element:
    """The root of the file; documents that define entities are refused, since these can grow without end."""
    with reading(path, "annotations.xml of CVAT"):
        text = content.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise FolderError(f"{paths.display(path)} defines entities, which no export of CVAT does")
        root = ElementTree.fromstring(text)
    if root.tag != "annotations":
        raise FolderError(
            f"{paths.display(path)} is not an export of CVAT: it begins with <{root.tag}>; export COCO or masks"
        )
    if root.find("track") is not None:
        raise FolderError(f"{paths.display(path)} is 'CVAT for video'; export 'CVAT for images 1.1', or masks")
    return root


def _shape(entry: ElementTree.Element, size: Size, tally: Tally, where: str) -> _Shape | None:
    where = f"{where}, {entry.tag} {entry.get('label')!r}"
    if entry.tag == "tag" and entry.get("label") == UNCHECKED:
        return None
    if entry.tag in WITHOUT_AREA:
        tally.add(f"left out, shapes without area ({entry.tag})", where)
        return None
    label, layer = _attribute(entry, "label", where), int(entry.get("z_order") or 0)
    if entry.tag == "mask":
        patch, corner = _patch(entry, size, where)
        return _Shape(label, layer, patch=patch, corner=corner)
    outline = _outline(entry, where)
    if not with_area(outline, tally, where):
        return None
    check_reach(outline, size, tally, where, fill_like_coco)
    return _Shape(label, layer, outline)


def _outline(entry: ElementTree.Element, where: str) -> np.ndarray:
    """The outline [n, 2] of a polygon, a box or an ellipse; the last two may be turned."""
    if entry.tag == "polygon":
        with reading(where, "a polygon"):
            pairs = [point.split(",") for point in _attribute(entry, "points", where).split(";") if point.strip()]
            points = [[float(value) for value in pair] for pair in pairs]
        return points_of(points, where)
    if entry.tag == "box":
        left, top, right, bottom = (_number(entry, side, where) for side in ("xtl", "ytl", "xbr", "ybr"))
        middle = np.array([left + right, top + bottom]) / 2
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) - middle
        return turned(corners, float(entry.get("rotation") or 0)) + middle
    if entry.tag == "ellipse":
        x, y, across, down = (_number(entry, side, where) for side in ("cx", "cy", "rx", "ry"))
        return ellipse((x, y), (across, down), float(entry.get("rotation") or 0))
    raise FolderError(f"{where} is of a kind that is not known; known are polygon, box, ellipse and mask")


def _patch(entry: ElementTree.Element, size: Size, where: str) -> tuple[np.ndarray, tuple[int, int]]:
    """(bool [h, w], (left, top)) of a brush mask: run lengths along rows, the first of which is background."""
    left, top, width, height = (int(_number(entry, side, where)) for side in ("left", "top", "width", "height"))
    if min(left, top, width - 1, height - 1) < 0 or left + width > size[1] or top + height > size[0]:
        raise FolderError(f"{where} leaves the picture of {size[0]} x {size[1]} pixels")
    with reading(where, "a mask"):
        runs = [int(run) for run in _attribute(entry, "rle", where).split(",")]
    if min(runs) < 0 or sum(runs) != width * height:
        raise FolderError(f"{where} has a run-length code for {sum(runs)} pixels, its box has {width * height}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width), (left, top)


def _mask(shape: _Shape, size: Size) -> np.ndarray:
    if shape.outline is not None:
        return fill_like_coco([shape.outline], size)
    assert shape.patch is not None  # a shape has one of both
    mask = np.zeros(size, bool)
    (left, top), (height, width) = shape.corner, shape.patch.shape
    mask[top : top + height, left : left + width] = shape.patch
    return mask


def _attribute(entry: ElementTree.Element, key: str, where: str) -> str:
    value = entry.get(key)
    if not value:
        raise FolderError(f"{where}: <{entry.tag}> lacks {key!r}")
    return value


def _number(entry: ElementTree.Element, key: str, where: str) -> float:
    try:
        value = float(_attribute(entry, key, where))
    except ValueError:
        value = np.inf
    if not abs(value) < 1e6:
        raise FolderError(f"{where}: <{entry.tag}> has {key} = {entry.get(key)!r}, which is no such number")
    return value
