"""Instance masks: every number is one particle, as Cellpose, micro-sam, StarDist and napari store them.

The class of a particle is the only one there is, or stands in a table: CSV with the columns name,instance,class.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.importing.base import Annotations, How, Names

CELLPOSE = "_cp_masks"
COLUMNS = ("name", "instance", "class")


def without_ending(name: str) -> str:
    """The frame of a mask file: Cellpose puts ``_cp_masks`` behind the frame's name."""
    return name.removesuffix(CELLPOSE)


@dataclass(frozen=True)
class Masks:
    """Masks by frame: ``read(name)`` are their numbers [H, W] as stored, ``where(name)`` is what messages call them."""

    names: tuple[str, ...]
    read: Callable[[str], np.ndarray]
    where: Callable[[str], str]
    kind: str


def open_instances(path: Path, masks: Masks, how: How) -> Annotations:
    """Label maps from masks of particle numbers; 0 is background."""
    table, known = _table(path, how, set(masks.names))

    def read(name: str) -> np.ndarray:
        labels = masks.read(name)
        if labels.min() < 0:
            raise FolderError(f"{masks.where(name)} holds {labels.min()}; instances count from 1, 0 is background")
        return (labels > 0).astype(np.uint8) if table is None else _looked_up(labels, name, table, masks, how)

    notes = ("mask values: every number is one particle, " + _class_note(how), *known)
    return Annotations(path, f"instance masks ({masks.kind})", masks.names, read, tuple(how.named), notes)


def _looked_up(labels: np.ndarray, name: str, table: dict[tuple[str, int], int], masks: Masks, how: How) -> np.ndarray:
    """Class indices of a mask of particle numbers; FolderError for a particle that the table does not list."""
    numbers, place = np.unique(labels, return_inverse=True)
    assert how.instance_classes is not None  # the table is from there
    missing = [number for number in numbers.tolist() if number and (name, number) not in table]
    if missing:
        raise FolderError(
            f"{masks.where(name)}: {paths.display(how.instance_classes)} gives no class for {len(missing)} particles "
            f"(first: {missing[0]}); add them, with the class __ignore__ if they are not to be learnt"
        )
    values = [table[name, number] if number else 0 for number in numbers.tolist()]
    return np.array(values, np.uint8)[place].reshape(labels.shape)


def _class_note(how: How) -> str:
    if how.instance_classes:
        return f"its class stands in {paths.display(how.instance_classes)}"
    return f"and all are of the class {how.named[1].name!r}"


def _table(path: Path, how: How, frames: set[str]) -> tuple[dict[tuple[str, int], int] | None, tuple[str, ...]]:
    """(class index by frame and particle, what is told of the labels); None where there is one class only."""
    if how.instance_classes is None:
        if len(how.named) != 2:
            raise FolderError(
                f"{paths.display(path)} holds instance masks and the classes file {len(how.named) - 1} classes; give "
                f"a table with the columns {','.join(COLUMNS)} as --instance-classes, or a classes file with one class"
            )
        return None, ()
    own = paths.display(how.instance_classes)
    with reading(how.instance_classes, "a table"), open(how.instance_classes, newline="", encoding="utf-8-sig") as file:
        rows = [tuple((row.get(column) or "").strip() for column in COLUMNS) for row in csv.DictReader(file)]
    names = Names(how.instance_classes, how, ((label, None) for label in dict.fromkeys(row[2] for row in rows)))
    class_index: dict[tuple[str, int], int] = {}
    for line, (frame, number, label) in enumerate(rows, 2):
        if not number.isdigit() or not frame or not label:
            raise FolderError(f"{own}, line {line}: it needs {','.join(COLUMNS)}, as in film_0001,7,drop")
        if without_ending(frame) not in frames:
            raise FolderError(f"{own}, line {line}: there is no mask of {frame!r}")
        if class_index.setdefault((without_ending(frame), int(number)), names[label]) != names[label]:
            raise FolderError(f"{own}, line {line}: particle {number} of {frame} has two classes")
    return class_index, names.notes
