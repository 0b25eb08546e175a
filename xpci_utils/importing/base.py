"""What every reader of annotations stands on: label maps by frame, labels to class indices, and what is told."""

import difflib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import IGNORE
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, reading, unique
from xpci_utils.frames.mask_values import MOST_CLASSES

BACKGROUND_NAMES = ("background", "_background_")
IGNORE_NAMES = ("ignore", "__ignore__", "ignored", "ignore*")  # the last is QuPath's
PALETTE = ("#4477aa", "#ee7733", "#228833", "#cc3311", "#66ccee", "#ccbb44", "#aa3377", "#bbbbbb", "#ee3377")

UNCHECKED = "unchecked"  # the mark that `xpci export` puts on frames with a network's labels, for the user to remove

Size = tuple[int, int]  # height, width [px]


@dataclass(frozen=True)
class How:
    """What the command says about the annotations: the options that decide where a file can be read in two ways.

    ``frames`` are the names of the frames in their order, for formats that count frames instead of naming them;
    ``size`` is theirs, for formats that do not tell it.
    """

    classes: list[FrameClass] | None = None
    frames: tuple[str, ...] = ()
    size: Size | None = None
    annotated_only: bool = False
    mask_values: str = "auto"
    instance_classes: Path | None = None
    crowds: str = "ask"
    boxes: str = "ask"
    ignored: tuple[str, ...] = ()
    empty: str = "ask"
    take_unchecked: bool = False
    onto: Path | None = None

    @property
    def named(self) -> list[FrameClass]:
        """The classes of the classes file, for readers that are only called where there is one."""
        assert self.classes is not None
        return self.classes


@dataclass(frozen=True)
class Annotations:
    """Label maps by frame name: ``read(name)`` is uint8 [H, W], 0 background, 255 ignored.

    Of ``names``, the file lists ``bare`` without any annotation, and marks ``unchecked`` as labels of a network that
    nobody has looked at; ``exported`` says that `xpci export` wrote it, so that its names are those of the import.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    read: Callable[[str], np.ndarray] = field(repr=False)
    classes: tuple[FrameClass, ...]
    notes: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    exported: bool = False


def frame_size(path: Path, how: How) -> Size:
    """The size of the frames, which stands for that of an annotation that tells none; FolderError if not known."""
    if how.size is None:
        raise FolderError(f"{paths.display(path)} does not contain the size of its picture")
    return how.size


class Tally:
    """What was passed over or changed in the files, counted, so that nothing of it stays unsaid."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, what: str, where: str) -> None:
        """One more of ``what``, found at ``where``."""
        self._places.setdefault(what, []).append(where)

    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind of thing."""
        return tuple(f"{what}: {len(places)} (the first in {places[0]})" for what, places in self._places.items())


def alike(name: str) -> str:
    """What two labels have in common that differ by blanks, underscores, hyphens, capitals or Unicode form alone."""
    return re.sub(r"[\s_\-]+", " ", unicodedata.normalize("NFC", name).casefold()).strip()


class Names:
    """Label indices by class name: the user's classes, or those that the annotation tool knows.

    A label that differs from a class by blanks or capitals alone is taken for it, and ``notes`` says so. A class of
    the classes file comes before the labels that mean "ignore" or "background" elsewhere.
    """

    def __init__(self, path: Path, how: How, labels: Iterable[tuple[str, str | None]]):
        """``labels`` lists (name, colour or None) as the tool has them; FolderError for a name that is no class."""
        self._onto = how.onto
        self.path, self._ignored = path, {alike(name) for name in (*IGNORE_NAMES, *how.ignored)}
        labels = list(labels)
        if repeated := next((name for name, _ in labels if [n for n, _ in labels].count(name) > 1), None):
            raise FolderError(f"{paths.display(path)} has two classes named {repeated!r}; rename one")
        if how.classes:
            self.classes = tuple(how.classes)
        else:
            self.classes = _own_classes(path, [entry for entry in labels if self._meaning(entry[0]) is None])
        self._index = {one.name: one.index for one in self.classes}
        self._check_ignored(how.ignored)
        self._notes: dict[str, None] = {}
        for name, _ in labels:
            self[name]

    @property
    def notes(self) -> tuple[str, ...]:
        """Labels that were not taken as they are spelled, one sentence each."""
        return tuple(self._notes)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def __getitem__(self, name: str) -> int:
        index = self._find(name)
        if index is None:
            raise FolderError(self._unknown(name))
        if index == IGNORE:
            self._notes[f"pixels labelled {name!r} are ignored (255), not learnt"] = None
        elif name not in self._index and index:
            self._notes[f"the label {name!r} is read as the class {self.classes[index].name!r}"] = None
        return index

    def _find(self, name: str) -> int | None:
        """The class spelled so, else what the label means to annotation tools, else the one class that is alike."""
        if name in self._index:
            return self._index[name]
        if name in (*BACKGROUND_NAMES, *IGNORE_NAMES):
            return self._meaning(name)
        near = [one for one in self.classes if alike(one.name) == alike(name)]
        if len(near) > 1:
            both = " and ".join(repr(one.name) for one in near)
            raise FolderError(
                f"{paths.display(self.path)} has the label {name!r}, which could be {both}; write it like one of them"
            )
        return near[0].index if near else self._meaning(name)

    def _meaning(self, name: str) -> int | None:
        if alike(name) in self._ignored:
            return IGNORE
        return 0 if name in BACKGROUND_NAMES or alike(name) == "background" else None

    def _check_ignored(self, ignored: tuple[str, ...]) -> None:
        if clash := next((name for name in ignored if name in self._index), None):
            raise FolderError(
                f"{clash!r} is to be ignored (--ignore-label), but the classes file lists it; remove one of the two"
            )

    def _unknown(self, name: str) -> str:
        known = [one.name for one in self.classes[1:]]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        return (
            f"{paths.display(self.path)} has the class {name!r}, which the classes file does not list "
            f"({f'did you mean {near[0]!r}?' if near else 'it lists ' + ', '.join(known)}); "
            f"{add_class(self._onto)}, rename it, or have its pixels ignored with --ignore-label"
        )


def add_class(onto: Path | None) -> str:
    """How a new class is made known: to an earlier folder (``onto``) only behind its others, in a copy of the file."""
    if onto is None:
        return "add it there"
    own = paths.display(onto / "classes.yaml")
    return f"add it behind the others in a copy of {own} and give that (--classes)"


def _own_classes(path: Path, labels: list[tuple[str, str | None]]) -> tuple[FrameClass, ...]:
    if not labels:
        raise FolderError(
            f"{paths.display(path)} contains no class; list the classes in a file like data/classes.yaml (--classes)"
        )
    if len(labels) > MOST_CLASSES:
        raise FolderError(
            f"{paths.display(path)} names {len(labels)} classes; label maps of 8 bits hold at most {MOST_CLASSES}"
        )
    spellings: dict[str, str] = {}
    for name, _ in labels:
        if (other := spellings.setdefault(alike(name), name)) != name:
            raise FolderError(
                f"{paths.display(path)} has the labels {other!r} and {name!r}, which differ by blanks or capitals "
                "alone; rename one, or list the class in a file like data/classes.yaml (--classes)"
            )
    fallback = (PALETTE[i % len(PALETTE)] for i in range(len(labels)))
    coloured = [(name, colour or spare) for (name, colour), spare in zip(labels, fallback, strict=True)]
    return (FrameClass(0, "background", "#000000"), *(FrameClass(i, *one) for i, one in enumerate(coloured, 1)))


def frame_name(text: str, path: Path) -> str:
    """The frame a picture path of another tool means: its file name without folders and suffix."""
    name = PurePosixPath(str(text).replace("\\", "/")).name
    stem = name.rpartition(".")[0] if "." in name else name
    if not stem.strip(". ") or not stem.isprintable():
        raise FolderError(f"{paths.display(path)} names a picture {text!r}; that is no usable name of a frame")
    return stem


def frame_names(pictures: Iterable[str], path: Path) -> tuple[str, ...]:
    """The frames that picture paths mean, each once; where folders hold pictures of one name, the folder goes before.

    Folders that all pictures share are left out: ``2MPa/f1.png`` and ``3MPa/f1.png`` are ``2MPa_f1`` and ``3MPa_f1``.
    """
    pictures = [str(text).replace("\\", "/") for text in pictures]
    names = [frame_name(text, path) for text in pictures]
    folders = [PurePosixPath(text).parts[:-1] for text in pictures]
    if len({name.casefold() for name in names}) == len(names) or len(set(folders)) < 2:
        return unique(names, path)
    shared = next(i for i, parts in enumerate(zip_longest(*folders)) if len(set(parts)) > 1)
    return unique(("_".join((*parts[shared:], name)) for parts, name in zip(folders, names, strict=True)), path)


def read_json(path: Path) -> dict:
    """A JSON object; FolderError when it is damaged or something else."""
    return json_object(path.read_bytes(), path) if path.is_file() else json_object(b"", path)


def json_object(content: bytes, path: Path | str) -> dict:
    """The JSON object in bytes; FolderError when it is damaged or something else."""
    with reading(path, "JSON"):
        value = json.loads(content.decode("utf-8-sig"))
    if not isinstance(value, dict):
        raise FolderError(
            f"{paths.display(path)} holds a JSON {type(value).__name__}, not an object with keys; from Label Studio "
            "export COCO, or the masks of its brush as PNG"
        )
    return value
