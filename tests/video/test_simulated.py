"""A simulated film on disk is what the simulator computed, read back by the readers of real films."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from xpci_utils.importing.films import open_film
from xpci_utils.simulation import make_film, relative_to_uint8
from xpci_utils.video import open_recording, simulate_film
from xpci_utils.video.simulated import IGNORED_INSTANCE

WINDOW = {"kind": "linear", "low": 0.2, "high": 1.2}


@pytest.fixture(scope="module")
def film():
    return make_film(7, 64, 72, seed=1, preset="reduced")


def written(film, folder, **options):
    return simulate_film(film, folder / "film", folder / "blocks", **{"block_frames": 3, **options},
                         history=folder / "history.jsonl")  # fmt: skip


def test_raw_frames_and_truth_come_back(film, tmp_path):
    path = written(film, tmp_path)
    read = open_film(path)
    assert (len(read), read.pixel_um, len(read.flats), len(read.darks)) == (7, 2.0, 20, 20)
    truth = pd.read_csv(tmp_path / "film/truth.csv")
    instances = tifffile.imread(tmp_path / "film/instances.tif")
    for number in range(7):
        frame = film.frame(number)
        assert np.array_equal(read[number], frame.raw)
        assert np.array_equal(instances[number] == IGNORED_INSTANCE, frame.labels == 255)
        assert np.array_equal(np.where(frame.labels == 255, 0, instances[number]), frame.instances)
        rows = truth[truth["frame"] == number]
        assert rows["id"].tolist() == [one.id for one in frame.table]
        assert rows["class"].tolist() == [one.class_name for one in frame.table]
        assert rows["x_um"].tolist() == pytest.approx([2 * one.x for one in frame.table], abs=1e-3)


def test_the_flat_field_correction_of_a_real_film_gives_the_simulators_frames(film, tmp_path):
    recording = open_recording(written(film, tmp_path), WINDOW, 2.0)
    for number in (0, 6):
        expected = relative_to_uint8(film.frame(number).image, (0.2, 1.2))
        assert np.abs(recording[number].astype(int) - expected).max() <= 1


def test_it_goes_on_after_an_interruption(film, tmp_path):
    blocks = tmp_path / "blocks"
    whole = written(film, tmp_path).read_bytes()
    for path in (tmp_path / "film").iterdir():
        path.unlink()
    kept = blocks / "0000000.npz"
    before = kept.stat().st_mtime_ns
    (blocks / "0000003.npz").unlink()
    assert written(film, tmp_path).read_bytes() == whole
    assert kept.stat().st_mtime_ns == before
