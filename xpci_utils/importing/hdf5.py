"""HDF5 in the Data Exchange layout of the Advanced Photon Source: /exchange/data, data_white and data_dark."""

from pathlib import Path

import h5py
import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.importing.films import Film, check_shape, numbered

KIND = "HDF5 Data Exchange"


def open_exchange(path: Path, name: str = "data") -> Film:
    """The frames of /exchange/data with the file's own flats and darks; other data sets there go by ``name``."""
    with reading(path, KIND):
        file = h5py.File(path, "r")
        data = _dataset(file, name, path)
        if data is None:
            inside = ", ".join(file.get("exchange", file)) or "nothing"
            raise FolderError(
                f"{paths.display(path)} has no /exchange/{name}, where frames are kept (it holds {inside})"
            )
        frames = check_shape(data.shape, path)[0]
        size = data.attrs.get("element_size_um")
        flats, darks = (_reference(file, kind, path) for kind in ("data_white", "data_dark"))
    pixel = float(np.asarray(size).ravel()[-1]) if size is not None else None
    return Film(path, numbered(path, frames), KIND, _plane_reader(data), pixel, flats=flats, darks=darks)


def _reference(file: h5py.File, name: str, path: Path) -> Film | None:
    """Flats or darks; many files carry an empty data set instead of none."""
    data = _dataset(file, name, path)
    if data is None or data.size == 0:
        return None
    return Film(path, numbered(path, check_shape(data.shape, path)[0]), f"{KIND} ({name})", _plane_reader(data))


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset | None:
    data = file.get(f"exchange/{name}")
    if data is None:
        return None
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "uif":
        raise FolderError(f"{paths.display(path)}: /exchange/{name} holds no numbers; frames are grey levels")
    return data


def _plane_reader(data: h5py.Dataset):
    return lambda index: data[index] if data.ndim == 3 else data[()]
