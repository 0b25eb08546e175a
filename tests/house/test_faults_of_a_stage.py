"""Faults around one stage: disks, clocks, other processes, lost files. Each is told in a sentence and can be mended.

Disks are small tmpfs mounts (root may write through any permission), which only root may make: else skipped.
"""

import contextlib
import os
import subprocess
import sys
import time

import pytest
import yaml

from xpci_utils import files, stages
from xpci_utils.running import checks, notebook


@pytest.fixture
def disk(small_house):
    """A function that mounts a disk below runs/, or changes it: ``disk("size=200k")``, ``disk("remount,ro")``."""
    place = small_house / "runs"
    place.mkdir()

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"a disk cannot be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    for held in stages.lock._HELD.values():
        held.close()
    subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


@pytest.fixture
def no_kernel(monkeypatch):
    monkeypatch.setattr(notebook, "_execute", lambda *_: pytest.fail("a kernel would have started"))


def command(root, stage, **values):
    path = root / "count.yaml"
    path.write_text(yaml.safe_dump(stage(**values).model_dump()))
    return ["99_count", "-f", str(path)]


def finish(parameters):
    stage = stages.begin(parameters)
    (stage.folder / "count.txt").write_text("3")
    stage.finish({"count": 3})
    return stage


def fill(place):
    """Leave no byte on a disk; returns the file that has to go to make room."""
    ballast = place / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert os.statvfs(place).f_bfree == 0
    return ballast


def half_written(folder):
    return [path.name for path in folder.rglob("*") if path.name.endswith(".part") or not path.stat().st_size]


def test_a_disk_that_fills_during_a_run_is_told_and_the_run_goes_on(kernel_house, count_stage, disk, capsys):
    place = disk("size=200k")
    arguments = command(kernel_house, count_stage, behave="large")
    assert notebook.main(arguments) == notebook.FAILED
    message = capsys.readouterr().err
    assert "OSError: [Errno 28] No space left on device" in message
    assert "make room or choose another run_root, and run the same command again" in message
    assert half_written(place) == []
    assert not list(place.rglob("count.txt"))
    disk("remount,size=2m")
    assert notebook.main(arguments) == notebook.DONE
    assert (place / "quick/count/count.txt").stat().st_size == 300_000


def test_a_full_disk_is_told_before_a_kernel_starts(small_house, count_stage, disk, no_kernel, monkeypatch, capsys):
    place = disk("size=200k")
    ballast = fill(place)
    monkeypatch.setattr(notebook, "_execute", lambda _, log: log.write_text("{" * 9999))
    assert notebook.main(command(small_house, count_stage)) == notebook.FAILED
    assert "No space left on device" in capsys.readouterr().err
    with pytest.raises(stages.StageError, match="count cannot be written: No space left on device; make room"):
        stages.begin(count_stage())
    stages.stage._leave_nothing(count_stage().folder)
    assert half_written(place) == []
    ballast.unlink()
    finish(count_stage())
    assert stages.read_run(count_stage().folder)


def test_a_full_disk_keeps_what_was_written(small_house, disk):
    place = disk("size=200k")
    files.write_json(place / "a.json", {"a": 1})
    files.append_jsonl(place / "h.jsonl", {"step": 1})
    ballast = fill(place)
    with pytest.raises(OSError, match="No space left"):
        files.write_json(place / "a.json", {"a": "x" * 9999})
    with pytest.raises(OSError, match="No space left"):
        files.append_jsonl(place / "h.jsonl", {"step": 2, "text": "x" * 9999})
    assert files.read_json(place / "a.json") == {"a": 1}
    assert [record["step"] for record in files.read_jsonl(place / "h.jsonl")] == [1]
    ballast.unlink()
    files.append_jsonl(place / "h.jsonl", {"step": 3})
    assert [record["step"] for record in files.read_jsonl(place / "h.jsonl")] == [1, 3]
    assert half_written(place) == []


def test_a_read_only_disk_is_told_and_what_is_finished_there_is_used(small_house, count_stage, disk, no_kernel, capsys):
    disk("size=1m")
    finish(count_stage())
    disk("remount,ro")
    assert notebook.main(command(small_house, count_stage)) == notebook.DONE
    assert "nothing to do" in capsys.readouterr().out
    assert not stages.begin(count_stage()).to_do
    assert notebook.main(command(small_house, count_stage, run_root="runs/other")) == notebook.FAILED
    assert "failed: Read-only file system (runs/other/logs/count.ipynb); make room or" in capsys.readouterr().err
    with pytest.raises(stages.StageError, match="runs/other/count cannot be written: Read-only file system"):
        stages.begin(count_stage(run_root="runs/other"))
    disk("remount,rw")
    assert stages.begin(count_stage(run_root="runs/other")).to_do


def test_a_second_run_on_a_folder_is_refused_without_a_kernel(small_house, count_stage, no_kernel, capsys):
    folder = count_stage().folder
    folder.mkdir(parents=True)
    code = (
        f"import fcntl, time; f = open({str(folder / '.lock')!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        assert notebook.main(command(small_house, count_stage)) == notebook.FAILED
        other.kill()
    output = capsys.readouterr()
    assert "another process is working in runs/quick/count; wait for it or stop it" in output.err
    assert "started" not in output.out
    assert not (small_house / "runs/quick/logs").exists(), "the log of the first run is left alone"
    assert stages.begin(count_stage()).to_do


@pytest.mark.parametrize("words", ["Kernel died", "Kernel died before replying to kernel_info"])
def test_a_kernel_that_dies_while_it_starts_has_died(small_house, count_stage, monkeypatch, capsys, words):
    def die(*_):
        raise RuntimeError(words)

    monkeypatch.setattr(notebook, "_execute", die)
    assert notebook.main(command(small_house, count_stage)) == notebook.KERNEL_DIED
    assert "the kernel died (out of memory, or killed); run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("loss", ["gone", "emptied", "one file of several"])
def test_a_lost_file_between_stages_is_named_and_made_again(small_house, count_stage, no_kernel, capsys, loss):
    source = count_stage(output_folder="runs/quick/source")
    stage = stages.begin(source)
    product = source.folder / "count.txt"
    if loss == "one file of several":
        product.mkdir()
        for number in range(3):
            (product / f"{number}.png").write_text("3")
    else:
        product.write_text("3")
    stage.finish()
    if loss == "one file of several":
        (product / "1.png").unlink()
    else:
        product.unlink() if loss == "gone" else product.write_text("")
    what = "count.txt (2 of 3 files)" if loss == "one file of several" else "count.txt"
    assert notebook.main(command(small_house, count_stage, reads="source")) == notebook.FAILED
    message = capsys.readouterr().err
    assert f"runs/quick/source has lost {what}, and 99_count reads it; run the stage that writes it again" in message
    assert not count_stage().folder.exists()
    assert stages.begin(source).to_do


def test_reproduce_names_lost_files_and_repeats_their_stage_when_forced(small_house, count_stage, monkeypatch):
    """Snakemake sees a run.json and is content: what lies behind it is looked at before."""
    folder = finish(count_stage()).folder
    monkeypatch.setattr(checks, "stage_parameters", lambda *_: count_stage())
    root = small_house / "runs/quick"
    assert checks.other_results("quick", root, ["count"], {}) == {}
    (folder / "count.txt").unlink()
    others = checks.other_results("quick", root, ["count"], {})
    assert others == {folder: "runs/quick/count has lost count.txt"}
    assert checks.refuse_others(others, force=True) is False
    assert not (folder / "run.json").exists()
    assert stages.begin(count_stage()).to_do


def test_a_clock_that_goes_backwards_changes_nothing(small_house, count_stage, monkeypatch, no_kernel, capsys):
    """Begun at noon, put back to eleven, ended; read by a stage that is older than its input."""
    now = time.time()
    stage = stages.begin(count_stage(output_folder="runs/quick/source"))
    (stage.folder / "block").write_text("half")
    stages.lock._HELD.clear()
    stage.lock.close()
    monkeypatch.setattr(stages.stage.time, "time", lambda: now - 3600)
    again = stages.begin(count_stage(output_folder="runs/quick/source"))
    assert (again.folder / "block").is_file(), "the stage goes on"
    (again.folder / "count.txt").write_text("3")
    again.finish()
    record = stages.read_run(again.folder)
    assert 0 <= record["wall_seconds"] < 60
    reader = finish(count_stage(reads="source"))
    os.utime(reader.folder / "run.json", (now - 86_400, now - 86_400))
    assert notebook.main(command(small_house, count_stage, reads="source")) == notebook.DONE
    assert "nothing to do" in capsys.readouterr().out


def test_progress_is_told_whatever_the_clock_says(tmp_path, capsys):
    history = tmp_path / "history.jsonl"
    files.append_jsonl(history, {"step": 1, "steps": 4, "seconds": 1.0})
    with notebook._Progress("count", history, interval=0.01):
        time.sleep(0.1)
        assert capsys.readouterr().out == "", "an old record is no progress"
        files.append_jsonl(history, {"step": 2, "steps": 4, "seconds": 2.0})
        os.utime(history, (0, 0))
        deadline = time.monotonic() + 20
        printed = ""
        while "2 of 4" not in printed and time.monotonic() < deadline:
            time.sleep(0.01)
            printed += capsys.readouterr().out
    assert printed == "[count] 2 of 4, 2 s left\n"


def test_what_a_killed_writer_left_is_removed_when_the_stage_goes_on(small_house, count_stage):
    stage = stages.begin(count_stage())
    (stage.folder / "block").write_text("whole")
    (stage.folder / ".block.x7.part").write_text("ha")
    (stage.folder / ".images.part").mkdir()
    again = stages.begin(count_stage())
    assert {path.name for path in again.folder.iterdir()} == {"block", ".identity", ".lock", ".time.json"}
