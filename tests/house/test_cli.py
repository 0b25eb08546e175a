"""The command ``xpci``: one word for each thing, help for each, exit codes, and what it hands on to Snakemake."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from xpci_utils import paths, stages
from xpci_utils.params import ParameterError, ShippableParameters, TrainDdpm
from xpci_utils.params.profiles import run_root, sweep_of
from xpci_utils.params.runs import GRIDS, stage_folders
from xpci_utils.running import checks, cli, reproduce, study
from xpci_utils.stages import StageError
from xpci_utils.weights import ShippedError

XPCI = Path(sys.executable).with_name("xpci")


@pytest.fixture
def commands(monkeypatch):
    """Snakemake is not started: its command lines are kept. Nothing of the repository's own runs is looked at."""
    started = []
    monkeypatch.setattr(reproduce, "run_snakemake", lambda command: started.append(command) or 0)
    monkeypatch.setattr(reproduce, "write_pages", lambda *_: None)
    return started


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Runs of profiles lie in a folder of the test's own."""
    root = tmp_path / "runs"
    monkeypatch.setattr(reproduce, "run_root", lambda profile: str(root / profile))
    return root


def config_of(command):
    """NAME -> value of what follows --config."""
    return dict(word.split("=", 1) for word in command[command.index("--config") + 1 :])


def test_help_lists_every_command_with_what_it_does(capsys):
    for arguments in (["--help"], ["-h"], ["help"], []):
        assert cli.main(arguments) == 0
        printed = capsys.readouterr().out
        for name, command in cli.COMMANDS.items():
            assert re.search(rf"^  {re.escape(name)} +{re.escape(command.help)}$", printed, re.MULTILINE), name
        assert all(f"\n{title}:\n" in printed for title in cli.GROUPS)


def test_a_command_stands_in_one_group_alone():
    assert sum(map(len, cli.GROUPS.values())) == len(cli.COMMANDS)


@pytest.mark.parametrize(("typed", "meant"), [("reproduse", "reproduce"), ("exprt", "export"), ("statsu", "status")])
def test_an_unknown_command_is_suggested(capsys, typed, meant):
    assert cli.main([typed]) == cli.BAD_PARAMETERS
    printed = capsys.readouterr().err
    assert f"error: there is no command {typed!r}; did you mean {meant!r}?" in printed
    assert "usage: xpci COMMAND" in printed


def test_a_command_like_none_is_answered_with_all(capsys):
    assert cli.main(["42"]) == 2
    assert "there is no command '42'; there are reproduce, status" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(capsys, name):
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: xpci {name}")
    before_options = printed.split("\n\n", 1)[1]
    assert len(before_options.split("\n\n")[0]) > 30, "a sentence about what it does"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_an_option_that_there_is_not_ends_with_code_2(capsys, monkeypatch, name):
    if name == "lab":
        pytest.skip("its further options are JupyterLab's")
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--no-such-option"])
    assert end.value.code == 2
    assert f"usage: xpci {name}" in capsys.readouterr().err


def test_the_installed_command_is_this_one(tmp_path):
    """From any folder."""
    done = subprocess.run([XPCI, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, cli.overview() + "\n")
    wrong = subprocess.run([XPCI, "reprodce"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "did you mean 'reproduce'" in wrong.stderr
    module = [sys.executable, "-m", "xpci_utils.running.cli", "statu"]
    assert subprocess.run(module, cwd=tmp_path, capture_output=True, text=True, check=False).returncode == 2


@pytest.mark.parametrize("error", [ParameterError("steps: too few"), StageError("ddpm is locked"), ShippedError("no")])
def test_what_is_wrong_in_what_was_asked_for_is_a_line_and_code_2(monkeypatch, capsys, error):
    def fail(_):
        raise error

    monkeypatch.setattr(reproduce, "main", fail)
    assert cli.main(["reproduce"]) == 2
    assert capsys.readouterr().err == f"error: {error}\n"


def test_an_interrupted_command_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(reproduce, "main", interrupt)
    assert cli.main(["reproduce"]) == 130
    assert "run the same command again to continue" in capsys.readouterr().err


PROFILED = [
    name for name in cli.COMMANDS if name not in ("run", "import", "check", "study", "export", "params", "strip")
]


@pytest.mark.parametrize("name", PROFILED)
def test_a_profile_that_does_not_exist_is_named_and_nothing_runs(capsys, commands, name):
    assert cli.main([name, "--profile", "qiuck"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert "qiuck" in printed
    if name == "figures":  # it needs no profile, but its committed results
        assert "figures/qiuck/results lacks cells.csv" in printed
    else:
        assert "quick" in printed, "those that there are, or the nearest"
    assert commands == []
    assert not (paths.root() / "runs/qiuck").exists()


@pytest.mark.parametrize("name", ["reproduce", "status"])
def test_a_grid_that_does_not_exist_is_named(capsys, commands, name):
    assert cli.main([name, "--profile", "smoke", "--grid", "control"]) == 2
    printed = capsys.readouterr().err
    assert f"there is no grid 'control'; grids are {', '.join(GRIDS)}" in printed
    assert commands == []


def test_a_grid_is_announced_and_handed_to_snakemake(capsys, commands, fresh):
    assert cli.main(["reproduce", "--profile", "smoke", "--grid", "controls", "--cores", "3"]) == 0
    (command,) = commands
    assert command[:3] == ["snakemake", "--cores", "3"]
    assert config_of(command) == {"profile": "smoke", "grid": "controls"}
    printed = capsys.readouterr().out
    count = len(stage_folders(sweep_of("smoke"), "controls"))
    assert f"profile smoke: {count} of {count} stages to do in {fresh}/smoke" in printed
    assert "about 5 minutes on 2 cores" in printed
    assert "stages are done" not in printed, "as after a dry run"


def test_a_complete_run_shows_its_results_and_asks_snakemake_nothing(capsys, commands, fresh, monkeypatch):
    monkeypatch.setattr(reproduce, "is_complete", lambda *_: True)
    assert cli.main(["reproduce", "--profile", "smoke"]) == 0
    printed = capsys.readouterr().out
    assert commands == []
    assert f"tables: {fresh}/smoke/report/tables" in printed
    assert f"everything on one page: {fresh}/smoke/report/index.html" in printed


def test_pages_are_written_when_every_stage_is_done(capsys, commands, fresh, monkeypatch):
    pages, states = [], iter(["to do", "done"])
    monkeypatch.setattr(reproduce, "write_pages", pages.append)
    monkeypatch.setattr(reproduce, "states_of", lambda root, folders: [("frames", next(states), "")])
    assert cli.main(["reproduce", "--profile", "smoke"]) == 0
    assert (len(commands), pages) == (1, ["smoke"])
    assert "stages are done" in capsys.readouterr().out


def test_a_run_without_a_report_is_not_complete(fresh):
    done = [("frames", "done", "")]
    assert not reproduce.is_complete("smoke", fresh / "smoke", [*done, ("ddpm", "to do", "")])
    assert not reproduce.is_complete("smoke", fresh / "smoke", done), "no page lies there"
    (fresh / "smoke/report/notebooks").mkdir(parents=True)
    (fresh / "smoke/report/notebooks/index.html").write_text("")
    assert not reproduce.is_complete("smoke", fresh / "smoke", done), "its report is of other stages, or of none"


def test_what_is_missing_behind_a_finished_report_is_made_and_the_report_again(commands, fresh, monkeypatch):
    """Snakemake alone would find the report there and do nothing, as in a run from which a stage was removed."""
    states = [("frames", "done", ""), ("ddpm", "to do", ""), ("report", "done", "")]
    monkeypatch.setattr(reproduce, "states_of", lambda *_: states)
    monkeypatch.setattr(reproduce, "check_run", lambda *_: True)
    assert cli.main(["reproduce", "--profile", "smoke"]) == 0
    (fresh / "smoke/report").mkdir(parents=True)
    (fresh / "smoke/report/run.json").write_text("{}")
    assert cli.main(["reproduce", "--profile", "smoke"]) == 0
    without, command = commands
    assert "--" not in without, "without a report Snakemake works out itself what is missing"
    files = [f"{fresh}/smoke/{folder}/run.json" for folder in ("ddpm", "report")]
    assert command == [*without, "--", *files]


def test_shards_and_further_options_reach_snakemake(commands, fresh):
    assert cli.main(["reproduce", "--profile", "smoke", "--shards", "8", "--", "-n", "--until", "ddpm"]) == 0
    shares, grid = commands
    assert [command[3 : command.index("--config")] for command in commands] == [["-n", "--until", "ddpm"]] * 2
    targets = shares[shares.index("--") + 1 :]
    assert targets == [f"{fresh}/smoke/pools/ddpm/shards/{shard}_of_8/run.json" for shard in range(8)]
    assert "--" not in grid, "the pool takes up what is finished; shards are none of its inputs"


def test_a_grid_that_failed_is_told_by_its_exit_code(monkeypatch, capsys, commands, fresh):
    monkeypatch.setattr(reproduce, "run_snakemake", lambda command: 1)
    assert cli.main(["reproduce", "--profile", "smoke"]) == 1
    assert "stages are done" not in capsys.readouterr().out


def test_folders_with_blanks_arrive_whole(tmp_path, monkeypatch, commands, fresh, write_own_frames):
    """Relative ones count from where one stands, not from the repository."""
    monkeypatch.chdir(tmp_path)
    (write_own_frames(tmp_path / "data/my frames") / "classes.yaml").rename(tmp_path / "my classes.yaml")
    arguments = ["--frames", "data/my frames", "--classes", "my classes.yaml"]
    assert cli.main(["reproduce", "--profile", "own_frames", *arguments]) == 0
    (command,) = commands
    config = config_of(command)
    assert config["frames"] == str(tmp_path / "data/my frames")
    assert config["classes"] == str(tmp_path / "my classes.yaml")
    assert sum("my frames" in word for word in command) == 1, "one word of the command line"


def test_frames_that_would_be_ignored_or_are_nowhere_are_refused(tmp_path, capsys, commands, fresh):
    assert cli.main(["reproduce", "--profile", "smoke", "--frames", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert f"profile smoke simulates its frames and would ignore {tmp_path}" in printed
    assert "own_frames" in printed
    assert cli.main(["reproduce", "--profile", "own_frames", "--frames", str(tmp_path / "nowhere")]) == 2
    assert f"there is no folder {tmp_path / 'nowhere'} with frames" in capsys.readouterr().err
    assert commands == []


def test_folders_with_blanks_arrive_whole_in_a_study(tmp_path, monkeypatch):
    from xpci_utils.report.crossvalidation import Study

    own = {"source_folder": str(tmp_path / "my frames"), "classes_file": str(tmp_path / "my classes.yaml")}
    command = study.command(Study(tmp_path / "study", own), 1, 2)
    config = dict(word.split("=", 1) for word in command[command.index("--config") + 1 : command.index("--")])
    assert (config["frames"], config["classes"]) == (own["source_folder"], own["classes_file"])
    assert (config["profile"], config["fold"]) == ("real_study", "1")


def test_snakemake_is_this_environments(monkeypatch):
    """Whichever python is first on the PATH: rules of the Snakefile say 'python'."""
    call = {}

    def run(command, cwd, env, check):
        call.update(command=command, cwd=cwd, path=env["PATH"])
        return subprocess.CompletedProcess(command, 5)

    monkeypatch.setattr(reproduce.subprocess, "run", run)
    assert reproduce.run_snakemake(["snakemake", "--cores", "1"]) == 5
    scripts = Path(sys.executable).parent
    assert call["command"] == [scripts / "snakemake", "--cores", "1"]
    assert call["path"].split(os.pathsep)[0] == str(scripts)
    assert call["cwd"] == paths.root()


def finished_frames(root, profile="smoke", **changed):
    """Frames of a profile that are finished in ``root``, with changed parameters."""
    return finished(root, profile, "frames", **changed)


def finished(root, profile, place, **changed):
    """A stage of a profile that is finished in ``root``, with changed parameters; its products are a byte."""
    parameters = checks.stage_parameters(profile, place, root).model_copy(update=changed)
    stage = stages.begin(parameters)
    for name in parameters.products:
        path = stage.folder / name if "." in name else stage.folder / name / "a.png"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    stage.finish()
    return stage.folder


def test_results_of_other_parameters_stop_everything_unless_forced(capsys, commands, fresh):
    folder = finished_frames(fresh / "smoke", seed=7)
    assert cli.main(["reproduce", "--profile", "smoke"]) == 2
    printed = capsys.readouterr().err
    assert f"error: {folder} holds another result (changed: seed: 7 -> 0)" in printed
    assert "'make reproduce FORCE=1', with the same PROFILE and FRAMES, makes these stages again, in place" in printed
    assert commands == []
    assert (folder / "run.json").is_file()
    assert cli.main(["reproduce", "--profile", "smoke", "--force"]) == 0
    assert not (folder / "run.json").exists()
    assert len(commands) == 1


def test_results_of_an_earlier_version_stop_everything_unless_forced(capsys, commands, fresh, monkeypatch):
    from xpci_utils.params import Change, PrepareFrames

    finished_frames(fresh / "smoke")
    assert cli.main(["reproduce", "--profile", "smoke"]) == 0
    raised = PrepareFrames().version + 1
    monkeypatch.setattr(PrepareFrames, "changes", PrepareFrames.changes | {raised: Change("another source")})
    assert cli.main(["reproduce", "--profile", "smoke"]) == 2
    assert f"frames holds another result (changed: its version, {raised - 1} -> {raised})" in capsys.readouterr().err
    assert len(commands) == 1


def test_a_share_of_another_pool_is_named_before_anything_runs(capsys, commands, fresh):
    """It is no stage of the grid, and would fail its job, or that of the pool that takes it, hours later."""
    for place in ("frames", "ddpm"):
        finished(fresh / "smoke", "smoke", place)
    share = finished(fresh / "smoke", "smoke", "pools/ddpm/shards/0_of_2", sampling_steps=9)
    assert cli.main(["reproduce", "--profile", "smoke", "--shards", "2"]) == 2
    assert f"{share} holds another result (changed: sampling_steps: 9 -> 8)" in capsys.readouterr().err
    assert commands == []
    assert cli.main(["reproduce", "--profile", "smoke", "--shards", "2", "--force"]) == 0
    assert not (share / "run.json").exists()


def test_own_frames_are_compared_with_those_of_the_run(capsys, commands, fresh, tmp_path, write_own_frames):
    """The same folder by another path is the same run, another content is refused."""
    for name, count in (("mine", 12), ("elsewhere/mine", 12), ("other", 18)):
        write_own_frames(tmp_path / name, count)
    finished_frames(fresh / "own_frames", "own_frames", source_folder=str(tmp_path / "mine"))
    reproduce_with = ["reproduce", "--profile", "own_frames", "--frames"]
    assert cli.main([*reproduce_with, str(tmp_path / "mine")]) == 0
    assert cli.main([*reproduce_with, str(tmp_path / "elsewhere/mine")]) == 0
    assert cli.main([*reproduce_with, str(tmp_path / "other")]) == 2
    mine, what = tmp_path / "mine", "frames, masks, classes or splits"
    assert f"(changed: source_folder: {mine} -> {tmp_path / 'other'}, with other {what})" in capsys.readouterr().err
    assert len(commands) == 2
    (mine / "classes.yaml").write_text((mine / "classes.yaml").read_text().replace("drop", "droplet"))
    assert cli.main([*reproduce_with, str(mine)]) == 2
    assert f"holds another result (changed: the {what} of {mine}, since this was made)" in capsys.readouterr().err


def test_a_grid_that_asks_for_more_pairs_than_are_sampled_is_refused(monkeypatch):
    few = checks.notebook_parameters("quick", "04a_sample_pairs", {"pairs": 150})
    monkeypatch.setattr(checks, "notebook_parameters", lambda *_: few)
    with pytest.raises(ParameterError, match=r"asks for 200 synthetic pairs, but 04a_.*samples 150; raise pairs"):
        checks.check_pairs("quick", "paper", sweep_of("quick"), 40)


def test_shipped_weights_that_are_absent_stop_everything(capsys, commands, fresh, monkeypatch):
    def absent(profile, folder, root, own=None):
        parameters = original(profile, folder, root, own)
        is_shippable = isinstance(parameters, ShippableParameters)
        return parameters.model_copy(update={"shipped": "data/no_weights"}) if is_shippable else parameters

    original = checks.stage_parameters
    monkeypatch.setattr(checks, "stage_parameters", absent)
    assert cli.main(["reproduce", "--profile", "smoke"]) == 2
    assert "there are no shipped weights for ddpm" in capsys.readouterr().err
    assert commands == []


def test_status_of_a_run_that_has_not_begun(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("xpci_utils.costs.progress.run_root", lambda profile: str(tmp_path))
    assert cli.main(["status", "--profile", "smoke", "--grid", "extended"]) == 0
    printed = capsys.readouterr().out
    folders = stage_folders(sweep_of("smoke"), "extended")
    assert all(f"to do    {folder} " in printed for folder in folders)
    assert f"0 done, 0 running, 0 failed, {len(folders)} to do" in printed
    assert "time left unknown" in printed


def test_a_run_without_finished_cells_has_nothing_to_keep_or_to_choose_from(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("xpci_utils.report.committed.run_root", lambda profile: str(tmp_path))
    for command in ("collect", "contrasts"):
        assert cli.main([command, "--profile", "smoke"]) == 2
        assert "holds no finished cell; run 'make reproduce PROFILE=smoke' first" in capsys.readouterr().err
    assert not (paths.root() / "figures/smoke").exists()
    assert cli.main(["figures", "--profile", "smoke"]) == 2
    assert "figures/smoke/results lacks cells.csv" in capsys.readouterr().err


def test_weights_that_are_shipped_are_not_overwritten(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("xpci_utils.running.ship.run_root", lambda profile: str(tmp_path))
    assert cli.main(["ship", "--profile", "laptop"]) == 2
    assert "error: data/weights/laptop exists already; choose another name or remove it" in capsys.readouterr().err


def test_weights_of_other_results_are_not_shipped(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("xpci_utils.running.ship.run_root", lambda profile: str(tmp_path))
    monkeypatch.setattr("xpci_utils.running.ship.weights.ship", lambda *_: pytest.fail("shipped"))
    finished_frames(tmp_path, "laptop", seed=7)
    assert cli.main(["ship", "--profile", "laptop"]) == 2
    assert "frames holds another result (changed: seed: 7 -> 0)" in capsys.readouterr().err


def test_a_film_is_a_stage_of_notebook_07(monkeypatch, tmp_path):
    from xpci_utils.running import film

    asked = []
    monkeypatch.setattr(film, "run_stage", lambda parameters: asked.append(parameters) or 0)
    monkeypatch.chdir(tmp_path)
    cell = "emcad__r0040__none__n00000__mix__s0"
    arguments = ["my film.tif", "--profile", "quick", "--cell", cell, "--name", "june", "--frame-interval-us", "5"]
    assert cli.main(["video", *arguments]) == 0
    assert cli.main(["video", "--profile", "quick"]) == 0
    own, simulated = asked
    assert (own.notebook, own.place, own.cell) == ("07_apply_to_video", "video/june", cell)
    assert (own.film_path, own.frame_interval_us) == (str(tmp_path / "my film.tif"), 5.0)
    assert (simulated.film_path, simulated.place) == ("", "video/film")
    assert cli.main(["video", "--profile", "quick", "--cell", "emcad"]) == 2


def test_any_parameter_of_notebook_07_can_be_changed_for_a_film(capsys, monkeypatch):
    from xpci_utils.running import film

    asked = []
    monkeypatch.setattr(film, "run_stage", lambda parameters: asked.append(parameters) or 0)
    arguments = [
        "video",
        "film.tif",
        "-p",
        "force",
        "true",
        "-p",
        "flats",
        "flats.tif",
        "-p",
        "suggestions",
        "4",
        "-p",
        "cell",
        "emcad",
    ]
    assert cli.main([*arguments, "--cell", "emcad__r0000__none__n00000__mix__s0"]) == 0
    assert (asked[0].flats, asked[0].suggestions, asked[0].cell) == (
        "flats.tif",
        4,
        "emcad__r0000__none__n00000__mix__s0",
    )
    assert asked[0].force
    assert cli.main(["video", "film.tif", "-p", "flat", "flats.tif"]) == 2
    assert "flat is not a parameter" in capsys.readouterr().err


def test_the_report_is_made_again_by_force(monkeypatch):
    from xpci_utils.running import report

    asked, pages = [], []
    monkeypatch.setattr(report, "run_notebook", lambda parameters: asked.append(parameters) or len(asked) - 1)
    monkeypatch.setattr(report, "write_pages", pages.append)
    assert cli.main(["report", "--profile", "smoke"]) == 0
    assert (asked[0].notebook, asked[0].force, asked[0].run_root) == ("06_tables_and_figures", True, "runs/smoke")
    assert pages == ["smoke"]
    assert cli.main(["report", "--profile", "smoke"]) == 1
    assert pages == ["smoke"], "no pages of a report that failed"


def test_params_check_writes_nothing(capsys, monkeypatch, tmp_path):
    from xpci_utils.params import generate

    assert cli.main(["params", "--check"]) == 0
    made = tmp_path / "x.yaml"
    monkeypatch.setattr(generate, "expected_files", lambda: {made: "a: 1\n"})
    assert cli.main(["params", "--check"]) == 1
    assert not made.exists()
    assert cli.main(["params"]) == 0
    assert made.read_text() == "a: 1\n"
    assert cli.main(["params", "--check"]) == 0
    assert "differs" in capsys.readouterr().out


def test_the_run_roots_of_a_profile_agree():
    assert run_root("smoke") == "runs/smoke"
    assert run_root("smoke", "elsewhere") == "elsewhere"


def test_a_training_runs_by_its_name_as_by_its_module(monkeypatch):
    """Rules of the Snakefile start ``python -m xpci_utils.run``, people ``xpci run``."""
    from xpci_utils.running import notebook

    asked = []
    monkeypatch.setattr(notebook, "run_stage", lambda parameters, minutes: asked.append((parameters, minutes)) or 0)
    file = str(paths.root() / "params/smoke/02_train_ddpm.yaml")
    assert cli.main(["run", "02_train_ddpm", "-f", file, "-p", "steps", "9", "--minutes", "3"]) == 0
    ((parameters, minutes),) = asked
    assert isinstance(parameters, TrainDdpm)
    assert (parameters.steps, minutes) == (9, 3.0)
