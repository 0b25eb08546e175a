"""Weights of the smoke grid, shipped and taken by another run through the notebooks."""

import shutil
import subprocess
import sys

import pytest

from xpci_utils import files, paths, stages
from xpci_utils.params.profiles import stage_parameters
from xpci_utils.weights import ship


@pytest.mark.parametrize(("notebook", "place"), [("02_train_ddpm", "ddpm"), ("03_adapt_sam", "sam/vit_b__s0")])
def test_a_run_takes_shipped_weights_and_measures_what_their_training_measured(smoke_grid, tmp_path, notebook, place):
    """Half precision may move a score by 2 %; weights that were not taken (random ones) would move it by far more."""
    trained = stage_parameters("smoke", place, smoke_grid.root, {})
    weights, root = ship([trained], tmp_path / "weights"), tmp_path / "run"
    shutil.copytree(smoke_grid.root / "frames", root / "frames")
    command = [sys.executable, "-m", "xpci_utils.run", notebook, "-f", f"params/smoke/{notebook}.yaml"]
    command += ["-p", "run_root", str(root), "-p", "shipped", str(weights)]
    done = subprocess.run(command, cwd=paths.root(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, after = (files.read_json(folder / place / "metrics.json") for folder in (smoke_grid.root, root))
    shipped_file = weights / place / trained.weights_file
    version = stages.read_run(trained.folder)["version"]
    assert after.pop("shipped") == {"version": version, "sha256": files.sha256(shipped_file)}
    assert before.pop("shipped") is None
    if place == "ddpm":
        for name in ("held_out", "wiener"):
            assert after["eps_error"][name] == pytest.approx(before["eps_error"][name], rel=0.02)
        assert after["chosen_step"] == before["chosen_step"]
    else:
        assert after["test"]["accuracy"] == pytest.approx(before["test"]["accuracy"], rel=0.02)
        assert after["parameters"] == before["parameters"]
