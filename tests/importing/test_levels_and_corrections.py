"""How many bits a camera used, and flat fields by reference frames and by the median over time."""

import json

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils.importing import Request, import_frames, levels_of, open_film
from xpci_utils.importing.corrections import choose_correction
from xpci_utils.simulation import export_hdf5, export_tiff, record_sequence


@given(st.sampled_from([8, 10, 12, 14]), st.booleans(), st.integers(0, 1000))
def test_bits_and_shift_are_found(bits, shifted, seed):
    """Frames that use their range: at least one value in the upper half, at least one odd one."""
    frames = np.random.default_rng(seed).integers(0, 2**bits, (2, 9, 9)).astype(np.uint16)
    frames[0, 0, :2] = 2**bits - 1, 1
    levels = levels_of(frames << (16 - bits) if shifted else frames)
    assert (levels.stored, levels.bits, levels.shift) == (16, bits, 16 - bits if shifted else 0)


@pytest.mark.parametrize(
    ("values", "bits", "shift"),
    [([0, 0], 8, 0), ([65535, 1], 16, 0), ([65535, 65534], 16, 0), ([4096, 8191], 14, 0), ([61440, 16], 12, 4)],
)
def test_edges_of_the_range(values, bits, shift):
    levels = levels_of([np.array([values], np.uint16)])
    assert (levels.bits, levels.shift) == (bits, shift)


def test_the_sentence_says_what_was_done():
    frame = np.array([[16, 65520]], np.uint16)
    sentence = "12 bit, stored shifted to the left by 4 in 16 bit (all values are multiples of 16)"
    assert str(levels_of([frame])) == sentence
    assert str(levels_of([frame >> 4])) == "12 bit, stored unshifted in 16 bit"
    assert str(levels_of([frame.astype(np.uint8)])) == "8 bit"
    assert levels_of([frame.astype(np.float32)]) is None


@pytest.fixture(scope="module")
def recorded():
    return record_sequence(12, 64, 48, seed=0, number=1, preset="reduced", start=5)


@pytest.fixture(scope="module")
def sources(recorded, tmp_path_factory):
    """The recording as TIFF stacks and as one HDF5 file, written by the simulator's own export."""
    folder = tmp_path_factory.mktemp("recorded")
    export_tiff(recorded, folder)
    name = recorded.metadata["sequence"]
    return {kind: folder / f"{name}_{kind}.tif" for kind in ("raw", "flat", "dark", "labels")} | {
        "hdf5": export_hdf5(recorded, folder / f"{name}_raw.h5"),
    }


def imported_images(tmp_path, sources, images, **options):
    from xpci_utils import paths

    classes = paths.root() / "data/classes.yaml"
    record = import_frames(Request(images, sources["labels"], tmp_path / "out", classes=classes, **options))
    files = sorted((tmp_path / "out/images").iterdir())
    return np.stack([tifffile.imread(f) for f in files]), record


@pytest.mark.parametrize("form", ["stacks", "HDF5"])
def test_references_give_the_simulators_own_correction(tmp_path, recorded, sources, form):
    """Equal to float32 rounding: a swapped or missing dark would be off by 5 % and more."""
    own = {"flats": sources["flat"], "darks": sources["dark"]} if form == "stacks" else {}
    images, record = imported_images(tmp_path, sources, sources["raw" if form == "stacks" else "hdf5"], **own)
    assert np.allclose(images, recorded.corrected, rtol=0, atol=1e-5)
    assert record["corrections"] == ["dark (mean of 20)", "flat field (mean of 20)", "defective pixels"]
    assert record["pixel_size_um"] == pytest.approx(2.0)
    assert json.loads((tmp_path / "out/import.json").read_text()) == record


def test_nothing_is_corrected_when_that_is_asked_for(tmp_path, recorded, sources):
    from PIL import Image

    from xpci_utils import paths

    request = Request(
        sources["hdf5"], sources["labels"], tmp_path / "out", paths.root() / "data/classes.yaml", correct="none"
    )
    assert import_frames(request)["corrections"] == []
    files = sorted((tmp_path / "out/images").iterdir())
    assert np.array_equal(np.stack([np.array(Image.open(f)) for f in files]), recorded.raw)


def test_the_median_over_time_removes_what_stays(tmp_path):
    """A beam profile, an offset and a moving disc: after division the background is 1 and the disc its transmission."""
    y, x = np.mgrid[:40, :60]
    beam = 1500 * np.exp(-(((x - 30) / 50) ** 2)) + 500
    frames = [np.where((x - 4 * i) ** 2 + (y - 20) ** 2 < 25, 0.6, 1.0) * beam + 100 for i in range(15)]
    for name, stack in {"film": np.round(frames), "dark": np.full((3, 40, 60), 100.0)}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", stack.astype(np.uint16), photometric="minisblack")
    film, darks = open_film(tmp_path / "film.tif"), open_film(tmp_path / "dark.tif")
    correction = choose_correction(film, "median", None, darks)
    corrected = correction.apply(film[5])
    disc = (x - 20) ** 2 + (y - 20) ** 2 < 25
    assert np.allclose(corrected[disc], 0.6, atol=0.01)
    assert np.allclose(corrected[~disc], 1.0, atol=0.01)
    assert correction.steps == ("dark (mean of 3)", "divided by the median over time of 15 frames", "defective pixels")


def test_flats_without_darks_say_so(tmp_path):
    with h5py.File(tmp_path / "film.h5", "w") as file:
        file["exchange/data"] = np.full((3, 9, 9), 50, np.uint16)
        file["exchange/data_white"] = np.full((2, 9, 9), 100, np.uint16)
        file["exchange/data_dark"] = np.zeros((0, 9, 9), np.uint16)
    film = open_film(tmp_path / "film.h5")
    correction = choose_correction(film, "auto", None, None)
    assert correction.steps == ("dark taken as 0", "flat field (mean of 2)", "defective pixels")
    assert np.allclose(correction.apply(film[0]), 0.5)
