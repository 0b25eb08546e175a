"""Frames of a user's films that nobody annotated, which the import keeps apart: only the pool 'unlabelled' reads them.

unlabelled/             film_00017.png ...: grey levels, corrections and pixels as those of images/
unlabelled/frames.csv   name,sequence,film,frame,time_us

``sequence`` is that of the annotated frames around, so that no frame of a test sequence is used for training.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.frames.folder import AnnotatedFolder, to_uint8
from xpci_utils.frames.frameset import FrameSet
from xpci_utils.frames.pictures import SUFFIXES, read_grey
from xpci_utils.frames.tiles import tiles_of

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


def to_learn_from(folder: str | Path, splits: Mapping[str, str]) -> list[UnlabelledFrame]:
    """The frames in unlabelled/ of a user's ``folder`` whose sequence neither validates nor tests.

    ``splits`` are those of the sequences. FolderError says how to import such frames if there are none.
    """
    frames = unlabelled(folder) if folder else []
    learnt = [one for one in frames if splits.get(one.sequence, "train") == "train"]
    if not learnt:
        where = f"{paths.display(folder)} holds" if folder else "source_folder names no folder, so there are"
        raise FolderError(
            f"{where} no frames without annotation to learn from: 'xpci import FILM ANNOTATIONS NEW_FOLDER "
            "--unlabelled 1000' keeps those of the film in unlabelled/, and FRAMES=NEW_FOLDER behind make reproduce "
            "(source_folder of notebook 04a) names that folder"
        )
    return learnt


def images_without_annotation(
    folder: str | Path, frames: FrameSet, count: int, *, start: int = 0
) -> Iterator[np.ndarray]:
    """``count`` images uint8 [h, w] of the frames in unlabelled/ of a user's ``folder``, from number ``start`` on.

    They are cut into tiles and seen through the intensity window as the annotated ``frames`` made from that folder, and
    are evenly spaced over all there are. Frames of sequences that validate or test are left out: they are near copies.
    FolderError if there are none, too few, or if one has another size.
    """
    sources = to_learn_from(folder, {row["sequence"]: row["split"] for row in frames.rows})
    windows = tiles_of(frames.height, frames.width, frames.tile)
    places = [(one, window) for one in sources for window in windows]
    if count > len(places):
        raise FolderError(
            f"{paths.display(folder)} holds {len(sources)} frames without annotation to learn from, which give "
            f"{len(places)} images of {windows[0][0].stop} x {windows[0][1].stop} pixels, and {count} are asked for; "
            "import more (--unlabelled N), or lower pairs of notebook 04a and the counts of the grid"
        )
    chosen = np.linspace(0, len(places) - 1, count).round().astype(int)[start:]
    return (_cut(one, window, frames) for one, window in (places[index] for index in chosen))


def _cut(one: UnlabelledFrame, window: tuple[slice, slice], frames: FrameSet) -> np.ndarray:
    limits = frames.info["window"]
    image = one.image((limits["low"], limits["high"]))
    if image.shape != (frames.height, frames.width):
        raise FolderError(
            f"{paths.display(one.path)} has {image.shape[0]} x {image.shape[1]} pixels, the annotated frames have "
            f"{frames.height} x {frames.width}; import films of one size into one folder"
        )
    return image[window]


def append_rows(place: Path, rows: Iterable[tuple[str, str, str, int, float | None]]) -> None:
    """Add rows (name, sequence, film, frame, time [us] or None) to the table of ``place``, an unlabelled/ folder."""
    is_new = not (place / TABLE).exists()
    with open(place / TABLE, "a", newline="", encoding="utf-8") as file:
        if is_new:
            csv.writer(file).writerow(COLUMNS)
        csv.writer(file).writerows((*entries, "" if time is None else f"{time:g}") for *entries, time in rows)


def unlabelled(folder: str | Path, content: AnnotatedFolder | None = None) -> list[UnlabelledFrame]:
    """The frames that the import of ``folder`` kept without annotation, in the order of their films; [] if none.

    With ``content``, the checked folder, every frame has the split of its sequence. Those to learn from are "train"
    and, of sequences without annotated frames, "". FolderError for a damaged table or a lost picture.
    """
    place = paths.resolve(folder) / UNLABELLED
    if not (place / TABLE).is_file():
        return []
    pictures = {path.stem: path for path in place.iterdir() if path.suffix.lower() in SUFFIXES}
    splits = {content.sequences[name]: split for name, split in content.splits.items()} if content else {}
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
