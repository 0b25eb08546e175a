"""Facts of a folder of frames, against counts by hand."""

import csv
import hashlib

import numpy as np

from xpci_utils.frames import Frame, write_frames
from xpci_utils.frames.facts import facts_of

INFO = {"class_names": ["background", "drop"], "class_colours": ["#000000", "#4477aa"], "pixel_size_um": 2.0, "tile": 0}


def frame(name, sequence, split, grey, particles):
    labels = np.zeros((8, 8), np.uint8)
    labels.ravel()[:particles] = 1
    labels[-1, -1] = 255
    return Frame(name, sequence, split, np.full((8, 8), grey, np.uint8), labels, True)


def test_facts_are_those_counted_by_hand(tmp_path):
    frames = [
        frame("a", "one", "train", 100, 5), frame("b", "one", "train", 110, 6), frame("c", "two", "test", 120, 0)
    ]  # fmt: skip
    write_frames(tmp_path, frames, INFO)
    rows = [("a", "train", "drop", 20.0), ("b", "train", "drop", 20.0), ("b", "train", "drop", 21.5)]
    with open(tmp_path / "instances.csv", "w", newline="") as file:
        csv.writer(file).writerows([("frame", "split", "class", "diameter_um"), *rows])
    facts = facts_of(tmp_path)
    assert facts["pixels"] == {"background": 3 * 63 - 11, "drop": 11}  # pixels of 255 are of no class
    assert facts["mean_grey"] == 110
    assert facts["splits"] == {
        "train": {"frames": 2, "sequences": 1, "particles": {"drop": 3}, "distinct": 2},
        "test": {"frames": 1, "sequences": 1},
    }
    expected = hashlib.sha256(b"".join(f.image.tobytes() + f.labels.tobytes() for f in frames)).hexdigest()
    assert facts["sha256"] == expected


def test_one_grey_level_changes_the_digest(tmp_path):
    write_frames(tmp_path / "one", [frame("a", "one", "train", 100, 5)], INFO)
    other = frame("a", "one", "train", 100, 5)
    other.image[3, 3] += 1
    write_frames(tmp_path / "other", [other], INFO)
    assert facts_of(tmp_path / "one")["sha256"] != facts_of(tmp_path / "other")["sha256"]
