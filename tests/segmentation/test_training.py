"""Batches, resume bit for bit, best weights, and what each network can learn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils import files
from xpci_utils.evaluation import foreground_dice
from xpci_utils.frames.frameset import write_png
from xpci_utils.segmentation import (
    BACKBONES,
    NetworkData,
    build_network,
    predict,
    synthetic_examples,
    train_network,
    training_steps,
)
from xpci_utils.segmentation.losses import mutation_loss
from xpci_utils.segmentation.training import Batches, BestWeights, loss_of, make_update
from xpci_utils.training import NetworkTraining, TrainingFolder

pytestmark = pytest.mark.usefixtures("one_thread")


def settings(**changes):
    return NetworkTraining(**{"steps": 6, "batch_size": 2, "learning_rate": 1e-3} | changes)


def place(folder):
    return TrainingFolder(folder, folder / "work", "test")


def batches_of(annotated, synthetic, mixing, batch_size, seed, steps=6):
    return Batches(
        NetworkData(annotated, synthetic), settings(mixing=mixing, batch_size=batch_size, seed=seed, steps=steps)
    )


def test_published_training_length():
    assert training_steps(200, 0, 4, 100) == 5_000
    assert training_steps(200, 5_000, 4, 100) == 130_000


def test_subsets_of_the_pool_are_nested_and_follow_the_seed(examples, tmp_path):
    for index, (image, labels) in enumerate(examples):
        write_png(tmp_path / "pairs" / "images" / f"{index:06d}.png", image)
        write_png(tmp_path / "labels" / f"{index:06d}.png", labels)
    folders = tmp_path / "pairs", tmp_path / "labels"
    few, many = (synthetic_examples(*folders, count, seed=0) for count in (4, 9))
    assert few.indices == many.indices[:4]
    assert len(set(many.indices)) == 9
    assert few.indices != synthetic_examples(*folders, 4, seed=1).indices
    np.testing.assert_array_equal(few[0][1], examples[few.indices[0]][1])
    assert len(synthetic_examples(*folders, 0, seed=0)) == 0
    with pytest.raises(ValueError, match="holds 12 pairs, 13 are wanted"):
        synthetic_examples(*folders, 13, seed=0)


def test_half_of_every_batch_is_synthetic(examples):
    batches = batches_of(examples[:4], examples[4:], "half", 4, seed=0)
    label_batches = {step: batches(step)[1] for step in range(2)}
    annotated = {e[1].tobytes() for e in examples[:4]}
    for labels in label_batches.values():
        assert [is_symmetry_of(label, annotated) for label in labels.numpy()] == [True, True, False, False]


def is_symmetry_of(labels, known):
    turns = [np.rot90(side, k) for side in (labels, labels.T) for k in range(4)]
    return any(np.ascontiguousarray(turn).tobytes() in known for turn in turns)


def test_annotated_frames_come_in_the_same_order_with_and_without_synthetic_ones(examples):
    alone = batches_of(examples[:4], (), "half", 2, seed=3)
    mixed = batches_of(examples[:4], examples[4:], "half", 4, seed=3)
    for step in range(5):
        for mine, other in zip(alone(step)[1].numpy(), mixed(step)[1][:2].numpy(), strict=True):
            assert is_symmetry_of(mine, {other.tobytes()})


def test_concat_visits_every_example_once_per_epoch(examples):
    batches = batches_of(examples[:4], examples[4:], "concat", 4, seed=0)
    epoch = [label for step in range(3) for label in batches(step)[1].numpy()]
    for _, labels in examples:
        assert sum(is_symmetry_of(label, {labels.tobytes()}) for label in epoch) == 1


def test_without_synthetic_pairs_both_mixings_are_one_stream(examples):
    for half, concat in zip(*(batches_of(examples, (), m, 4, seed=1)(2) for m in ("half", "concat")), strict=True):
        assert torch.equal(half, concat)


def test_batches_are_padded_with_ignored_pixels(examples):
    images, labels = batches_of([(i[:60], t[:60]) for i, t in examples], (), "half", 3, seed=0)(0)
    assert images.shape == (3, 1, 64, 64)
    assert ((labels == 255).sum((1, 2)) == 4 * 64).all()
    assert -1 <= images.min() < images.max() <= 1


def test_pretraining_sees_synthetic_pairs_first_and_annotated_frames_afterwards(examples):
    batches = batches_of(examples[:4], examples[4:], "pretrain", 4, seed=0, steps=6)
    annotated = {e[1].tobytes() for e in examples[:4]}
    of_annotated = [[is_symmetry_of(label, annotated) for label in batches(step)[1].numpy()] for step in range(6)]
    assert of_annotated == [[False] * 4] * 3 + [[True] * 4] * 3


def test_synthetic_pairs_alone_fill_the_batch(examples):
    labels = batches_of((), examples[4:], "half", 4, seed=0)(0)[1].numpy()
    assert all(is_symmetry_of(label, {e[1].tobytes() for e in examples[4:]}) for label in labels)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 7), st.integers(0, 99), st.integers(0, 40))
def test_pairs_beside_whole_batches_change_nothing_about_the_annotated_frames(
    examples, batch, known, pairs, seed, step
):
    """Same examples, same order, same views, bit for bit, as without pairs; then as many pairs."""
    annotated, synthetic = examples[:known], examples[4 : 4 + pairs]
    alone = batches_of(annotated, (), "added", batch, seed)(step)
    added = batches_of(annotated, synthetic, "added", batch, seed)
    assert sum(added.sizes(step).values()) == 2 * added.pairs_apart(step) == 2 * batch
    for mine, theirs in zip(alone, added(step), strict=True):
        assert len(theirs) == 2 * batch
        assert torch.equal(mine, theirs[:batch])
    sources = {labels.tobytes() for _, labels in synthetic}
    assert all(is_symmetry_of(labels, sources) for labels in added(step)[1][batch:].numpy())


def test_an_unknown_mixing_is_refused(examples):
    with pytest.raises(ValueError, match="half, concat, pretrain, added"):
        batches_of(examples, (), "third", 4, seed=0)


@pytest.mark.parametrize(
    ("name", "changes"),
    [*((name, {}) for name in BACKBONES), ("emcad", {"mixing": "added", "pair_weight": 0.5})],
)
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    name, changes, frames, examples, tmp_path, monkeypatch
):
    def trained(folder):
        network = build_network(name, 10, size="quick", image_size=64)
        data = NetworkData(examples[:4], examples[4:], validation=frames.split("val"), score=foreground_dice)
        best = train_network(network, data, settings(evaluations=3, **changes), place(folder))
        return network.state_dict(), best

    straight, best = trained(tmp_path / "straight")
    from xpci_utils.training import StoppedForTime

    monkeypatch.setenv("XPCI_DEADLINE", "0")  # stop at every chance to
    for _ in range(4):
        with pytest.raises(StoppedForTime):
            trained(tmp_path / "resumed")
    monkeypatch.delenv("XPCI_DEADLINE")
    resumed, best_resumed = trained(tmp_path / "resumed")
    for key, tensor in straight.items():
        assert torch.equal(tensor, resumed[key]), key
    assert (best.step, best.score) == (best_resumed.step, best_resumed.score)
    for key, tensor in best.weights.items():
        assert torch.equal(tensor, best_resumed.weights[key]), key


def test_evaluations_are_equally_spaced_and_the_best_is_kept(frames, examples, tmp_path):
    network = build_network("transunet", 10, size="quick", image_size=64)
    scores = iter([0.2, 0.5, float("nan"), 0.4])
    data = NetworkData(examples, validation=frames.split("val"), score=lambda *_: next(scores))
    best = train_network(network, data, settings(steps=8, evaluations=4), place(tmp_path))
    assert (best.step, best.score) == (4, 0.5)
    records = files.read_jsonl(tmp_path / "history.jsonl")
    assert [r["step"] for r in records if "validation_score" in r] == [2, 4, 6, 8]
    last = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    best.load_into(network)
    assert any(not torch.equal(tensor, last[name]) for name, tensor in network.state_dict().items())
    BestWeights().load_into(network)  # no score at all: the network stays as it is


def test_the_common_loss_is_the_same_function_of_every_prediction(examples):
    """Cross-entropy + Dice of the prediction alone: EMCAD's side outputs take no part in it."""
    images = torch.from_numpy(np.stack([image for image, _ in examples[:2]]))[:, None].float() / 127.5 - 1
    labels = torch.from_numpy(np.stack([labels for _, labels in examples[:2]]))
    for name in BACKBONES:
        network = build_network(name, 10, size="quick", image_size=64).eval()
        p, known = network(images).softmax(1).double(), labels != 255
        t = torch.nn.functional.one_hot(labels.long() * known, 10).movedim(-1, 1) * known[:, None]
        p = p * known[:, None]
        dice = 2 * (p * t).sum((2, 3)) / (p.square().sum((2, 3)) + t.sum((2, 3)) + 1e-5)
        cross_entropy = -(p.clamp(min=1e-12).log() * t).sum() / known.sum()
        expected = (cross_entropy + 1 - dice.mean()).item()
        assert loss_of(network, images, labels, "common").item() == pytest.approx(expected, rel=1e-4)
        published = loss_of(network, images, labels, "published").item()
        assert (published == pytest.approx(expected, rel=1e-3)) == (name == "swin_unetr")
    with pytest.raises(ValueError, match="choose published or common"):
        loss_of(network, images, labels, "focal")


def gradient(network: torch.nn.Module, value: torch.Tensor) -> list[torch.Tensor]:
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(value, weights, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]


@pytest.mark.parametrize("loss", ["published", "common"])
@pytest.mark.parametrize("name", BACKBONES)
def test_the_weight_of_pairs_weighs_their_gradient(name, loss, examples):
    """That of annotated frames and that of pairs, each from a pass of its own; the labeller left out half of a pair.

    In evaluation mode no example changes what becomes of another one. 1e-3 of the largest entry is rounding; a weight
    that is forgotten changes some tensor by 5 % at least.
    """
    network = build_network(name, 10, size="quick", image_size=64).eval()
    images = torch.from_numpy(np.stack([image for image, _ in examples[:6]]))[:, None].float() / 127.5 - 1
    labels = torch.from_numpy(np.stack([labels for _, labels in examples[:6]]))
    labels[5, :32] = 255
    together = gradient(network, loss_of(network, images, labels, loss, pairs=2, weight=0.25))
    of_annotated = gradient(network, loss_of(network, images[:4], labels[:4], loss))
    of_pairs = gradient(network, loss_of(network, images[4:], labels[4:], loss))
    for mine, one, other in zip(together, of_annotated, of_pairs, strict=True):
        expected = (one + 0.25 * other) / 1.25
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-3 * float(expected.abs().max()) + 1e-9)
    plain = gradient(network, loss_of(network, images, labels, loss))
    assert (
        max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(together, plain, strict=True) if b.any()) > 0.05
    )


def test_a_step_of_an_added_cell_takes_the_weight_of_its_settings(examples):
    """Plain gradient descent shows the gradient: 0.3 CE + 0.7 Dice of each part, 0.25 of that of the pairs."""
    options = settings(mixing="added", pair_weight=0.25, batch_size=3, learning_rate=0.5)
    batches = Batches(NetworkData(examples[:4], examples[4:]), options)
    network, same = (build_network("emcad", 10, size="quick", image_size=64).train() for _ in range(2))
    before = [weight.detach().clone() for weight in network.parameters()]
    make_update(network, torch.optim.SGD(network.parameters(), lr=1.0), batches, options)(0)
    images, labels = batches(0)
    outputs = same.side_outputs(images)  # which normalises over all six examples, as the update does
    parts = [mutation_loss([one[part] for one in outputs], labels[part]) for part in (slice(3), slice(3, 6))]
    expected = gradient(same, (parts[0] + 0.25 * parts[1]) / 1.25)
    for weight, start, slope in zip(network.parameters(), before, expected, strict=True):
        torch.testing.assert_close(start - weight, 0.5 * slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "steps"), [("transunet", 350), ("swin_unetr", 300), ("emcad", 250)])
def test_each_network_overfits_four_frames(name, steps, frames, tmp_path):
    train = frames.split("train")
    network = build_network(name, 10, size="quick", image_size=64)
    options = settings(steps=steps, batch_size=4, learning_rate=6e-3, beta1=0.9)
    train_network(network, NetworkData(train.examples("train")), options, place(tmp_path))
    assert foreground_dice(train, predict(network, train)) > 0.95
