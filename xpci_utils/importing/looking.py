"""One look at every frame before anything is written: depth, size, frames that show nothing, small pictures."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from xpci_utils.frames import binary_mask
from xpci_utils.frames.faults import FolderError
from xpci_utils.importing.corrections import Levels, levels_of
from xpci_utils.importing.film import Film
from xpci_utils.importing.likeness import thumbnail
from xpci_utils.importing.sequences import Looks


@dataclass(frozen=True)
class Survey:
    """What the chosen frames hold: bits, the frames of one single value, and how the others look."""

    levels: Levels | None
    blank: tuple[str, ...]
    looks: Looks


def chosen(films: list[Film], pairs: dict[str, str]) -> Iterator[tuple[Film, int, str]]:
    """(film, index in it, name) of every frame that has an annotation."""
    return ((film, i, name) for film in films for i, name in enumerate(film.names) if name in pairs)


def look(films: list[Film], pairs: dict[str, str], read_mask: Callable[[str], np.ndarray]) -> Survey:
    """Read the frames that ``pairs`` names; FolderError when their depths or sizes differ, or all are blank."""
    look_at = _Look()
    frames = look_at(films, pairs)
    levels = levels_of(frames)
    deque(frames, maxlen=0)  # for floats the levels are known at once, but all frames have to be looked at
    names = list(look_at.thumbnails)
    if not names:
        raise FolderError("every frame holds one single value; nothing can be learnt from them, export them again")

    def masks() -> tuple[np.ndarray, np.ndarray]:
        label_maps = [_mask(read_mask(pairs[name]), name, look_at.shape) for name in names]
        return np.stack([thumbnail(mask) > 0.5 for mask in label_maps]), np.array([mask.any() for mask in label_maps])

    return Survey(levels, tuple(look_at.blank), Looks(names, np.stack(list(look_at.thumbnails.values())), masks))


def size(shape: tuple[int, ...]) -> str:
    """A shape in words: "480 x 640"."""
    return " x ".join(map(str, shape))


def check_mask(labels: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The labels of a frame if they are of its size; else a FolderError."""
    if labels.shape != shape:
        raise FolderError(
            f"the annotation of {name} is {size(labels.shape)}, its frame {size(shape)}; annotate the frames as they "
            "are given here, or export the annotation at their size"
        )
    return labels


def _mask(labels: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    return binary_mask(check_mask(labels, name, shape))


class _Look:
    """Passes frames on, all of one kind and size, and keeps what it saw: the blank ones are not passed on."""

    def __init__(self) -> None:
        self.thumbnails: dict[str, np.ndarray] = {}
        self.blank: list[str] = []
        self.shape: tuple[int, ...] = ()

    def __call__(self, films: list[Film], pairs: dict[str, str]) -> Iterator[np.ndarray]:
        kind = None
        for film, i, name in chosen(films, pairs):
            frame = film[i]
            kind, self.shape = kind or frame.dtype, self.shape or frame.shape
            if frame.dtype != kind:
                raise FolderError(
                    f"frame {name} is {frame.dtype}, the first frame {kind}; save all with the same depth"
                )
            if frame.shape != self.shape:
                raise FolderError(
                    f"frame {name} is {size(frame.shape)}, the first frame {size(self.shape)}; all must be alike"
                )
            if frame.min() == frame.max():
                self.blank.append(name)
            else:
                self.thumbnails[name] = thumbnail(frame)
                yield frame
