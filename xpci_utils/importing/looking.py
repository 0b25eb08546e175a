"""One look at every frame before anything is written: depth, size, frames that show nothing, small pictures."""

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
class Seen:
    """What the chosen frames hold: bits, the frames of one single value, and how the others look."""

    levels: Levels | None
    blank: tuple[str, ...]
    looks: Looks


def chosen(films: list[Film], pairs: dict[str, str]) -> Iterator[tuple[Film, int, str]]:
    """(film, index in it, name) of every frame that has an annotation."""
    return ((film, i, name) for film in films for i, name in enumerate(film.names) if name in pairs)


def look(films: list[Film], pairs: dict[str, str], read_mask: Callable[[str], np.ndarray]) -> Seen:
    """Read the frames that ``pairs`` names; FolderError when their depths or sizes differ, or all are blank."""
    thumbnails: dict[str, np.ndarray] = {}
    blank: list[str] = []
    levels = levels_of(_alike(films, pairs, thumbnails, blank))
    if not thumbnails:
        raise FolderError("every frame holds one single value; nothing can be learnt from them, export them again")
    names = list(thumbnails)

    def masks() -> tuple[np.ndarray, np.ndarray]:
        labels = (read_mask(pairs[name]) for name in names)
        found = [(thumbnail(binary_mask(one)) > 0.5, bool(binary_mask(one).any())) for one in labels]
        return np.stack([small for small, _ in found]), np.array([shows for _, shows in found])

    return Seen(levels, tuple(blank), Looks(names, np.stack(list(thumbnails.values())), masks))


def size(shape: tuple[int, ...]) -> str:
    """A shape in words: "480 x 640"."""
    return " x ".join(map(str, shape))


def _alike(
    films: list[Film], pairs: dict[str, str], thumbnails: dict[str, np.ndarray], blank: list[str]
) -> Iterator[np.ndarray]:
    """The chosen frames, all of one kind and size; what is seen on the way goes into the last two."""
    first = None
    for film, i, name in chosen(films, pairs):
        frame = film[i]
        first = frame if first is None else first
        if frame.dtype != first.dtype:
            raise FolderError(
                f"frame {name} is {frame.dtype}, the first frame {first.dtype}; save all with the same depth"
            )
        if frame.shape != first.shape:
            raise FolderError(
                f"frame {name} is {size(frame.shape)}, the first frame {size(first.shape)}; all must be alike"
            )
        if frame.min() == frame.max():
            blank.append(name)
            continue
        thumbnails[name] = thumbnail(frame)
        yield frame
