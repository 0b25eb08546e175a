"""Annotations in the files that annotation tools write, as class indices per pixel.

    a folder or stack      PNG or TIFF of class indices; 255 is ignored
    *.h5                   class indices in /exchange/labels
    *.zip (or unpacked)    CVAT "Segmentation mask 1.1"
    *.json                 COCO: polygons, RLE, crowds (which are ignored)
    a folder of *.json     labelme

Names of classes are looked up in the user's classes file; without one the tool's own names and colours are taken.
"""

import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import IGNORE
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, reading

BACKGROUND_NAMES = ("background", "_background_")
IGNORE_NAMES = ("ignore", "__ignore__", "ignored", "void")
PALETTE = ("#4477aa", "#ee7733", "#228833", "#cc3311", "#66ccee", "#ccbb44", "#aa3377", "#bbbbbb", "#ee3377")


@dataclass(frozen=True)
class Annotations:
    """Label maps by frame name: ``read(name)`` is uint8 [H, W], 0 background, 255 ignored."""

    path: Path
    kind: str
    names: tuple[str, ...]
    read: Callable[[str], np.ndarray] = field(repr=False)
    classes: tuple[FrameClass, ...]
    notes: tuple[str, ...] = ()


def open_annotations(path: str | Path, classes: list[FrameClass] | None) -> Annotations:
    """The annotations at ``path``; FolderError says what is known when this is not."""
    path = paths.resolve(path)
    found = _reader(path)(path, classes)
    if not found.names:
        raise FolderError(f"{paths.display(path)} annotates no frame")
    return found


def _reader(path: Path) -> Callable[[Path, list[FrameClass] | None], Annotations]:
    from xpci_utils.importing import coco, cvat, indices, labelme

    if path.is_dir():
        if (path / "SegmentationClass").is_dir():
            return cvat.open_cvat
        return labelme.open_labelme if labelme.is_labelme_folder(path) else indices.open_indices
    if not path.is_file():
        raise FolderError(f"{paths.display(path)} does not exist")
    known = {".zip": cvat.open_cvat, ".json": coco.open_coco}
    known |= dict.fromkeys((".png", ".tif", ".tiff", ".h5", ".hdf5", ".hdf", ".nx"), indices.open_indices)
    if path.suffix.lower() not in known:
        raise FolderError(
            f"{paths.display(path)} has no known format of masks; known are {', '.join(known)} and folders"
        )
    return known[path.suffix.lower()]


class Names:
    """Label indices by class name: the user's classes, or those that the annotation tool knows."""

    def __init__(self, path: Path, classes: list[FrameClass] | None, told: Iterable[tuple[str, str | None]]):
        """``told`` lists (name, colour or None) as the tool has them; FolderError for a name that is no class."""
        self.path = path
        told = [(name, colour) for name, colour in told if name not in (*BACKGROUND_NAMES, *IGNORE_NAMES)]
        if repeated := next((name for name, _ in told if [n for n, _ in told].count(name) > 1), None):
            raise FolderError(f"{paths.display(path)} has two classes named {repeated!r}; rename one")
        self.classes = tuple(classes) if classes else _own_classes(path, told)
        self._index = {one.name: one.index for one in self.classes}
        self._index |= dict.fromkeys(BACKGROUND_NAMES, 0) | dict.fromkeys(IGNORE_NAMES, IGNORE)
        for name, _ in told:
            self[name]

    def __getitem__(self, name: str) -> int:
        if name in self._index:
            return self._index[name]
        known = [one.name for one in self.classes[1:]]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        raise FolderError(
            f"{paths.display(self.path)} has the class {name!r}, which the classes file does not list "
            f"({f'did you mean {near[0]!r}?' if near else 'it lists ' + ', '.join(known)}); add it there or rename it"
        )


def _own_classes(path: Path, told: list[tuple[str, str | None]]) -> tuple[FrameClass, ...]:
    if not told:
        raise FolderError(
            f"{paths.display(path)} names no class; name them in a file like data/classes.yaml (--classes)"
        )
    if len(told) > 200:
        raise FolderError(f"{paths.display(path)} names {len(told)} classes; label maps of 8 bits hold at most 200")
    fallback = (PALETTE[i % len(PALETTE)] for i in range(len(told)))
    coloured = [(name, colour or spare) for (name, colour), spare in zip(told, fallback, strict=True)]
    return (FrameClass(0, "background", "#000000"), *(FrameClass(i, *one) for i, one in enumerate(coloured, 1)))


def frame_name(text: str, path: Path) -> str:
    """The frame a picture path of another tool means: its file name without folders and suffix."""
    name = PurePosixPath(str(text).replace("\\", "/")).name
    stem = name.rpartition(".")[0] if "." in name else name
    if not stem.strip(". ") or not stem.isprintable():
        raise FolderError(f"{paths.display(path)} names a picture {text!r}; that is no usable name of a frame")
    return stem


def read_json(path: Path) -> dict:
    """A JSON object; FolderError when it is damaged or something else."""
    with reading(path, "JSON"):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(content, dict):
        raise FolderError(f"{paths.display(path)} holds a JSON {type(content).__name__}, not an object with keys")
    return content
