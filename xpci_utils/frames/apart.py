"""Frames of a user's films that nobody annotated, which the import keeps apart: no notebook of the paper reads them.

unlabelled/             film_00017.png ...: grey levels, corrections and pixels as those of images/
unlabelled/frames.csv   name,sequence,film,frame,time_us

``sequence`` is that of the annotated frames around, so that no frame of a test sequence is used for training.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.frames.folder import AnnotatedFolder, to_uint8
from xpci_utils.frames.pictures import SUFFIXES, read_grey

UNLABELLED, TABLE = "unlabelled", "frames.csv"
COLUMNS = ("name", "sequence", "film", "frame", "time_us")


@dataclass(frozen=True)
class UnlabelledFrame:
    """A frame without annotation: its place in its film (from 0), its time there [us], None if no file tells it.

    ``split`` is that of the annotated frames of its sequence, "" where there are none.
    """

    name: str
    sequence: str
    film: str
    frame: int
    time_us: float | None
    path: Path
    split: str = ""

    @property
    def grey(self) -> np.ndarray:
        """Grey levels as they are stored, uint8, uint16 or float32 [H, W]."""
        return read_grey(self.path)

    def image(self, window: tuple[float, float]) -> np.ndarray:
        """uint8 [H, W], as networks see it: by the window of the training frames (`AnnotatedFolder.window`)."""
        return to_uint8(self.grey, window)


def append_rows(place: Path, rows: Iterable[tuple[str, str, str, int, float | None]]) -> None:
    """Add rows (name, sequence, film, frame, time [us] or None) to the table of ``place``, an unlabelled/ folder."""
    is_new = not (place / TABLE).exists()
    with open(place / TABLE, "a", newline="", encoding="utf-8") as file:
        if is_new:
            csv.writer(file).writerow(COLUMNS)
        csv.writer(file).writerows((*told, "" if time is None else f"{time:g}") for *told, time in rows)


def unlabelled(folder: str | Path, found: AnnotatedFolder | None = None) -> list[UnlabelledFrame]:
    """The frames that the import of ``folder`` kept without annotation, in the order of their films; [] if none.

    With ``found``, what the check of the folder found, every frame has the split of its sequence. Those to learn from
    are "train" and, of sequences without annotated frames, "". FolderError for a damaged table or a lost picture.
    """
    place = paths.resolve(folder) / UNLABELLED
    if not (place / TABLE).is_file():
        return []
    pictures = {path.stem: path for path in place.iterdir() if path.suffix.lower() in SUFFIXES}
    splits = {found.sequences[name]: split for name, split in found.splits.items()} if found else {}
    with reading(place / TABLE, "a table"), open(place / TABLE, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
        if lost := [row["name"] for row in rows if row["name"] not in pictures]:
            raise FolderError(f"{paths.display(place / TABLE)} lists {lost[0]}, of which there is no picture beside it")
        return [
            UnlabelledFrame(
                row["name"],
                row["sequence"],
                row["film"],
                int(row["frame"]),
                float(row["time_us"]) if row["time_us"] else None,
                pictures[row["name"]],
                splits.get(row["sequence"], ""),
            )
            for row in rows
        ]
