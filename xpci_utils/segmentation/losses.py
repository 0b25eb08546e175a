"""Losses of the three segmentation networks; pixels labelled 255 take no part in any of them.

All are a weighted sum of cross-entropy and Dice over softmax probabilities p with targets t (one-hot y),

    L = a mean_x(-log p_y) + b (1 - mean_c D_c),     D_c = (2 sum_x p_c t_c + s) / (sum_x p_c^2 + sum_x t_c + 1e-5),

background included. The smoothing s is 1e-5 as in the codes of TransUNet and EMCAD; SwinUNETR's has none in the
numerator, so that a class that an image lacks costs a constant and moves nothing. Value and gradient come from one
softmax in closed form. For EMCAD, which judges 15 sums of its outputs, that needs neither 15 graphs in memory nor
their many passes over full-resolution tensors.
"""

from collections.abc import Sequence

import torch
from torch.autograd.function import once_differentiable

IGNORE = 255
EPSILON = 1e-5


def transunet_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """0.5 cross-entropy + 0.5 Dice over the batch (Chen et al. 2021, Beckschen/TransUNet).

    ``logits`` float [N, C, H, W]; ``labels`` integer [N, H, W], 255 = ignore.
    """
    return _CrossEntropyDice.apply(labels, 0.5, 0.5, EPSILON, False, logits)


def dice_ce_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy + Dice of each image: SwinUNETR's recipe for classes that exclude each other.

    Hatamizadeh et al. 2022 (the paper's [10]) use sigmoid Dice alone, since the tumour regions of BraTS overlap. Ours
    do not, the case of the same authors' multi-organ recipe (MONAI research-contributions, SwinUNETR/BTCV): softmax
    Dice + cross-entropy, which also teaches where a class is *not*.
    """
    return _CrossEntropyDice.apply(labels, 1.0, 1.0, 0.0, True, logits)


def mutation_loss(outputs: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """EMCAD's MUTATION loss: 0.3 cross-entropy + 0.7 Dice of the summed logits of every subset of the outputs.

    Four full-resolution outputs have 15 non-empty subsets; the terms are added up (Rahman et al. 2024).
    """
    return _CrossEntropyDice.apply(labels, 0.3, 0.7, EPSILON, False, *outputs)


class _CrossEntropyDice(torch.autograd.Function):
    """a CE + b Dice of the summed logits, added over all non-empty subsets of the outputs (one output: one term)."""

    @staticmethod
    def forward(ctx, labels, ce_weight, dice_weight, smooth, per_image, *outputs):
        known = labels != IGNORE
        target = labels.masked_fill(~known, 0).long()
        total, gradients = outputs[0].new_zeros((), dtype=torch.float32), [0] * len(outputs)
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
