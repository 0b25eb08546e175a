"""HDF5, camera films, reference frames and tables that cannot be used: one clear sentence each, nothing written."""

import sys

import h5py
import numpy as np
import pytest

from xpci_utils.importing.__main__ import main

LAUGHS = """<cih><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>&b;</cih>"""


def other_hdf5(bench):
    bench.raw("film.h5", b"")
    with h5py.File(bench.images, "w") as file:
        file.create_group("entry")


def claiming_hdf5(bench, *shape):
    """A data set that claims much and stores nothing."""
    bench.raw("film.h5", b"")
    with h5py.File(bench.images, "w") as file:
        file.create_dataset("exchange/data", shape, np.uint8, chunks=(1, *np.minimum(shape[1:], 100)))


def labels_of_film(bench):
    bench.exchange(data=bench.grey)
    bench.images, bench.masks = bench / "images", bench.images


def option(bench, *options):
    bench.options += options


def sequences(bench, content):
    (bench / "s.csv").write_bytes(content)
    bench.options += ["--sequences", bench / "s.csv"]


FILMS = {
    "HDF5 without /exchange": (other_hdf5, r"film\.h5 has no /exchange/data, where frames are kept \(it holds entry\)"),
    "HDF5 of text": (lambda b: b.exchange(data=np.array([b"a"] * 10)), r"/exchange/data holds no numbers"),
    "HDF5 with a folder for data": (lambda b: b.exchange(**{"data/a": b.grey}), r"/exchange/data holds no numbers"),
    "HDF5 of four axes": (lambda b: b.exchange(data=b.grey[None]), r"film\.h5 holds an array of 4 axes"),
    "HDF5 without frames": (lambda b: b.exchange(data=b.grey[:0]), r"film\.h5 holds no frames"),
    "HDF5 of gigapixels": (
        lambda b: claiming_hdf5(b, 10, 100_000, 100_000),
        r"film\.h5 says it is 100000 x 100000 pixels",
    ),
    "HDF5 of a thousand million frames": (
        lambda b: claiming_hdf5(b, 10**9, 64, 64),
        r"film\.h5 says it holds 1,000,000,000 frames; more than 1,000,000 are not read",
    ),
    "truncated HDF5": (lambda b: (b.exchange(data=b.grey), b.cut("film.h5")), r"film\.h5 cannot be read as HDF5"),
    "text named HDF5": (lambda b: b.raw("film.h5", b"hello"), r"film\.h5 cannot be read as HDF5"),
    "HDF5 without labels": (labels_of_film, r"film\.h5 has no /exchange/labels"),
    "flats of zeros": (
        lambda b: b.film(b.grey, flats=b.grey[:3] * 0, darks=b.grey[:3] * 0),
        r"the flats of .*flats\.tif are not brighter than the darks",
    ),
    "flats and darks swapped": (
        lambda b: b.film(b.grey, flats=b.grey // 9, darks=b.grey),
        r"are not brighter than the darks; were they swapped",
    ),
    "flats of another size": (
        lambda b: b.film(b.grey, flats=b.grey[:, :9]),
        r"flats\.tif is 9 x 16 pixels, its frames 12 x 16",
    ),
    "darks alone": (lambda b: b.film(b.grey, darks=b.grey), r"darks\.tif are darks without flats; give --flats"),
    "references asked for, none there": (
        lambda b: (b.film(b.grey), option(b, "--correct", "references")),
        r"f\.tif holds no flats; give --flats",
    ),
    "median over too few frames": (
        lambda b: ((b / "images/f9.png").unlink(), (b / "masks/f9.png").unlink(), option(b, "--correct", "median")),
        r"images has 9 frames; a median over time needs 10",
    ),
    "median of a dark film": (
        lambda b: (b.film(b.grey * 0), option(b, "--correct", "median")),
        r"the median over time of .*f\.tif is not brighter than 0",
    ),
    "Photron film without header": (
        lambda b: b.photron(header=""),
        r"f\.mraw lacks its header; put the \.cihx or \.cih file beside it",
    ),
    "Photron header without film": (
        lambda b: b.raw("g.cih", b"x"),
        r"g\.cih lacks its picture data; put g\.mraw beside it",
    ),
    "truncated Photron film": (lambda b: b.photron(size=200), r"f\.mraw is cut off: 200 bytes of 1920"),
    "Photron header of nonsense": (lambda b: b.photron(header="hello"), r"f\.cih cannot be read as a Photron header"),
    "Photron header that expands": (
        lambda b: b.photron(header=LAUGHS, suffix=".cihx"),
        r"f\.cihx cannot be read as a Photron header",
    ),
    "Phantom film of nonsense": (lambda b: b.raw("f.cine", bytes(20_000)), r"f\.cine is not a cine file, or cut off"),
    "truncated Phantom film": (lambda b: b.raw("f.cine", b"CI"), r"f\.cine is not a cine file, or cut off"),
    "sequences without a frame": (
        lambda b: sequences(b, b"name,sequence\nf0,a\n"),
        r"s\.csv gives no sequence for f1",
    ),
    "sequences of bytes": (lambda b: sequences(b, b"\xff\xfe"), r"s\.csv cannot be read as a table"),
    "no such splits": (
        lambda b: option(b, "--splits", b / "splits"),
        r"splits is no folder with train\.txt",
    ),
}


@pytest.mark.parametrize("name", FILMS)
def test_a_bad_film_is_one_sentence(refused, name):
    refused(*FILMS[name])


@pytest.mark.parametrize(("suffix", "module"), [(".mraw", "pyMRAW"), (".cine", "pycine")])
def test_a_missing_camera_library_is_named(bench, capsys, monkeypatch, suffix, module):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"{module}.raw", raising=False)
    bench.raw(f"f{suffix}", b"x")
    assert main(bench.arguments) == 2
    assert f"needs {module} to be read; install it with 'pip install {module}'" in capsys.readouterr().err
