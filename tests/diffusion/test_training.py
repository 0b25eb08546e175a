"""Training resumes bit for bit, chooses by validation loss, and moves the loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from xpci_utils import files
from xpci_utils.diffusion import (
    PairTensors,
    build_denoiser,
    describe_denoiser,
    load_denoiser,
    train_denoiser,
)
from xpci_utils.diffusion.pairs import pair_of
from xpci_utils.diffusion.training import draw_batch, draw_noise, learning_rate
from xpci_utils.training import DenoiserTraining, StoppedForTime, TrainingFolder

torch.set_num_threads(1)
CONFIG = {
    "height": 32, "width": 32, "widths": [16, 16], "blocks": 1, "attention_strides": [4], "head_dim": 8,
    "norm_groups": 8, "stem": 2, "checkpointing": False, "prediction": "v", "wiener_skip": True, "standardise": True,
    "dropout": 0.1,
}  # fmt: skip
SETTINGS = DenoiserTraining(
    steps=8, batch_size=4, learning_rate=2e-3, log_every=2, evaluations=2, preview_pairs=2, preview_steps=2,
    probe_draws=2, augmentation="symmetries", lr_decay="cosine", warmup_steps=2, gradient_clip=1.0,
)  # fmt: skip


def squares(count, seed):
    """Grey frames with one dark square each, class 1 or 2, and one ignored pixel."""
    rng, examples = np.random.default_rng(seed), []
    for _ in range(count):
        image, labels = rng.normal(150, 5, (32, 32)), np.zeros((32, 32), np.uint8)
        top, left = rng.integers(2, 20, 2)
        image[top : top + 8, left : left + 8] -= 80
        labels[top : top + 8, left : left + 8] = rng.integers(1, 3)
        labels[0, 0] = 255
        examples.append((image.clip(0, 255).astype(np.uint8), labels))
    return PairTensors(examples)


TRAIN, VALIDATION = squares(6, 0), squares(3, 1)


def run(folder, settings=SETTINGS):
    place = TrainingFolder(folder, folder / "work", "test")
    return train_denoiser(build_denoiser(CONFIG), TRAIN, VALIDATION, settings, place)


def test_resumed_training_equals_uninterrupted_bit_for_bit(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole")
    monkeypatch.setenv("XPCI_DEADLINE", "0")  # every start stops after its first log interval
    for _ in range(3):
        with pytest.raises(StoppedForTime):
            run(tmp_path / "pieces")
    pieces = run(tmp_path / "pieces")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, pieces.state_dict()[name]), name
    written = [(tmp_path / kind / "denoiser_ema.safetensors").read_bytes() for kind in ("whole", "pieces")]
    assert written[0] == written[1]
    records = [files.read_jsonl(tmp_path / kind / "history.jsonl") for kind in ("whole", "pieces")]
    for a, b in zip(*records, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_loss_falls_and_the_products_are_there(tmp_path):
    chosen = run(tmp_path, replace(SETTINGS, steps=60, evaluations=3, log_every=10))
    records = files.read_jsonl(tmp_path / "history.jsonl")
    judged = [record for record in records if "val_loss" in record]
    assert [record["step"] for record in judged] == [20, 40, 60]
    assert judged[-1]["val_loss"] < judged[0]["val_loss"]
    assert {"val_eps_q1", "val_eps_q4", "foreground_share", "loss", "simple", "vlb"} <= set(judged[0])
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [f"step_{n:06d}.png" for n in (20, 40, 60)]
    assert not chosen.training
    loaded = load_denoiser(tmp_path / "denoiser_ema.safetensors")
    assert torch.equal(loaded.unet.conv_out.weight, chosen.unet.conv_out.weight)
    metrics = describe_denoiser(tmp_path, TRAIN.first(6), VALIDATION.first(3), samples=2)
    assert metrics["steps"] == 60
    assert metrics["validation_loss"] == pytest.approx(min(record["val_loss"] for record in judged))
    assert [len(errors) for errors in metrics["eps_error"].values()] == [4, 4]
    assert metrics["eps_error"]["held_out"][0] < metrics["eps_error"]["wiener"][0]
    assert metrics["foreground_share"]["frames"] == pytest.approx(64 / 1024)


def test_the_evaluation_with_the_lowest_validation_loss_is_kept(tmp_path):
    run(tmp_path, replace(SETTINGS, steps=12, evaluations=4, learning_rate=1.0, gradient_clip=0.0))  # diverges
    judged = [r for r in files.read_jsonl(tmp_path / "history.jsonl") if "val_loss" in r]
    best = min((r for r in judged), key=lambda r: r["val_loss"])
    from xpci_utils.training import load_tensors

    _, facts = load_tensors(tmp_path / "denoiser_ema.safetensors")
    assert facts["step"] == best["step"]
    assert facts["loss"] == pytest.approx(best["val_loss"])


@pytest.mark.parametrize(("augmentation", "views"), [("none", 1), ("symmetries", 8)])
def test_each_pair_of_a_batch_is_as_it_is_or_one_of_its_symmetries(augmentation, views):
    """As printed in the paper none is turned; else each of the eight views of a square frame is met."""
    settings = replace(SETTINGS, augmentation=augmentation)
    whole = [[TRAIN.batch([i], [k])[0] for k in range(8)] for i in range(len(TRAIN))]
    met = set()
    for step in range(20):
        for pair in draw_batch(TRAIN, settings, step):
            (view,) = [
                (i, k) for i, of_one in enumerate(whole) for k, one in enumerate(of_one) if torch.equal(pair, one)
            ]
            met.add(view)
    assert {i for i, _ in met} == set(range(len(TRAIN)))
    assert len({k for _, k in met}) == views


def test_pairs_are_image_and_signed_mask_without_ignored_pixels():
    image, labels = np.full((30, 32), 255, np.uint8), np.zeros((30, 32), np.uint8)
    labels[10:20, 10:20], labels[0] = 3, 255
    pair = pair_of(image, labels)
    assert pair.shape == (2, 32, 32)
    assert (pair[1] > 0).sum() == 100
    unit = PairTensors([(image, labels)]).batch([0])
    assert unit.shape == (1, 2, 32, 32)
    assert (unit[0, 0].min(), unit[0, 1].min(), unit[0, 1].max()) == (1, -1, 1)


def test_batches_and_noise_depend_on_seed_and_step_alone():
    first = draw_batch(TRAIN, SETTINGS, 5)
    draw_batch(TRAIN, SETTINGS, 6)
    assert torch.equal(first, draw_batch(TRAIN, SETTINGS, 5))
    assert not torch.equal(first, draw_batch(TRAIN, SETTINGS, 6))
    t, noise = draw_noise(first, 4000, SETTINGS, 5)
    assert sorted((t // 1000).tolist()) == [0, 1, 2, 3]  # evenly spread
    assert torch.equal(noise, draw_noise(first, 4000, SETTINGS, 5)[1])


def test_learning_rate_and_evaluations():
    settings = replace(SETTINGS, steps=100, warmup_steps=9, learning_rate=1.0, evaluations=3)
    assert learning_rate(settings, 0) == pytest.approx(0.1, abs=0.01)
    assert learning_rate(settings, 50) == pytest.approx(0.5)
    assert learning_rate(replace(settings, lr_decay="constant"), 99) == 1.0
    assert settings.evaluate_at() == [34, 67, 100]
