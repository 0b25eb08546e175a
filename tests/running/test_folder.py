"""A folder of the user's own with any profile: used, or refused before anything runs; its counts, tiles and places."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xpci_utils import paths, stages
from xpci_utils.frames.frameset import write_png
from xpci_utils.params import ParameterError, SamplePairs, Sweep
from xpci_utils.params.places import pairs_place
from xpci_utils.params.profiles import notebook_parameters, overlay, profiles, run_root, stage_parameters, sweep_of
from xpci_utils.params.runs import cells_of, stage_folders
from xpci_utils.running import cli, folder, reproduce, snakefile

GRIDDED = [name for name in profiles() if overlay(name).stages]
OF_FOLDERS = [name for name in GRIDDED if notebook_parameters(name, "01_prepare_frames").source == "folder"]


def snakemake(*arguments):
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    command = [scripts / "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=paths.root(), env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Command lines for Snakemake, which is not started; runs lie in a folder of the test's own."""
    commands = []
    monkeypatch.setattr(reproduce, "run_snakemake", lambda command: commands.append(command) or 0)
    monkeypatch.setattr(reproduce, "run_root", lambda profile: str(tmp_path / "runs" / profile))
    return commands


@pytest.fixture
def mine(write_own_frames, tmp_path):
    """Twelve frames, eight of them to train on."""
    return write_own_frames(tmp_path / "my frames")


def test_there_are_profiles_of_both_kinds():
    assert {"own_frames", "own_frames_gpu", "real_study"} <= set(OF_FOLDERS)
    assert {"quick", "smoke", "laptop", "paper", "paper_fast"} <= set(GRIDDED) - set(OF_FOLDERS)


@pytest.mark.parametrize("profile", sorted(set(profiles()) - set(OF_FOLDERS)))
def test_a_profile_that_would_ignore_the_folder_refuses_it_before_anything_runs(profile, mine, started, capsys):
    for command in ("reproduce", "status", "dry-run", "rehearse"):
        assert cli.main([command, "--profile", profile, "--frames", str(mine)]) == 2, command
        printed = capsys.readouterr().err
        if profile in GRIDDED:
            assert f"profile {profile} simulates its frames and would ignore {mine}" in printed
    assert started == []


@pytest.mark.parametrize("profile", OF_FOLDERS)
def test_a_profile_for_folders_has_the_users_frames_and_no_other(profile, mine, started, tmp_path):
    """What 'reproduce' asks Snakemake for is asked for indeed, of notebook 01 alone and in a folder of the test's."""
    assert cli.main(["reproduce", "--profile", profile, "--frames", str(mine), "--cores", "1"]) == 0
    (command,) = started
    config = command[command.index("--config") :]
    root = tmp_path / "run"
    done = snakemake("--quiet", "all", *config, f"run_root={root}", "--", f"{root}/frames/run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(root / "frames/frames.csv")
    assert sorted(rows["name"]) == [f"mine{i:02d}" for i in range(12)]
    assert not rows["simulated"].any()
    info = json.loads((root / "frames/frames.json").read_text())
    assert (info["simulated"], info["source"], info["height"], info["width"]) == (False, str(mine), 40, 60)
    assert info["tile"] == {"own_frames_gpu": 0}.get(profile, 64)


def test_snakemake_itself_refuses_a_folder_that_would_be_ignored(mine, tmp_path):
    done = snakemake("--dry-run", "--config", "profile=quick", f"frames={mine}", f"run_root={tmp_path}/run")
    assert done.returncode != 0
    assert f"would ignore {mine}" in done.stdout + done.stderr


def test_runs_on_a_folder_lie_where_no_other_profile_has_its_own():
    roots = {name: run_root(name) for name in GRIDDED}
    assert len(set(roots.values())) == len(roots)
    assert all(roots[name] == f"runs/{name}" for name in OF_FOLDERS)


def test_counts_follow_from_the_folder_and_are_told_before_anything_runs(mine, started, capsys):
    assert cli.main(["reproduce", "--profile", "own_frames_gpu", "--frames", str(mine)]) == 0
    printed = capsys.readouterr().out
    assert "12 annotated frames: 8 train, 2 val, 2 test; 0, 20 and 200 synthetic pairs\n" in printed
    assert "networks see whole frames: their 40 x 60 pixels, padded, are no more than 640 x 640\n" in printed
    assert len(started) == 1


def test_a_grid_is_scheduled_with_the_counts_of_the_folder(mine, tmp_path):
    own = {"source_folder": str(mine)}
    sweep = folder.grid_of("own_frames_gpu", tmp_path, own)
    assert sweep.counts == [0, 20, 200]
    config = ("profile=own_frames_gpu", f"frames={mine}", f"run_root={tmp_path}/run")
    done = snakemake("--dry-run", "--quiet", "progress", "--config", *config)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    scheduled = {line.split(f"{tmp_path}/run/")[1].strip() for line in text.splitlines() if "output: " in line}
    assert scheduled == {f"{place}/run.json" for place in stage_folders(sweep)}
    assert any("__n00200__" in place for place in scheduled)


def test_a_file_that_cannot_be_used_is_told_before_anything_runs(mine, started, capsys):
    (mine / "masks/mine03.png").write_bytes(b"no picture")
    assert cli.main(["reproduce", "--profile", "own_frames", "--frames", str(mine)]) == 2
    assert "mine03.png" in capsys.readouterr().err
    assert started == []


def test_frames_of_a_run_count_where_no_folder_is_given(mine, tmp_path, monkeypatch):
    """For status and report; before there are any, it is asked for."""
    with pytest.raises(ParameterError, match=r"there is no folder data/my_frames with frames; give it by FRAMES="):
        folder.grid_of("own_frames", tmp_path, {})
    monkeypatch.setattr(folder.stages, "training_frames", lambda root: 16 if root == tmp_path else 0)
    assert folder.grid_of("own_frames", tmp_path, {}).counts == [0, 400]
    assert folder.grid_of("own_frames", tmp_path, {"source_folder": str(mine)}).counts == [0, 200]


@pytest.mark.parametrize("profile", OF_FOLDERS)
@pytest.mark.parametrize("training", [1, 7, 16, 200])
def test_as_many_pairs_are_sampled_as_the_grid_asks_for(profile, training):
    sampled = notebook_parameters(profile, "04a_sample_pairs").pairs_for(training)
    assert max(cell.synthetic for cell in cells_of(sweep_of(profile).for_frames(training))) <= sampled


def test_counts_for_each_frame_are_rounded_up_and_come_before_numbers():
    sweep = Sweep(annotated=0, counts=[0], counts_per_frame=[0, 2.5, 25])
    assert sweep.for_frames(7).counts == [0, 18, 175]
    assert sweep.for_frames(7).for_frames(99).counts == [0, 18, 175], "once they are numbers they stay"
    assert Sweep().for_frames(7) == Sweep()
    assert SamplePairs(pairs_per_frame=2.5).pairs_for(7) == 18
    assert SamplePairs(pairs=5).pairs_for(7) == 5
    with pytest.raises(ValueError, match="counts for each frame of a folder"):
        cells_of(sweep)  # numbers are not known: a grid without its pairs would be wrong in silence
    with pytest.raises(ParameterError, match="counts_per_frame, with 5000 training frames,"):
        sweep.for_frames(5000)  # names of cells have five digits
    with pytest.raises(ParameterError, match="counts_per_frame must be distinct and contain 0"):
        Sweep.checked({"counts_per_frame": [25.0]})


@pytest.fixture
def filmed(mine):
    """The same folder with two frames that the import kept without annotation."""
    apart = mine / "unlabelled"
    apart.mkdir()
    for name in ("bare0", "bare1"):
        write_png(apart / f"{name}.png", np.full((40, 60), 7, np.uint8))
    (apart / "frames.csv").write_text("name,sequence,film,frame,time_us\nbare0,a,f,0,\nbare1,a,f,1,\n")
    return mine


def test_a_folder_without_unlabelled_frames_is_told_before_anything_runs(mine, filmed, started, capsys):
    command = ["reproduce", "--profile", "own_frames", "--grid", "unlabelled", "--frames", str(mine)]
    assert cli.main(command) == 0
    assert len(started) == 1
    (filmed / "unlabelled/frames.csv").unlink()
    assert cli.main(command) == 2
    assert "holds no frames without annotation to learn from: 'xpci import" in capsys.readouterr().err
    assert len(started) == 1


def test_unlabelled_frames_are_those_of_the_folder_and_decide_their_pool_alone(filmed, tmp_path):
    """By their content: one grey level changes the pool, and neither the frames nor the paper's pool."""
    own = {"source_folder": str(filmed)}

    def decided():
        places = ("frames", "pools/ddpm/pairs", "pools/unlabelled/pairs")
        return [stages.decisive(stage_parameters("own_frames", place, tmp_path, own)) for place in places]

    before = decided()
    assert snakefile.options(pairs_place("unlabelled"), own).endswith(f" -p source_folder {shlex.quote(str(filmed))}")
    assert snakefile.options(pairs_place("ddpm"), own) == " -p pool ddpm"
    assert "source_content" not in before[1]
    write_png(filmed / "unlabelled/bare1.png", np.full((40, 60), 8, np.uint8))
    assert [one == other for one, other in zip(decided(), before, strict=True)] == [True, True, False]


def test_the_grid_of_unlabelled_frames_is_scheduled_with_the_folder(filmed, tmp_path):
    sweep = folder.grid_of("own_frames", tmp_path, {"source_folder": str(filmed)})
    config = ("profile=own_frames", "grid=unlabelled", f"frames={filmed}", f"run_root={tmp_path}/run")
    done = snakemake("--dry-run", "--quiet", "progress", "--printshellcmds", "--config", *config)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    scheduled = {line.split(f"{tmp_path}/run/")[1].strip() for line in text.splitlines() if "output: " in line}
    assert scheduled == {f"{place}/run.json" for place in stage_folders(sweep, "unlabelled")}
    (command,) = [shlex.split(line) for line in text.splitlines() if "04a_sample_pairs.yaml" in line]
    assert command[command.index("source_folder") + 1] == str(filmed)
