"""The rehearsal: the real parameters of a profile with nothing changed but counts."""

from collections import Counter

import pytest

from xpci_utils import paths
from xpci_utils.costs import CostTable, View, jobs, own_page, rehearsal, work_of
from xpci_utils.costs.work import network_of, view_of
from xpci_utils.frames import check_folder, read_classes, tiles
from xpci_utils.params import AdaptSam, Sweep, TrainSegmentation, generate
from xpci_utils.params.cells import parse_labeller
from xpci_utils.params.profiles import notebook_parameters, overlay, profiles
from xpci_utils.running import folder
from xpci_utils.stages import folder_digest

SIMULATED = [
    name
    for name in profiles()
    if overlay(name).stages and generate.profile_values(name, "01_prepare_frames")["source"] == "simulator"
]


def frames_of(profile):
    return jobs.frames_of(profile, paths.resolve("runs/rehearsal"))


PLACES = {"run_root", "force", "threads", "labeller", "pool", "cell", "sweep"}


@pytest.mark.parametrize("profile", SIMULATED)
def test_only_counts_are_cut_in_a_rehearsal(profile):
    """Every stage is valid (it was checked) and differs from the profile's file in the named cuts alone."""
    stages = rehearsal.rehearsed_stages(profile)
    assert {stage.notebook for stage in stages} == set(rehearsal.CUTS)
    for stage in stages:
        published = generate.profile_values(profile, stage.notebook)
        changed = {name for name, value in stage.model_dump().items() if value != published[name]}
        assert changed <= PLACES | set(rehearsal.CUTS[stage.notebook]), stage.place
        assert stage.folder.is_relative_to(paths.root() / "runs/rehearsal")


@pytest.mark.parametrize("profile", SIMULATED)
def test_a_rehearsal_counts_to_one(profile):
    stages = rehearsal.rehearsed_stages(profile)
    frames = stages[0]
    for stage in stages:
        batch = getattr(stage, "batch_size", 1)
        for (_, unit), count in work_of(stage, frames, 1).items():
            assert count // batch == 1 if unit == "step" else count <= 16, stage.place
    assert all(stage.weights == "random" for stage in stages if isinstance(stage, AdaptSam))


@pytest.mark.parametrize("profile", SIMULATED)
def test_everything_that_a_profile_trains_is_rehearsed_and_measured(profile):
    measured = [network_of(stage) for stage in rehearsal.measured_stages(profile, view_of(frames_of(profile)))]
    assert len(measured) == len(set(measured))
    variants = {parse_labeller(name).variant for name in Sweep.from_yaml(f"params/{profile}/sweep.yaml").labellers}
    assert {"simulator", "denoiser", "transunet", "swin_unetr", "emcad"} | variants <= set(measured)


def test_large_frames_are_measured_one_at_a_time_and_rehearsed_in_the_published_batch():
    def batches(stages):
        return {stage.batch_size for stage in stages if isinstance(stage, TrainSegmentation)}

    assert batches(rehearsal.measured_stages("paper", view_of(frames_of("paper")))) == {1}
    assert batches(rehearsal.rehearsed_stages("paper")) == {4}
    assert batches(rehearsal.rehearsed_stages("paper", largest_batch=2)) == {2}


def test_frames_of_a_users_own_have_to_be_given():
    with pytest.raises(rehearsal.RehearsalError, match="own_frames reads frames of your own; give them by FRAMES="):
        rehearsal.rehearsed_stages("own_frames")


def test_a_few_frames_of_a_users_own_are_rehearsed_in_the_tiles_of_all(write_own_frames, tmp_path, monkeypatch):
    """The copy can be used, has the counts of every rehearsal, and the folder itself is left as it was."""
    monkeypatch.setattr(rehearsal, "ROOT", str(tmp_path / "rehearsal"))
    mine = write_own_frames(tmp_path / "mine", count=18, height=96, width=160)
    before = folder_digest(mine)
    monkeypatch.setattr(tiles, "SMALLEST_TILE", 64)
    frames = notebook_parameters("own_frames_gpu", "01_prepare_frames", {"largest_tile": 96})
    monkeypatch.setattr(
        folder, "notebook_parameters", lambda *_: frames.model_copy(update={"source_folder": str(mine)})
    )
    view, own = rehearsal.prepared("own_frames_gpu", {"source_folder": str(mine)})
    assert view == View(96, 96, 3), "8 times the squares of 9 pixels, as a multiple of 32"
    content = check_folder(own["source_folder"], read_classes(f"{own['source_folder']}/classes.yaml"))
    assert Counter(content.splits.values()) == {"train": 2, "val": 1, "test": 2}
    assert folder_digest(mine) == before
    stages = rehearsal.rehearsed_stages("own_frames_gpu", own=own)
    assert (stages[0].tile, stages[0].largest_tile) == (96, 0)
    assert stages[0].source_folder == own["source_folder"]
    published = generate.profile_values("own_frames_gpu", "02_train_ddpm")
    assert stages[1].size == published["size"] == "paper"
    measured = [network_of(stage) for stage in rehearsal.measured_stages("own_frames_gpu", view, own)]
    assert sorted(measured) == ["denoiser", "emcad", "swin_unetr", "transunet", "vit_b", "vit_t"]


def test_the_page_on_own_frames_shows_the_committed_table():
    """Or that there is none; nothing between the marks is written by hand."""
    text = (paths.root() / "docs/own_frames_gpu.md").read_text(encoding="utf-8")
    assert own_page.with_own_part(text, CostTable.read("own_frames_gpu")) == text
    paper = CostTable.read("paper")
    shown = own_page.with_own_part(
        text, CostTable(paper.costs, paper.facts | {"view": {"height": 5, "width": 7, "classes": 3}})
    )
    assert "5 x 7 pixels and 3 classes" in shown
    assert "| denoiser | step | 1 | 124,053,252 |" in shown
    assert shown.split(own_page.BEGIN)[0] == text.split(own_page.BEGIN)[0]
    assert shown.endswith(f"{own_page.END}\n")
