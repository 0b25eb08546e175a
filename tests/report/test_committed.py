"""What is committed is enough: tables equal to the last digit and figures to the pixel, without the run."""

import shutil
from dataclasses import replace

import pytest

from xpci_utils import paths
from xpci_utils.params import STAGES, Change, PrepareFrames, TrainDdpm, TrainSegmentation
from xpci_utils.params.results import COLLECTED_NOTE
from xpci_utils.report import build_tables, save_figure, use_style, write_report
from xpci_utils.report.committed import FILES, load_results, outdated, save_results
from xpci_utils.report.contrasts import chosen_on_validation
from xpci_utils.report.scores import score_curves
from xpci_utils.running import cli
from xpci_utils.verification import drawings

COMMITTED = paths.root() / "figures/laptop"
needs_results = pytest.mark.skipif(not COMMITTED.is_dir(), reason="no results are committed yet")


@pytest.fixture(scope="module")
def kept(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    save_results(study, folder)
    return folder


@pytest.fixture(scope="module")
def drawn(kept, tmp_path_factory):
    """The report from the committed files alone."""
    use_style()
    folder = tmp_path_factory.mktemp("drawn")
    write_report(load_results(kept), folder)
    return folder


def same_report(one, other):
    """Files that differ: tables by a byte, pictures by more than rounding (`drawings`)."""
    names = drawings.report_files(one)
    assert names == drawings.report_files(other)
    return [str(name) for name in names if not drawings.same_file(one / name, other / name)]


def test_the_report_from_committed_results_is_that_of_the_run(study, drawn, tmp_path):
    write_report(study, tmp_path)
    assert same_report(tmp_path, drawn) == []
    assert (drawn / "figures/figurec.png").stat().st_size > 5000


def test_equal_results_give_equal_files(study, kept, tmp_path):
    save_results(load_results(kept), tmp_path)
    for name in (*FILES, COLLECTED_NOTE):
        assert (tmp_path / name).read_bytes() == (kept / name).read_bytes(), name


def test_a_changed_number_shows(kept, drawn, tmp_path):
    """The comparison that guards the committed report can fail: the Dice of one cell, of TransUNet, is another."""
    results = load_results(kept)
    cells = results.cells.assign(dice=results.cells["dice"].where(results.cells.index > 0, 0.99))
    shutil.copytree(drawn, tmp_path / "drawn")
    for table in build_tables(replace(results, cells=cells)):
        table.save(tmp_path / "drawn/tables")
    save_figure(score_curves(replace(results, cells=cells)), tmp_path / "drawn/figures/figure6")
    assert same_report(tmp_path / "drawn", drawn) == [
        "figures/figure6.pdf", "figures/figure6.png",
        *(f"tables/{name}" for name in ("table1.csv", "table1.md", "table1.tex")),
        *(f"tables/{name}" for name in ("table4.csv", "table4.md", "table4.tex")),
    ]  # fmt: skip


def test_a_missing_file_is_named(kept, tmp_path):
    for name in FILES[:2]:
        shutil.copy(kept / name, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lacks pictures\.npz, provenance\.json"):
        load_results(tmp_path)


def test_a_profile_without_finished_runs_has_nothing_to_keep(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("xpci_utils.report.committed.run_root", lambda profile: str(tmp_path))
    assert cli.main(["collect", "--profile", "smoke"]) == 2
    assert "holds no finished cell" in capsys.readouterr().err


@pytest.mark.parametrize("edition", ["laptop", "study"])
def test_committed_tables_and_figures_come_from_the_committed_results(tmp_path, edition):
    """Numbers exactly; pictures but for rounding, since fonts are hinted differently elsewhere."""
    use_style()
    folder = paths.root() / "figures" / edition
    write_report(load_results(folder / "results"), tmp_path)
    assert same_report(folder, tmp_path) == []


@pytest.mark.parametrize("edition", ["laptop", "study"])
def test_committed_results_belong_to_the_committed_code(edition):
    """What differs is of an earlier version, whose change says why; never of other parameters than the profile's."""
    results = load_results(paths.root() / "figures" / edition / "results")
    listing = outdated(edition, results)
    assert list(listing.columns) == ["place", "notebook", "version", "now", "reason"]
    for row in listing.itertuples():
        changes = STAGES[row.notebook].changes
        numbers = [number for number in changes if row.version < number <= int(row.now)]
        assert numbers, f"{row.place} has other parameters: {row.reason}"
        assert set(row.reason.split("; ")) <= {part for n in numbers for part in changes[n].reason.split("; ")}
    assert len(listing) == listing["place"].nunique()


@needs_results
def test_committed_results_of_an_earlier_version_are_listed_with_the_reason(monkeypatch):
    """No stage is run for it, and those that a change does not concern stay out of it."""
    results = load_results(COMMITTED / "results")
    changes = {
        TrainDdpm: {2: Change("a longer warm-up")},
        PrepareFrames: {2: Change("folders are read otherwise", lambda parameters: parameters.source == "folder")},
        TrainSegmentation: {
            2: Change("another loss of EMCAD", lambda parameters: parameters.cell.startswith("emcad")),
            3: Change("another decay"),
        },
    }
    for model in STAGES.values():
        monkeypatch.setattr(model, "changes", changes.get(model, {}))
    listing = outdated("laptop", results).set_index("place")
    assert set(listing.index) == {"ddpm", *(place for place in results.runs if place.startswith("segmentation/"))}
    assert tuple(listing.loc["ddpm"]) == ("02_train_ddpm", 1, "2", "a longer warm-up")
    for place, row in listing.drop(index="ddpm").iterrows():
        reasons = ["another loss of EMCAD"] * place.startswith("segmentation/emcad") + ["another decay"]
        assert tuple(row) == ("05_train_segmentation", 1, "3", "; ".join(reasons))


@needs_results
def test_committed_results_of_other_parameters_are_listed_with_the_difference():
    results = load_results(COMMITTED / "results")
    run = results.runs["ddpm"]
    changed = {"ddpm": {**run, "hashed": run["hashed"] | {"steps": 7}}}
    (row,) = outdated("laptop", replace(results, runs=changed)).to_dict("records")
    reason = f"steps: 7 -> {run['hashed']['steps']}"
    assert row == {"place": "ddpm", "notebook": "02_train_ddpm", "version": 1, "now": "1", "reason": reason}


@needs_results
def test_declared_contrasts_are_those_that_validation_frames_choose():
    results = load_results(COMMITTED / "results")
    assert sorted(results.sweep.contrasts) == sorted(chosen_on_validation(results).values())
    assert not set(results.sweep.contrast_seeds) & set(results.sweep.seeds)  # who chooses does not testify
