"""Frames in the files that cameras, beamlines and Fiji write, read one at a time.

a folder               numbered PNG or TIFF files, several of the files below, or folders of these
*.tif *.tiff           a stack, as ImageJ, tifffile or a camera program writes it
*.h5 *.hdf5 *.hdf *.nx HDF5 in Data Exchange layout: /exchange/data, data_white, data_dark
*.mraw *.cih *.cihx    Photron (needs pyMRAW)
*.cine                 Phantom (needs pycine)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading, regular_file
from xpci_utils.frames.pictures import palette_notes, read_png_pixels
from xpci_utils.frames.tiff import TiffStack
from xpci_utils.importing import cameras, hdf5
from xpci_utils.importing.film import Film, numbered

__all__ = ["Film", "open_film", "open_films"]

PNG_PICTURE, TIFF_PICTURE = "PNG picture", "TIFF picture"
UNREAD = (".bmp", ".jpg", ".jpeg", ".gif", ".webp", ".jp2", ".pgm", ".ppm", ".tga", ".dng", ".raw", ".czi", ".nd2",
          ".avi", ".mp4", ".mov", ".mkv", ".wmv", ".m4v", ".mpg", ".mpeg", ".seq")  # fmt: skip
SAVE_AS = "save them without loss as PNG or TIFF (Fiji: File > Save As > Tiff or Image Sequence)"


def open_films(path: str | Path, grey: str = "shown") -> list[Film]:
    """The films at ``path``: one of a file; of a folder its single pictures as one, and one per larger file.

    Where a folder holds folders instead, their films, whose frames are then named ``<folder>_<name>``. ``grey`` is what
    counts as grey level, see `Film`. Raises FolderError when there is none.
    """
    path = paths.resolve(path)
    if not path.is_dir():
        return [replace(open_film(path), grey=grey)]
    with reading(path, "a folder"):
        items = [item for item in sorted(path.iterdir()) if not item.name.startswith(".")]
    if {"imagesTr", "dataset.json"} <= {item.name for item in items}:
        raise FolderError(f"{paths.display(path)} is a data set of nnU-Net; give its imagesTr and labelsTr")
    files, folders = [item for item in items if _is_film(item)], [item for item in items if item.is_dir()]
    folders = [item for item in folders if not _is_film(item) and _holds_films(item)]
    if not files and folders:
        return [_inside(folder.name, film) for folder in folders for film in open_films(folder, grey)]
    all_films = [replace(open_film(item), grey=grey) for item in files]
    passed_over = _unread(items)
    if not all_films:
        held = f"; it holds {passed_over}, which are not read: {SAVE_AS}" if passed_over else ""
        raise FolderError(f"{paths.display(path)} holds no frames: no {', '.join(_readers())} file{held}")
    notes = [f"{paths.display(path)} also holds {passed_over}, which are not read"] if passed_over else []
    notes += [f"the folders in {paths.display(path)} are not searched ({folders[0].name}, ...)"] if folders else []
    pictures = [film for film in all_films if film.kind in (PNG_PICTURE, TIFF_PICTURE)]
    films = [_numbered_pictures(path, pictures)] if pictures else []
    films += [film for film in all_films if film.kind not in (PNG_PICTURE, TIFF_PICTURE)]
    return [replace(films[0], notes=(*notes, *films[0].notes)), *films[1:]]


def open_film(path: str | Path) -> Film:
    """The frames of one file; which reader it needs follows from its suffix."""
    path = paths.resolve(path)
    if not path.exists() and not path.is_symlink():
        raise FolderError(f"{paths.display(path)} does not exist")
    reader = _readers().get(path.suffix.lower())
    if reader is None:
        cure = f"; {SAVE_AS}" if path.suffix.lower() in UNREAD else ""
        raise FolderError(
            f"{paths.display(path)} has no known format; known are {', '.join(_readers())} and folders{cure}"
        )
    film = reader(regular_file(path))
    if not len(film):
        raise FolderError(f"{paths.display(path)} holds no frames")
    return film


def in_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts names by their numbers, so that frame_10 comes after frame_9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _inside(folder: str, film: Film) -> Film:
    """A film of a subfolder, whose frames carry its name."""
    names = tuple(f"{folder}_{name}" for name in film.names)
    return replace(film, names=names, bare=film.bare or film.names)


def _holds_films(folder: Path) -> bool:
    with reading(folder, "a folder"):
        inside = [item for item in folder.iterdir() if not item.name.startswith(".")]
    return any(_is_film(item) for item in inside) or any(_holds_films(item) for item in inside if item.is_dir())


def _unread(items: list[Path]) -> str:
    """The pictures and films of a folder that have no reader here, counted by suffix, and the first of them."""
    others = [item for item in items if item.suffix.lower() in UNREAD and item.is_file()]
    counts = Counter(item.suffix.lower() for item in others)
    listing = ", ".join(f"{count} {suffix}" for suffix, count in counts.items())
    return f"{listing} files ({others[0].name}, ...)" if others else ""


def _numbered_pictures(path: Path, pictures: list[Film]) -> Film:
    """Single pictures as one film, in the order of the numbers in their names."""
    pictures = sorted(pictures, key=lambda film: in_order(film.path.stem))
    scales, kind = {(film.pixel_um, film.interval_us) for film in pictures}, f"folder of {len(pictures)} pictures"
    pixel, interval = scales.pop() if len(scales) == 1 else (None, None)
    names, notes = tuple(film.path.stem for film in pictures), dict.fromkeys(n for film in pictures for n in film.notes)
    return Film(path, names, kind, lambda i: pictures[i][0], pixel, interval, notes=tuple(notes))


def _open_png(path: Path) -> Film:
    def read(_: int, grey: bool = False):
        return read_png_pixels(path, path, grey)

    show, notes = (lambda index: read(index, grey=True)), palette_notes(path)
    return Film(path, (path.stem,), PNG_PICTURE, read, show=show, notes=notes)


def _open_tiff(path: Path) -> Film:
    stack = TiffStack(path)
    kind = TIFF_PICTURE if len(stack) == 1 else "TIFF stack"
    names, scale = numbered(path, len(stack)), (stack.pixel_um, stack.interval_us)
    return Film(path, names, kind, stack.indices, *scale, show=stack.shown, notes=stack.notes)


def _readers() -> dict[str, Callable[[Path], Film]]:
    return {
        ".png": _open_png,
        ".tif": _open_tiff,
        ".tiff": _open_tiff,
        **dict.fromkeys((".h5", ".hdf5", ".hdf", ".nx"), hdf5.open_exchange),
        **dict.fromkeys((".mraw", ".cih", ".cihx"), cameras.open_photron),
        ".cine": cameras.open_phantom,
    }


def _is_film(path: Path) -> bool:
    """Photron writes two files per film, of which the picture data stand for both."""
    return path.suffix.lower() in _readers().keys() - {".cih", ".cihx"} and not path.name.startswith(".")
