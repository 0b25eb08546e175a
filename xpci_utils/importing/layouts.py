"""Folders of annotations that are more than one folder of files: one folder per recording, and nnU-Net's data sets."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import IGNORE
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, reading, unique
from xpci_utils.importing import cvat
from xpci_utils.importing.annotations import open_annotations
from xpci_utils.importing.base import PALETTE, Annotations, How, Names, read_json

NNUNET_FILE = "dataset.json"


def open_masks(path: str | Path, classes: list[FrameClass] | None, how: How = How()) -> Annotations:  # noqa: B008
    """The annotations at ``path``, those in its folders when it holds nothing but folders; FolderError as theirs."""
    path, how = paths.resolve(path), replace(how, classes=classes)
    if folders := _only_folders(path, how):
        return _joined(path, [(folder.name, open_masks(folder, classes, how)) for folder in folders])
    if path.is_dir() and path.name.startswith("labels") and (path.parent / NNUNET_FILE).is_file():
        return _nnunet(path, how)
    return open_annotations(path, classes, how)


def _only_folders(path: Path, how: How) -> list[Path]:
    """The folders in a folder that holds no file.

    None for an unpacked export of CVAT, which is one annotation, or where each is called like a class and holds its
    binary masks.
    """
    if not path.is_dir() or cvat.is_unpacked(path):
        return []
    with reading(path, "a folder"):
        items = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    if how.classes and items and all(item.name in Names(path, how, ()) for item in items):
        return []
    return items if items and all(item.is_dir() and any(item.iterdir()) for item in items) else []


def _joined(path: Path, parts: Sequence[tuple[str, Annotations]]) -> Annotations:
    """Annotations of several folders as one, each with the name of its folder before its own."""
    first = parts[0][1]
    if any([(c.index, c.name) for c in own.classes] != [(c.index, c.name) for c in first.classes] for _, own in parts):
        raise FolderError(f"the folders in {paths.display(path)} have different classes; give one list as --classes")
    place = {f"{folder}_{name}": (own, name) for folder, own in parts for name in own.names}
    names = unique((f"{folder}_{name}" for folder, own in parts for name in own.names), path)
    notes = tuple(dict.fromkeys(note for _, own in parts for note in own.notes))
    bare, unchecked = (
        tuple(name for name, (own, inner) in place.items() if inner in getattr(own, kind))
        for kind in ("bare", "unchecked")
    )

    def read(name: str) -> np.ndarray:
        own, inner = place[name]
        return own.read(inner)

    return Annotations(path, first.kind, names, read, first.classes, notes, bare, unchecked)


def _nnunet(path: Path, how: How) -> Annotations:
    """Labels of a data set of nnU-Net v2, whose names of classes and ignore label stand in its dataset.json."""
    label_table = read_json(path.parent / NNUNET_FILE).get("labels")
    if not isinstance(label_table, dict) or not all(isinstance(value, int) for value in label_table.values()):
        return open_annotations(path, how.classes, how)  # regions, or a file of another program
    ignore = label_table.get("ignore")
    named = [
        name for name, value in sorted(label_table.items(), key=lambda item: item[1]) if value and name != "ignore"
    ]
    own = [FrameClass(i, name, PALETTE[i % len(PALETTE)]) for i, name in enumerate(named, 1)]
    classes = how.classes or [FrameClass(0, "background", "#000000"), *own]
    how = replace(
        how, mask_values="indices" if how.mask_values == "auto" else how.mask_values
    )  # nnU-Net knows no other
    if ignore is None:
        return open_annotations(path, classes, how)
    if ignore != len(classes):
        raise FolderError(
            f"{paths.display(path.parent / NNUNET_FILE)} has {ignore} as its ignore label, after {ignore - 1} classes; "
            f"the classes file lists {len(classes) - 1}"
        )
    annotations = open_annotations(path, [*classes, FrameClass(ignore, "ignore", "#ffffff")], how)

    def read(name: str) -> np.ndarray:
        labels = annotations.read(name)
        return np.where(labels == ignore, IGNORE, labels).astype(np.uint8)

    return replace(annotations, kind="labels of nnU-Net", read=read, classes=tuple(classes))
