"""The comparison of labellers: what a variant changes, runs that are kept, ensembles."""

import sys

import numpy as np
import pytest

from xpci_utils import paths
from xpci_utils.evaluation import score_labels
from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.sam import Naming, labels_of, load_labeller, predict_scores

sys.path.insert(0, str(paths.root() / "scripts"))
import compare_labellers as script


@pytest.fixture
def runs(disc_frames, tmp_path):
    train = disc_frames.split("train").take(4)
    return [script.run_of("vit_t", "random+unprompted=0.0+2+batch_size=2", seed, train, tmp_path) for seed in (0, 1)]


def test_a_variant_is_the_sum_of_its_parts():
    assert script.changes_of("study+paste+2500+ema_decay=0.99") == {
        "weights_folder": "data/weights/study",
        "learning_rate": 3e-3,
        "copy_paste": True,
        "steps": 2500,
        "ema_decay": 0.99,
    }
    assert script.changes_of("new") == {"steps": script.STEPS}
    with pytest.raises(ValueError, match=r"no part 'pastes'.*new, study"):
        script.changes_of("study+pastes")


def test_what_decides_a_result_is_in_the_name_of_its_folder(disc_frames, tmp_path):
    few, many = (disc_frames.split("train").take(count) for count in (4, 5))
    folders = {
        script.run_of("vit_t", variant, seed, train, tmp_path).folder.name[-8:]
        for variant, seed, train in (("new", 0, few), ("new", 1, few), ("new+2", 0, few), ("new", 0, many))
    }
    assert len(folders) == 4
    same = [script.run_of("vit_t", variant, 0, few, tmp_path).parameters for variant in ("close", "new+close_up=32")]
    assert same[0] == same[1]


def test_runs_are_kept_and_an_ensemble_is_their_mean(disc_frames, runs, monkeypatch):
    judge = disc_frames.split("val")
    rows = [row for run in runs for row in script.scored(run, disc_frames.split("train").take(4), {"new": judge})]
    monkeypatch.delattr(script, "adapt_sam")
    monkeypatch.delattr(script, "predict_scores")
    again = [row for run in runs for row in script.scored(run, disc_frames.split("train").take(4), {"new": judge})]
    assert again == rows
    assert len(rows) == 2 * len(script.WAYS)
    mean = {row["way"]: row for row in script.ensemble(runs, "both", {"new": judge})}
    assert {row["seed"] for row in mean.values()} == {"ensemble of 2"}
    models = [load_labeller(run.folder / "adapters.safetensors") for run in runs]
    labels = {}
    for frame in judge:
        mask = binary_mask(frame.labels)
        scores = np.mean([predict_scores(model, frame.image[None], mask[None])[0] for model in models], 0)
        labels[frame.name] = labels_of(scores, mask, Naming(vote="particle"))
    assert mean["particle"]["micro_f1"] == pytest.approx(score_labels(judge, labels)["micro_f1"], abs=1e-3)
    assert "| vit_t |" in script.markdown(script.pd.DataFrame(rows))


def test_students_get_the_annotated_frames_and_new_ones_as_an_ensemble_labels_them(
    disc_frames, runs, tmp_path, monkeypatch
):
    train = disc_frames.split("train").take(4)
    for run in runs:
        script.adapted(run, train)
    new = disc_frames.split("test")
    monkeypatch.setattr(script, "write_role_frames", lambda *_: new)
    monkeypatch.setattr(script, "CONFIDENCE", 0.3)
    script.teach(runs, disc_frames, tmp_path / "taught", len(new))
    taught = FrameSet.open(tmp_path / "taught")
    assert len(taught.split("train")) == 12 + 4
    assert taught.split("val").names == disc_frames.split("val").names
    models = [load_labeller(run.folder / "adapters.safetensors") for run in runs]
    for frame, original in zip(list(taught.split("train"))[12:], new, strict=True):
        mask = binary_mask(original.labels)
        scores = np.mean([predict_scores(m, original.image[None], mask[None], symmetries=True)[0] for m in models], 0)
        expected = labels_of(scores, mask, Naming(vote="particle", min_confidence=0.3))
        np.testing.assert_array_equal(frame.labels, expected)
        np.testing.assert_array_equal(frame.image, original.image)
