"""Cross-entropy plus Dice over all classes (section 2.2; the paper cites Sudre et al. 2017 for Dice)."""

import torch
from torch.nn import functional

SMOOTH = 1e-5


def segmentation_loss(
    logits: torch.Tensor, labels: torch.Tensor, dice: str = "dice", ignore_index: int = 255
) -> tuple[torch.Tensor, torch.Tensor]:
    """(cross-entropy, Dice loss), both scalars, to be added 1:1.

    ``logits`` [N, C, h, w]; ``labels`` [N, h, w] of 0..C-1, or ``ignore_index`` where nothing is known. Both terms
    use the softmax over all C classes, the background included. ``dice`` is "dice" (mean over the classes, sums
    pooled over the batch) or "generalised" (Sudre et al. 2017: classes weighted by their inverse squared volume).
    """
    labels = labels.long()
    known = labels != ignore_index
    cross_entropy = functional.cross_entropy(logits, labels, ignore_index=ignore_index, reduction="sum")
    cross_entropy = cross_entropy / known.sum().clamp(min=1)
    truth = functional.one_hot(torch.where(known, labels, 0), logits.shape[1]).movedim(-1, 1) * known[:, None]
    probabilities = logits.softmax(1) * known[:, None]
    overlap = (probabilities * truth).sum((0, 2, 3))
    volume, total = truth.sum((0, 2, 3)), (probabilities + truth).sum((0, 2, 3))
    if dice == "generalised":
        # A class that is absent has no volume to weight by; one pixel keeps its weight finite (as in MONAI).
        weight = 1 / volume.clamp(min=1).float() ** 2
        return cross_entropy, 1 - 2 * (weight * overlap).sum() / (weight * total).sum().clamp(min=SMOOTH)
    if dice != "dice":
        raise ValueError(f'dice is {dice!r}; choose "dice" or "generalised"')
    return cross_entropy, 1 - ((2 * overlap + SMOOTH) / (total + SMOOTH)).mean()
