"""The smoke grid, run once undisturbed through Snakemake into a folder of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from xpci_utils import paths
from xpci_utils.params import Sweep

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


class Grid:
    """The smoke grid in a folder of its own, run by Snakemake."""

    def __init__(self, root: Path):
        self.root, self.log = root, root.with_suffix(".log")
        self.retries = 0  # of a job that failed
        self.config: list[str] = []  # beside profile and run_root

    def start(self, *places: str) -> subprocess.Popen:
        """Snakemake in a session of its own, for the whole grid or some of its folders; its output goes to a log."""
        command = [*self.command("profile=smoke"), *(f"{self.root}/{place}/run.json" for place in places)]
        environment = {**ENVIRONMENT, "XPCI_CHECKPOINT_SECONDS": "0"}
        with open(self.log, "a") as log:
            return subprocess.Popen(
                command, cwd=paths.root(), env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def finish(self, *places: str) -> str:
        """Run to the end and return what this run printed; fails with the end of the log."""
        code, printed = self.run(*places)
        assert code == 0, printed[-4000:]
        return printed

    def fail(self, *places: str) -> str:
        """Run until nothing more can be done because something failed, and return what this run printed."""
        code, printed = self.run(*places)
        assert code != 0, printed[-4000:]
        return printed

    def run(self, *places: str) -> tuple[int, str]:
        """(exit code, what was printed) of one run."""
        before = len(self.log.read_text()) if self.log.is_file() else 0
        code = self.start(*places).wait(timeout=1200)
        return code, self.log.read_text()[before:]

    def dry_run(self, profile: Path) -> str:
        """What Snakemake would do here with the profile in the folder ``profile``."""
        name = os.path.relpath(profile, paths.root() / "params")
        command = self.command(f"profile={name}", "--dry-run", "--quiet", "host")  # profiles/default hides the rules
        done = subprocess.run(command, cwd=paths.root(), env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def command(self, profile: str, *options: str) -> list:
        options = ("--retries", str(self.retries), *options)
        return [
            BIN / "snakemake",
            "--cores",
            "2",
            *options,
            "--config",
            profile,
            f"run_root={self.root}",
            *self.config,
            "--",
        ]

    @staticmethod
    def family(process: subprocess.Popen) -> set[int]:
        """Snakemake, its runners and their kernels."""
        listing = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
        rows = [tuple(map(int, line.split())) for line in listing.splitlines()[1:]]
        family, children = {process.pid}, {process.pid}
        while children:
            children = {pid for pid, parent in rows if parent in family} - family
            family |= children
        return family

    @classmethod
    def kill(cls, process: subprocess.Popen) -> None:
        """SIGKILL to all of them, as a power cut would."""
        for pid in cls.family(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def smoke_grid(tmp_path_factory) -> Grid:
    """A smoke grid that ran undisturbed; the first worker that needs it runs it, the others wait and share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    grid = Grid(shared / "undisturbed/smoke")
    with FileLock(shared / "undisturbed.lock"):
        if not (grid.root / "report/run.json").is_file():
            grid.root.parent.mkdir()
            grid.finish()
    return grid


@pytest.fixture
def smoke_with(tmp_path):
    """A function that writes the smoke profile with another sweep: (folder of the profile, its sweep)."""

    def write(**changes) -> tuple[Path, Sweep]:
        folder = shutil.copytree(paths.root() / "params/smoke", tmp_path / "changed")
        sweep = Sweep(**Sweep.from_yaml("params/smoke/sweep.yaml").model_dump() | changes)
        (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep.model_dump()))
        return folder, sweep

    return write


@pytest.fixture
def fresh_grid(tmp_path) -> Grid:
    """A smoke grid that has not been started."""
    return Grid(tmp_path / "fresh")
