"""The toy film in files, as cameras and ImageJ write them."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parent))
from toy_film import moving_discs


@pytest.fixture
def film_file(tmp_path):
    path = tmp_path / "film.tif"
    scale = {"resolution": (0.5, 0.5), "metadata": {"axes": "TYX", "unit": "um"}}
    tifffile.imwrite(path, moving_discs(), imagej=True, **scale)
    return path


@pytest.fixture
def raw_file(tmp_path):
    """What a 12-bit camera records of it in an uneven beam, moved to the left in 16 bits, with flats and darks."""
    rng = np.random.default_rng(0)
    beam = 1500 + 400 * np.sin(np.arange(64) / 9)[None] + np.zeros((48, 1))
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        for name, level in (("data", moving_discs() / 200 * beam), ("data_white", beam + np.zeros((8, 1, 1)))):
            noisy = 64 + level + rng.normal(0, 2, level.shape)
            file[f"exchange/{name}"] = np.clip(noisy, 0, 4095).astype(np.uint16) << 4
        file["exchange/data_dark"] = np.full((8, 48, 64), 64 << 4, np.uint16)
    return path
