"""More annotated frames onto a folder that the import wrote earlier: corrected proposals of a network, or new films.

The result is a new folder; the earlier one is only read. What was decided there holds: classes, corrections, size of
a pixel, sequences and splits. A new frame comes into the split of the annotated frames beside it in its film, and a new
film into training, so that frames of one film stay together and no score is measured on other frames than before.
"""

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xpci_utils import files, paths
from xpci_utils.frames import FolderError, UnlabelledFrame, check_folder, read_classes, unlabelled
from xpci_utils.frames.apart import UNLABELLED, append_rows
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.folder import AnnotatedFolder
from xpci_utils.frames.frameset import SPLITS
from xpci_utils.frames.pictures import read_grey
from xpci_utils.importing.apart import sequences_beside
from xpci_utils.importing.checkup import imported
from xpci_utils.importing.film import Film
from xpci_utils.importing.request import Request
from xpci_utils.importing.sequences import Sequences, write_sequences, write_splits

AGAIN = ("ask", "new", "old")
SAME = 0.02
COMPARED = 3  # frames of a film that lie in the earlier folder, by which the film is known again
KNOWN_AGAIN = 64  # frames of a film that seems new, which are looked for in the earlier folder


@dataclass(frozen=True)
class Earlier:
    """An imported folder to which frames are added: its content, classes, and what import.json says."""

    folder: Path
    content: AnnotatedFolder
    classes: list[FrameClass]
    record: dict
    apart: list[UnlabelledFrame]

    @classmethod
    def open(cls, folder: Path) -> "Earlier":
        """Check the folder; FolderError if it cannot be used, or was laid out by hand, so that nothing tells how."""
        classes = read_classes(folder / "classes.yaml")
        content, record = check_folder(folder, classes), imported(folder)
        if "options" not in record:
            raise FolderError(
                f"{paths.display(folder)} was not written by this version of the import, so nothing tells how its "
                "frames were corrected; import it again"
            )
        return cls(folder, content, classes, record, unlabelled(folder, content))

    def completed(self, request: Request) -> Request:
        """The request with what was said for the earlier folder wherever it says nothing itself."""
        for name in ("sequences", "splits", "gap"):
            if getattr(request, name) is not None:
                raise FolderError(
                    f"--onto keeps the sequences and splits of {paths.display(self.folder)}; leave out --{name}"
                )
        before = {name: value for name, value in self.record["options"].items() if value is not None}
        files = {name: Path(before.pop(name)) for name in ("flats", "darks") if name in before}
        defaults = type(request)(request.images, request.masks, request.out)
        options = {
            name: value for name in before | files if (value := getattr(request, name)) != getattr(defaults, name)
        }
        classes = {"classes": self._classes(request.classes)}
        return replace(request, **(before | files | classes | options))

    def _classes(self, given: Path | None) -> Path:
        """The classes file in force: a given one may only add classes behind the earlier ones."""
        own = self.folder / "classes.yaml"
        if given is None:
            return own
        if [one.name for one in read_classes(given)][: len(self.classes)] != [one.name for one in self.classes]:
            raise FolderError(
                f"{paths.display(given)} does not begin with the classes of {paths.display(own)}; add new ones behind"
            )
        return given

    def spelt(self, films: Sequence[Film]) -> list[Film]:
        """The films with their frames called as in the earlier folder, whose names a Mac may have decomposed (NFD)."""
        stored = {unicodedata.normalize("NFC", name): name for name in self._paths()}
        return [
            replace(film, names=tuple(stored.get(unicodedata.normalize("NFC", name), name) for name in film.names))
            for film in films
        ]

    def _paths(self) -> dict[str, Path]:
        """Files of the earlier frames, annotated or kept apart, by name."""
        return self.content.images | {one.name: one.path for one in self.apart}

    def sequences(self, films: Sequence[Film], names: Collection[str]) -> Sequences:
        """The sequence and split of every new frame: those of what lies beside it; a new film is for training."""
        known = {one.name: one.sequence for one in self.apart} | self.content.sequences
        dealt = {self.content.sequences[name]: split for name, split in self.content.splits.items()}
        split_of = {name: dealt[one] for name, one in known.items() if one in dealt}
        beside = {name: one for film in films for name, one in sequences_beside(film, known, split_of).items()}
        of = {name: beside[name] for name in names}
        splits = {name: dealt.get(one, "train") for name, one in of.items()}
        counts = ", ".join(f"{list(splits.values()).count(split)} {split}" for split in SPLITS)
        return Sequences(of, f"added frames are in the splits of the frames beside them ({counts})", splits)

    def check_again(self, pairs: dict[str, str], again: str) -> tuple[dict[str, str], list[str]]:
        """(the pairs to be taken, what is told), where frames are annotated earlier, too; FolderError to ask."""
        twice = sorted(pairs.keys() & self.content.images.keys())
        if not twice:
            return pairs, []
        sentence = f"{len(twice)} frames are annotated in {paths.display(self.folder)} already (first: {twice[0]})"
        if again == "ask":
            raise FolderError(f"{sentence}; say --again new to take the new annotations, --again old to keep those")
        if again == "new":
            return pairs, [f"{sentence}: the new annotations are taken"]
        left = {name: own for name, own in pairs.items() if name not in set(twice)}
        if not left:
            raise FolderError(f"{sentence}, and no other frame is annotated: nothing would be added")
        return left, [f"{sentence}: those annotations are kept"]

    def check_films(self, films: Sequence[Film], prepared: Callable[[Film, int], np.ndarray]) -> None:
        """FolderError when frames of a film differ from those of the same names in the earlier folder."""
        stored = self._paths()
        self._check_new(self.new_films(films), prepared)
        for film in films:
            common = [i for i, name in enumerate(film.names) if name in stored]
            for i in np.unique(np.linspace(0, len(common) - 1, COMPARED).round().astype(int)) if common else ():
                name = film.names[common[i]]
                if not _equal(prepared(film, common[i]), read_grey(stored[name])):
                    raise FolderError(
                        f"{name} of {paths.display(film.path)} is not the frame of that name in "
                        f"{paths.display(self.folder)}: another film that is called alike (rename it), or one "
                        "corrected in another way"
                    )

    def _check_new(self, films: Sequence[Film], prepared: Callable[[Film, int], np.ndarray]) -> None:
        """FolderError when a film that seems new holds frames that lie in the earlier folder by other names.

        Taken for a new film, they would be learnt from, although the earlier frames beside them may be tested on.
        """
        stored = {_digest(read_grey(path)): name for name, path in self._paths().items()} if films else {}
        for film in films:
            for i in np.unique(np.linspace(0, len(film) - 1, KNOWN_AGAIN).round().astype(int)):
                if (frame := film[i]).min() < frame.max() and (name := stored.get(_digest(prepared(film, i)))):
                    raise FolderError(
                        f"{film.names[i]} of {paths.display(film.path)} is {name} of {paths.display(self.folder)}, "
                        "pixel for pixel: the same film by another name; give the file or folder that was given then"
                    )

    def agreed(self, record: Mapping) -> dict:
        """What both folders say in common; FolderError for other corrections, or another size of a pixel or step."""
        steps = [re.sub(r"\d+", "N", "; ".join(one["corrections"])) for one in (self.record, record)]
        if steps[0] != steps[1]:
            raise FolderError(
                f"the frames of {paths.display(self.folder)} were corrected by {steps[0] or 'nothing'}, the new ones "
                f"by {steps[1] or 'nothing'}; say --correct, --flats and --darks as then"
            )
        agreed: dict = {"onto": paths.display(self.folder)}
        for key, what in (("pixel_size_um", "pixels [um]"), ("frame_interval_us", "times between frames [us]")):
            both = [one for one in (self.record[key], record[key]) if one]
            if len(both) == 2 and abs(both[1] / both[0] - 1) > SAME:
                raise FolderError(
                    f"{paths.display(self.folder)} has {what} of {both[0]:g}, the new frames of {both[1]:g}; frames of "
                    "one folder need the same"
                )
            agreed[key] = both[0] if both else None
        return agreed

    def new_films(self, films: Sequence[Film]) -> list[Film]:
        """The films of which the earlier folder holds no frame."""
        return [film for film in films if not self._paths().keys() & set(film.names)]

    def copy_into(self, folder: Path, added: Sequences) -> str:
        """Add the earlier frames to the new ones in ``folder``, with common tables; says how many there are of each."""
        for kind, own in (("images", self.content.images), ("masks", self.content.masks)):
            for name, path in own.items():
                if name not in added.of:
                    shutil.copyfile(path, folder / kind / path.name)
        write_sequences(folder, dict(sorted((self.content.sequences | added.of).items())))
        write_splits(folder, dict(sorted((self.content.splits | added.splits).items())))
        self._copy_apart(folder / UNLABELLED, added.of.keys())
        replaced = len(self.content.images.keys() & added.of.keys())
        new, earlier = len(added.of) - replaced, len(self.content.images)
        again = f", of which {replaced} have their new annotation" if replaced else ""
        return f"{new} frames are added to the {earlier} of {paths.display(self.folder)}{again}"

    def _copy_apart(self, place: Path, annotated: Collection[str]) -> None:
        left = [one for one in self.apart if one.name not in annotated]
        if not left:
            return
        place.mkdir(exist_ok=True)
        for one in left:
            shutil.copyfile(one.path, place / one.path.name)
        append_rows(place, [(one.name, one.sequence, one.film, one.frame, one.time_us) for one in left])


def _digest(image: np.ndarray) -> str:
    return files.digest(image.shape, str(image.dtype), hashlib.blake2b(image.tobytes()).hexdigest())


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and bool(np.array_equal(one, other))
