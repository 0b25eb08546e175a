"""Masks that hold one class index per pixel: PNG, TIFF (single, numbered or stacked), or /exchange/labels in HDF5."""

from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, reading, regular_file, unique
from xpci_utils.frames.folder import check_labels
from xpci_utils.frames.pictures import SUFFIXES, TIFF, read_indices
from xpci_utils.importing.annotations import Annotations
from xpci_utils.importing.films import Film, open_film
from xpci_utils.importing.hdf5 import open_exchange


def open_indices(path: Path, classes: list[FrameClass] | None) -> Annotations:
    """Label maps of a folder or file; the classes file must be given, since indices have no names."""
    if classes is None:
        raise FolderError(
            f"the masks in {paths.display(path)} hold numbers without names; name the classes in a file like "
            "data/classes.yaml and give it as --classes"
        )
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stacks = [_open(item) for item in files if _is_mask(item)]
    if not stacks:
        raise FolderError(f"{paths.display(path)} holds no masks: no PNG, TIFF or HDF5 file")
    place = {name: (stack, i) for stack in stacks for i, name in enumerate(stack.names)}
    names = unique((name for stack in stacks for name in stack.names), path)

    def read(name: str) -> np.ndarray:
        stack, index = place[name]
        where = stack.path if len(stack) == 1 else f"{paths.display(stack.path)}, {name}"
        with reading(where, "a mask"):
            return check_labels(np.asarray(stack.read(index)), classes, where)

    return Annotations(path, f"class indices ({stacks[0].kind})", names, read, tuple(classes))


def _is_mask(path: Path) -> bool:
    return path.suffix.lower() in (*SUFFIXES, ".h5", ".hdf5", ".hdf", ".nx") and not path.name.startswith(".")


def _open(path: Path) -> Film:
    """A file of masks as a film, whose frames are not yet taken for grey levels."""
    if path.suffix.lower() == ".png":
        return Film(path, (path.stem,), "PNG picture", lambda _: read_indices(path))
    return open_film(path) if path.suffix.lower() in TIFF else open_exchange(regular_file(path), "labels")
