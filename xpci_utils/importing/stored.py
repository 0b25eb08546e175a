"""Whether the numbers of an HDF5 data set are there: HDF5 itself fills what is missing with zeros and says nothing.

Missing can be the files behind a virtual or external data set, chunks that a stopped recording never wrote, and the
filter that a data set is compressed with (https://docs.hdfgroup.org: virtual data sets, H5Zfilter_avail).
"""

import importlib
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
from h5py import h5d, h5f, h5z

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError

# https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
FILTERS = {
    307: "bzip2", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32013: "ZFP", 32015: "Zstandard",
    32017: "SZ", 32018: "FCIDECOMP", 32019: "JPEG", 32024: "SZ3", 32026: "Blosc2", 32028: "SPERR",
}  # fmt: skip
DEEPEST = 5  # virtual data sets of virtual data sets


class _Source(Protocol):
    """What a virtual data set says of one of its sources."""

    @property
    def file_name(self) -> str: ...

    @property
    def dset_name(self) -> str: ...


def check_stored(data: h5py.Dataset, path: Path, depth: int = 0) -> None:
    """FolderError when a source, a chunk or a filter of ``data`` is missing; it names what and where to get it."""
    if data.size == 0:
        return
    if data.is_virtual:
        _check_sources(data, path, depth)
        return
    _check_filters(data, path)
    for name, start, length in data.external or ():
        file = Path(data.file.filename).parent / name
        if not file.is_file():
            raise FolderError(_lost(data, path, name))
        if length != h5f.UNLIMITED and (held := file.stat().st_size) < start + length:
            raise FolderError(
                f"{paths.display(path)}: {data.name} lies in {name}, which is cut off ({held} bytes of "
                f"{start + length}); the rest would be read as zeros: copy that file again"
            )
    if not data.external:
        _check_written(data, path)


def _check_filters(data: h5py.Dataset, path: Path) -> None:
    settings = data.id.get_create_plist()
    for index in range(settings.get_nfilters()):
        number, _, _, name = settings.get_filter(index)
        if h5z.filter_avail(number) or (_plugins() and h5z.filter_avail(number)):
            continue
        known = FILTERS.get(number) or name.decode("ascii", "replace").split(";")[0] or "unknown"
        cure = (
            "hdf5plugin does not know it either; save the file with gzip or without compression"
            if _plugins()
            else "install it with 'pip install hdf5plugin', or save the file with gzip or without compression"
        )
        raise FolderError(
            f"{paths.display(path)}: {data.name} is compressed with the filter {known} ({number}), which HDF5 does not "
            f"contain; {cure}"
        )


def _plugins() -> bool:
    """Whether hdf5plugin is there; importing it makes its filters known to HDF5."""
    try:
        importlib.import_module("hdf5plugin")
    except ImportError:
        return False
    return True


def _check_written(data: h5py.Dataset, path: Path) -> None:
    """FolderError for a data set, or chunks of it, for which no number was ever written."""
    missing, first = 0, 0
    if data.chunks is None:
        missing = data.shape[0] if data.id.get_space_status() == h5d.SPACE_STATUS_NOT_ALLOCATED else 0
    else:
        per_axis = [-(-side // chunk) for side, chunk in zip(data.shape, data.chunks, strict=True)]
        missing = int(np.prod(per_axis)) - data.id.get_num_chunks()
        if missing > 0:
            first = _first_unwritten(data, per_axis)
    if missing > 0:
        what = "frames" if data.chunks is None else f"of {int(np.prod(per_axis))} chunks"
        raise FolderError(
            f"{paths.display(path)}: {missing} {what} of {data.name} were never written, from frame {first} on, and "
            "would be read as zeros; the recording was stopped or the copy cut off: copy the file again, or save the "
            "frames that are there"
        )


def _first_unwritten(data: h5py.Dataset, per_axis: list[int]) -> int:
    """The first frame of which a chunk is missing."""
    planes = np.zeros(per_axis[0], np.int64)
    for index in range(data.id.get_num_chunks()):
        planes[data.id.get_chunk_info(index).chunk_offset[0] // data.chunks[0]] += 1
    return int(np.flatnonzero(planes < np.prod(per_axis[1:]))[0]) * data.chunks[0] if data.ndim == 3 else 0


def _check_sources(data: h5py.Dataset, path: Path, depth: int) -> None:
    """Every file and data set that a virtual one is made of, and that together they cover it."""
    covered = 0
    for source in data.virtual_sources():
        covered += source.vspace.get_select_npoints()
        if "%" in source.file_name.replace("%%", ""):
            continue  # a pattern of names, of which the file does not tell how many there are
        _check_source(data, path, source, depth)
    if 0 <= covered < data.size:
        raise FolderError(
            f"{paths.display(path)}: {data.name} is put together from other files that give {covered:,} of its "
            f"{data.size:,} pixels; the rest would be read as zeros: save it again when the recording is complete"
        )


def _check_source(data: h5py.Dataset, path: Path, source: _Source, depth: int) -> None:
    own = Path(data.file.filename)
    name = source.file_name
    file = own if name == "." else next((p for p in (own.parent / name, Path(name)) if p.is_file()), None)
    if file is None:
        raise FolderError(_lost(data, path, name))
    with h5py.File(file, "r") as opened:
        if source.dset_name not in opened or not isinstance(opened[source.dset_name], h5py.Dataset):
            raise FolderError(
                f"{paths.display(path)}: {data.name} is put together from other data sets, of which {name} lacks "
                f"{source.dset_name}; its frames would be read as zeros: copy the file again"
            )
        if depth < DEEPEST:
            check_stored(opened[source.dset_name], file, depth + 1)


def _lost(data: h5py.Dataset, path: Path, name: str) -> str:
    return (
        f"{paths.display(path)}: {data.name} is put together from other files, of which {name} is not there; its "
        "frames would be read as zeros: put the file beside it"
    )
