import os

import numpy as np
import pytest
import torch

from xpci_utils import files
from xpci_utils.sam import adapt_sam, adaptation, build_sam, describe, load_labeller, predict_frames
from xpci_utils.sam.adaptation import draw_batch
from xpci_utils.simulation import fresh_examples, write_simulated_frames
from xpci_utils.training import LabellerTraining, StoppedForTime, TrainingFolder

SHORT = {"steps": 6, "batch_size": 2, "learning_rate": 1e-3}
STRONGER = {"copy_paste": True, "close_up": 16, "ema_decay": 0.9, "label_smoothing": 0.1}


def adapt(frames, folder, **options):
    settings = LabellerTraining(**{**SHORT, **options})
    return adapt_sam(frames, settings, TrainingFolder(folder, folder / "work", "one"))


@pytest.mark.parametrize(
    "options",
    [{"labeller": "vit_b", "unprompted": 0.5}, {"labeller": "vit_t-noprompt"}, {"labeller": "vit_t"} | STRONGER],
)
def test_a_resumed_run_equals_an_uninterrupted_one(disc_frames, tmp_path, monkeypatch, options):
    whole = adapt(disc_frames, tmp_path / "whole", **options)
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "XPCI_DEADLINE", "0")  # stop at the first record
        with pytest.raises(StoppedForTime):
            adapt(disc_frames, tmp_path / "halves", **options)
    halves = adapt(disc_frames, tmp_path / "halves", **options)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, halves.state_dict()[name]), name
    losses = [
        [record["loss"] for record in files.read_jsonl(tmp_path / run / "history.jsonl")] for run in ("whole", "halves")
    ]
    assert losses[0] == losses[1]


def test_what_is_written_is_what_was_trained(disc_frames, tmp_path):
    model = adapt(disc_frames, tmp_path, labeller="vit_t")
    again = load_labeller(tmp_path / "adapters.safetensors")
    assert again.config == model.config
    assert again.config["mask_prompt"]
    test = disc_frames.split("test")
    one, two = predict_frames(model, test), predict_frames(again, test)
    assert all(np.array_equal(one[name], two[name]) for name in test.names)


def test_the_history_watches_the_foreground(disc_frames, tmp_path):
    adapt(disc_frames, tmp_path, labeller="vit_t", evaluations=2)
    records = files.read_jsonl(tmp_path / "history.jsonl")
    assert {"loss", "cross_entropy", "dice_loss", "foreground_ratio", "right_class"} <= records[0].keys()
    assert [record["step"] for record in records if "val_loss" in record] == [3, 6]


def test_epochs_override_steps(disc_frames, tmp_path):
    model = adapt(disc_frames, tmp_path, labeller="vit_t", epochs=1, batch_size=5)
    assert model.config["steps"] == 3  # 12 frames in batches of 5


def test_a_batch_belongs_to_seed_and_step(disc_frames):
    examples = disc_frames.examples("train")
    one, two, other = (draw_batch(examples, 3, seed, 7) for seed in (0, 0, 1))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    assert not torch.equal(one[0], other[0])


def test_images_and_labels_turn_together(disc_frames):
    for step in range(8):
        images, labels = draw_batch(disc_frames.examples("train"), 2, 0, step)
        assert images[labels == 3].float().mean() > images[labels == 1].float().mean() + 100


def test_a_labeller_learns_the_discs(disc_frames, tmp_path):
    """Three grey levels are told apart within a few dozen steps: the whole chain pulls in one direction."""
    model = adapt(disc_frames, tmp_path, labeller="vit_t", steps=120, batch_size=4, learning_rate=1e-2, beta1=0.9)
    predictions = predict_frames(model, disc_frames.split("test"))
    truth = {frame.name: frame.labels for frame in disc_frames.split("test")}
    right = np.concatenate([(predictions[name] == truth[name])[truth[name] > 0] for name in truth])
    assert right.mean() > 0.5  # one class for all would get about a third


@pytest.mark.parametrize(("unprompted", "untouched"), [(0.0, "no_mask_embed"), (1.0, "mask_downscaling")])
def test_the_mask_can_be_hidden_at_first(disc_frames, tmp_path, unprompted, untouched):
    model = adapt(disc_frames, tmp_path, labeller="vit_t", steps=2, unprompted=unprompted)
    start = build_sam("vit_t", "reduced", 4).state_dict()
    parts = {name for name in start if "no_mask_embed" in name or "mask_downscaling" in name}
    moved = {name for name in parts if not torch.equal(start[name], model.state_dict()[name])}
    assert moved == {name for name in parts if untouched not in name}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Six training, one validation and one test frame of the simulator, of 32 x 32."""
    counts = {"train": 6, "val": 1, "test": 1}
    return write_simulated_frames(tmp_path_factory.mktemp("simulated") / "frames", counts, 32, 32, 0, "reduced")


def test_an_informed_labeller_learns_from_the_frames_of_its_role_too(simulated, tmp_path, monkeypatch):
    """Its batches come from the annotated frames and, after these, from knowledge frames of its own seed, in as many
    steps as without them; only it says in its file what it knew."""
    drawn = []
    original = adaptation.draw_batch

    def watched(examples, *rest, **options):
        drawn.append(examples)
        return original(examples, *rest, **options)

    monkeypatch.setattr(adaptation, "draw_batch", watched)
    plain = adapt(simulated, tmp_path / "plain", labeller="vit_t", seed=1, epochs=2)
    informed = adapt(simulated, tmp_path / "informed", labeller="vit_t-informed5", seed=1, epochs=2)
    assert plain.config["steps"] == informed.config["steps"] == 6
    assert ("knowledge_frames" in plain.config, informed.config["knowledge_frames"]) == (False, 5)
    expected = [*simulated.examples("train"), *fresh_examples(simulated, 5, 1, "knowledge")]
    assert len(drawn[-1]) == len(expected) == len(drawn[0]) + 5
    for (image, labels), (known, truth) in zip(drawn[-1], expected, strict=True):
        np.testing.assert_array_equal(image, known)
        np.testing.assert_array_equal(labels, truth)
    assert "informed SAM-t" in describe(informed.config | {"parameters": 1e6})
    assert load_labeller(tmp_path / "informed" / "adapters.safetensors").config == informed.config


def test_a_stopped_informed_labeller_goes_on_with_the_same_frames(simulated, tmp_path, monkeypatch):
    whole = adapt(simulated, tmp_path / "whole", labeller="vit_t-informed3")
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "XPCI_DEADLINE", "0")
        with pytest.raises(StoppedForTime):
            adapt(simulated, tmp_path / "halves", labeller="vit_t-informed3")
    halves = adapt(simulated, tmp_path / "halves", labeller="vit_t-informed3")
    assert all(torch.equal(tensor, halves.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_frames_of_ones_own_inform_no_labeller(disc_frames, tmp_path):
    with pytest.raises(ValueError, match=r"vit_t-informed4 is an informed labeller.*frames of your own"):
        adapt(disc_frames, tmp_path, labeller="vit_t-informed4")


def test_the_labeller_that_is_kept_is_the_average_of_its_weights(disc_frames, tmp_path):
    """With no memory the average is the last weights; with one it lies elsewhere, and nothing else has changed."""
    last, forgetful, average = (
        adapt(disc_frames, tmp_path / str(decay), labeller="vit_t", ema_decay=decay).state_dict()
        for decay in (0.0, 1e-12, 0.9)
    )
    assert all(torch.allclose(last[name], forgetful[name], rtol=1e-5, atol=1e-7) for name in last)
    distance = sum((last[name] - average[name]).norm() for name in last if last[name].is_floating_point())
    assert distance > 1e-3
    losses = [[r["loss"] for r in files.read_jsonl(tmp_path / decay / "history.jsonl")] for decay in ("0.0", "0.9")]
    assert losses[0] == losses[1]


def test_a_labeller_of_close_ups_says_so_and_one_without_a_prompt_sees_whole_frames(disc_frames, tmp_path):
    model = adapt(disc_frames, tmp_path / "prompted", labeller="vit_t", close_up=16, steps=2, evaluations=1)
    assert load_labeller(tmp_path / "prompted" / "adapters.safetensors").config["close_up"] == 16
    labels = predict_frames(model, disc_frames.split("test"))
    for frame in disc_frames.split("test"):
        assert not labels[frame.name][frame.labels == 0].any()  # the rest of a frame is background
    one, other = (
        adapt(disc_frames, tmp_path / str(side), labeller="vit_t-noprompt", close_up=side, steps=2) for side in (0, 16)
    )
    assert "close_up" not in other.config
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())
