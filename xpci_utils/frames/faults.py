"""One sentence for whatever is wrong with a file that somebody else wrote."""

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xpci_utils import paths

MAX_PIXELS = 100_000_000
MIN_SIDE = 8


class FolderError(ValueError):
    """A user's file or folder cannot be used; the message names it and the remedy."""


@contextmanager
def reading(path: str | Path, what: str = "file") -> Iterator[None]:
    """Whatever a decoder raises becomes a FolderError that names the file (damaged ones make them raise anything)."""
    try:
        yield
    except FolderError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise FolderError(
            f"{paths.display(path)} cannot be read as {what} ({reason[:160]}); export or copy it again"
        ) from None


def regular_file(path: Path) -> Path:
    """``path`` if it is a plain file with something in it; a pipe or a device would be read for ever."""
    with reading(path):
        state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise FolderError(f"{paths.display(path)} is not a file")
    if state.st_size == 0:
        raise FolderError(f"{paths.display(path)} is empty; export or copy it again")
    return path


def unique(names: Iterable[str], where: str | Path) -> tuple[str, ...]:
    """The names of frames, none of which may come twice, also not in other capitals."""
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip(". ") or not name.isprintable():
            raise FolderError(f"{paths.display(where)} has a frame named {name!r}; give it a name that can be read")
        if name.casefold() in seen:
            other = seen[name.casefold()]
            differ = "" if other == name else f" (as {other!r}: many computers take these for one file)"
            raise FolderError(f"{paths.display(where)} has the frame {name!r} twice{differ}; rename or remove one")
        seen[name.casefold()] = name
    return tuple(seen.values())


def check_size(shape: tuple[int, ...], path: str | Path, smallest: int = MIN_SIDE) -> None:
    """Refuse what a header claims before memory is taken for it: frames of a few pixels, or of far too many."""
    height, width = shape
    if height * width > MAX_PIXELS:
        raise FolderError(
            f"{paths.display(path)} says it is {height} x {width} pixels; frames of more than "
            f"{MAX_PIXELS // 1_000_000} million pixels are not read: the file is damaged, or has to be cut"
        )
    if min(height, width) < smallest:
        raise FolderError(
            f"{paths.display(path)} is {height} x {width} pixels; a frame needs at least {smallest} x {smallest}"
        )


def as_grey(array: np.ndarray, where: str) -> np.ndarray:
    """A frame [H, W] as uint8, uint16 or float32; colour is taken when its channels are equal.

    Raises FolderError for colour, for bits without grey levels, for NaN, and for integers that float32 cannot hold.
    """
    if array.ndim == 3 and array.shape[-1] in (2, 3, 4):
        colour = array[..., : 1 if array.shape[-1] == 2 else 3]
        if (colour != colour[..., :1]).any():
            raise FolderError(f"{where} is a colour image; convert it to grey, frames have one channel")
        array = colour[..., 0]
    if array.ndim != 2:
        raise FolderError(f"{where} has the shape {array.shape}; a frame is height x width")
    if array.dtype.kind not in "uif" or array.dtype.itemsize > 8:
        raise FolderError(f"{where} holds {array.dtype} values; frames are grey levels: integers or floats")
    if array.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    if not np.isfinite(array).all():
        raise FolderError(f"{where} holds pixels that are no numbers (NaN or infinite); export it again without them")
    if np.abs(array).max() > 2**24:
        raise FolderError(f"{where} holds values of {np.abs(array).max():.3g}; scale them to 16 bits or to about 1")
    return array.astype(np.float32)
