"""The runner: one notebook, one parameter file, one folder, and an exit code that tells what happened."""

import json
import subprocess
import sys
import time
from datetime import datetime

import pytest
import yaml

from xpci_utils import paths
from xpci_utils.running import cli, notebook, status

SIX = paths.root() / "params/quick"


def parameter_file(root, stage, **values):
    path = root / "count.yaml"
    path.write_text(yaml.safe_dump(stage(**values).model_dump()))
    return str(path)


@pytest.mark.parametrize(
    ("behave", "code", "words"),
    [
        ("fail", notebook.FAILED, "RuntimeError: the beam is off"),
        ("die", notebook.KERNEL_DIED, "the kernel died"),
        ("late", notebook.TO_BE_CONTINUED, "stopped for time at step 3 of 9"),
        ("forget", notebook.FAILED, "lacks count.txt"),
    ],
)
def test_what_goes_wrong_has_its_own_exit_code(kernel_house, count_stage, capsys, behave, code, words):
    file = parameter_file(kernel_house, count_stage, behave=behave)
    assert notebook.main(["99_count", "-f", file]) == code
    assert words in capsys.readouterr().err
    assert (kernel_house / "runs/quick/logs/count.ipynb").is_file(), "the log of a failure is kept"
    nothing_left = not (kernel_house / "runs/quick/count").exists()
    assert nothing_left or behave in ("die", "forget")


def test_a_notebook_runs_once_and_is_filed(kernel_house, count_stage, capsys):
    file = parameter_file(kernel_house, count_stage)
    assert notebook.main(["99_count", "-f", file, "-p", "count", "5"]) == notebook.DONE
    folder = kernel_house / "runs/quick/count"
    assert (folder / "count.txt").read_text() == "5"
    assert (folder / "executed.ipynb").is_file()
    assert not (kernel_house / "runs/quick/logs/count.ipynb").exists()
    assert notebook.main(["99_count", "-f", file, "-p", "count", "5"]) == notebook.DONE
    assert "nothing to do" in capsys.readouterr().out
    assert notebook.main(["99_count", "-f", file]) == notebook.FAILED
    assert "Nothing was overwritten" in capsys.readouterr().err


def test_another_folder(kernel_house, count_stage):
    file = parameter_file(kernel_house, count_stage)
    assert notebook.main(["99_count", "-f", file, "--folder", "elsewhere"]) == notebook.DONE
    assert (kernel_house / "elsewhere/count.txt").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["02_train_ddpm", "-f", str(SIX / "02_train_ddpm.yaml"), "-p", "stepz", "3"], "did you mean 'steps'"),
        (["02_train_ddpm", "-f", str(SIX / "03_adapt_sam.yaml")], "is not a parameter"),
        (["02_train_ddpm", "-f", "params/quikc/02_train_ddpm.yaml"], "there is no parameter file"),
        (["07_dance", "-f", str(SIX / "02_train_ddpm.yaml")], "there is no notebook '07_dance'"),
    ],
)
def test_bad_parameters_end_before_a_kernel_starts(capsys, arguments, words):
    assert notebook.main(arguments) == notebook.BAD_PARAMETERS
    assert words in capsys.readouterr().err


def test_progress_is_a_line():
    line = status.progress_line({"step": 100, "steps": 400, "seconds": 50.0, "loss": 0.12345})
    assert line == "100 of 400, loss 0.1235, 2 min 30 s left"
    line = status.progress_line({"step": 50, "steps": 200, "seconds": 20.0, "unit": "pairs"})
    assert line == "50 of 200 pairs, 2.5 per s, 1 min 00 s left"


def test_the_frame_of_the_house_does_not_load_torch():
    """A grid starts a hundred runners; each would lose seconds."""
    heavy = ["torch", "monai", "diffusers", "timm", "matplotlib", "papermill"]
    rooms = ["run", "frames", "training", "diffusion", "sam", "segmentation", "simulation", "weights", "stages"]
    rooms += ["params.generate", "running.snakefile", *(command.module for command in cli.COMMANDS.values())]
    code = (
        "import json, sys, importlib; "
        f"[importlib.import_module('xpci_utils.' + room) for room in {rooms}]; "
        f"print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(("end", "known"), [("2026-11-22T20:00:00", True), ("N/A", False), ("", False)])
def test_a_slurm_job_stops_before_slurm_ends_it(tmp_path, monkeypatch, end, known):
    """squeue tells when; two minutes are left for the checkpoint. Outside Slurm, and without a limit, nothing ends."""
    squeue = tmp_path / "squeue"
    squeue.write_text(f'#!/bin/sh\n[ "$3" = 17 ] && echo "{end}"\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert notebook._deadline(None) is None
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    expected = datetime.fromisoformat(end).timestamp() - 120 if known else None
    assert notebook._deadline(None) == expected
    assert notebook._deadline(1.0) == pytest.approx(time.time() + 60, abs=5)  # what is asked for comes first
