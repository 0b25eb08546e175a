"""Faults of a grid: a poisoned cell, and test frames that must not have been looked at."""

import re
import shutil

import numpy as np
import pytest

from xpci_utils import artifacts, grid
from xpci_utils.frames import FrameSet
from xpci_utils.frames.frameset import write_png
from xpci_utils.params import Sweep

SWEEP = Sweep.from_yaml("params/smoke/sweep.yaml")
CELLS = [f"segmentation/{cell.name}" for cell in grid.cells(SWEEP)]


def started(printed):
    """Folders of the stages that a run has begun to work on."""
    return set(re.findall(r"^\[(\S+)\] started", printed, re.MULTILINE))


def test_a_poisoned_cell_stops_itself_alone_and_is_the_only_one_repeated(smoke_grid, fresh_grid):
    """Two cells and the report are taken away; into the place of one comes a file that no stage wrote."""
    shutil.copytree(smoke_grid.root, fresh_grid.root, symlinks=True)
    healthy, poisoned = CELLS[:2]
    for place in (healthy, poisoned, "report"):
        shutil.rmtree(fresh_grid.root / place)
    poison = fresh_grid.root / poisoned / "notes.txt"
    poison.parent.mkdir()
    poison.write_text("mine")
    printed = fresh_grid.fail()
    assert artifacts.read_run(fresh_grid.root / healthy)
    assert started(printed) == {healthy, poisoned}
    assert f"{poisoned} holds files that no stage wrote (notes.txt" in printed
    assert poison.read_text() == "mine"
    poison.unlink()
    assert started(fresh_grid.finish()) == {poisoned, "report"}


@pytest.fixture
def blinded(smoke_grid, fresh_grid):
    """A function that starts a fresh grid from the smoke grid's frames, the named splits replaced by noise."""

    def blind(*splits, keep=()):
        for place in ("frames", *keep):
            shutil.copytree(smoke_grid.root / place, fresh_grid.root / place)
        rng = np.random.default_rng(0)
        frames = FrameSet.open(fresh_grid.root / "frames")
        for row in frames.rows:
            if row["split"] in splits:
                for kind, colours in (("images", 256), ("labels", frames.num_classes)):
                    noise = rng.integers(0, colours, (frames.height, frames.width), dtype=np.uint8)
                    write_png(frames.folder / kind / f"{row['name']}.png", noise)
        return fresh_grid

    return blind


def same(one, other, patterns):
    files = sorted(path.relative_to(one) for pattern in patterns for path in one.glob(pattern))
    assert files
    return [str(name) for name in files if (one / name).read_bytes() != (other / name).read_bytes()] == []


def test_no_network_ever_saw_a_test_frame(smoke_grid, blinded):
    """Denoiser, labellers and pool are taken over; only the networks are trained again."""
    other = blinded("test", keep=("ddpm", "sam", "pools"))
    other.finish(*CELLS)
    assert same(smoke_grid.root, other.root, ["segmentation/*/model.safetensors"])
    assert len(list(other.root.glob("segmentation/*/model.safetensors"))) == len(CELLS)
    assert not same(smoke_grid.root, other.root, ["segmentation/*/per_frame.csv"])
