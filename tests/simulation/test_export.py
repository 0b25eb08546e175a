"""Recorded sequences as TIFF stacks and HDF5, the 8-bit window, and whole data sets."""

import csv
import json
import shutil
import subprocess

import h5py
import numpy as np
import pytest
import tifffile

from xpci_utils.simulation import (
    adjusted_preset,
    export_hdf5,
    export_tiff,
    flat_field_correct,
    get_preset,
    intensity_window,
    record_sequence,
    relative_to_uint8,
    write_simulated_frames,
)


@pytest.fixture(scope="module")
def recorded():
    return record_sequence(3, 64, 48, seed=0, number=1, preset="reduced", start=5)


def test_corrected_frames_follow_from_the_recorded_ones(recorded):
    assert recorded.raw.shape == (3, 64, 48)
    assert recorded.flat.shape == recorded.dark.shape == (20, 64, 48)
    flat, dark = (s.mean(axis=0, dtype=np.float32) for s in (recorded.flat, recorded.dark))
    again = np.stack([flat_field_correct(raw, flat, dark) for raw in recorded.raw])
    assert np.array_equal(again, recorded.corrected)


def test_tiff_opens_with_its_scale(recorded, tmp_path):
    files = export_tiff(recorded, tmp_path)
    assert {f.name.split("_")[-1] for f in files} == {
        "raw.tif", "flat.tif", "dark.tif", "corrected.tif", "labels.tif", "instances.tif", "metadata.json",
    }  # fmt: skip
    for path in (f for f in files if f.suffix == ".tif"):
        with tifffile.TiffFile(path) as tif:
            assert tif.is_imagej
            assert tif.imagej_metadata["unit"] == "um"
            assert "simulated: true" in tif.imagej_metadata["Info"]
            numerator, denominator = tif.pages[0].tags["XResolution"].value
            assert denominator / numerator == pytest.approx(2.0)
    name = recorded.metadata["sequence"]
    assert name.startswith("sim_")
    assert np.array_equal(tifffile.imread(tmp_path / f"{name}_raw.tif"), recorded.raw)
    assert np.array_equal(tifffile.imread(tmp_path / f"{name}_labels.tif"), recorded.labels)
    assert json.loads((tmp_path / f"{name}_metadata.json").read_text())["preset"]["energy_kev"] == 24.4


# What ImageJ, the core of Fiji, finds in a stack: sizes, scale, times, one pixel, and the colour of class 3.
IMAGEJ_MACRO = """
open(getArgument());
getDimensions(width, height, channels, slices, frames);
getVoxelSize(pixel, pixelHeight, depth, unit);
getLut(red, green, blue);
setSlice(2);
print(width, height, frames, pixel, pixelHeight, unit, 1e6 * Stack.getFrameInterval(), getPixel(X, Y), red[3]);
"""


@pytest.mark.skipif(not (shutil.which("imagej") and shutil.which("xvfb-run")), reason="needs imagej and xvfb")
@pytest.mark.parametrize(("kind", "red"), [("raw", 3), ("corrected", 3), ("labels", 0x22)])
def test_imagej_opens_the_stacks(recorded, tmp_path, kind, red):
    """A particle's pixel in the second frame, pixel size and frame interval as ImageJ itself reports them."""
    export_tiff(recorded, tmp_path)
    y, x = np.argwhere(recorded.labels[1])[0]
    (tmp_path / "look.ijm").write_text(IMAGEJ_MACRO.replace("X, Y", f"{x}, {y}"))
    stack = tmp_path / f"{recorded.metadata['sequence']}_{kind}.tif"
    command = ["xvfb-run", "-a", "imagej", "-b", str(tmp_path / "look.ijm"), str(stack)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    values = printed.strip().splitlines()[-1].split()
    assert [values[i] for i in (0, 1, 2, 5)] == ["48", "64", "3", "µm"]
    pixel, pixel_height, interval_us, value = (float(values[i]) for i in (3, 4, 6, 7))
    assert (pixel, pixel_height, interval_us) == (2.0, 2.0, pytest.approx(20))
    assert value == pytest.approx(float(getattr(recorded, kind)[1, y, x]), abs=1e-4)  # four decimals are printed
    assert int(values[8]) == red


def test_hdf5_is_data_exchange(recorded, tmp_path):
    path = export_hdf5(recorded, tmp_path / "sequence.h5")
    with h5py.File(path) as file:
        assert np.array_equal(file["exchange/data"][:], recorded.raw)
        assert np.array_equal(file["exchange/data_white"][:], recorded.flat)
        assert np.array_equal(file["exchange/data_dark"][:], recorded.dark)
        assert file["exchange/data"].attrs["element_size_um"].tolist() == [1, 2, 2]
        assert file.attrs["simulated"]
        assert json.loads(file.attrs["metadata"])["metal"] == recorded.metadata["metal"]


def test_window_and_eight_bits():
    image = np.linspace(0, 2, 10001).reshape(73, 137)
    low, high = intensity_window([image], share=0.1)
    assert low == pytest.approx(0.2, abs=0.011)
    assert high == pytest.approx(1.8, abs=0.021)
    scaled = relative_to_uint8(np.array([[0.1, 0.2, 1.0, 1.8, 3.0]]), (0.2, 1.8))
    assert scaled.tolist() == [[0, 0, 128, 255, 255]]
    assert relative_to_uint8(np.array([[1.0]]), (-1.0, 1.0), log=True)[0, 0] == 128
    with pytest.raises(ValueError, match="no training images"):
        intensity_window([])
    with pytest.raises(ValueError, match="must rise"):
        relative_to_uint8(image, (1.0, 1.0))


def test_data_set_on_disk(tmp_path):
    counts = {"train": 5, "val": 3, "test": 4}
    frames = write_simulated_frames(tmp_path, counts, 64, 64, 0, "reduced")
    assert [len(frames.split(name)) for name in counts] == [5, 3, 4]
    sequences = [{f.sequence for f in frames.split(name)} for name in counts]
    assert len(set.union(*sequences)) == sum(map(len, sequences))
    assert frames.simulated
    assert frames.num_classes == 10
    assert frames.info["window"]["low"] < 0.95 < 1.05 < frames.info["window"]["high"]
    with open(tmp_path / "instances.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = {(r["frame"], r["class"]) for r in rows if r["visible"] == "true"}
    for frame in frames:
        present = set(np.unique(frame.labels)) - {0, 255}
        assert {(frame.name, frames.class_names[k]) for k in present} <= drawn


def test_window_comes_from_training_frames_alone(tmp_path):
    infos = [
        write_simulated_frames(tmp_path / str(n), {"train": 6, "val": 1, "test": n}, 64, 64, 0, "reduced").info
        for n in (1, 9)
    ]
    assert infos[0]["window"] == infos[1]["window"]


def test_presets():
    assert get_preset("aps32id_u18").relative_noise == pytest.approx(0.019, abs=0.002)
    assert adjusted_preset("reduced", distance_m=0.5, exposure_us=0).distance_m == 0.5
    assert adjusted_preset("reduced", exposure_us=0).exposure_us == 2.5
    assert adjusted_preset("reduced", quanta_per_pixel=3000.0).quanta_per_pixel == (3000.0, 3000.0)
