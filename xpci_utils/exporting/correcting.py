"""Labels for a person to correct, as CVAT and labelme open them; `xpci import` reads what they save.

Regions are polygons, those with holes masks, so what nobody changes comes back equal. Frames whose labels are a
network's carry the mark "unchecked", a tag in CVAT and a flag in labelme, which the user removes from what is correct;
the import leaves out what still has it.
"""

import base64
import io
import xml.etree.ElementTree as ElementTree
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from xpci_utils import files
from xpci_utils.exporting.sets import ExportSet, Item
from xpci_utils.exporting.shapes import BETWEEN, ON_PIXELS, Piece, pieces
from xpci_utils.frames import IGNORE
from xpci_utils.frames.files import write_png
from xpci_utils.importing.base import IGNORE_NAMES, UNCHECKED

IGNORE_COLOUR = "#ffffff"


def write_cvat(items: ExportSet, folder: Path) -> None:
    """images/, labels.json for the constructor of a task, and annotations.xml ("CVAT for images 1.1")."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = [(name, colour, "any") for name, colour in _names(items).values()] + [(UNCHECKED, "#ffcc00", "tag")]
    listed = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    for label in labels:
        entry = ElementTree.SubElement(listed, "label")
        for key, value in zip(("name", "color", "type"), label, strict=True):
            ElementTree.SubElement(entry, key).text = value
    for number, item in enumerate(items):
        write_png(folder / f"images/{item.name}.png", item.image)
        _cvat_picture(root, number, item, items)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    files.write_text(folder / "annotations.xml", f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')
    listing = [{"name": name, "color": colour, "type": kind, "attributes": []} for name, colour, kind in labels]
    files.write_json(folder / "labels.json", listing)


def _cvat_picture(root: ElementTree.Element, number: int, item: Item, items: ExportSet) -> None:
    labels, names = item.labels, _names(items)
    attributes = {"id": str(number), "name": f"{item.name}.png"}
    size = {"width": str(labels.shape[1]), "height": str(labels.shape[0])}
    picture = ElementTree.SubElement(root, "image", attributes | size)
    if not item.checked:
        ElementTree.SubElement(picture, "tag", label=UNCHECKED, source="auto")
    for piece in pieces(labels):
        attributes = {"label": names[piece.index][0], "source": "auto", "occluded": "0", "z_order": "0"}
        if piece.has_hole:
            (height, width), corner = piece.mask.shape, {"left": str(piece.left), "top": str(piece.top)}
            runs = ",".join(str(run) for run in _runs(piece.mask))
            attributes |= {"rle": runs, **corner, "width": str(width), "height": str(height)}
            ElementTree.SubElement(picture, "mask", attributes)
        else:
            points = piece.outline(BETWEEN) + 0.5  # CVAT counts from the corner of the first pixel
            attributes["points"] = ";".join(f"{x:g},{y:g}" for x, y in points)
            ElementTree.SubElement(picture, "polygon", attributes)


def _runs(mask: np.ndarray) -> list[int]:
    """Lengths of runs along the rows, the first of which is background."""
    runs = [(value, len(list(same))) for value, same in groupby(mask.ravel().tolist())]
    return [0] * runs[0][0] + [length for _, length in runs]


def write_labelme(items: ExportSet, folder: Path) -> None:
    """<frame>.png beside <frame>.json, as labelme lists them when it opens the folder, and labels.txt."""
    for item in items:
        write_png(folder / f"{item.name}.png", item.image)
        labels = item.labels
        content = {
            "version": "5.5.0",
            "flags": {UNCHECKED: not item.checked},
            "shapes": [_labelme_shape(piece, _names(items)) for piece in pieces(labels)],
            "imagePath": f"{item.name}.png",
            "imageData": None,
            "imageHeight": labels.shape[0],
            "imageWidth": labels.shape[1],
        }
        files.write_json(folder / f"{item.name}.json", content)
    files.write_text(folder / "labels.txt", "".join(f"{name}\n" for name, _ in _names(items).values()))


def _labelme_shape(piece: Piece, names: dict[int, tuple[str, str]]) -> dict:
    """A polygon; a mask if it has a hole; a rectangle if it is so small that a polygon would have no three corners."""
    corner, (height, width) = np.array([piece.left, piece.top]), piece.mask.shape
    box = np.array([corner, corner + (width - 1, height - 1)])
    mask = _png(piece.mask) if piece.has_hole else None
    points, kind = (box, "mask") if mask else (piece.outline(ON_PIXELS), "polygon")
    if len(np.unique(points, axis=0)) < 3 and not mask:
        points, kind = box, "rectangle"
    shape = {"label": names[piece.index][0], "points": points.astype(float).tolist(), "group_id": None}
    return shape | {"description": "", "shape_type": kind, "flags": {}, "mask": mask}


def _png(mask: np.ndarray) -> str:
    stored = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(stored, format="PNG")
    return base64.b64encode(stored.getvalue()).decode("ascii")


def _names(items: ExportSet) -> dict[int, tuple[str, str]]:
    """(name, colour) of every class by index, and of ignored pixels a name that no class has."""
    named = dict(enumerate(zip(items.class_names, items.class_colours, strict=True)))
    del named[0]
    free = next(name for name in ("__ignore__", *IGNORE_NAMES, "not learnt") if name not in items.class_names)
    return named | {IGNORE: (free, IGNORE_COLOUR)}
