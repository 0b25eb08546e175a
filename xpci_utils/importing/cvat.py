"""CVAT's export "Segmentation mask 1.1": a zip of coloured masks, and the colours' names in labelmap.txt.

The archive is read where it lies and never unpacked. Its layout, of Pascal VOC, may lie one folder deeper:
    labelmap.txt                  label:r,g,b:parts:actions
    SegmentationClass/**/*.png    colours of the label map, RGB or palette, in the folders of the pictures
"""

import io
import re
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.frames.pictures import read_png_pixels
from xpci_utils.importing.archives import Bundle
from xpci_utils.importing.base import Annotations, How, Names, frame_names

LINE = re.compile(r"\s*(?P<name>[^:]+?)\s*:\s*(?P<rgb>\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3})\s*(:.*)?")
MASKS = "SegmentationClass/"


def cvat_root(bundle: Bundle) -> str | None:
    """The folder inside an export that holds labelmap.txt and SegmentationClass/, "" for its top, None for no such."""
    tops = [name.removesuffix("labelmap.txt") for name in bundle.called("labelmap.txt")]
    tops = [top for top in tops if any(name.startswith(top + MASKS) for name in bundle.files)]
    if len(tops) > 1:
        raise FolderError(
            f"{paths.display(bundle.path)} holds {len(tops)} exports of CVAT ({tops[0] or 'the top'}, {tops[1]}, ...); "
            "give one at a time"
        )
    return tops[0] if tops else None


def is_unpacked(path: Path) -> bool:
    """Whether a folder is an export of CVAT that was unpacked, perhaps with a folder on top."""
    return any((top / MASKS).is_dir() for top in (path, *(item for item in path.iterdir() if item.is_dir())))


def open_cvat(bundle: Bundle, how: How) -> Annotations:
    """The masks of an export, zipped or unpacked."""
    path, top = bundle.path, cvat_root(bundle)
    if top is None:
        raise FolderError(f"{paths.display(path)} holds no labelmap.txt or no SegmentationClass/ beside it")
    masks = [name for name in bundle.ending(".png") if name.startswith(top + MASKS)]
    with reading(path, "an export of CVAT"):
        text = bundle.read(top + "labelmap.txt").decode("utf-8-sig")
    colours = _label_map(text, path)
    names = Names(path, how, ((name, "#{:02x}{:02x}{:02x}".format(*rgb)) for rgb, name in colours.items()))
    place = dict(zip(frame_names((name.removeprefix(top + MASKS) for name in masks), path), masks, strict=True))
    index = {rgb: names[name] for rgb, name in colours.items()}

    def read(name: str) -> np.ndarray:
        where = f"{paths.display(path)}, {place[name].removeprefix(top + MASKS)}"
        with reading(where, "a mask"):
            colour = read_png_pixels(io.BytesIO(bundle.read(place[name])), where, grey=True)
            return _decode(colour, index, where)

    return Annotations(path, "CVAT Segmentation mask 1.1", tuple(place), read, names.classes, names.notes)


def _label_map(text: str, path: Path) -> dict[tuple[int, int, int], str]:
    names: dict[tuple[int, int, int], str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line)
        parts = [int(part) for part in match["rgb"].split(",")] if match else []
        if match is None or max(parts) > 255:
            raise FolderError(f"{paths.display(path)}: line {number} of labelmap.txt is not like 'drop:204,51,17::'")
        rgb = (parts[0], parts[1], parts[2])
        if rgb in names:
            both = f"{names[rgb]} and {match['name']}"
            raise FolderError(f"{paths.display(path)}: labelmap.txt gives {both} one colour; change one in CVAT")
        names[rgb] = match["name"]
    if not names:
        raise FolderError(f"{paths.display(path)}: labelmap.txt names no class")
    return {(0, 0, 0): "background", **names}


def _decode(rgb: np.ndarray, index: dict[tuple[int, int, int], int], where: str) -> np.ndarray:
    """Colours to class indices; a colour that the label map does not name is a FolderError."""
    rgb = np.repeat(rgb[..., None], 3, axis=-1) if rgb.ndim == 2 else rgb[..., :3]
    packed = rgb.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    labels, named = np.zeros(packed.shape, np.uint8), np.zeros(packed.shape, bool)
    for (red, green, blue), value in index.items():
        here = packed == 65536 * red + 256 * green + blue
        labels[here], named[here] = value, True
    if not named.all():
        y, x = np.argwhere(~named)[0]
        colour = ",".join(map(str, rgb[y, x]))
        raise FolderError(f"{where} has the colour {colour} in row {y}, column {x}, which labelmap.txt does not name")
    return labels
