"""Finished stages as committed files: what comes back, and what is refused."""

import shutil

import pytest

from xpci_utils import files, stages


@pytest.fixture
def finished(small_house, count_stage):
    """A finished stage with a folder among its files, and what the runner leaves beside them."""
    stage = stages.begin(count_stage())
    (stage.folder / "count.txt").write_text("3")
    (stage.folder / "images").mkdir()
    for index in range(3):
        (stage.folder / f"images/{index}.png").write_bytes(bytes([index] * 50))
    (stage.folder / "executed.ipynb").write_text("{}")
    stage.finish({"count": 3})
    return stage.folder


@pytest.fixture
def kept(finished, tmp_path):
    """Its file, and the clone that restores it has no such folder."""
    file = stages.kept_file(tmp_path / "chain", "pools/ddpm/pairs")
    stages.keep(finished, file)
    shutil.move(finished, tmp_path / "original")
    return file


def visible(folder):
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name): (folder / name).read_bytes() for name in names if not name.name.startswith(".")}


def test_a_stage_comes_back_byte_for_byte_and_its_record_says_from_where(kept, small_house, count_stage, tmp_path):
    stages.restore(kept, count_stage().folder)
    before, after = visible(tmp_path / "original"), visible(count_stage().folder)
    del before["executed.ipynb"]
    assert {**after, "run.json": b""} == {**before, "run.json": b""}
    record, then = (files.read_json(folder / "run.json") for folder in (count_stage().folder, tmp_path / "original"))
    assert record.pop("restored") == {"file": "chain/pools--ddpm--pairs.txz", "sha256": files.sha256(kept)}
    assert record == then
    again = stages.begin(count_stage())
    assert (again.to_do, again.identity) == (False, then["identity"])
    assert stages.begin(count_stage(force=True)).to_do, "and it can be made again"


def test_equal_folders_give_equal_files_and_a_place_its_own(kept, tmp_path):
    again = tmp_path / "again/pools--ddpm--pairs.txz"
    stages.keep(tmp_path / "original", again)
    assert again.read_bytes() == kept.read_bytes()
    assert stages.kept_files(kept.parent) == {"pools/ddpm/pairs": kept}


def test_a_changed_byte_is_refused_and_nothing_is_written(kept, count_stage):
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1
    kept.write_bytes(data)
    with pytest.raises(stages.StageError, match=r"pools--ddpm--pairs.txz is damaged or of another run: its sha256 is"):
        stages.restore(kept, count_stage().folder)
    with pytest.raises(stages.StageError, match="git checkout chain' restores it"):
        stages.record_of(kept)
    assert not count_stage().folder.exists()


def test_products_of_another_content_than_recorded_are_refused(kept, count_stage, tmp_path):
    """As of a file that was put together by hand, with a digest to it."""
    (tmp_path / "original/images/1.png").write_bytes(b"another")
    stages.keep(tmp_path / "original", kept)
    with pytest.raises(stages.StageError, match="does not hold what its record describes"):
        stages.restore(kept, count_stage().folder)
    assert not count_stage().folder.exists()


def test_unfinished_work_is_replaced_and_files_that_no_stage_wrote_are_not(kept, count_stage):
    stage = stages.begin(count_stage())
    (stage.folder / "count.txt").write_text("half")
    stage.lock.close()
    stages.restore(kept, stage.folder)
    assert (stage.folder / "count.txt").read_text() == "3"
    mine = stage.folder.with_name("mine")
    mine.mkdir()
    (mine / "precious.txt").write_text("measured in 2019")
    with pytest.raises(stages.StageError, match="holds files that no stage wrote"):
        stages.restore(kept, mine)
    assert (mine / "precious.txt").is_file()


def test_an_unfinished_stage_cannot_be_kept(small_house, count_stage, tmp_path):
    stage = stages.begin(count_stage())
    with pytest.raises(stages.StageError, match="is not finished, so it cannot be kept"):
        stages.keep(stage.folder, tmp_path / "count.txz")
    assert not (tmp_path / "count.txz").exists()


def test_content_follows_bytes_and_names_and_not_time(small_house, count_stage):
    """A record has the content of what the stage wrote, and of what it read."""

    def finish(parameters, text="3"):
        stage = stages.begin(parameters)
        (stage.folder / "count.txt").write_text(text)
        files.append_jsonl(stage.folder / "history.jsonl", {"seconds": files.digest(stage.folder.name)})
        stage.finish({"seconds": stage.folder.name})
        return stages.read_run(stage.folder)

    one, same = (finish(count_stage(output_folder=f"runs/quick/{name}")) for name in ("one", "same"))
    other = finish(count_stage(output_folder="runs/quick/other"), "4")
    assert one["content"] == same["content"] != other["content"]
    assert one["identity"] == other["identity"], "which is why content is recorded"
    reader = finish(count_stage(reads="other"))
    assert reader["made_from"] == {"other": other["content"]}
    assert one["made_from"] == {}


def test_files_appear_together_or_not_at_all(tmp_path, monkeypatch):
    """Whenever the process is killed: before all files are there the old ones stay, afterwards the new ones come."""
    for name in "abc":
        (tmp_path / name).write_text("old")

    def write_all():
        with files.files_together(tmp_path) as part:
            for name in "abc":
                (part / name).write_text("new")

    def texts():
        return {path.name: path.read_text() for path in tmp_path.iterdir()}

    with pytest.raises(FileNotFoundError), files.files_together(tmp_path) as part:
        (part / "a").write_bytes((tmp_path / "lost").read_bytes())
    assert texts() == dict.fromkeys("abc", "old")
    replace, calls = files.os.replace, []

    def killed(*where):
        calls.append(where)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(*where)

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_all()
    monkeypatch.undo()
    files.finish_moving(tmp_path)
    assert texts() == dict.fromkeys("abc", "new")
