"""A film goes through in blocks: flat memory, the same bytes after a kill, a stack that ImageJ opens."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from toy_film import COLOURS, NAMES, grey_scores, moving_discs

from xpci_utils.training import StoppedForTime
from xpci_utils.video import ParticleLimits, join_film, open_recording, segment_film

HERE = Path(__file__).parent
WINDOW = {"kind": "linear", "low": 0.0, "high": 255.0}
SETTINGS = {"tile": 0, "pixel_size_um": 2.0, "limits": ParticleLimits(6, 0.9)}


def segmented(film, folder, scores=grey_scores, block_frames=5, **changes):
    recording = open_recording(film, WINDOW, 2.0)
    place = {"blocks": folder / "blocks", "history": folder / "history.jsonl", "block_frames": block_frames}
    return segment_film(recording, scores, **place, **{**SETTINGS, **changes})


def joined(film, folder, **options):
    return join_film(segmented(film, folder, **options), folder / "labels.tif", NAMES, COLOURS, 2.0, 20.0)


def test_stack_and_table_tell_the_same_story(film_file, tmp_path):
    particles, frames, _ = joined(film_file, tmp_path)
    labels = tifffile.imread(tmp_path / "labels.tif")
    film = moving_discs()
    assert np.array_equal(labels > 0, film > 130)
    assert list(particles.columns) == [
        "frame", "particle", "class", "diameter_um", "x_um", "y_um", "eccentricity", "mean_grey", "confidence",
        "pixels", "at_border",
    ]  # fmt: skip
    assert len(particles) == 48
    moving = particles[particles["particle"] == 1]
    inside = moving[~moving["at_border"]]
    assert inside["x_um"].tolist() == pytest.approx([2.0 * (6 + 2 * t) for t in inside["frame"]])
    assert set(moving["class"]) == {"dull"}
    assert particles[particles["particle"] == 2]["class"].tolist() == ["shiny"] * 12 + ["dull"] * 12
    assert frames["particles"].tolist() == [2] * 24
    assert frames["foreground"].tolist() == pytest.approx((labels > 0).mean((1, 2)))


def test_the_stack_opens_in_imagej_with_scale_and_colours(film_file, tmp_path):
    """Per ImageJ's TiffDecoder: zip compression without predictor, one page per frame, its own description."""
    joined(film_file, tmp_path)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        metadata, page = file.imagej_metadata, file.pages[0]
        assert (len(file.pages), page.compression.name, page.predictor) == (24, "ADOBE_DEFLATE", 1)
        assert (metadata["unit"], metadata["frames"], metadata["finterval"]) == ("um", 24, pytest.approx(2e-5))
        numerator, denominator = page.tags["XResolution"].value
        assert denominator / numerator == 2.0
        assert (page.colormap[:, 1] // 257).tolist() == [0x44, 0x77, 0xAA]


@pytest.mark.parametrize("tile", [0, 32, 16])
def test_tiles_change_nothing_for_a_network_that_sees_single_pixels(film_file, tmp_path, tile):
    joined(film_file, tmp_path, tile=tile)
    assert np.array_equal(tifffile.imread(tmp_path / "labels.tif") > 0, moving_discs() > 130)


def test_any_length_of_block_gives_the_same_bytes(film_file, tmp_path):
    for size in (1, 7, 100):
        joined(film_file, tmp_path / str(size), block_frames=size)
    assert len({digest(tmp_path / str(size) / "labels.tif") for size in (1, 7, 100)}) == 1


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from toy_film import grey_scores
from xpci_utils.video import ParticleLimits, open_recording, segment_film
calls = []
def scores(images):
    calls.append(1)
    if len(calls) == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return grey_scores(images)
film, folder = Path(sys.argv[2]), Path(sys.argv[3])
recording = open_recording(film, {"kind": "linear", "low": 0.0, "high": 255.0}, 2.0)
segment_film(recording, scores, folder / "blocks", tile=0, pixel_size_um=2.0,
             limits=ParticleLimits(6, 0.9), block_frames=5, history=folder / "history.jsonl")
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(film_file, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, HERE, film_file, tmp_path / "killed"], check=False)
    assert done.returncode == -9
    assert len(list((tmp_path / "killed/blocks").glob("*.npz"))) == 2
    asked = []

    def counting(images):
        asked.append(len(images))
        return grey_scores(images)

    resumed = joined(film_file, tmp_path / "killed", scores=counting)
    straight = joined(film_file, tmp_path / "straight")
    assert len(asked) == 24 - 10
    assert digest(tmp_path / "killed/labels.tif") == digest(tmp_path / "straight/labels.tif")
    assert resumed[0].equals(straight[0])
    assert resumed[1].equals(straight[1])
    assert np.array_equal(resumed[2], straight[2])


def test_a_run_whose_time_is_over_stops_between_blocks(film_file, tmp_path, monkeypatch):
    monkeypatch.setenv("XPCI_DEADLINE", "1")
    with pytest.raises(StoppedForTime, match="segmenting stopped for time at frame 0 of 24"):
        segmented(film_file, tmp_path)
    monkeypatch.delenv("XPCI_DEADLINE")
    assert len(segmented(film_file, tmp_path)) == 5


PEAK = """
import resource, sys
from pathlib import Path
import numpy as np, tifffile
sys.path.insert(0, sys.argv[1])
from toy_film import COLOURS, NAMES, grey_scores, moving_discs
from xpci_utils.video import ParticleLimits, join_film, open_recording, segment_film
folder, count = Path(sys.argv[2]), int(sys.argv[3])
folder.mkdir()
page = moving_discs(1, (256, 256))[0]
tifffile.imwrite(folder / "film.tif", (page for _ in range(count)), shape=(count, 256, 256), dtype="uint8")
recording = open_recording(folder / "film.tif", {"kind": "linear", "low": 0.0, "high": 255.0}, 2.0)
blocks = segment_film(recording, grey_scores, folder / "blocks", tile=0, pixel_size_um=2.0,
                      limits=ParticleLimits(6, 0.9), block_frames=8, history=folder / "history.jsonl")
join_film(blocks, folder / "labels.tif", NAMES, COLOURS, 2.0, 20.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_film(tmp_path):
    """180 frames more: kept as they are they would take 12 MiB, their label maps as much, their scores 141 MiB."""
    command = [sys.executable, "-c", PEAK, HERE]
    peaks = [
        float(subprocess.run([*command, tmp_path / str(n), str(n)], capture_output=True, text=True, check=True).stdout)
        for n in (20, 200)
    ]
    assert peaks[1] - peaks[0] < 8, f"peak memory {peaks} MiB"
