"""The rehearsal: the real parameters of a profile with nothing changed but counts."""

import pytest

from xpci_utils import paths
from xpci_utils.costs import rehearsal, work_of
from xpci_utils.costs.jobs import network_of
from xpci_utils.params import AdaptSam, TrainSegmentation, generate
from xpci_utils.params.profiles import overlay, profiles

SIMULATED = [
    name
    for name in profiles()
    if overlay(name).stages and generate.profile_values(name, "01_prepare_frames")["source"] == "simulator"
]
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
    measured = [network_of(stage) for stage in rehearsal.measured_stages(profile)]
    assert len(measured) == len(set(measured))
    assert {"simulator", "denoiser", "vit_b", "transunet", "swin_unetr", "emcad"} <= set(measured)


def test_large_frames_are_measured_one_at_a_time_and_rehearsed_in_the_published_batch():
    def batches(stages):
        return {stage.batch_size for stage in stages if isinstance(stage, TrainSegmentation)}

    assert batches(rehearsal.measured_stages("paper")) == {1}
    assert batches(rehearsal.rehearsed_stages("paper")) == {4}
    assert batches(rehearsal.rehearsed_stages("paper", largest_batch=2)) == {2}


def test_frames_of_a_users_own_are_not_rehearsed():
    with pytest.raises(rehearsal.RehearsalError, match="own_frames reads frames of your own"):
        rehearsal.rehearsed_stages("own_frames")
