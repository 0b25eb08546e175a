"""The time between frames of HDF5 films: taken with its unit, from where it belongs to the frames, else told."""

import h5py
import numpy as np
import pytest

from xpci_utils.importing import open_film
from xpci_utils.video import open_recording

COUNT = 12
FRAMES = np.random.default_rng(0).integers(100, 4000, (COUNT, 16, 20), dtype=np.uint16)
DETECTOR = "measurement/instrument/detector"


@pytest.fixture
def film(tmp_path):
    """A film whose file ``fill`` has changed, as the import opens it."""

    def make(fill):
        with h5py.File(tmp_path / "film.h5", "w") as file:
            file["exchange/data"] = FRAMES
            fill(file)
        return open_film(tmp_path / "film.h5")

    return make


def put(file, place, value, units=None):
    file[place] = value
    if units is not None:
        file[place].attrs["units"] = units


def on_scale(file, times, units):
    """Times as a dimension scale of the frames."""
    put(file, "exchange/time", times, units)
    file["exchange/time"].make_scale("time")
    file["exchange/data"].dims[0].attach_scale(file["exchange/time"])


def listed(file, times, units, axes, on):
    """Times as the first axis that attributes list, in the way of NeXus or Data Exchange."""
    put(file, "exchange/t", times, units)
    file[on].attrs["axes"] = axes


T = np.arange(COUNT)
EVERY_25_US = {
    "frames per second": lambda f: put(f, f"{DETECTOR}/frame_rate", 40000, "fps"),
    "kHz in an array of one": lambda f: put(f, f"{DETECTOR}/frame_rate", np.array([40.0], np.float32), b"kHz"),
    "NeXus' frame time": lambda f: put(f, f"{DETECTOR}/frame_time", 2.5e-5, np.array(["s"], object)),
    "areaDetector's period": lambda f: put(f, f"{DETECTOR}/AcquirePeriod", 0.025, "ms"),
    "beside the data": lambda f: put(f, "exchange/frame_interval", 25000, "ns"),
    "unit in the name": lambda f: f["exchange/data"].attrs.update(frame_interval_us=25.0),
    "unit in the name, rate": lambda f: f["exchange"].attrs.update(frame_rate_hz=40000),
    "attribute with a unit beside": lambda f: f["exchange/data"].attrs.update(frame_rate=40000, frame_rate_units="Hz"),
    "dimension scale": lambda f: on_scale(f, 25e-6 * T, "s"),
    "dimension scale since 1970": lambda f: on_scale(f, 1.7e9 + 25e-6 * T, "seconds"),
    "whole microseconds": lambda f: on_scale(f, 25 * T + 7, "us"),
    "NXdata": lambda f: listed(f, 0.025 * T, "ms", ["t", "y", "x"], "exchange"),
    "axes joined by colons": lambda f: listed(f, 0.025 * T, "ms", "t:y:x", "exchange/data"),
    "two that agree": lambda f: (on_scale(f, 25e-6 * T, "s"), put(f, f"{DETECTOR}/frame_rate", 40100, "Hz")),
}


@pytest.mark.parametrize("fill", EVERY_25_US.values(), ids=EVERY_25_US)
def test_an_interval_with_its_unit_is_taken(film, fill):
    recording = film(fill)
    # Doubles of today hold 2e-7 s, so that a step of 25 us is known to 1 %, over eleven steps to 0.1 %.
    assert recording.interval_us == pytest.approx(25, rel=2e-3)
    assert recording.notes == ()


dropped = np.delete(np.arange(COUNT + 1), 5) * 25e-6
IGNORED = {
    "without a unit": (lambda f: put(f, f"{DETECTOR}/frame_rate", 40000), f"/{DETECTOR}/frame_rate has no unit"),
    "times without a unit": (lambda f: on_scale(f, 25e-6 * T, None), "/exchange/time has no unit"),
    "attribute without a unit": (
        lambda f: f["exchange/data"].attrs.update(frame_rate=40000),
        "the attribute frame_rate of /exchange/data has no unit",
    ),
    "a rate in seconds": (lambda f: put(f, f"{DETECTOR}/frame_rate", 4, "s"), "has the unit 's', which is no rate"),
    "millihertz or megahertz": (lambda f: put(f, f"{DETECTOR}/frame_rate", 4, "mhz"), "'mhz', which is no rate"),
    "a time in volts": (lambda f: put(f, f"{DETECTOR}/frame_time", 4, "V"), "has the unit 'V', which is no time"),
    "text": (lambda f: put(f, f"{DETECTOR}/frame_rate", "fast", "Hz"), "is not one number above 0"),
    "zero": (lambda f: put(f, f"{DETECTOR}/frame_rate", 0, "Hz"), "is not one number above 0"),
    "time stamps": (lambda f: put(f, f"{DETECTOR}/frame_time", 1.7e9 + T, "s"), "is not one number above 0"),
    "a frame was dropped": (lambda f: on_scale(f, dropped, "s"), r"by equal steps (they are 2.5e-05 to 5e-05 s)"),
    "times that stand still": (lambda f: on_scale(f, 0.0 * T, "s"), "/exchange/time does not rise by equal steps"),
    "times that are missing": (lambda f: on_scale(f, np.nan * T, "s"), "/exchange/time does not rise by equal steps"),
    "two that differ": (
        lambda f: (on_scale(f, 25e-6 * T, "s"), put(f, f"{DETECTOR}/frame_rate", 20000, "Hz")),
        f"different times between frames (/exchange/time 25 us, /{DETECTOR}/frame_rate 50 us)",
    ),
    "another camera": (lambda f: put(f, "entry/eye/frame_rate", 60, "Hz"), "/entry/eye/frame_rate is not used"),
}


@pytest.mark.parametrize(("fill", "sentence"), IGNORED.values(), ids=IGNORED)
def test_what_would_be_a_guess_is_told_and_not_taken(film, fill, sentence):
    recording = film(fill)
    assert recording.interval_us is None
    (note,) = recording.notes
    assert sentence in note
    assert note.startswith(str(recording.path))


SILENT = {
    "nothing": lambda f: None,
    "an exposure time": lambda f: put(f, f"{DETECTOR}/exposure_time", 2.5e-6, "s"),
    "angles": lambda f: listed(f, 3.0 * T, "deg", "t:y:x", "exchange/data"),
    "axes without values": lambda f: f["exchange/data"].attrs.update(axes="theta:y:x"),
    "times of something else": lambda f: listed(f, np.arange(COUNT + 3.0), "s", "t:y:x", "exchange/data"),
}


@pytest.mark.parametrize("fill", SILENT.values(), ids=SILENT)
def test_what_is_no_interval_is_left_alone(film, fill):
    recording = film(fill)
    assert (recording.interval_us, recording.notes) == (None, ())


@pytest.mark.parametrize(("rate", "units"), [(40000, "fps"), (40000, None)])
def test_notebook_07_knows_the_interval_or_says_that_it_assumes_one(film, rate, units):
    path = film(lambda f: put(f, f"{DETECTOR}/frame_rate", rate, units)).path
    treatment = open_recording(path, {"kind": "linear", "low": 0, "high": 4095}, 2.0, frame_interval_us=25.0).treatment
    assumed = any("25 us are assumed (frame_interval_us)" in line for line in treatment)
    assert assumed == (units is None)
    assert any("frame_rate has no unit" in line for line in treatment) == (units is None)
