"""A folder of annotated frames that describes itself: ``frames.csv``, ``frames.json`` and PNG files.

frames.csv   name, sequence, split (train / val / test), simulated
frames.json  height, width, tile, pixel_size_um, intensity window, class names and colours, source, corrections
images/      one uint8 PNG per frame
labels/      one uint8 PNG of class indices per frame; 0 is background, 255 is ignored everywhere
instances/   one uint16 PNG of particle numbers per frame, where the source knows them
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import files, paths
from xpci_utils.frames.examples import FrameExamples
from xpci_utils.frames.files import read_png, write_png
from xpci_utils.frames.pad import IGNORE
from xpci_utils.frames.tiles import tiles_of

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Frame:
    """One annotated frame: ``image`` and ``labels`` are uint8 [H, W]."""

    name: str
    sequence: str
    split: str
    image: np.ndarray
    labels: np.ndarray
    simulated: bool = False
    instances: np.ndarray | None = None


class FrameSet:
    """Frames of a folder, read when they are asked for."""

    def __init__(self, folder: Path, info: dict, rows: list[dict]):
        self.folder, self.info, self.rows = Path(folder), info, rows

    @classmethod
    def open(cls, folder: str | Path) -> FrameSet:
        """Open a folder that notebook 01 (or ``write_frames``) wrote; FileNotFoundError says what is missing."""
        folder = paths.resolve(folder)
        for name in ("frames.json", "frames.csv"):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{paths.display(folder)} holds no {name}: it is not a frame set. "
                    "Run notebook 01_prepare_frames first, or correct run_root."
                )
        with open(folder / "frames.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return cls(folder, files.read_json(folder / "frames.json"), rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Frame:
        row = self.rows[index]
        return Frame(
            name=row["name"],
            sequence=row["sequence"],
            split=row["split"],
            simulated=row["simulated"] == "true",
            image=read_png(self.folder / "images" / f"{row['name']}.png"),
            labels=read_png(self.folder / "labels" / f"{row['name']}.png"),
        )

    def __iter__(self) -> Iterator[Frame]:
        return (self[i] for i in range(len(self)))

    def split(self, name: str) -> FrameSet:
        """The frames of one split; ValueError if the name is unknown or the split is empty."""
        if name not in SPLITS:
            raise ValueError(f"there is no split {name!r}; choose from {', '.join(SPLITS)}")
        rows = [row for row in self.rows if row["split"] == name]
        if not rows:
            raise ValueError(f"the {name} split of {paths.display(self.folder)} is empty")
        return FrameSet(self.folder, self.info, rows)

    def first(self, count: int) -> FrameSet:
        """The first frames by index, at most ``count``: for pictures."""
        return FrameSet(self.folder, self.info, self.rows[:count])

    def first_of_sequences(self, count: int) -> FrameSet:
        """The first frame of each of the first ``count`` sequences; of fewer sequences the second frames, too.

        Frames of one sequence resemble each other, so that these show more than the first ones by index.
        """
        before: dict[str, int] = {}
        ranked = []
        for index, row in enumerate(self.rows):
            before[row["sequence"]] = before.get(row["sequence"], -1) + 1
            ranked.append((before[row["sequence"]], index))
        return FrameSet(
            self.folder, self.info, [self.rows[index] for index in sorted(i for _, i in sorted(ranked)[:count])]
        )

    def take(self, count: int) -> FrameSet:
        """Exactly the first ``count`` frames (0: all), to train on fewer annotations; ValueError if there are fewer."""
        if count > len(self):
            raise ValueError(f"{count} frames of {paths.display(self.folder)} are asked for, but there are {len(self)}")
        return self.first(count or len(self))

    @property
    def names(self) -> list[str]:
        return [row["name"] for row in self.rows]

    @property
    def simulated(self) -> bool:
        return any(row["simulated"] == "true" for row in self.rows)

    @property
    def height(self) -> int:
        return self.info["height"]

    @property
    def width(self) -> int:
        return self.info["width"]

    @property
    def tile(self) -> int:
        """Side of the square tiles that networks see; 0 for whole frames."""
        return self.info["tile"]

    @property
    def pixel_size_um(self) -> float:
        return self.info["pixel_size_um"]

    @property
    def class_names(self) -> list[str]:
        """Names by index; index 0 is the background."""
        return self.info["class_names"]

    @property
    def class_colours(self) -> list[str]:
        """One "#rrggbb" per class, background included."""
        return self.info["class_colours"]

    @property
    def num_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.class_names)

    @property
    def example_shape(self) -> tuple[int, int]:
        """(height, width) of what a network sees: a whole frame, or one tile."""
        return min(self.tile or self.height, self.height), min(self.tile or self.width, self.width)

    def examples(self, split: str) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """(image, labels) pairs of one split for training: whole frames, or every tile of each frame."""
        return FrameExamples(self.split(split), tiles_of(self.height, self.width, self.tile))


def binary_mask(labels: np.ndarray) -> np.ndarray:
    """True where any particle is: bool, the shape of ``labels``. Ignored pixels are not particles."""
    return (labels != 0) & (labels != IGNORE)


def write_frames(folder: str | Path, frames: Iterable[Frame], info: dict) -> FrameSet:
    """Write frames one by one and open the result; ``info`` is what ``frames.json`` shall say.

    ``info`` needs class_names, class_colours, pixel_size_um and tile; height and width are added here.
    Raises ValueError if a frame's size differs from the first one's, or a name comes twice.
    """
    folder = paths.resolve(folder)
    rows: list[list[str]] = []
    shape: tuple[int, ...] | None = None
    for frame in frames:
        shape = shape or frame.image.shape
        if frame.image.shape != shape or frame.labels.shape != shape:
            raise ValueError(f"frame {frame.name} is {frame.image.shape}, labels {frame.labels.shape}, not {shape}")
        for kind in ("images", "labels", "instances"):
            array = getattr(frame, {"images": "image"}.get(kind, kind))
            if array is not None:
                os.makedirs(folder / kind, exist_ok=True)
                write_png(folder / kind / f"{frame.name}.png", array)
        rows.append([frame.name, frame.sequence, frame.split, str(frame.simulated).lower()])
    if len({row[0] for row in rows}) < len(rows):
        raise ValueError("two frames have the same name")
    if shape is None:
        raise ValueError("there is no frame to write")
    with files.atomic_path(folder / "frames.csv") as temporary, open(temporary, "w", newline="") as file:
        csv.writer(file).writerows([["name", "sequence", "split", "simulated"], *rows])
    files.write_json(folder / "frames.json", {"height": shape[0], "width": shape[1], **info})
    return FrameSet.open(folder)
