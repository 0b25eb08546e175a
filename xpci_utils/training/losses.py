"""Cross-entropy plus Dice, the loss of every network that gives classes; pixels labelled 255 take no part.

With softmax probabilities p and targets t (one-hot y), background included,

    L = a mean_x(-log p_y) + b (1 - mean_c D_c),     D_c = (2 sum_x p_c t_c + s) / (sum_x p_c^k + sum_x t_c + e).

`cross_entropy_and_dice` has k = 1, as finetune-SAM adapts SAM, and is plain autograd. `cross_entropy_dice` has k = 2,
as the published codes of the segmentation networks, and gives value and gradient in closed form from one softmax:
EMCAD, which judges 15 sums of its outputs, then needs neither 15 graphs in memory nor their many passes over
full-resolution tensors.
"""

from collections.abc import Sequence

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

IGNORE = 255
EPSILON = 1e-5


def cross_entropy_and_dice(
    logits: torch.Tensor, labels: torch.Tensor, dice: str = "dice", ignore_index: int = 255, smoothing: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """(cross-entropy, Dice loss), both scalars, to be added 1:1.

    ``logits`` [N, C, h, w]; ``labels`` [N, h, w] of 0..C-1, or ``ignore_index`` where nothing is known. Both terms
    use the softmax over all C classes, the background included. ``dice`` is "dice" (mean over the classes, sums
    pooled over the batch) or "generalised" (Sudre et al. 2017: classes weighted by their inverse squared volume).
    ``smoothing`` is the share of the target that the cross-entropy spreads over all classes (Szegedy et al. 2016).
    """
    labels = labels.long()
    known = labels != ignore_index
    cross_entropy = functional.cross_entropy(
        logits, labels, ignore_index=ignore_index, reduction="sum", label_smoothing=smoothing
    )
    cross_entropy = cross_entropy / known.sum().clamp(min=1)
    truth = functional.one_hot(torch.where(known, labels, 0), logits.shape[1]).movedim(-1, 1) * known[:, None]
    probabilities = logits.softmax(1) * known[:, None]
    overlap = (probabilities * truth).sum((0, 2, 3))
    volume, total = truth.sum((0, 2, 3)), (probabilities + truth).sum((0, 2, 3))
    if dice == "generalised":
        # A class that is absent has no volume to weight by; one pixel keeps its weight finite (as in MONAI).
        weight = 1 / volume.clamp(min=1).float() ** 2
        return cross_entropy, 1 - 2 * (weight * overlap).sum() / (weight * total).sum().clamp(min=EPSILON)
    if dice != "dice":
        raise ValueError(f'dice is {dice!r}; choose "dice" or "generalised"')
    return cross_entropy, 1 - ((2 * overlap + EPSILON) / (total + EPSILON)).mean()


def cross_entropy_dice(
    outputs: Sequence[torch.Tensor],
    labels: torch.Tensor,
    *,
    ce_weight: float,
    dice_weight: float,
    smooth: float = EPSILON,
    per_image: bool = False,
) -> torch.Tensor:
    """a CE + b Dice (k = 2) of the summed logits, added over all non-empty subsets of ``outputs`` (one: one term).

    ``outputs`` float [N, C, H, W] each; ``labels`` integer [N, H, W], 255 = ignore. Dice sums are pooled over the
    batch, or taken ``per_image``; ``smooth`` is s of the numerator.
    """
    return _CrossEntropyDice.apply(labels, ce_weight, dice_weight, smooth, per_image, *outputs)


class _CrossEntropyDice(torch.autograd.Function):
    """a CE + b Dice of the summed logits, added over all non-empty subsets of the outputs (one output: one term)."""

    @staticmethod
    def forward(ctx, labels, ce_weight, dice_weight, smooth, per_image, *outputs):
        known = labels != IGNORE
        target = labels.masked_fill(~known, 0).long()
        total = outputs[0].new_zeros((), dtype=torch.float32)
        gradients: list[torch.Tensor | int] = [0] * len(outputs)
        sums: list[tuple[tuple[int, ...], torch.Tensor]] = []
        for index, logits in enumerate(outputs):
            sums += [((index,), logits.float())] + [((*members, index), logits + one) for members, one in sums]
        for members, logits in sums:
            value, gradient = _value_and_gradient(logits, target, known, ce_weight, dice_weight, smooth, per_image)
            total += value
            for index in members:
                gradients[index] = gradients[index] + gradient
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        return None, None, None, None, None, *(upstream * gradient for gradient in ctx.saved_tensors)


def _value_and_gradient(
    logits: torch.Tensor,
    target: torch.Tensor,
    known: torch.Tensor,
    ce_weight: float,
    dice_weight: float,
    smooth: float,
    per_image: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of one logit tensor and its derivative, from p (dL/dp - sum_c p_c dL/dp_c) for the softmax."""
    batch, classes = logits.shape[:2]
    p = logits.softmax(1).mul_(known[:, None])
    of_target = p.gather(1, target[:, None])[:, 0]
    pixels = known.sum().clamp(min=1)
    log_p = torch.where(known, of_target.clamp(min=torch.finfo(p.dtype).tiny), 1).log()

    slots = (torch.arange(batch, device=p.device)[:, None, None] * classes + target).flatten()
    overlap, size = (
        p.new_zeros(batch * classes).index_add_(0, slots, values.flatten().to(p.dtype)).view(batch, classes)
        for values in (of_target, known)
    )
    squares = p.square().sum((2, 3))
    if not per_image:
        overlap, size, squares = (x.sum(0, keepdim=True).expand(batch, -1) for x in (overlap, size, squares))
    denominator = squares + size + EPSILON
    dice = (2 * overlap + smooth) / denominator
    value = -ce_weight * log_p.sum() / pixels + dice_weight * (1 - dice.mean())

    share = dice_weight / (classes * (batch if per_image else 1))
    of_square = 2 * share * dice / denominator  # dL/dp_c = of_square p_c - of_overlap t_c
    of_overlap = (2 * share / denominator).flatten()[slots].view_as(target)
    gradient = p * of_square[:, :, None, None]
    mean = (gradient * p).sum(1) - of_overlap * of_target
    gradient.add_((ce_weight / pixels - mean)[:, None]).mul_(p)
    at_target = -(of_overlap * of_target + ce_weight / pixels * known)
    return value, gradient.scatter_add_(1, target[:, None], at_target[:, None])
