"""Notebook 01 with an imported folder: its own cells, run on what the command wrote."""

import json

import matplotlib as mpl
import pytest

from xpci_utils import paths, stages
from xpci_utils.frames import FrameSet
from xpci_utils.importing.__main__ import main
from xpci_utils.params import PrepareFrames
from xpci_utils.stages import decisive

CELLS = ("d0166242", "d5d7fb11", "b7d2e410", "ecd7e0de")  # libraries, check-up, suspects, writing


@pytest.fixture
def notebook_code():
    cells = json.loads((paths.root() / "notebooks/01_prepare_frames.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell.get("id") in CELLS]


def test_what_was_done_to_the_frames_reaches_frames_json(bench, notebook_code, capsys, tmp_path):
    mpl.use("Agg")
    flat, dark = bench.grey[:3] * 0 + 200, bench.grey[:3] * 0
    bench.film(bench.grey // 2 + 40, flats=flat, darks=dark)
    assert main([*bench.arguments, "--pixel-um", "0.65"]) == 0
    run = {"run_root": str(tmp_path / "run"), "source": "folder", "source_folder": str(bench.out)}
    parameters = PrepareFrames(**run, tile=64)
    stage = stages.begin(parameters)
    assert len(notebook_code) == len(CELLS)
    capsys.readouterr()
    exec("\n".join(notebook_code), {"parameters": parameters, "stage": stage})
    printed = capsys.readouterr().out
    stage.lock.close()
    frames = FrameSet.open(stage.folder)
    assert frames.info["corrections"] == ["dark (mean of 3)", "flat field (mean of 3)", "defective pixels"]
    assert frames.pixel_size_um == 0.65
    assert frames.info["imported"]["images"] == str(bench.images)
    assert "corrections: dark (mean of 3); flat field (mean of 3); defective pixels" in printed
    assert "10 frames of 12 x 16 pixels" in printed
    assert "tile is 64, the frames are 12 x 16; whole frames will be used" in printed


def test_the_tiles_that_the_check_up_chose_reach_frames_json(write_own_frames, notebook_code, capsys, tmp_path):
    """Networks take them from there."""
    mpl.use("Agg")
    mine = write_own_frames(tmp_path / "mine", height=288, width=320)
    run = {"run_root": str(tmp_path / "run"), "source": "folder", "source_folder": str(mine)}
    parameters = PrepareFrames(**run, largest_tile=288)
    stage = stages.begin(parameters)
    exec("\n".join(notebook_code), {"parameters": parameters, "stage": stage})
    stage.lock.close()
    assert "networks see tiles of 256 x 256 pixels, 4 of each frame" in capsys.readouterr().out
    frames = FrameSet.open(stage.folder)
    assert (frames.tile, frames.example_shape) == (256, (256, 256))
    assert len(frames.examples("train")) == 4 * 8


def test_what_the_import_did_is_part_of_a_stages_identity(bench, tmp_path):
    """The same pictures with another pixel size are other frames."""
    assert main(bench.arguments) == 0
    parameters = PrepareFrames(run_root=str(tmp_path), source="folder", source_folder=str(bench.out))
    before = decisive(parameters)
    record = json.loads((bench.out / "import.json").read_text())
    (bench.out / "import.json").write_text(json.dumps(record | {"pixel_size_um": 3.0}))
    assert decisive(parameters) != before
