"""Binary masks, one per class and frame: ``film_0001_drop.png``, ``film_0001_shell.png``, or in folders by class."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import IGNORE
from xpci_utils.frames.faults import FolderError
from xpci_utils.frames.mask_values import values_of
from xpci_utils.frames.pictures import SUFFIXES
from xpci_utils.importing.base import Annotations, How, Names

BETWEEN = "_-. "


def files_by_class(path: Path, files: list[Path], how: How) -> dict[str, dict[int, Path]] | None:
    """Frame -> class index -> file, when every file or its folder is called like a class; else None.

    A film may be called like a class, too: files that are all called like the same one of several classes are masks of
    class indices, unless the command says that they are binary.
    """
    names = Names(path, how, ())
    by_frame: dict[str, dict[int, Path]] = {}
    labels: set[int] = set()
    for item in files:
        key = _by_name(item, path, names) if item.suffix.lower() in SUFFIXES and item.stem not in how.frames else None
        if key is None and item.parent != path and item.parent.name in names:
            key = (item.stem, names[item.parent.name])
        if key is None:
            return None
        frame, index = key
        labels.add(index)
        if (other := by_frame.setdefault(frame, {}).setdefault(index, item)) != item:
            raise FolderError(f"{paths.display(item)} and {other.name} are of the same class and frame; remove one")
    sure = len(labels) > 1 or len(how.named) == 2 or how.mask_values == "binary"
    return by_frame if by_frame and sure else None


def _by_name(item: Path, path: Path, names: Names) -> tuple[str, int] | None:
    """(frame, class index) of a file in whose name a class stands as a word; of several the longest counts."""
    if item.parent != path:
        return None
    stem = item.stem
    edges = [match.span() for match in re.finditer(r"[^_\-. ]+", stem)]
    spans = [(start, end) for i, (start, _) in enumerate(edges) for _, end in edges[i:] if stem[start:end] in names]
    if not spans:
        return None
    start, end = max(spans, key=lambda span: span[1] - span[0])
    if any(first < start or last > end for first, last in spans):  # two classes, and so perhaps none
        return None
    before, behind = stem[:start].rstrip(BETWEEN), stem[end:].lstrip(BETWEEN)
    rest = "_".join(filter(None, (before, behind)))
    return (rest, names[stem[start:end]]) if rest else None


def open_per_class(
    path: Path, files: dict[str, dict[int, Path]], how: How, read_mask: Callable[[Path], np.ndarray]
) -> Annotations:
    """Label maps put together of binary masks; where two classes meet, the higher ``priority`` is on top."""

    def read(name: str) -> np.ndarray:
        layers = {index: _layer(item, read_mask) for index, item in files[name].items() if index}
        first = next(iter(files[name].values()))
        labels = np.zeros(read_mask(first).shape, np.uint8)
        for index in sorted(layers, key=lambda index: (index == IGNORE, _priority(index, how))):
            if layers[index].shape != labels.shape:
                raise FolderError(f"{paths.display(files[name][index])} is not as large as {first.name}")
            _check_overlap(labels, layers[index], index, how, files[name][index])
            labels[layers[index]] = index
        return labels

    return Annotations(path, "binary masks, one per class", tuple(files), read, tuple(how.named), _notes(files, how))


def _notes(files: dict[str, dict[int, Path]], how: How) -> tuple[str, ...]:
    notes = ["mask values: 0 is background, the other value is the class in the name of the file or of its folder"]
    for one in how.named[1:]:
        without = [name for name, own in files.items() if one.index not in own]
        if without and len(without) < len(files):
            notes.append(f"{len(without)} frames have no mask of {one.name} (the first is {without[0]}): read as empty")
    return tuple(notes)


def _layer(path: Path, read_mask: Callable[[Path], np.ndarray]) -> np.ndarray:
    labels = read_mask(path)
    values = values_of(labels).particles
    if len(values) > 1:
        raise FolderError(
            f"{paths.display(path)} has the name of a class, but holds the values {values[0]} and {values[1]}; a "
            "binary mask holds 0 and one other (say --mask-values indices or instances if it is none)"
        )
    return labels != 0


def _priority(index: int, how: How) -> int:
    return how.named[index].priority if index != IGNORE else 0


def _check_overlap(below: np.ndarray, layer: np.ndarray, index: int, how: How, path: Path) -> None:
    """FolderError where a pixel is in the masks of two classes of equal priority."""
    if index == IGNORE:
        return
    both = layer & (below != 0)
    for other in np.unique(below[both]).tolist():
        if _priority(other, how) == _priority(index, how):
            y, x = np.argwhere(both & (below == other))[0]
            raise FolderError(
                f"{paths.display(path)}: the pixel in row {y}, column {x} is {how.named[index].name} here and "
                f"{how.named[other].name} in the other mask; correct one, or give the classes a priority in the "
                "classes file (the higher one lies on top)"
            )
