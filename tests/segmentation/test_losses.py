"""The closed-form losses against plain autograd versions written from their definitions."""

from itertools import chain, combinations

import pytest
import torch
from torch.nn import functional as F

from xpci_utils.segmentation.losses import dice_ce_loss, mutation_loss, transunet_loss, weighted_loss

CLASSES = 5


@pytest.fixture(scope="module")
def labels():
    labels = torch.randint(0, CLASSES - 1, (3, 8, 12), generator=torch.Generator().manual_seed(1))  # class 4 is absent
    labels[0, :2] = 255
    labels[2][labels[2] == 1] = 0
    return labels.to(torch.uint8)


def some_logits(seed):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(3, CLASSES, 8, 12, generator=generator)).requires_grad_()


def naive(logits, labels, ce_weight, dice_weight, smooth=1e-5, per_image=False):
    known = labels != 255
    cross_entropy = F.cross_entropy(logits, labels.long(), ignore_index=255)
    one_hot = F.one_hot(labels.masked_fill(~known, 0).long(), CLASSES).movedim(-1, 1) * known[:, None]
    p = logits.softmax(1) * known[:, None]
    axes = (2, 3) if per_image else (0, 2, 3)
    overlap, size = (p * one_hot).sum(axes), p.square().sum(axes) + one_hot.sum(axes)
    return ce_weight * cross_entropy + dice_weight * (1 - (2 * overlap + smooth) / (size + 1e-5)).mean()


def compare(ours, theirs, inputs):
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for mine, reference in zip(
        torch.autograd.grad(2 * ours, inputs), torch.autograd.grad(2 * theirs, inputs), strict=True
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-4, atol=1e-7)


def test_transunet_and_swin_unetr_losses_equal_their_definitions(labels):
    logits = some_logits(0)
    compare(transunet_loss(logits, labels), naive(logits, labels, 0.5, 0.5), [logits])
    compare(dice_ce_loss(logits, labels), naive(logits, labels, 1, 1, smooth=0, per_image=True), [logits])


def test_mutation_sums_all_15_subsets(labels):
    outputs = [some_logits(seed) for seed in range(4)]
    subsets = list(chain.from_iterable(combinations(outputs, size) for size in range(1, 5)))
    assert len(subsets) == 15
    compare(mutation_loss(outputs, labels), sum(naive(sum(s), labels, 0.3, 0.7) for s in subsets), outputs)


@pytest.mark.parametrize("loss", [transunet_loss, dice_ce_loss, lambda x, y: mutation_loss([x, x + 1], y)])
def test_ignored_pixels_have_no_gradient_and_no_say(loss, labels):
    logits = some_logits(5)
    loss(logits, labels).backward()
    ignored = (labels == 255)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()
    other = torch.where(ignored, 100 * torch.randn_like(logits), logits)
    assert loss(other, labels).item() == pytest.approx(loss(logits, labels).item(), rel=1e-6)


def of_first(outputs, labels):
    return transunet_loss(outputs[0], labels)


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_annotated_frames_and_pairs_are_averaged_with_a_weight(labels, weight):
    """Each part by its own definition: the last two examples, with their ignored pixels, are the pairs."""
    logits, turned = some_logits(6), labels.flip(0)  # the ignored pixels are in a pair
    expected = naive(logits[:1], turned[:1], 0.5, 0.5) + weight * naive(logits[1:], turned[1:], 0.5, 0.5)
    compare(weighted_loss(of_first, [logits], turned, 1, weight), expected / (1 + weight), [logits])


def test_pairs_that_are_ignored_whole_leave_the_gradient_of_the_annotated_frames(labels):
    logits, known = some_logits(7), labels.clone()
    known[2] = 255
    (ours,) = torch.autograd.grad(weighted_loss(of_first, [logits], known, 2, 0.5), logits)
    (theirs,) = torch.autograd.grad(transunet_loss(logits[:2], known[:2]), logits)
    torch.testing.assert_close(ours, theirs / 1.5, rtol=1e-6, atol=0)
    assert (theirs != 0).any()


def test_a_batch_without_any_annotated_pixel_is_harmless():
    logits = some_logits(2)
    loss = transunet_loss(logits, torch.full((3, 8, 12), 255))
    loss.backward()
    assert torch.isfinite(loss)
    assert (logits.grad == 0).all()


def test_certain_and_wrong_predictions_stay_finite(labels):
    logits = (500 * F.one_hot(torch.full((3, 8, 12), 4), CLASSES).movedim(-1, 1).float()).requires_grad_()
    loss = transunet_loss(logits, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_a_perfect_prediction_costs_nothing(labels):
    logits = 100.0 * F.one_hot(labels.masked_fill(labels == 255, 0).long(), CLASSES).movedim(-1, 1)
    assert transunet_loss(logits, labels).item() == pytest.approx(0, abs=1e-4)
