"""Frames with discs of three grey levels: three classes that any working labeller tells apart."""

import numpy as np
import pytest

from xpci_utils.frames import Frame, write_frames

COLOURS = ["#000000", "#cc3311", "#0077bb", "#009988"]


@pytest.fixture(autouse=True)
def every_test_on_one_thread(one_thread):
    """All tests of this folder compare bits."""


def disc_frame(index: int, split: str, side: int = 32) -> Frame:
    """Noise of grey level 100 with one disc of each class 1, 2, 3 (grey levels 20, 180, 250)."""
    rng = np.random.default_rng(index)
    labels = np.zeros((side, side), np.uint8)
    rows, columns = np.mgrid[:side, :side]
    for particle_class in (1, 2, 3):
        row, column = rng.integers(5, side - 5, 2)
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= rng.integers(2, 5) ** 2] = particle_class
    grey = np.array([100, 20, 180, 250])[labels] + rng.normal(0, 5, labels.shape)
    return Frame(f"{split}_{index:03d}", f"sequence_{index}", split, grey.clip(0, 255).astype(np.uint8), labels)


@pytest.fixture(scope="session")
def disc_frames(tmp_path_factory):
    """12 training, 2 validation and 4 test frames of 32 x 32."""
    splits = ["train"] * 12 + ["val"] * 2 + ["test"] * 4
    frames = [disc_frame(index, split) for index, split in enumerate(splits)]
    info = {"class_names": ["background", "dark", "bright", "white"], "class_colours": COLOURS}
    return write_frames(tmp_path_factory.mktemp("discs"), frames, info | {"pixel_size_um": 1.0, "tile": 0})
