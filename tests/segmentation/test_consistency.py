"""FixMatch: its loss by an independent computation, its views, and that nobody's labels of unlabelled frames matter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from xpci_utils.frames.frameset import write_png
from xpci_utils.params.cells import BACKBONES, Cell
from xpci_utils.randomness import seed_of
from xpci_utils.segmentation import Batches, NetworkData, build_network, train_network, training_of
from xpci_utils.segmentation.consistency import StrongBatches, cut_mix, pseudo_labels, random_box, strong_view
from xpci_utils.segmentation.training import make_update
from xpci_utils.training import NetworkTraining, StoppedForTime, TrainingFolder, augment

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = 64


def settings(**changes):
    return NetworkTraining(**{"steps": 6, "batch_size": 2, "learning_rate": 1e-3, "confidence": 0.12} | changes)


@pytest.fixture
def images(examples):
    return [image for image, _ in examples[4:]]


def network_of(name="emcad"):
    return build_network(name, 10, size="quick", image_size=SIZE)


def test_labels_are_the_networks_own_where_it_is_sure(images):
    """Class by class from its softmax in evaluation mode; afterwards it trains as before, nothing in it has moved."""
    network = network_of().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = np.stack(images[:3])
    with torch.no_grad():
        p = torch.softmax(network.eval()(torch.from_numpy(batch)[:, None].float() / 127.5 - 1), 1).numpy()
    threshold = float(np.quantile(p.max(1), 0.4))
    labels = pseudo_labels(network.train(), batch, threshold)
    np.testing.assert_array_equal(labels, np.where(p.max(1) >= threshold, p.argmax(1), 255))
    assert 0.3 < (labels == 255).mean() < 0.5
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (pseudo_labels(network, batch, 0.999) == 255).all()


@pytest.mark.parametrize("sure", [0.7, 0.0])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_step_descends_the_loss_of_the_docstring(name, sure, examples, images):
    """(L(x, y) + w m L(s(u), q)) / (1 + w m), with CE + Dice written out; plain descent shows its gradient.

    The threshold leaves a share of the pixels ``sure``; without any, annotated frames alone are learnt from. 1e-3 of
    the largest entry of a gradient is rounding; a forgotten share or weight changes the loss by more.
    """
    network, same = network_of(name), network_of(name)
    plain = settings(loss="common", pair_weight=0.5, learning_rate=0.5)
    frames, _ = StrongBatches(images, augment, plain).weak(0)
    with torch.no_grad():
        p = network.eval()(torch.from_numpy(frames)[:, None].float() / 127.5 - 1).softmax(1).amax(1)
    options = replace(plain, confidence=float(p.quantile(1 - sure)) if sure else 1.0)
    before = [weight.detach().clone() for weight in network.parameters()]
    batches = Batches(NetworkData(examples[:4], unlabelled=images), options)
    scalars = make_update(network, torch.optim.SGD(network.parameters(), lr=1.0), batches, options)(0)

    x, y = batches(0)
    strong, q, share = StrongBatches(images, augment, options)(same, 0)
    assert scalars["pseudo_labelled"] == share == pytest.approx((q != 255).float().mean().item())
    assert share == pytest.approx(sure, abs=0.15)  # rectangles exchange surer and less sure pixels
    torch.manual_seed(seed_of("dropout", options.seed, 0))
    logits = same.train()(torch.cat([x, strong]))
    loss = naive_loss(logits[:2], y)
    if sure:
        forgotten = (loss + naive_loss(logits[2:], q)).item() / 2
        loss = (loss + 0.5 * share * naive_loss(logits[2:], q)) / (1 + 0.5 * share)
        assert abs(forgotten - loss.item()) > 1e-3
    assert scalars["loss"] == pytest.approx(loss.item(), rel=1e-4)
    weights = [weight for weight in same.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    moved = [start - weight for start, weight in zip(before, network.parameters(), strict=True)]
    for step, slope in zip(moved, gradients, strict=True):
        expected = torch.zeros_like(step) if slope is None else options.learning_rate * slope
        torch.testing.assert_close(step, expected, rtol=0, atol=1e-3 * float(expected.abs().max()) + 1e-6)


def naive_loss(logits, labels):
    """Cross-entropy over known pixels + 1 - Dice (k = 2) of each image and class."""
    p, known = logits.softmax(1), (labels != 255)[:, None]
    t = torch.nn.functional.one_hot(labels.long() * known[:, 0], p.shape[1]).movedim(-1, 1) * known
    p = p * known
    dice = 2 * (p * t).sum((2, 3)) / (p.square().sum((2, 3)) + t.sum((2, 3)) + 1e-5)
    return -(p.clamp(min=1e-12).log() * t).sum() / known.sum() + 1 - dice.mean()


@pytest.mark.parametrize("name", BACKBONES)
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(name, examples, images, tmp_path, monkeypatch):
    monkeypatch.setattr("xpci_utils.training.loop.CHECKPOINT_SECONDS", 0.0)

    def trained(folder):
        network = network_of(name)
        place = TrainingFolder(folder, folder / "work", "one")
        train_network(network, NetworkData(examples[:4], unlabelled=images), settings(), place)
        return network.state_dict()

    straight = trained(tmp_path / "straight")
    monkeypatch.setenv("XPCI_DEADLINE", "0")
    with pytest.raises(StoppedForTime):
        trained(tmp_path / "resumed")
    monkeypatch.delenv("XPCI_DEADLINE")
    resumed = trained(tmp_path / "resumed")
    assert all(torch.equal(tensor, resumed[key]) for key, tensor in straight.items())


def test_labels_and_masks_of_unlabelled_frames_change_nothing(frames, examples, tmp_path):
    """The same training whatever lies beside the images, even nothing."""
    weights = []
    for kind in ("none", "true", "wrong"):
        pairs = tmp_path / kind / "pairs"
        for index, (image, labels) in enumerate(examples[4:]):
            write_png(pairs / f"images/{index:06d}.png", image)
            if kind != "none":
                for name in ("masks", "labels"):
                    write_png(pairs / f"{name}/{index:06d}.png", labels if kind == "true" else labels[::-1].copy())
        cell = Cell.parse("emcad__r0003__none__n00006__fixmatch__s1")
        data, options = training_of(cell, frames, (pairs, pairs / "labels"), settings(epochs=3))
        assert (len(data.annotated), len(data.synthetic), len(data.unlabelled)) == (3, 0, 6)
        assert options.steps == 5, "as many as for three annotated frames alone"
        network = network_of()
        train_network(network, data, options, TrainingFolder(tmp_path / kind, tmp_path / kind / "work", kind))
        weights.append(network.state_dict())
    for other in weights[1:]:
        assert all(torch.equal(tensor, other[key]) for key, tensor in weights[0].items())


def test_annotated_frames_come_as_without_the_others(examples, images):
    """Same frames, same views, whole batches: what the arm adds takes nothing away."""
    alone, beside = (Batches(NetworkData(examples[:4], unlabelled=more), settings()) for more in ((), images))
    for step in range(3):
        assert all(torch.equal(a, b) for a, b in zip(alone(step), beside(step), strict=True))
    assert beside.pairs_apart(0) == 0


def test_weak_views_are_flips_and_turns_and_padding_is_ignored(examples):
    odd = [image[:50, :40] for image, _ in examples]
    views, outside = StrongBatches(odd, augment, settings(batch_size=4)).weak(3)
    assert views.shape == outside.shape == (4, 64, 64)
    assert (outside.sum((1, 2)) == 64 * 64 - 50 * 40).all()
    levels = {np.sort(image, None).tobytes() for image in odd}
    assert all(np.sort(view[~out]).tobytes() in levels for view, out in zip(views, outside, strict=True))
    again, _ = StrongBatches(odd, augment, settings(batch_size=4)).weak(3)
    np.testing.assert_array_equal(views, again)
    _, labels, share = StrongBatches(odd, augment, settings(confidence=0.01))(network_of(), 0)
    assert share == pytest.approx(50 * 40 / 64**2)
    assert (labels == 255).float().mean().item() == pytest.approx(1 - share)


def test_a_strong_view_moves_no_pixel(images):
    """A step edge stays where it is under contrast, brightness, blur and noise; its sides keep their order."""
    step = np.full((64, 64), 100, np.uint8)
    step[:, 32:] = 160
    views = [strong_view(step, np.random.default_rng(seed)).astype(float) for seed in range(40)]
    assert all(view[:, 34:].mean() - view[:, :30].mean() > 15 for view in views)
    changed = [np.abs(view - step).mean() for view in views]
    assert np.mean(np.array(changed) > 2) > 0.7
    assert {view.tobytes() for view in views} == {
        strong_view(step, np.random.default_rng(seed)).astype(float).tobytes() for seed in range(40)
    }


def test_rectangles_take_their_labels_along():
    """Frame i has value i everywhere, its labels 10 + i: inside and outside of a rectangle they agree."""
    values = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 40, 48), np.uint8)
    images, labels = cut_mix(values, values + 10, np.random.default_rng(2))
    np.testing.assert_array_equal(labels, images + 10)
    shares = [(image != value).mean() for image, value in zip(images, values, strict=True)]
    assert {0} < {share > 0 for share in shares} or 0 < sum(share > 0 for share in shares) < 6
    for i, (image, share) in enumerate(zip(images, shares, strict=True)):
        assert set(np.unique(image)) <= {i, (i - 1) % 6}
        assert share <= 0.45


@pytest.mark.parametrize("seed", range(20))
def test_a_rectangle_lies_inside_and_has_its_area(seed):
    rows, columns = random_box(64, 96, np.random.default_rng(seed))
    assert 0 <= rows.start < rows.stop <= 64
    assert 0 <= columns.start < columns.stop <= 96
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    assert 0.01 * 64 * 96 < area < 0.42 * 64 * 96
