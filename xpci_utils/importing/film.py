"""A film: frames of one file, read one at a time, with what the file says about them. Readers build on this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, as_grey, check_size, reading

MAX_FRAMES = 1_000_000  # 20 s at 50,000 frames per second


@dataclass(frozen=True)
class Film(Sequence[np.ndarray]):
    """Frames of one file (a sequence) with what the file says about them.

    ``film[i]`` is [H, W], uint8, uint16 or float32. ``read`` gives what is stored, class indices included, ``show``
    (where it differs) the grey levels or colours that are meant: palettes, white as 0, calibration. ``grey`` says which
    of them is taken, see `as_grey`. ``flats`` and ``darks`` are the reference frames that lie in the same file,
    ``pixel_um`` and ``interval_us`` are None where the file does not tell; ``notes`` are sentences for the user.
    ``bare`` are the names without the folders that are part of them.
    """

    path: Path
    names: tuple[str, ...]
    kind: str
    read: Callable[[int], np.ndarray] = field(repr=False)
    pixel_um: float | None = None
    interval_us: float | None = None
    flats: Film | None = None
    darks: Film | None = None
    show: Callable[[int], np.ndarray] | None = field(default=None, repr=False)
    grey: str = "shown"
    notes: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]  # one by one, no slices
        index = range(len(self))[index]
        read = self.read if self.show is None or self.grey == "stored" else self.show
        with reading(self.path, "frames"):
            where = paths.display(self.path) + (f", frame {index}" if len(self) > 1 else "")
            return as_grey(np.asarray(read(index)), where, self.grey)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))


def numbered(path: Path, count: int) -> tuple[str, ...]:
    """Names of the frames of a file: its own name for a single one, else with the number, counted from 0."""
    return (path.stem,) if count == 1 else tuple(f"{path.stem}_{i:05d}" for i in range(count))


def check_shape(shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """(frames, height, width) of an array of 2 or 3 axes; FolderError for others, and beyond ``MAX_FRAMES``."""
    if len(shape) not in (2, 3):
        raise FolderError(f"{paths.display(path)} holds an array of {len(shape)} axes; frames x height x width are 3")
    check_size(shape[-2:], path)
    frames, height, width = (1, *shape)[-3:]
    if frames > MAX_FRAMES:
        raise FolderError(
            f"{paths.display(path)} says it holds {frames:,} frames; more than {MAX_FRAMES:,} are not read: the file "
            "is damaged, or has to be cut"
        )
    return frames, height, width
