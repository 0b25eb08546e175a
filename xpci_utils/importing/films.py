"""Frames in the files that cameras, beamlines and Fiji write, read one at a time.

a folder               numbered PNG or TIFF files, or several of the files below
*.tif *.tiff           a stack, as ImageJ, tifffile or a camera program writes it
*.h5 *.hdf5 *.hdf *.nx HDF5 in Data Exchange layout: /exchange/data, data_white, data_dark
*.mraw *.cih *.cihx    Photron (needs pyMRAW)
*.cine                 Phantom (needs pycine)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, as_grey, check_size, reading, regular_file
from xpci_utils.frames.pictures import TiffStack, read_png_pixels

MAX_FRAMES = 1_000_000  # 20 s at 50,000 frames per second
PNG_PICTURE, TIFF_PICTURE = "PNG picture", "TIFF picture"


@dataclass(frozen=True)
class Film(Sequence):
    """Frames of one file (a sequence) with what the file says about them.

    ``film[i]`` is [H, W], uint8, uint16 or float32. ``flats`` and ``darks`` are the reference frames that lie in the
    same file, ``pixel_um`` and ``interval_us`` are None where the file does not tell.
    """

    path: Path
    names: tuple[str, ...]
    kind: str
    read: Callable[[int], np.ndarray] = field(repr=False)
    pixel_um: float | None = None
    interval_us: float | None = None
    flats: Film | None = None
    darks: Film | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        index = range(len(self))[index]
        with reading(self.path, "frames"):
            where = paths.display(self.path) + (f", frame {index}" if len(self) > 1 else "")
            return as_grey(np.asarray(self.read(index)), where)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))


def open_films(path: str | Path) -> list[Film]:
    """The films at ``path``: one of a file; of a folder its single pictures as one, and one per larger file.

    Raises FolderError when there is none.
    """
    path = paths.resolve(path)
    if path.is_dir():
        with reading(path, "a folder"):
            files = [item for item in sorted(path.iterdir()) if _is_film(item)]
        found = [open_film(item) for item in files]
        if not found:
            raise FolderError(f"{paths.display(path)} holds no frames: no {', '.join(_readers())} file")
        pictures = [film for film in found if film.kind in (PNG_PICTURE, TIFF_PICTURE)]
        stacks = [film for film in found if film.kind not in (PNG_PICTURE, TIFF_PICTURE)]
        return ([_numbered_pictures(path, pictures)] if pictures else []) + stacks
    return [open_film(path)]


def open_film(path: str | Path) -> Film:
    """The frames of one file; which reader it needs follows from its suffix."""
    path = paths.resolve(path)
    if not path.exists() and not path.is_symlink():
        raise FolderError(f"{paths.display(path)} does not exist")
    reader = _readers().get(path.suffix.lower())
    if reader is None:
        raise FolderError(f"{paths.display(path)} has no known format; known are {', '.join(_readers())} and folders")
    film = reader(regular_file(path))
    if not len(film):
        raise FolderError(f"{paths.display(path)} holds no frames")
    return film


def numbered(path: Path, count: int) -> tuple[str, ...]:
    """Names of the frames of a file: its own name for a single one, else with the number, counted from 0."""
    return (path.stem,) if count == 1 else tuple(f"{path.stem}_{i:05d}" for i in range(count))


def _numbered_pictures(path: Path, pictures: list[Film]) -> Film:
    pixels = {film.pixel_um for film in pictures}
    kind = f"folder of {len(pictures)} pictures"
    names = tuple(film.path.stem for film in pictures)
    return Film(path, names, kind, lambda i: pictures[i][0], pixels.pop() if len(pixels) == 1 else None)


def _open_png(path: Path) -> Film:
    return Film(path, (path.stem,), PNG_PICTURE, lambda _: read_png_pixels(path, path, grey=True))


def _open_tiff(path: Path) -> Film:
    stack = TiffStack(path)
    kind = TIFF_PICTURE if len(stack) == 1 else "TIFF stack"
    return Film(path, numbered(path, len(stack)), kind, stack.__getitem__, stack.pixel_um, stack.interval_us)


def _readers() -> dict[str, Callable[[Path], Film]]:
    from xpci_utils.importing import cameras, hdf5

    photron = dict.fromkeys((".mraw", ".cih", ".cihx"), cameras.open_photron)
    return {
        ".png": _open_png,
        ".tif": _open_tiff,
        ".tiff": _open_tiff,
        **dict.fromkeys((".h5", ".hdf5", ".hdf", ".nx"), hdf5.open_exchange),
        **photron,
        ".cine": cameras.open_phantom,
    }


def _is_film(path: Path) -> bool:
    """Photron writes two files per film, of which the picture data stand for both."""
    return path.suffix.lower() in _readers().keys() - {".cih", ".cihx"} and not path.name.startswith(".")


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
