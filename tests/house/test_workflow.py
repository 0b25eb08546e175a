"""The Snakefile declares exactly the runs of a sweep; status reads them from the folders."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from xpci_utils import paths, stages
from xpci_utils.params import PrepareFrames, SamplePairs, Sweep, TrainDdpm, generate
from xpci_utils.params.base import Change
from xpci_utils.params.places import parse_place
from xpci_utils.params.profiles import overlay, profiles, stage_parameters, sweep_of
from xpci_utils.params.runs import GRIDS, stage_folders
from xpci_utils.running import checks, cli, reproduce, snakefile, status

SNAKEMAKE = Path(sys.executable).with_name("snakemake")


def dry_run(*arguments):
    environment = {**os.environ, "PATH": f"{SNAKEMAKE.parent}:{os.environ['PATH']}"}
    command = [SNAKEMAKE, "--dry-run", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=paths.root(), env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("profile", "which"), [("quick", "paper"), ("smoke", "controls"), ("laptop", "extended")])
def test_an_empty_run_root_schedules_every_stage_of_the_grid(tmp_path, profile, which):
    done = dry_run("--config", f"profile={profile}", f"grid={which}", f"run_root={tmp_path}", "--quiet", "progress")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    folders = stage_folders(Sweep.from_yaml(f"params/{profile}/sweep.yaml"), which)
    scheduled = {line.split(f"{tmp_path}/")[1].strip() for line in text.splitlines() if "output: " in line}
    assert scheduled == {f"{folder}/run.json" for folder in folders}


def test_a_profile_that_does_not_exist_is_named():
    done = dry_run("--config", "profile=qiuck")
    assert done.returncode != 0
    assert "there is no parameter file params/qiuck" in done.stdout + done.stderr
    make = subprocess.run(
        ["make", "reproduce", "PROFILE=qiuck"], cwd=paths.root(), capture_output=True, text=True, check=False
    )
    assert make.returncode == 2
    assert "there is no profile 'qiuck'; profiles are:" in make.stderr


def test_a_grid_that_does_not_exist_is_named(monkeypatch, capsys):
    done = dry_run("--config", "profile=smoke", "grid=control")
    assert done.returncode != 0
    assert f"there is no grid 'control'; grids are {', '.join(GRIDS)}" in done.stdout + done.stderr
    monkeypatch.setattr(reproduce, "run_snakemake", lambda *_: pytest.fail("Snakemake would have started"))
    assert cli.main(["reproduce", "--profile", "smoke", "--grid", "control"]) == 2
    assert f"there is no grid 'control'; grids are {', '.join(GRIDS)}" in capsys.readouterr().err
    assert cli.main(["reproduce", "--profile", "quick", "--grid", "controls"]) == 2
    assert "params/quick/sweep.yaml lists no runs for the grid 'controls'" in capsys.readouterr().err


def test_every_stage_comes_after_those_it_reads():
    """For every profile: the order of stage_folders can be executed, and nothing is read that no stage makes."""
    for profile in (name for name in profiles() if overlay(name).stages):
        folders = stage_folders(sweep_of(profile).for_frames(16), *GRIDS)
        for position, folder in enumerate(folders[:-1]):
            read = {path.removesuffix("/run.json") for path in snakefile.needs(profile, parse_place(folder), "runs/x")}
            assert read <= {f"runs/x/{earlier}" for earlier in folders[:position]}, (profile, folder)


def test_a_digest_changes_with_parameters_and_version_and_not_with_the_place(monkeypatch):
    """Snakemake repeats a rule when it changes."""
    digest = snakefile.stage_digest("quick", "03_adapt_sam")
    assert digest == snakefile.stage_digest("quick", "03_adapt_sam", run_root="elsewhere")
    assert digest != snakefile.stage_digest("quick", "03_adapt_sam", steps=7)
    assert digest != snakefile.stage_digest("quick", "03_adapt_sam", labeller="vit_t"), "it starts from other weights"
    before = snakefile.stage_digest("quick", "02_train_ddpm")
    monkeypatch.setattr(TrainDdpm, "changes", {2: Change("a longer warm-up")})
    assert before != snakefile.stage_digest("quick", "02_train_ddpm")
    assert digest == snakefile.stage_digest("quick", "03_adapt_sam")


def scheduled_in(done, root):
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    return {line.split(f"{root}/")[1].strip() for line in text.splitlines() if "output: " in line}


def test_shards_are_runs_of_their_own_and_no_input_of_their_pool(tmp_path):
    config = ("--quiet", "progress", "--config", "profile=smoke", f"run_root={tmp_path}")
    shards = [f"pools/ddpm/shards/{shard}_of_3/run.json" for shard in range(3)]
    shares = scheduled_in(dry_run(*config, "--", *(f"{tmp_path}/{shard}" for shard in shards)), tmp_path)
    assert shares == {"frames/run.json", "ddpm/run.json", *shards}
    whole = scheduled_in(dry_run(*config), tmp_path)
    assert whole == {f"{folder}/run.json" for folder in stage_folders(sweep_of("smoke"), "paper")}


def test_a_shard_is_asked_of_the_runner_by_its_parameters():
    place = parse_place("pools/ddpm/shards/1_of_3")
    assert snakefile.options(place) == " -p pool ddpm -p shard 1 -p shards 3"
    digest = snakefile.stage_digest("smoke", place.notebook, **place.parameters)
    assert digest == snakefile.stage_digest("smoke", place.notebook, pool="ddpm")
    assert snakefile.needs("smoke", place, "runs/x") == ["runs/x/frames/run.json", "runs/x/ddpm/run.json"]
    assert stage_parameters("smoke", place.folder, "runs/x") == SamplePairs.from_yaml(
        "params/smoke/04a_sample_pairs.yaml", {"shard": 1, "shards": 3, "run_root": "runs/x"}
    )


def test_frames_in_a_folder_with_blanks_are_one_word_for_the_runner(tmp_path, write_own_frames):
    """Snakemake prints the shell command of a rule: what it would hand on is whole."""
    mine = str(write_own_frames(tmp_path / "my frames"))
    config = (
        "--config",
        "profile=own_frames",
        f"frames={mine}",
        f"run_root={tmp_path}/run",
        "--quiet",
        "progress",
        "--printshellcmds",
    )
    done = dry_run(*config, "--", f"{tmp_path}/run/frames/run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    (command,) = [line for line in (done.stdout + done.stderr).splitlines() if "01_prepare_frames.yaml" in line]
    words = shlex.split(command)
    assert words[words.index("source_folder") + 1] == mine


def test_a_result_of_other_parameters_is_named_and_given_up_only_by_force(tmp_path, capsys):
    values = {**generate.profile_values("smoke", "01_prepare_frames"), "run_root": str(tmp_path), "seed": 7}
    stage = stages.begin(PrepareFrames(**values))
    for name in PrepareFrames.products:
        (stage.folder / name).mkdir() if "." not in name else (stage.folder / name).write_text("x")
        if "." not in name:
            (stage.folder / name / "a.png").write_text("x")
    stage.finish()
    folders = stage_folders(Sweep.from_yaml("params/smoke/sweep.yaml"))
    others = checks.other_results("smoke", tmp_path, folders, {})
    assert list(others) == [tmp_path / "frames"]
    assert "seed: 7 -> 0" in others[tmp_path / "frames"]
    assert checks.refuse_others(others, force=False)
    assert "FORCE=1" in capsys.readouterr().err
    assert stages.read_run(tmp_path / "frames")
    assert not checks.refuse_others(others, force=True)
    assert stages.read_run(tmp_path / "frames") is None


def test_every_folder_of_a_sweep_is_the_place_of_its_parameters():
    root = paths.root() / "runs/quick"
    for folder in stage_folders(Sweep(), *GRIDS):
        assert stage_parameters("quick", folder, root, {}).folder == root / folder


def test_content_of_a_users_folder_counts_not_its_spelling(tmp_path, monkeypatch):
    for kind in ("images", "masks"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        (tmp_path / "mine" / kind / "a.png").write_bytes(b"1")
    (tmp_path / "mine/classes.yaml").write_text("classes: []")
    monkeypatch.setenv("XPCI_ROOT", str(tmp_path))
    relative, absolute = (PrepareFrames(source="folder", source_folder=f) for f in ("mine", str(tmp_path / "mine")))
    before = stages.decisive(relative)
    assert before == stages.decisive(absolute)
    (tmp_path / "mine/masks/a.png").write_bytes(b"2")
    assert stages.decisive(relative) != before


def test_status_tells_done_failed_and_to_do(small_house, count_stage):
    (small_house / "runs/quick/logs").mkdir(parents=True)
    (small_house / "runs/quick/logs/ddpm.ipynb").write_text("{}")
    parameters = count_stage(output_folder="runs/quick/frames")
    stage = stages.begin(parameters)
    (stage.folder / "count.txt").write_text("3")
    root, folders = small_house / "runs/quick", stage_folders(Sweep())
    states = status.states_of(root, folders)
    assert states[0][:2] == ("frames", "running")
    stage.finish()
    states = {folder: state for folder, state, _ in status.states_of(root, folders)}
    assert states["frames"] == "done"
    assert states["ddpm"] == "failed"
    assert states["report"] == "to do"


def test_the_cluster_profile_knows_every_rule():
    """A rule without memory and run time of its own asks a cluster for the default, which may be too little."""
    rules = re.findall(r"^rule (\w+):", (paths.root() / "Snakefile").read_text(encoding="utf-8"), re.M)
    profile = yaml.safe_load((paths.root() / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    assert sorted(profile["set-resources"]) == sorted(rules)
