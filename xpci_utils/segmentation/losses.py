"""Losses of the three segmentation networks: weighted sums of cross-entropy and Dice (`training.losses`).

The smoothing of Dice is 1e-5 as in the codes of TransUNet and EMCAD; SwinUNETR's has none in the numerator, so that a
class that an image lacks costs a constant and moves nothing.
"""

from collections.abc import Callable, Sequence

import torch

from xpci_utils.training import cross_entropy_dice

Loss = Callable[[Sequence[torch.Tensor], torch.Tensor], torch.Tensor]  # of a network's outputs and the labels


def weighted_loss(
    loss: Loss, outputs: Sequence[torch.Tensor], labels: torch.Tensor, annotated: int, weight: float
) -> torch.Tensor:
    """The loss of annotated frames and of synthetic pairs, each over its own part of the batch, averaged with a weight:

        L = (L_annotated + w L_pairs) / (1 + w).

    ``outputs`` float [N, C, H, W] each and ``labels`` [N, H, W], 255 = ignore; the first ``annotated`` examples are
    annotated frames, the others pairs. ``loss`` is any loss here. Each part has its own means and Dice sums, so pixels
    that the labeller left out of the pairs (ignored) take no weight away from the pairs that remain, and none from
    annotated frames. Division by 1 + w keeps the value comparable between weights: w = 0 would be the loss of the
    annotated frames alone, w = 1 is the plain mean of both losses. It does not change the training, because an AdamW
    step is the same for any multiple of the loss (but for its epsilon of 1e-8). So one learning rate serves every
    weight: w decides the direction of a step, not its length (and twice as many examples make it less noisy).
    """
    of_annotated = loss([one[:annotated] for one in outputs], labels[:annotated])
    of_pairs = loss([one[annotated:] for one in outputs], labels[annotated:])
    return (of_annotated + weight * of_pairs) / (1 + weight)


def transunet_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """0.5 cross-entropy + 0.5 Dice over the batch (Chen et al. 2021, Beckschen/TransUNet).

    ``logits`` float [N, C, H, W]; ``labels`` integer [N, H, W], 255 = ignore.
    """
    return cross_entropy_dice([logits], labels, ce_weight=0.5, dice_weight=0.5)


def dice_ce_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy + Dice of each image: SwinUNETR's recipe for classes that exclude each other.

    Hatamizadeh et al. 2022 (the paper's [10]) use sigmoid Dice alone, since the tumour regions of BraTS overlap. Ours
    do not, the case of the same authors' multi-organ recipe (MONAI research-contributions, SwinUNETR/BTCV): softmax
    Dice + cross-entropy, which also teaches where a class is *not*.
    """
    return cross_entropy_dice([logits], labels, ce_weight=1.0, dice_weight=1.0, smooth=0.0, per_image=True)


def mutation_loss(outputs: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """EMCAD's MUTATION loss: 0.3 cross-entropy + 0.7 Dice of the summed logits of every subset of the outputs.

    Four full-resolution outputs have 15 non-empty subsets; the terms are added up (Rahman et al. 2024).
    """
    return cross_entropy_dice(outputs, labels, ce_weight=0.3, dice_weight=0.7)
