"""Folders that describe themselves: finished means run.json, and nothing is overwritten by mistake."""

import fcntl
import json
import os
import subprocess
import sys
import time

import pytest

from xpci_utils import files, stages
from xpci_utils.params import Change
from xpci_utils.params.base import Former
from xpci_utils.stages.first_edition import VERSION_OF_RECIPE


def finish(parameters, text="3"):
    stage = stages.begin(parameters)
    (stage.folder / "count.txt").write_text(text)
    stage.finish({"count": 3})
    return stage


def test_a_finished_stage_is_not_done_again(small_house, count_stage, capsys):
    finish(count_stage())
    stage = stages.begin(count_stage())
    assert not stage.to_do
    assert "nothing is computed again" in capsys.readouterr().out
    before = (stage.folder / "run.json").read_bytes()
    stage.finish({"count": 99})
    assert (stage.folder / "run.json").read_bytes() == before
    assert files.read_json(stage.folder / "metrics.json") == {"count": 3}


def test_run_json_tells_what_was_done(small_house, count_stage):
    record = stages.read_run(finish(count_stage(count=7)).folder)
    assert record["parameters"]["count"] == 7
    assert record["products"] == {"count.txt": {"bytes": 1}}
    assert record["version"] == 1
    assert {"identity", "hashed", "versions", "device", "threads", "wall_seconds", "peak_memory_mib"} <= set(record)


def test_other_parameters_stop_with_a_sentence_and_force_repeats(small_house, count_stage):
    finish(count_stage())
    with pytest.raises(stages.StageError, match=r"changed: count: 3 -> 4.*Nothing was overwritten"):
        stages.begin(count_stage(count=4))
    assert stages.begin(count_stage(count=4, force=True)).to_do


def test_a_raised_version_makes_a_result_stale(small_house, count_stage, monkeypatch):
    """Changed code gives nothing away by itself: who changes a result raises the version of its stage and says why."""
    finish(count_stage())
    monkeypatch.setattr(count_stage, "changes", {2: Change("it counts from zero")})
    with pytest.raises(
        stages.OtherResultError,
        match=r"holds another result \(changed: its version, 1 -> 2\)\. Nothing was overwritten",
    ):
        stages.begin(count_stage())
    again = finish(count_stage(force=True))
    assert stages.read_run(again.folder)["version"] == 2
    assert not stages.begin(count_stage()).to_do


def test_a_change_concerns_the_parameters_that_it_names(small_house, count_stage, monkeypatch):
    """Results of all others stay; of several changes the last that concerns them counts."""
    few, many = count_stage(), count_stage(count=9, output_folder="runs/quick/many")
    finish(few)
    finish(many)
    large = Change("large numbers were cut", lambda parameters: parameters.count > 5)
    monkeypatch.setattr(count_stage, "changes", {2: large})
    assert (few.version, many.version) == (1, 2)
    assert not stages.begin(few).to_do
    with pytest.raises(stages.OtherResultError, match="its version, 1 -> 2"):
        stages.begin(many)
    monkeypatch.setattr(count_stage, "changes", {2: large, 3: Change("all"), 4: large})
    assert (few.version, many.version) == (3, 4)


def edit_record(folder, **changes):
    """Change a run.json as if an older or a newer stage had written it; None removes an entry."""
    record = {**files.read_json(folder / "run.json"), **changes}
    files.write_json(folder / "run.json", {name: value for name, value in record.items() if value is not None})
    return record


@pytest.mark.parametrize("recipe", [*VERSION_OF_RECIPE, "0123456789abcdef", None])
def test_a_record_of_the_first_edition_has_a_recipe_in_place_of_a_version(small_house, count_stage, recipe):
    """Those that are listed are version 1; code that is older than the first edition is version 0, and stale."""
    folder = finish(count_stage()).folder
    record = edit_record(folder, version=None, recipe=recipe)
    assert stages.version_of(files.read_json(folder / "run.json")) == int(recipe in VERSION_OF_RECIPE)
    if recipe in VERSION_OF_RECIPE:
        stage = stages.begin(count_stage())
        assert not stage.to_do
        assert stage.identity == record["identity"], "what was made from it stays"
    else:
        with pytest.raises(stages.OtherResultError, match="its version, 0 -> 1"):
            stages.begin(count_stage())


def test_a_parameter_that_is_younger_than_a_record_stands_for_its_default(small_house, count_stage):
    folder = finish(count_stage()).folder
    hashed = files.read_json(folder / "run.json")["hashed"]
    edit_record(folder, hashed={name: value for name, value in hashed.items() if name != "behave"})
    assert not stages.begin(count_stage()).to_do
    with pytest.raises(stages.OtherResultError, match=r"changed: behave: 'well' -> 'better'\)"):
        stages.begin(count_stage(behave="better"))


def test_a_parameter_that_is_gone_counts_as_changed_unless_it_is_retired(small_house, count_stage, monkeypatch):
    folder = finish(count_stage()).folder
    edit_record(folder, hashed=files.read_json(folder / "run.json")["hashed"] | {"colour": "red"})
    with pytest.raises(stages.OtherResultError, match=r"changed: colour: 'red' -> nothing\)"):
        stages.begin(count_stage())
    monkeypatch.setattr(count_stage, "retired", frozenset({"colour"}))
    assert not stages.begin(count_stage()).to_do


def test_a_parameter_of_another_name_today_is_read_under_that_name(small_house, count_stage, monkeypatch):
    """A renamed parameter makes no result stale; another value of it does."""
    folder = finish(count_stage()).folder
    record = files.read_json(folder / "run.json")
    hashed = {name: value for name, value in record["hashed"].items() if name != "behave"}
    monkeypatch.setattr(count_stage, "former", {"tidy": Former("behave", {True: "well", False: "badly"})})
    edit_record(folder, hashed=hashed | {"tidy": True})
    stage = stages.begin(count_stage())
    assert (stage.to_do, stage.identity) == (False, record["identity"])
    edit_record(folder, hashed=hashed | {"tidy": False})
    with pytest.raises(stages.OtherResultError, match=r"changed: behave: 'badly' -> 'well'\)"):
        stages.begin(count_stage())


def test_a_repeated_stage_keeps_the_identity_of_an_equal_result(small_house, count_stage):
    """However that was computed then, such as by a digest of another form: what was made from it is not stale."""
    source = count_stage(output_folder="runs/quick/source")
    edit_record(finish(source).folder, identity="of the first edition")
    finish(count_stage(reads="source"))
    again = finish(count_stage(output_folder="runs/quick/source", force=True))
    assert again.identity == stages.read_run(again.folder)["identity"] == "of the first edition"
    assert not stages.begin(count_stage(reads="source")).to_do
    other = finish(count_stage(output_folder="runs/quick/source", count=5, force=True))
    assert other.identity != "of the first edition"


def test_a_stage_hashes_its_parameters_once(small_house, count_stage, monkeypatch):
    """For a folder of one's own that means reading every file of it."""
    decisive, calls = stages.decisive, []
    monkeypatch.setattr(stages.stage, "decisive", lambda parameters: calls.append(1) or decisive(parameters))
    finish(count_stage())
    assert len(calls) == 1


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    out = tmp_path / "new"
    for place in (out, tmp_path / "above/and/new"):
        with pytest.raises(FileNotFoundError), files.atomic_folder(place) as part:
            (part / "a.txt").write_bytes((tmp_path / "lost").read_bytes())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".new.part").mkdir()  # what a killed process left
    (tmp_path / ".new.part/old.txt").write_text("old")
    with files.atomic_folder(out) as part:
        (part / "a.txt").write_text("a")
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == ["new", "new/a.txt"]
    with pytest.raises(FileExistsError, match="new exists already"), files.atomic_folder(out):
        pass


def test_a_stage_that_lacks_a_product_is_not_finished(small_house, count_stage):
    stage = stages.begin(count_stage())
    with pytest.raises(stages.StageError, match=r"lacks count\.txt"):
        stage.finish()
    assert stages.read_run(stage.folder) is None


@pytest.mark.parametrize("damage", ["delete product", "cut run.json", "empty run.json"])
def test_a_damaged_folder_counts_as_unfinished(small_house, count_stage, damage):
    folder = finish(count_stage()).folder
    if damage == "delete product":
        (folder / "count.txt").unlink()
    else:
        text = (folder / "run.json").read_text()
        (folder / "run.json").write_text(text[: len(text) // 2] if damage == "cut run.json" else "")
    assert stages.read_run(folder) is None
    assert stages.begin(count_stage()).to_do


def test_unfinished_work_of_the_same_identity_is_kept_and_of_another_removed(small_house, count_stage):
    stage = stages.begin(count_stage())
    for place in (stage.folder / "block_0.csv", stage.work / "checkpoint"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("half")
    assert (stages.begin(count_stage()).folder / "block_0.csv").exists(), "the same stage goes on"
    stage = stages.begin(count_stage(count=9))
    assert not (stage.folder / "block_0.csv").exists()
    assert not stage.work.exists()


def test_the_time_of_an_interrupted_run_counts_up_to_what_it_wrote_last(small_house, count_stage):
    """Killed runs leave no note: 40 s of work, then a pause of no work, then the rest."""
    now = time.time()
    stage = stages.begin(count_stage())
    files.write_json(stage.folder / stages.stage.TIME_FILE, {"seconds": 7.0, "began": now - 100})
    (stage.work / "checkpoint").parent.mkdir(parents=True)
    (stage.work / "checkpoint").write_text("half")
    os.utime(stage.work / "checkpoint", (now - 60, now - 60))
    again = stages.begin(count_stage())
    assert again.earlier_seconds == pytest.approx(47, abs=0.1)
    (again.folder / "count.txt").write_text("3")
    again.finish()
    assert stages.read_run(again.folder)["wall_seconds"] == pytest.approx(47, abs=5)
    assert stages.begin(count_stage(force=True)).earlier_seconds == 0


def test_force_starts_from_an_empty_folder(small_house, count_stage):
    stage = finish(count_stage())
    (stage.folder / "left_over.png").write_text("old")
    again = stages.begin(count_stage(force=True))
    assert again.to_do
    assert sorted(path.name for path in again.folder.iterdir()) == [".identity", ".lock", ".time.json"]


def test_files_that_no_stage_wrote_are_never_removed(small_house, count_stage):
    folder = small_house / "my_data"
    folder.mkdir()
    (folder / "precious.txt").write_text("measured in 2019")
    with pytest.raises(stages.StageError, match=r"holds files that no stage wrote \(precious\.txt"):
        stages.begin(count_stage(output_folder="my_data", force=True))
    assert (folder / "precious.txt").read_text() == "measured in 2019"


def test_a_kernel_may_begin_its_own_stage_again(small_house, count_stage):
    stages.begin(count_stage())
    assert stages.begin(count_stage()).to_do


def test_an_unfinished_input_is_named(small_house, count_stage):
    with pytest.raises(stages.StageError, match=r"runs/quick/frames is not finished, and 99_count reads it"):
        stages.begin(count_stage(reads="frames"))


def test_an_input_made_again_differently_makes_the_result_stale(small_house, count_stage):
    source = count_stage(output_folder="runs/quick/source")
    finish(source)
    finish(count_stage(reads="source"))
    finish(count_stage(output_folder="runs/quick/source", count=5, force=True))
    with pytest.raises(stages.StageError, match=r"changed: its inputs: source\)"):
        stages.begin(count_stage(reads="source"))


def test_two_processes_do_not_share_a_folder(small_house, count_stage):
    folder = count_stage().folder
    folder.mkdir(parents=True)
    code = (
        f"import fcntl, time; f = open({str(folder / '.lock')!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('locked', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        other.stdout.readline()
        with pytest.raises(stages.StageError, match="another process is working"):
            stages.begin(count_stage())
    finally:
        other.kill()
        other.wait()
    time.sleep(0.1)
    assert stages.begin(count_stage()).to_do, "the lock of a dead process must not stay"


def test_a_stage_frees_its_folder_when_it_ends(small_house, count_stage):
    stage = finish(count_stage())
    assert not stages.is_locked(stage.folder)
    with open(stage.folder / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_who_looks_at_a_folder_is_refused_as_who_works_there_is(small_house, count_stage):
    """Locks are exclusive: not even two readers of the same stage work side by side."""
    stage = stages.begin(count_stage())
    assert stages.is_locked(stage.folder)
    with pytest.raises(stages.StageError, match="another process is working in runs/quick/count; wait for it or stop"):
        stages.refuse_if_locked(stage.folder)
    with open(stage.folder / ".lock") as sibling, pytest.raises(BlockingIOError):
        fcntl.flock(sibling, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_a_line_cut_by_a_crash_is_dropped(tmp_path):
    path = tmp_path / "history.jsonl"
    files.append_jsonl(path, {"step": 1})
    with open(path, "a") as file:
        file.write('{"step": 2, "lo')
    assert files.read_jsonl(path) == [{"step": 1}]
