"""A grid that is killed again and again ends where an undisturbed one ends, byte for byte."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xpci_utils import artifacts, paths
from xpci_utils.params import STAGES

PAPERMILL = Path(sys.executable).with_name("papermill")


def results(root):
    """Hashes of everything that carries a result: weights, pictures, pool, tables; what it cost is left out."""
    kinds = ("*.safetensors", "*.csv", "pools/**/*.png", "frames/**/*.png", "report/tables/*")
    files = {path for kind in kinds for path in root.rglob(kind) if "work" not in path.parts}
    files -= {path for path in files if path.name in ("tablec.md", "tablec.tex")}  # print minutes; the CSV is compared
    return {str(path.relative_to(root)): hashlib.sha256(content(path)).hexdigest() for path in sorted(files)}


def content(path):
    """Bytes of a file, of a table without the column that holds seconds."""
    if path.suffix == ".csv" and path.stat().st_size > 1:
        return pd.read_csv(path).drop(columns="core_seconds", errors="ignore").to_csv().encode()
    return path.read_bytes()


def test_a_killed_grid_ends_like_an_undisturbed_one(smoke_grid, fresh_grid):
    """Kills at random moments of the first minute; the seed makes a failure repeatable as far as time allows."""
    for seconds in np.random.default_rng(2).uniform(8, 25, size=4):
        process = fresh_grid.start()
        time.sleep(seconds)
        fresh_grid.kill(process)
    fresh_grid.finish()
    expected, found = results(smoke_grid.root), results(fresh_grid.root)
    assert len(expected) > 40
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def test_a_second_run_does_nothing(smoke_grid):
    before = {path: path.stat().st_mtime_ns for path in smoke_grid.root.rglob("*") if path.is_file()}
    assert "Nothing to be done" in smoke_grid.finish()
    assert {path: path.stat().st_mtime_ns for path in smoke_grid.root.rglob("*") if path.is_file()} == before


def test_plain_papermill_gives_the_same_weights_as_the_grid(smoke_grid, tmp_path):
    """The runner adds nothing to the result (run from another folder than the repository, as a user might)."""
    root = tmp_path / "plain"
    root.mkdir()
    (root / "frames").symlink_to(smoke_grid.root / "frames")
    params = paths.root() / "params/smoke/02_train_ddpm.yaml"
    notebook = paths.root() / "notebooks/02_train_ddpm.ipynb"
    command = [PAPERMILL, notebook, tmp_path / "out.ipynb", "-f", params, "-p", "run_root", root]
    done = subprocess.run(
        [*map(str, command)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    weights = [place / "ddpm/denoiser_ema.safetensors" for place in (root, smoke_grid.root)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert artifacts.read_run(root / "ddpm")["identity"] == artifacts.read_run(smoke_grid.root / "ddpm")["identity"]


@pytest.mark.parametrize("notebook", STAGES)
def test_an_unknown_parameter_stops_plain_papermill(tmp_path, notebook):
    command = [PAPERMILL, paths.root() / f"notebooks/{notebook}.ipynb", tmp_path / "out.ipynb"]
    command += ["-p", "thread", "3", "-p", "run_root", tmp_path / "run"]
    done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "thread is not a parameter; did you mean 'threads'" in done.stderr
    assert not (tmp_path / "run").exists()
