"""CVAT's export "Segmentation mask 1.1": a zip of coloured masks, and the colours' names in labelmap.txt.

The archive is read where it lies and never unpacked. Its layout, of Pascal VOC:
    labelmap.txt                  label:r,g,b:parts:actions
    SegmentationClass/*.png       colours of the label map, RGB or palette
"""

import io
import re
import zipfile
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, reading, unique
from xpci_utils.frames.pictures import read_png_pixels
from xpci_utils.importing.annotations import Annotations, Names, frame_name

LARGEST_MEMBER = 2**26  # bytes of one unpacked mask
LARGEST_RATIO = 2000  # deflate cannot pack more than about 1000 to 1
LINE = re.compile(r"\s*(?P<name>[^:]+?)\s*:\s*(?P<rgb>\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3})\s*(:.*)?")


def open_cvat(path: Path, classes: list[FrameClass] | None) -> Annotations:
    """The masks of an export, zipped or unpacked."""
    with reading(path, "a zip archive"):
        folder = path if path.is_dir() else zipfile.Path(_checked(zipfile.ZipFile(path), path))
        masks = sorted(
            (item for item in (folder / "SegmentationClass").iterdir() if item.name.lower().endswith(".png")),
            key=lambda item: item.name,
        )
        text = (folder / "labelmap.txt").read_text(encoding="utf-8-sig")
    colours = _label_map(text, path)
    names = Names(path, classes, ((name, "#{:02x}{:02x}{:02x}".format(*rgb)) for rgb, name in colours.items()))
    place = dict(zip(unique((frame_name(item.name, path) for item in masks), path), masks, strict=True))
    index = {rgb: names[name] for rgb, name in colours.items()}

    def read(name: str) -> np.ndarray:
        where = f"{paths.display(path)}, {place[name].name}"
        with reading(where, "a mask"):
            colour = read_png_pixels(io.BytesIO(place[name].read_bytes()), where, grey=True)
            return _decode(colour, index, where)

    return Annotations(path, "CVAT Segmentation mask 1.1", tuple(place), read, names.classes)


def _checked(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipFile:
    """Refuse names that lead out of the archive, members that would unpack to anything, and other archives."""
    members = archive.infolist()
    for member in members:
        parts = Path(member.filename.replace("\\", "/")).parts
        if ".." in parts or member.filename.startswith(("/", "\\")) or (parts and ":" in parts[0]):
            raise FolderError(
                f"{paths.display(path)} holds {member.filename!r}, which leads out of it; not an export of CVAT"
            )
        if member.file_size > LARGEST_MEMBER or member.file_size > LARGEST_RATIO * max(member.compress_size, 1):
            raise FolderError(
                f"{paths.display(path)} holds {member.filename!r}, {member.compress_size} bytes that would unpack to "
                f"{member.file_size}; no mask is like that"
            )
        if member.flag_bits & 1:
            raise FolderError(f"{paths.display(path)} is encrypted; export it without a password")
    names = archive.namelist()
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise FolderError(f"{paths.display(path)} holds {repeated!r} twice; export it again")
    if "labelmap.txt" not in names or not any(name.startswith("SegmentationClass/") for name in names):
        raise FolderError(
            f"{paths.display(path)} holds no labelmap.txt or no SegmentationClass/; export 'Segmentation mask 1.1' "
            "from CVAT, or give a COCO file unpacked"
        )
    return archive


def _label_map(text: str, path: Path) -> dict[tuple[int, int, int], str]:
    found: dict[tuple[int, int, int], str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line)
        rgb = tuple(int(part) for part in match["rgb"].split(",")) if match else (999,)
        if max(rgb) > 255:
            raise FolderError(f"{paths.display(path)}: line {number} of labelmap.txt is not like 'drop:204,51,17::'")
        if rgb in found:
            both = f"{found[rgb]} and {match['name']}"
            raise FolderError(f"{paths.display(path)}: labelmap.txt gives {both} one colour; change one in CVAT")
        found[rgb] = match["name"]
    if not found:
        raise FolderError(f"{paths.display(path)}: labelmap.txt names no class")
    return {(0, 0, 0): "background", **found}


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
