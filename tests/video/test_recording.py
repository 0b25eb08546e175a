"""Frames of a film as the network's training frames were, or a sentence that says what differs."""

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image
from toy_film import moving_discs

from xpci_utils.frames import FolderError
from xpci_utils.video import open_recording

RELATIVE = {"kind": "linear", "low": 0.0, "high": 1.275}  # maps moving_discs() / 200 back to its grey levels


def frames_of(recording):
    return np.stack([recording[index] for index in range(len(recording))])


def test_eight_bit_frames_are_taken_as_they_are(film_file):
    recording = open_recording(film_file, RELATIVE, 2.0)
    assert np.array_equal(frames_of(recording), moving_discs())
    assert recording.treatment[-1] == "8 bit, taken as it is"


def test_raw_frames_are_corrected_and_put_into_the_window(raw_file):
    """Grey levels come back within the camera's noise (2 DN of 1100 or more, 0.3 of a grey level)."""
    recording = open_recording(raw_file, RELATIVE, 2.0)
    away = np.abs(frames_of(recording).astype(int) - moving_discs())
    assert away.max() <= 3
    assert away.mean() < 0.5
    treatment = " | ".join(recording.treatment)
    assert all(part in treatment for part in ("12 bit, stored shifted", "dark (mean of 8)", "flat field", "0 to 1.275"))


def test_the_median_over_time_stands_in_for_flats(raw_file, tmp_path):
    """The disc that stays in place is in the median, too, and vanishes; what moves keeps its contrast."""
    with h5py.File(raw_file) as file, h5py.File(tmp_path / "bare.h5", "w") as bare:
        bare["exchange/data"] = file["exchange/data"][:]
        bare["exchange/data_dark"] = file["exchange/data_dark"][:]
    window = {"kind": "linear", "low": 0.0, "high": 2.55}
    recording = open_recording(tmp_path / "bare.h5", window, 2.0, "median")
    assert abs(int(recording[10][14, 26]) - 160) <= 3
    assert abs(int(recording[10][14, 60]) - 100) <= 3


@pytest.mark.parametrize(
    ("factor", "brightest", "top"),
    [(256, 0xFFFF, 255 * 256), (16, 0xFFF0, 255), (256, 0xFFF0, 255 * 256)],
    ids=["16 bit", "12 bit shifted, trained on 12", "12 bit shifted, trained on the same"],
)
def test_integers_without_correction_go_through_the_window(tmp_path, factor, brightest, top):
    """12 bits moved to the left are moved back, unless the training frames had such values themselves."""
    film = moving_discs().astype(np.uint16) * factor
    film[:, 0, 0] = brightest
    tifffile.imwrite(tmp_path / "film.tif", film)
    frames = frames_of(open_recording(tmp_path / "film.tif", {"kind": "linear", "low": 0, "high": top}, 2.0))
    frames[:, 0, 0] = moving_discs()[:, 0, 0]
    assert np.array_equal(frames, moving_discs())


def test_a_logarithmic_window_is_one(tmp_path):
    tifffile.imwrite(tmp_path / "film.tif", np.full((3, 16, 16), np.exp(-0.5), np.float32))
    recording = open_recording(tmp_path / "film.tif", {"kind": "log", "low": -1.0, "high": 0.0}, 2.0)
    assert set(np.unique(recording[0])) <= {127, 128}


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    for number in range(12):
        Image.fromarray(np.full((16, 16), 10 + number, np.uint8)).save(tmp_path / f"shot_{number}.png")
    recording = open_recording(tmp_path, RELATIVE, 2.0)
    assert [int(frame[0, 0]) for frame in frames_of(recording)] == list(range(10, 22))


def bit_depth(folder):
    tifffile.imwrite(folder / "film.tif", (moving_discs().astype(np.uint16) * 12))
    return "100 % of the pixels .*window 0 to 1.275.*12 bit.*grey levels 1200 to 2640.*flat_field"


def other_size(folder):
    for number, side in enumerate((16, 16, 18)):
        Image.fromarray(np.full((side, 16), 99, np.uint8)).save(folder / f"{number}.png")
    return r"frame 2 is 18 x 16 pixels, the first one 16 x 16"


def other_scale(folder):
    scale = {"resolution": (1 / 1.31, 1 / 1.31), "metadata": {"axes": "TYX", "unit": "um"}}
    tifffile.imwrite(folder / "film.tif", moving_discs(), imagej=True, **scale)
    return "pixels of 1.31 um, the network was trained on 2 um"


def other_interval(folder):
    metadata = {"axes": "TYX", "unit": "um", "finterval": 1e-5}
    tifffile.imwrite(folder / "film.tif", moving_discs(), imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    return "frames are 10 us apart, frame_interval_us is 20; speeds would be wrong"


def several_stacks(folder):
    for name in "ab":
        tifffile.imwrite(folder / f"{name}.tif", moving_discs())
    return r"a\.tif is a stack of 24 frames among others"


def several_films(folder):
    for name in "ab":
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["exchange/data"] = moving_discs()
    return r"holds 2 films \(a\.h5, \.\.\.\); name one"


def nothing(folder):
    return "holds no frames"


@pytest.mark.parametrize(
    "make",
    [bit_depth, other_size, other_scale, other_interval, several_stacks, several_films, nothing],
    ids=lambda make: make.__name__,
)
def test_films_that_do_not_fit_are_refused_with_a_sentence(tmp_path, make):
    message = make(tmp_path)
    files = list(tmp_path.iterdir())
    path = files[0] if len(files) == 1 else tmp_path
    with pytest.raises(FolderError, match=message):
        frames_of(open_recording(path, RELATIVE, 2.0, frame_interval_us=20.0))


def test_a_film_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FolderError, match=r"nowhere\.tif does not exist"):
        open_recording(tmp_path / "nowhere.tif", RELATIVE, 2.0)


def test_a_time_between_frames_that_is_assumed_is_told(raw_file, film_file):
    """Speeds depend on it: where the film does not know it, the assumed value stands in what is printed."""
    assumed = "the film does not state the time between its frames: 20 us are assumed (frame_interval_us)"
    assert any(
        line.startswith(assumed) for line in open_recording(raw_file, RELATIVE, 2.0, frame_interval_us=20).treatment
    )
    assert not any("time between" in line for line in open_recording(raw_file, RELATIVE, 2.0).treatment)
