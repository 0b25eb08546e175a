import pytest
import torch

from xpci_utils.training import cross_entropy_and_dice


def confident(labels, classes, margin=30.0):
    return margin * torch.nn.functional.one_hot(labels, classes).movedim(-1, 1).float()


@pytest.mark.parametrize("dice", ["dice", "generalised"])
def test_a_perfect_prediction_costs_nothing(dice):
    labels = torch.tensor([[[0, 1, 2], [0, 0, 2]]])
    cross_entropy, dice_loss = cross_entropy_and_dice(confident(labels, 4), labels, dice)
    assert cross_entropy < 1e-6
    assert dice_loss < 1e-4  # the absent class 3 counts as right


def test_against_a_hand_computed_case():
    """Two pixels, two classes, probabilities (0.75, 0.25) everywhere, truth 0 and 1, pooled over the batch of two."""
    logits = torch.tensor([0.75, 0.25]).log().view(1, 2, 1, 1).expand(2, 2, 1, 1)
    cross_entropy, dice_loss = cross_entropy_and_dice(logits, torch.tensor([[[0]], [[1]]]))
    assert cross_entropy == pytest.approx(-(torch.tensor([0.75, 0.25]).log().mean()))
    # class 0: overlap 0.75, sizes 1.5 + 1; class 1: overlap 0.25, sizes 0.5 + 1
    assert dice_loss == pytest.approx(1 - (1.5 / 2.5 + 0.5 / 1.5) / 2, abs=1e-5)


def test_generalised_dice_weights_by_inverse_squared_volume():
    logits = torch.tensor([0.75, 0.25]).log().view(1, 2, 1, 1).expand(1, 2, 1, 3)
    loss = cross_entropy_and_dice(logits, torch.tensor([[[0, 0, 1]]]), "generalised")[1]
    overlap, total = 1.5 / 4 + 0.25, (2.25 + 2) / 4 + (0.75 + 1)
    assert loss == pytest.approx(1 - 2 * overlap / total, abs=1e-5)


@pytest.mark.parametrize("dice", ["dice", "generalised"])
def test_ignored_pixels_have_no_say(dice):
    labels = torch.tensor([[[0, 1, 255], [255, 0, 1]]])
    logits = torch.randn(1, 3, 2, 3, requires_grad=True)
    sum(cross_entropy_and_dice(logits, labels, dice)).backward()
    assert (logits.grad[0, :, labels[0] == 255] == 0).all()
    assert (logits.grad[0, :, labels[0] != 255] != 0).any()


def test_a_batch_of_ignored_pixels_is_finite():
    losses = cross_entropy_and_dice(torch.randn(1, 3, 2, 2), torch.full((1, 2, 2), 255, dtype=torch.uint8))
    assert all(loss.isfinite() for loss in losses)


def test_unknown_dice_is_named():
    with pytest.raises(ValueError, match=r'focal.*"dice" or "generalised"'):
        cross_entropy_and_dice(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long), "focal")


def test_smoothing_spreads_a_share_of_the_target_over_all_classes():
    """Against (1 - s) (-log p_y) + s mean_c (-log p_c), the mean over known pixels; Dice stays as it is."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 5, (2, 3, 4), generator=generator)
    labels[0, 0, :2] = 255
    cross_entropy, dice = cross_entropy_and_dice(logits, labels, smoothing=0.1)
    rows = (-logits.log_softmax(1)).movedim(1, -1)[labels != 255]
    truth = rows[torch.arange(len(rows)), labels[labels != 255]]
    assert cross_entropy == pytest.approx((0.9 * truth + 0.1 * rows.mean(1)).mean().item(), rel=1e-12)
    assert torch.equal(dice, cross_entropy_and_dice(logits, labels)[1])
