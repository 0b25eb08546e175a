"""What a network trains on: sequences of (image, labels), both uint8 of one size, read on demand."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.files import read_png

Example = tuple[np.ndarray, np.ndarray]


class Annotated(Protocol):
    """What is needed of a frame: its image and labels, uint8 [H, W]."""

    @property
    def image(self) -> np.ndarray: ...

    @property
    def labels(self) -> np.ndarray: ...


class Frames(Protocol):
    """What is needed of frames (a `FrameSet`): how many there are, and each by its index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Annotated: ...


class FrameExamples(Sequence[Example]):
    """Every window of every frame (a `FrameSet`) as (image, labels); decoded frames are kept in memory."""

    def __init__(self, frames: Frames, windows: list[tuple[slice, slice]]):
        self.frames, self.windows = frames, windows
        self._frame = lru_cache(maxsize=1024)(frames.__getitem__)

    def __len__(self) -> int:
        return len(self.frames) * len(self.windows)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]  # one by one, no slices
        frame_index, window_index = divmod(range(len(self))[index], len(self.windows))
        frame, window = self._frame(frame_index), self.windows[window_index]
        return frame.image[window], frame.labels[window]


class PoolImages(Sequence[np.ndarray]):
    """The images of a pool, uint8 [H, W], in the order of ``indices``; neither masks nor labels are read."""

    def __init__(self, pairs_folder: str | Path, indices: Sequence[int]):
        self.images, self.indices = paths.resolve(pairs_folder) / "images", [int(index) for index in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]  # one by one, no slices
        return read_png(self.images / f"{self.indices[index]:06d}.png")


class PairExamples(Sequence[Example]):
    """Synthetic frames with the labels a labeller gave them, in the order of ``indices``."""

    def __init__(self, pairs_folder: str | Path, labels_folder: str | Path, indices: Sequence[int]):
        self.pairs, self.labels = paths.resolve(pairs_folder), paths.resolve(labels_folder)
        self.indices = [int(index) for index in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]  # one by one, no slices
        name = f"{self.indices[index]:06d}.png"
        return read_png(self.pairs / "images" / name), read_png(self.labels / name)
