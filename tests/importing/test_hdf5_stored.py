"""HDF5 that lacks some of its numbers: HDF5 reads zeros there, the import says what is missing."""

import sys

import h5py
import numpy as np
import pytest
from h5py import h5z

from xpci_utils.frames import FolderError
from xpci_utils.importing import open_film
from xpci_utils.importing.corrections import choose_correction
from xpci_utils.importing.films import open_films
from xpci_utils.video import open_recording

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(100, 4000, (12, 16, 20), dtype=np.uint16)


def virtual(folder, sources=("raw_0.h5", "raw_1.h5"), size=6):
    """Frames put together from two files."""
    layout = h5py.VirtualLayout((12, 16, 20), np.uint16)
    for i, name in enumerate(sources):
        with h5py.File(folder / name, "w") as file:
            file["data"] = FRAMES[6 * i : 6 * i + size]
        layout[6 * i : 6 * i + size] = h5py.VirtualSource(name, "data", (size, 16, 20))
    with h5py.File(folder / "film.h5", "w") as file:
        file.create_group("exchange").create_virtual_dataset("data", layout)
    return folder / "film.h5"


def test_a_whole_virtual_film_is_read(tmp_path):
    assert np.array_equal(np.stack(list(open_film(virtual(tmp_path)))), FRAMES)


def lost_source(folder):
    path = virtual(folder)
    (folder / "raw_1.h5").unlink()
    return path, r"film\.h5: /exchange/data is put together from other files, of which raw_1\.h5 is not there"


def other_source(folder):
    path = virtual(folder)
    with h5py.File(folder / "raw_1.h5", "w") as file:
        file["other"] = FRAMES
    return path, r"of which raw_1\.h5 lacks data; its frames would be read as zeros"


def gaps(folder):
    return virtual(folder, size=5), r"give 3,200 of its 3,840 pixels; the rest would be read as zeros"


def unwritten_behind_virtual(folder):
    path = virtual(folder)
    with h5py.File(folder / "raw_1.h5", "w") as file:
        file.create_dataset("data", (6, 16, 20), np.uint16, chunks=(1, 16, 20))[:4] = FRAMES[:4]
    return path, r"raw_1\.h5: 2 of 6 chunks of /data were never written, from frame 4 on"


def lost_external(folder):
    with h5py.File(folder / "film.h5", "w") as file:
        whole = [("pixels.raw", 0, FRAMES.nbytes)]
        file.create_group("exchange").create_dataset("data", FRAMES.shape, FRAMES.dtype, external=whole)
    return folder / "film.h5", r"of which pixels\.raw is not there"


def short_external(folder):
    path, _ = lost_external(folder)
    (folder / "pixels.raw").write_bytes(FRAMES.tobytes()[:-100])
    return path, r"/exchange/data lies in pixels\.raw, which is cut off"


def test_numbers_in_a_file_beside_arrive_from_wherever_one_stands(tmp_path, monkeypatch):
    path, _ = lost_external(tmp_path)
    (tmp_path / "pixels.raw").write_bytes(FRAMES.tobytes())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (film,) = open_films(path)
    assert np.array_equal(np.stack(list(film)), FRAMES)


def lost_link(folder):
    with h5py.File(folder / "film.h5", "w") as file:
        file.create_group("exchange")["data"] = h5py.ExternalLink("raw.h5", "/entry/data")
    return folder / "film.h5", r"/exchange/data lies in raw\.h5, which is not there or lacks /entry/data"


def stopped(folder):
    with h5py.File(folder / "film.h5", "w") as file:
        data = file.create_dataset("exchange/data", FRAMES.shape, FRAMES.dtype, chunks=(2, 16, 20), compression="gzip")
        data[:7] = FRAMES[:7]
    return folder / "film.h5", r"2 of 6 chunks of /exchange/data were never written, from frame 8 on"


def partly_written(folder):
    with h5py.File(folder / "film.h5", "w") as file:
        data = file.create_dataset("exchange/data", FRAMES.shape, FRAMES.dtype, chunks=(1, 8, 20))
        data[:] = FRAMES
        half = file.create_dataset("exchange/half", FRAMES.shape, FRAMES.dtype, chunks=(1, 8, 20))
        half[:5], half[5, :8], half[6:] = FRAMES[:5], FRAMES[5, :8], FRAMES[6:]
        file.move("exchange/half", "exchange/other")
        del file["exchange/data"]
        file.move("exchange/other", "exchange/data")
    return folder / "film.h5", r"1 of 24 chunks of /exchange/data were never written, from frame 5 on"


def never_written(folder):
    with h5py.File(folder / "film.h5", "w") as file:
        file.create_dataset("exchange/data", FRAMES.shape, FRAMES.dtype)
    return folder / "film.h5", r"12 frames of /exchange/data were never written, from frame 0 on"


FAULTS = [lost_source, other_source, gaps, unwritten_behind_virtual, lost_external, short_external, lost_link,
          stopped, partly_written, never_written]  # fmt: skip


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_what_is_missing_is_named(tmp_path, make):
    path, sentence = make(tmp_path)
    with pytest.raises(FolderError, match=sentence):
        open_films(path)
    with pytest.raises(FolderError, match=sentence):
        open_recording(path, {"kind": "linear", "low": 0, "high": 4095}, 2.0)


def compressed_by(folder, number):
    """A data set whose settings name a filter that nobody has; the chunks are written as they are."""
    with h5py.File(folder / "film.h5", "w") as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk((1, 16, 20))
        settings.set_filter(number, h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(FRAMES.shape)
        kind = h5py.h5t.py_create(FRAMES.dtype)
        data = h5py.h5d.create(file.create_group("exchange").id, b"data", kind, space, settings)
        for i, frame in enumerate(FRAMES):
            data.write_direct_chunk((i, 0, 0), frame.tobytes())
    return folder / "film.h5"


@pytest.mark.parametrize(("number", "name"), [(32001, "Blosc"), (32008, "Bitshuffle"), (32015, "Zstandard")])
def test_a_filter_that_is_not_there_is_named(tmp_path, monkeypatch, number, name):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    if h5z.filter_avail(number):
        pytest.skip(f"{name} is installed")
    with pytest.raises(FolderError, match=rf"the filter {name} \({number}\).* 'pip install hdf5plugin'"):
        open_film(compressed_by(tmp_path, number))


def test_a_filter_that_hdf5plugin_lacks_is_named_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", sys)
    with pytest.raises(FolderError, match=r"the filter .* \(31999\).*hdf5plugin does not know it either"):
        open_film(compressed_by(tmp_path, 31999))


def test_filters_of_hdf5plugin_are_read(tmp_path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    with h5py.File(tmp_path / "film.h5", "w") as file:
        file.create_dataset("exchange/data", data=FRAMES, chunks=(1, 16, 20), **hdf5plugin.Blosc())
    assert np.array_equal(np.stack(list(open_film(tmp_path / "film.h5"))), FRAMES)


@pytest.mark.parametrize("name", ["data_flat", "flats", "white"])
def test_flats_under_another_name_are_taken_and_told(tmp_path, name):
    with h5py.File(tmp_path / "film.h5", "w") as file:
        file["exchange/data"], file["exchange/data_dark"] = FRAMES, FRAMES[:2] * 0
        file[f"exchange/{name}"] = np.full((3, 16, 20), 4000, np.uint16)
    film = open_film(tmp_path / "film.h5")
    assert film.notes == (f"{tmp_path}/film.h5: /exchange/{name} is taken for data_white",)
    correction = choose_correction(film, "auto", None, None)
    assert np.allclose(correction.apply(film[0]), FRAMES[0] / 4000)


def test_what_may_be_flats_elsewhere_is_told(tmp_path):
    """As old files of tomoscan: constants in a group; and a plane of another size."""
    with h5py.File(tmp_path / "film.h5", "w") as file:
        file["exchange/data"] = FRAMES
        file["process/acquisition/flat_fields/flat_field_value"] = np.array([3000.0])
        file["exchange/data_flat"] = np.ones((3, 9, 9), np.uint16)
    film = open_film(tmp_path / "film.h5")
    assert film.flats is None
    assert (
        "holds no /exchange/data_white, but /exchange/data_flat and /process/acquisition/flat_fields" in film.notes[0]
    )
    assert "give them as --flats" in film.notes[0]


def test_dead_frames_in_a_film_for_notebook_07_are_told(tmp_path):
    dead = FRAMES.copy()
    dead[3:6] = 0
    with h5py.File(tmp_path / "film.h5", "w") as file:
        file["exchange/data"] = dead
    recording = open_recording(tmp_path / "film.h5", {"kind": "linear", "low": 0, "high": 4095}, 2.0)
    assert "3 of 12 frames looked at hold one single value (first: frame 3)" in recording.treatment
