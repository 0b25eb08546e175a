"""Masks in pictures and arrays: PNG, TIFF (single, numbered or stacked), or /exchange/labels in HDF5.

What their numbers mean no file says: class indices (``--mask-values indices``), one value for the particles of the only
class (``binary``), one number per particle (``instances``), or class indices counted from 1 for the background
(``from-one``, as ilastik exports them). Where the numbers leave it open, the import asks instead of guessing.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import IGNORE
from xpci_utils.frames.faults import FolderError, reading, regular_file, unique
from xpci_utils.frames.folder import check_labels
from xpci_utils.frames.mask_values import Values, doubt, values_of
from xpci_utils.frames.pictures import SUFFIXES, TIFF, as_indices, read_indices
from xpci_utils.importing.base import Annotations, How, add_class, frame_names
from xpci_utils.importing.films import Film, open_film
from xpci_utils.importing.hdf5 import open_exchange
from xpci_utils.importing.instances import CELLPOSE, Masks, open_instances, without_ending
from xpci_utils.importing.per_class import files_by_class, open_per_class

CHOICES = ("auto", "indices", "binary", "instances", "from-one")


def open_indices(path: Path, how: How) -> Annotations:
    """Label maps of a folder or file; the classes file must be given, since indices have no names."""
    if how.classes is None:
        raise FolderError(
            f"the masks in {paths.display(path)} hold numbers without names; name the classes in a file like "
            "data/classes.yaml and give it as --classes"
        )
    if how.instance_classes and how.mask_values == "auto":
        how = replace(how, mask_values="instances")
    files = mask_files(path)
    if how.mask_values in ("auto", "binary") and (sorted_out := files_by_class(path, files, how)):
        return open_per_class(path, sorted_out, how, read_mask)
    files = [item for item in files if item.parent == path or item == path] or files
    if not files:
        raise FolderError(f"{paths.display(path)} holds no masks: no PNG, TIFF or HDF5 file")
    cellpose = [item for item in files if item.stem.endswith(CELLPOSE)]
    masks = _masks(path, cellpose or files)
    if how.mask_values == "instances" or (cellpose and how.mask_values == "auto"):
        return open_instances(path, masks, how)
    return _of_classes(path, masks, how)


def _masks(path: Path, files: list[Path]) -> Masks:
    """The masks of files by frame, each read when it is asked for."""
    stacks = [_open(item) for item in files]
    planes = [(stack, i) for stack in stacks for i in range(len(stack))]
    names = _names([(stack.path, without_ending(stack.names[i])) for stack, i in planes], path)
    place = dict(zip(names, planes, strict=True))

    def where(name: str) -> str:
        stack = place[name][0]
        return paths.display(stack.path) if len(stack) == 1 else f"{paths.display(stack.path)}, {name}"

    def read(name: str) -> np.ndarray:
        stack, index = place[name]
        with reading(where(name), "a mask"):
            return _integers(np.asarray(stack.read(index)), where(name))

    return Masks(names, read, where, stacks[0].kind)


def _names(masks: list[tuple[Path, str]], path: Path) -> tuple[str, ...]:
    """The frames of masks (file, name), each once; those of subfolders may be called alike."""
    if all(path in (file, file.parent) for file, _ in masks):
        return unique((name for _, name in masks), path)
    return frame_names((f"{file.parent.name}/{name}.png" for file, name in masks), path)


def read_mask(path: Path) -> np.ndarray:
    """The numbers [H, W] of a mask in a PNG or TIFF file."""
    return _integers(read_indices(path), paths.display(path))


def _integers(labels: np.ndarray, where: str) -> np.ndarray:
    labels = as_indices(labels, where)
    if labels.dtype.kind not in "ui":
        raise FolderError(f"{where} holds {labels.dtype} values; a mask holds one class index (an integer) per pixel")
    return labels.astype(labels.dtype.newbyteorder("="))


def mask_files(path: Path) -> list[Path]:
    """The files of masks at a path, those in its subfolders, too."""
    items = sorted(path.iterdir()) if path.is_dir() else [path]
    deeper = [
        item for folder in items if folder.is_dir() and not folder.name.startswith(".") for item in folder.iterdir()
    ]
    return [item for item in (*items, *sorted(deeper)) if _is_mask(item)]


def _is_mask(path: Path) -> bool:
    return path.suffix.lower() in (*SUFFIXES, ".h5", ".hdf5", ".hdf", ".nx") and not path.name.startswith(".")


def _open(path: Path) -> Film:
    """A file of masks as a film, whose frames are not yet taken for grey levels."""
    if path.suffix.lower() == ".png":
        return Film(path, (path.stem,), "PNG picture", lambda _: read_indices(path))
    return open_film(path) if path.suffix.lower() in TIFF else open_exchange(regular_file(path), "labels")


def _of_classes(path: Path, masks: Masks, how: How) -> Annotations:
    """Masks of class indices, or of one value for the only class, once their numbers leave no doubt."""
    meaning = {"binary": _binary, "from-one": _from_one}.get(how.mask_values, lambda labels, how, where: labels)
    cure = f"if this is a new class, {add_class(how.onto)}; otherwise correct the mask"

    def read(name: str) -> np.ndarray:
        where = masks.where(name)
        return check_labels(meaning(masks.read(name), how, where), how.named, where, cure)

    if how.mask_values == "auto":
        _ask(path, {name: values_of(read(name)) for name in masks.names})
    meanings = {
        "binary": f"0 is background, the other value of a mask is the class {how.named[1].name!r}",
        "from-one": "1 is background, 2 is class 1, 3 is class 2, ...; 0 is ignored",
        "indices": "numbers are class indices, 255 is ignored",
    }
    notes = (f"mask values: {meanings[how.mask_values]}",) if how.mask_values in meanings else ()
    return Annotations(path, f"class indices ({masks.kind})", masks.names, read, tuple(how.named), notes)


def _ask(path: Path, masks: dict[str, Values]) -> None:
    """FolderError where the numbers of all masks together leave open what they mean."""
    if reason := doubt(masks):
        raise FolderError(
            f"{paths.display(path)}: {reason}; say --mask-values indices if the numbers are class indices and 255 is "
            "to be ignored, binary if all particles are of one class, instances if each number is one particle"
        )
    if all(one.values[:1] == (1,) for one in masks.values()):
        raise FolderError(
            f"{paths.display(path)}: no pixel of any mask is 0 (background), and every mask holds 1; ilastik counts "
            "labels from 1, and often 1 is the background there; say --mask-values from-one if it is, indices if not"
        )


def _binary(labels: np.ndarray, how: How, where: str) -> np.ndarray:
    """0 and one other value as 0 and class 1."""
    if len(how.named) != 2:
        raise FolderError(
            f"{where} is to hold one class (--mask-values binary), but the classes file lists {len(how.named) - 1}; "
            "give one class, or one mask per class, with its name (film_0001_drop.png)"
        )
    values = values_of(labels).particles
    if len(values) > 1:
        raise FolderError(f"{where} holds the values {values[0]} and {values[1]}; binary masks hold 0 and one other")
    return (labels != 0).astype(np.uint8)


def _from_one(labels: np.ndarray, how: How, where: str) -> np.ndarray:
    """Class indices counted from 1 for the background; 0, to ilastik what nobody labelled, is ignored."""
    if (labels == IGNORE).any():
        raise FolderError(f"{where} holds 255, which no class counted from 1 can be; correct the mask")
    return np.where(labels == 0, IGNORE, labels.astype(np.int64) - 1)
