"""One sentence for whatever is wrong with a file that somebody else wrote."""

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xpci_utils import paths

MAX_PIXELS = 100_000_000
MIN_SIDE = 8
NEARLY_GREY = 0.03  # of the brightest value: what JPEG and white balance leave between the channels of a grey picture
CHANNELS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "luminance": (0.299, 0.587, 0.114)}


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
    spellings: dict[str, str] = {}
    for name in names:
        if not name.strip(". ") or not name.isprintable():
            raise FolderError(f"{paths.display(where)} has a frame named {name!r}; give it a name that can be read")
        if name.casefold() in spellings:
            other = spellings[name.casefold()]
            differ = "" if other == name else f" (as {other!r}: many computers take these for one file)"
            raise FolderError(f"{paths.display(where)} has the frame {name!r} twice{differ}; rename or remove one")
        spellings[name.casefold()] = name
    return tuple(spellings.values())


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


def as_grey(array: np.ndarray, where: str, grey: str = "shown") -> np.ndarray:
    """A frame [H, W] as uint8, uint16 or float32 of this machine's byte order.

    Colour is taken when its channels are equal, or differ by at most ``NEARLY_GREY`` of the brightest value (then their
    mean), or when ``grey`` chooses among them: red, green, blue, luminance (Rec. 601). Raises FolderError for other
    colour, transparency, bits without grey levels, NaN, and for integers that float32 cannot hold.
    """
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 3 and array.shape[-1] in (1, 2, 3, 4):
        has_alpha, stored = array.shape[-1] in (2, 4), array
        array = _one_channel(array[..., :-1] if has_alpha else array, where, grey)
        if has_alpha:
            opaque(stored, where)
    if array.ndim != 2:
        raise FolderError(f"{where} has the shape {array.shape}; a frame is height x width")
    if array.dtype.kind not in "uif" or array.dtype.itemsize > 8:
        raise FolderError(f"{where} holds {array.dtype} values; frames are grey levels: integers or floats")
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return np.ascontiguousarray(array)
    if not np.isfinite(array).all():
        raise FolderError(f"{where} holds pixels that are no numbers (NaN or infinite); export it again without them")
    if np.abs(array).max() > 2**24:
        raise FolderError(f"{where} holds values of {np.abs(array).max():.3g}; scale them to 16 bits or to about 1")
    return array.astype(np.float32)


def opaque(array: np.ndarray, where: str) -> np.ndarray:
    """The channels before the last, which is an alpha channel; FolderError if that hides anything."""
    alpha = array[..., -1]
    if (alpha != alpha.flat[0]).any() or alpha.flat[0] == 0:
        raise FolderError(
            f"{where} has transparent pixels (or a second channel), and nothing says what they show; save it without "
            "transparency"
        )
    return array[..., :-1]


def _one_channel(array: np.ndarray, where: str, grey: str) -> np.ndarray:
    if array.shape[-1] == 3 and grey in CHANNELS:
        values = array @ np.array(CHANNELS[grey])
        return (np.round(values) if array.dtype.kind in "ui" else values).astype(array.dtype)
    if (array == array[..., :1]).all():
        return array[..., 0]
    values = array.astype(np.float64)
    if not np.ptp(values, axis=-1).max() <= NEARLY_GREY * np.abs(values).max():
        raise FolderError(
            f"{where} is a colour image; convert it to grey, frames have one channel (or let the import do it: --grey "
            "luminance, red, green or blue, and --grey stored for the numbers behind a palette)"
        )
    mean = values.mean(-1)
    return (np.round(mean) if array.dtype.kind in "ui" else mean).astype(array.dtype)
