"""One card per job: never two jobs on one, as many at once as there are cards, and free again when a job is killed.

The cards are pretended: processes note the CUDA_VISIBLE_DEVICES that they were given, and when they had it.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

from xpci_utils import paths
from xpci_utils.params import LabelPairs, ParameterError, PrepareFrames, SamplePairs, TrainDdpm, TrainSegmentation
from xpci_utils.running import cli, gpus, notebook, reproduce

SEGMENTATION = "emcad__r0006__none__n00000__mix__s0"
JOB = """
import json, os, sys, time
from xpci_utils.params import TrainDdpm
from xpci_utils.running.gpus import card_for
with card_for(TrainDdpm()):
    began = time.time()
    print(json.dumps({"card": os.environ["CUDA_VISIBLE_DEVICES"]}), flush=True)
    time.sleep(float(sys.argv[1]))
    notes = {"card": os.environ["CUDA_VISIBLE_DEVICES"], "began": began, "ended": time.time()}
    with open(sys.argv[2], "a") as file:
        file.write(json.dumps(notes) + "\\n")
"""
# In place of `python -m xpci_utils.run NOTEBOOK -f FILE -p NAME VALUE ...`: the stage takes a moment and no kernel.
RUNNER = """
import json, os, time, sys
from pathlib import Path
from xpci_utils.params import stage_model
from xpci_utils.running import notebook
from xpci_utils.running.gpus import card_for
options = notebook._parse(sys.argv[1:])
given = {name: notebook.value_of(text) for name, text in options.parameter}
parameters = stage_model(options.notebook).from_yaml(options.file, given)
with card_for(parameters) as card:
    began = time.time()
    time.sleep(1.5)
    notes = {"place": parameters.place, "card": card, "began": began, "ended": time.time()}
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps(notes) + "\\n")
parameters.folder.mkdir(parents=True, exist_ok=True)
Path(parameters.folder, "run.json").write_text("{}")
"""


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    """Locks of the test's own, and no cards from outside."""
    monkeypatch.setenv("XPCI_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv(gpus.CARDS, raising=False)
    monkeypatch.delenv(gpus.VISIBLE, raising=False)


def notes_in(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def most_at_once(notes):
    """The largest number of jobs that ran at the same time."""
    return max(sum(other["began"] <= job["began"] < other["ended"] for other in notes) for job in notes)


def start(notes, seconds):
    command = [sys.executable, "-c", JOB, str(seconds), str(notes)]
    return subprocess.Popen(command, cwd=paths.root(), stdout=subprocess.PIPE, text=True)


def given_card(job):
    """The card that a job was given; waits until it has one."""
    return next(json.loads(line)["card"] for line in job.stdout if line.startswith("{"))


def test_never_two_jobs_on_one_card_and_all_cards_in_use(tmp_path, monkeypatch):
    monkeypatch.setenv(gpus.CARDS, "3,5")
    jobs = [start(tmp_path / "notes", 1.0) for _ in range(5)]
    for job in jobs:
        job.communicate(timeout=60)
        assert job.returncode == 0
    notes = notes_in(tmp_path / "notes")
    assert len(notes) == 5
    for card in ("3", "5"):
        assert most_at_once([note for note in notes if note["card"] == card]) == 1
    assert most_at_once(notes) == 2


def test_the_card_of_a_killed_job_is_free_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv(gpus.CARDS, "0")
    first = start(tmp_path / "notes", 60)
    assert given_card(first) == "0"
    second = start(tmp_path / "notes", 0)
    time.sleep(1.5)
    assert second.poll() is None, "it did not wait"
    first.send_signal(signal.SIGKILL)
    assert given_card(second) == "0"
    assert second.wait(10) == 0
    first.communicate()
    second.communicate()
    assert len(notes_in(tmp_path / "notes")) == 1


def test_a_stage_gets_its_card_in_its_kernel_and_gives_it_back(tmp_path, monkeypatch):
    cards = []
    monkeypatch.setattr(notebook, "_execute", lambda *_: cards.append(os.environ.get(gpus.VISIBLE)))
    monkeypatch.setattr(notebook.stages, "read_run", lambda _: {})
    monkeypatch.setattr(notebook.shutil, "move", lambda *_: None)
    stage = TrainSegmentation(cell=SEGMENTATION, run_root=str(tmp_path))
    frames = PrepareFrames(run_root=str(tmp_path))
    with gpus.shared(["4", "7"]):
        assert notebook.run_notebook(stage) == 0
        with gpus.card_for(stage) as taken:  # as another job on the first card
            assert notebook.run_notebook(stage) == 0
        assert notebook.run_notebook(frames) == 0
    assert notebook.run_notebook(stage) == 0
    assert (taken, cards) == ("4", ["4", "7", None, None])
    assert gpus.VISIBLE not in os.environ
    assert gpus.CARDS not in os.environ


def test_which_stages_compute_on_a_gpu():
    assert gpus.uses_gpu(TrainDdpm())
    assert gpus.uses_gpu(SamplePairs())
    assert gpus.uses_gpu(LabelPairs(pool="fresh"))
    assert not gpus.uses_gpu(SamplePairs(pool="fresh"))
    assert not gpus.uses_gpu(PrepareFrames())


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A computer with three GPUs, as its driver lists them."""
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\nfor i in 0 1 2; do echo "GPU $i: NVIDIA A5000 (UUID: GPU-$i)"; done\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")


def test_no_more_cards_than_there_are(driver, monkeypatch, capsys):
    assert gpus.cards_of(2) == ["0", "1"]
    with pytest.raises(ParameterError, match="--gpus 4: this computer has 3"):
        gpus.cards_of(4)
    monkeypatch.setenv(gpus.VISIBLE, "2,GPU-0")
    assert gpus.cards_of(2) == ["2", "GPU-0"]
    assert cli.main(["reproduce", "--profile", "smoke", "--gpus", "3"]) == 2
    assert "--gpus 3: CUDA_VISIBLE_DEVICES names 2" in capsys.readouterr().err


def test_without_a_driver_it_is_said_that_the_cpu_computes(monkeypatch, capsys):
    monkeypatch.setattr(gpus.shutil, "which", lambda _: None)
    assert gpus.cards_of(2) == ["0", "1"]
    assert "compute on the CPU" in capsys.readouterr().err


def command_of(**changed):
    options = {"profile": "smoke", "grid": "paper", "shards": 0, "gpus": 0, "cores": 2, "force": False, "snakemake": []}
    return reproduce.snakemake_command(Namespace(**options | changed), {})


def test_nothing_changes_without_gpus():
    plain = ["snakemake", "--cores", "2", "--config", "profile=smoke", "grid=paper"]
    assert command_of() == plain
    assert command_of(gpus=8)[:5] == ["snakemake", "--cores", "8", "--resources", "gpu=8"]
    assert command_of(gpus=8)[-2:] == ["grid=paper", "gpus=8"]


@pytest.mark.parametrize(("cards", "cores"), [(["0", "1", "2"], 2), ([], 3)])
def test_a_grid_runs_on_all_cards_and_without_them_on_all_cores(cards, cores, tmp_path, monkeypatch):
    """The real Snakefile, with stages that only take a card: with three cards three jobs at once on two cores; without
    any, cells on the CPU still run side by side."""
    (tmp_path / "runner.py").write_text(RUNNER)
    fake = tmp_path / "bin/python"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} {tmp_path}/runner.py "$@"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("PYTHONPATH", str(paths.root()))
    command = command_of(gpus=len(cards), cores=cores)
    with gpus.shared(cards):
        done = subprocess.run(
            [Path(sys.executable).with_name(command[0]), *command[1:], f"run_root={tmp_path / 'run'}"],
            cwd=paths.root(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    notes = notes_in(tmp_path / "notes")
    on_gpu = [note for note in notes if note["place"] not in ("frames", "report")]
    assert {note["card"] for note in notes if note not in on_gpu} == {None}
    assert {note["card"] for note in on_gpu} == (set(cards) or {None})
    assert all(most_at_once([note for note in notes if note["card"] == card]) == 1 for card in cards)
    assert most_at_once(on_gpu) == 3
