"""A grid that is killed again and again ends where an undisturbed one ends, byte for byte."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xpci_utils import paths, stages
from xpci_utils.params import STAGES, Sweep
from xpci_utils.params.runs import stage_folders

PAPERMILL = Path(sys.executable).with_name("papermill")


def results(root):
    """Hashes of everything that carries a result: weights, pictures, pool, tables; what it cost is left out."""
    kinds = ("*.safetensors", "*.csv", "pools/**/*.png", "frames/**/*.png", "report/tables/*")
    files = {path for kind in kinds for path in root.rglob(kind) if "work" not in path.parts}
    minutes = {f"table{letter}.{kind}" for letter in "cu" for kind in ("md", "tex")}  # printed there; CSVs are compared
    files -= {path for path in files if path.name in minutes}
    return {str(path.relative_to(root)): hashlib.sha256(content(path)).hexdigest() for path in sorted(files)}


def content(path):
    """Bytes of a file, of a table without the column that holds seconds."""
    if path.suffix == ".csv" and path.stat().st_size > 1:
        return pd.read_csv(path).drop(columns="core_seconds", errors="ignore").to_csv().encode()
    return path.read_bytes()


class Killer:
    """Kills the stages of a grid while they work: each at least once, at moments drawn from a seed.

    A stage works while its kernel has the lock of its folder open. What a stage escapes, because it was faster than in
    the undisturbed grid, is added to what awaits the report, the last one.
    """

    def __init__(self, undisturbed, grid, kills: int, seed: int):
        self.grid, self.rng = grid, np.random.default_rng(seed)
        self.places = stage_folders(Sweep.from_yaml("params/smoke/sweep.yaml"))
        self.seconds = {place: stages.read_run(undisturbed.root / place)["wall_seconds"] for place in self.places}
        more = self.rng.choice(self.places, kills - len(self.places)).tolist()
        self.awaited = Counter([*self.places, *more])
        self.killed = Counter()
        self.moments: dict[tuple[str, int], float] = {}  # of a stage in one kernel: when it is killed

    def watch(self, power_cut_at: int) -> bool:
        """Kill kernels until the grid has ended (False) or, in place of kill ``power_cut_at``, all of it (True)."""
        process, before = self.grid.start(), self.killed.total()
        while process.poll() is None:
            place, kernel = self.next_victim(self.working(process))
            if place:
                self.awaited[place] -= 1
                self.killed[place] += 1
                if self.killed.total() == power_cut_at:
                    self.grid.kill(process)
                    return True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(kernel, signal.SIGKILL)
            time.sleep(0.2)
        assert self.killed.total() > before, "nothing was killed:\n" + self.grid.log.read_text()[-4000:]
        return False

    def next_victim(self, working: set[tuple[str, int]]) -> tuple[str, int]:
        """A stage whose moment has come, and its kernel; ("", 0) if there is none."""
        now = time.monotonic()
        for place, kernel in self.moments.keys() - working:
            del self.moments[place, kernel]
            if stages.read_run(self.grid.root / place) and place != "report":
                self.awaited["report"] += self.awaited.pop(place, 0)
        for key in working - self.moments.keys():
            self.moments[key] = now + self.rng.uniform(0, 0.4) * self.seconds[key[0]]
        due = [key for key in working if self.awaited[key[0]] > 0 and self.moments[key] <= now]
        if not due:
            return "", 0
        self.moments[due[0]] = float("inf")
        return due[0]

    def working(self, process: subprocess.Popen) -> set[tuple[str, int]]:
        """(folder, kernel) of every stage at work below a Snakemake."""
        locks = {str(self.grid.root.resolve() / place / stages.lock.LOCK_FILE): place for place in self.places}
        owners = set()
        for pid in self.grid.family(process):
            with contextlib.suppress(OSError):  # it may end while it is looked at
                opened = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
                owners |= {(locks[name], pid) for name in opened & locks.keys()}
        return owners


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="who works on what is seen on Linux alone")
def test_a_grid_killed_twenty_times_ends_like_an_undisturbed_one(smoke_grid, fresh_grid):
    """Sixteen kernels are killed, as for want of memory, which Snakemake tries again; four times all is, as by a power
    cut, and started anew. Which stage loses how much depends on the seed and on time; the result must not."""
    fresh_grid.retries = 9
    killer = Killer(smoke_grid, fresh_grid, kills=20, seed=2)
    for cut in (5, 10, 15, 20):
        while not killer.watch(power_cut_at=cut):  # the report was faster than its moment: it is made once more
            (fresh_grid.root / "report/run.json").unlink()
    printed = fresh_grid.log.read_text()
    fresh_grid.finish()
    print(f"\nkills: {dict(killer.killed)}")
    assert killer.killed.total() == 20
    assert len(killer.killed) > len(killer.places) / 2
    assert printed.count("the kernel died (out of memory, or killed); run the same command again") >= 10
    expected, outcome = results(smoke_grid.root), results(fresh_grid.root)
    assert len(expected) > 40
    assert set(outcome) == set(expected)
    assert [name for name in expected if outcome[name] != expected[name]] == []


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
    assert stages.read_run(root / "ddpm")["identity"] == stages.read_run(smoke_grid.root / "ddpm")["identity"]


@pytest.mark.parametrize("notebook", STAGES)
def test_an_unknown_parameter_stops_plain_papermill(tmp_path, notebook):
    command = [PAPERMILL, paths.root() / f"notebooks/{notebook}.ipynb", tmp_path / "out.ipynb"]
    command += ["-p", "thread", "3", "-p", "run_root", tmp_path / "run"]
    done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "thread is not a parameter; did you mean 'threads'" in done.stderr
    assert not (tmp_path / "run").exists()
