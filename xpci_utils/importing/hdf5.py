"""HDF5 in the Data Exchange layout of the Advanced Photon Source: /exchange/data, data_white and data_dark."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.importing.film import Film, check_shape, numbered
from xpci_utils.importing.intervals import frame_interval
from xpci_utils.importing.stored import check_stored

KIND = "HDF5 Data Exchange"
OTHER_NAMES = {"data_white": ("data_flat", "flat", "flats", "flat_field", "white"), "data_dark": ("dark", "darks")}
LIKE_A_FLAT = re.compile(r"flat|white|bright|open_?beam", re.IGNORECASE)


def open_exchange(path: Path, name: str = "data") -> Film:
    """The frames of /exchange/data with the file's own flats and darks; other data sets there go by ``name``.

    Flats and darks under another usual name in /exchange are taken and told; what looks like flats elsewhere is told.
    The time between frames is taken where the file gives it with a unit (`intervals`); what is not used of it is told.
    Raises FolderError when something of the data is missing: sources, chunks, filters.
    """
    with reading(path, KIND):
        file = h5py.File(path, "r")
        data = _dataset(file, name, path)
        if data is None:
            inside = ", ".join(file.get("exchange", file)) or "nothing"
            kept = "frames" if name == "data" else "masks"
            raise FolderError(
                f"{paths.display(path)} has no /exchange/{name}, where {kept} are kept (it holds {inside}); copy the "
                "data set there, or save it as a TIFF stack"
            )
        frames = check_shape(data.shape, path)[0]
        check_stored(data, path)
        size = data.attrs.get("element_size_um")
        references = {kind: _reference(file, kind, data, path) for kind in ("data_white", "data_dark")}
        notes = [note for _, note in references.values() if note]
        if references["data_white"][0] is None and name == "data" and (other := _like_flats(file)):
            notes.append(
                f"{paths.display(path)} holds no /exchange/data_white, but {other}, which is not used; if these are "
                "flats, copy them there, or give them as --flats"
            )
        interval, ignored = frame_interval(file, data) if name == "data" else (None, [])
        notes += [f"{paths.display(path)}: {note}" for note in ignored]
    pixel = float(np.asarray(size).ravel()[-1]) if size is not None else None
    flats, darks = (references[kind][0] for kind in ("data_white", "data_dark"))
    names, read = numbered(path, frames), _plane_reader(data)
    return Film(path, names, KIND, read, pixel, interval, flats=flats, darks=darks, notes=tuple(notes))


def _reference(file: h5py.File, name: str, frames: h5py.Dataset, path: Path) -> tuple[Film | None, str]:
    """(flats or darks, a note when they have another name); many files carry an empty data set instead of none."""
    for own in (name, *OTHER_NAMES[name]):
        data = _dataset(file, own, path) if own == name or _is_like(file.get(f"exchange/{own}"), frames) else None
        if data is None or data.size == 0:
            continue
        count = check_shape(data.shape, path)[0]
        check_stored(data, path)
        note = f"{paths.display(path)}: /exchange/{own} is taken for {name}" if own != name else ""
        return Film(path, numbered(path, count), f"{KIND} ({own})", _plane_reader(data)), note
    return None, ""


def _is_like(data: object, frames: h5py.Dataset) -> bool:
    """Whether something is pictures of the size of the frames."""
    return isinstance(data, h5py.Dataset) and data.ndim in (2, 3) and data.shape[-2:] == frames.shape[-2:]


def _like_flats(file: h5py.File) -> str:
    """What is named like flats anywhere in the file and is not empty; "" without any."""
    names: list[str] = []
    file.visit(names.append)

    def filled(item: Any) -> bool:
        return len(item) > 0 if isinstance(item, h5py.Group) else item.size and item.dtype.kind in "uif"

    candidates = [name for name in names if LIKE_A_FLAT.search(name.rpartition("/")[2]) and filled(file[name])]
    return " and ".join(f"/{name}" for name in candidates[:2])


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset | None:
    place = f"exchange/{name}"
    data, link = file.get(place), file.get(place, getlink=True)
    if data is None and isinstance(link, h5py.ExternalLink):
        raise FolderError(
            f"{paths.display(path)}: /{place} lies in {link.filename}, which is not there or lacks {link.path}; copy "
            "that file along"
        )
    if data is None:
        return None
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "uif":
        raise FolderError(f"{paths.display(path)}: /{place} holds no numbers; frames are grey levels")
    if not data.external:
        return data
    del data  # HDF5 opens a data set a second time only as it did the first
    return _beside(file, place)


def _beside(file: h5py.File, place: str) -> h5py.Dataset:
    """A data set whose numbers lie in other files, looked for beside this one and not where the program was started."""
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    return h5py.Dataset(h5py.h5d.open(file.id, place.encode(), access))


def _plane_reader(data: h5py.Dataset) -> Callable[[int], np.ndarray]:
    return lambda index: data[index] if data.ndim == 3 else data[()]
