"""Whether a SAM answers prompts: the IoU of its answers on pictures with textures it was never trained on."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import shift

from xpci_utils.randomness import numpy_rng
from xpci_utils.sam.model import SemanticSam
from xpci_utils.sam.pretraining.prompting import (
    Prompts,
    answer,
    box_of,
    box_prompt,
    encode,
    intersection_over_union,
    point_prompt,
    signed_distance,
)
from xpci_utils.sam.pretraining.shapes import HELD_OUT, Picture, draw_picture
from xpci_utils.sam.prompts import MASK_SCALE, prompt_logits

LEAST_LEFT = 20  # pixels that an erosion leaves of an object that is asked for
DIRECTIONS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))


def held_out_pictures(count: int, seed: int = 0) -> list[Picture]:
    """Pictures whose textures, of ground and objects, training never shows."""
    return [draw_picture(numpy_rng("sam held out", seed, index), HELD_OUT) for index in range(count)]


def questions(pictures: Sequence[Picture], pixels: float = 2.0) -> tuple[torch.Tensor, np.ndarray]:
    """Images uint8 [N, h, w] and one object of each, bool [N, h, w]: the first that an erosion by ``pixels`` leaves
    ``LEAST_LEFT`` pixels of. Pictures without such an object are left out."""
    examples = []
    for picture in pictures:
        large = (mask for mask in picture.objects if (signed_distance(mask) > pixels).sum() >= LEAST_LEFT)
        examples += [(picture.image, mask) for mask in itertools.islice(large, 1)]
    images, wanted = zip(*examples, strict=True)
    return torch.from_numpy(np.stack(images)), np.stack(wanted)


def degraded(wanted: np.ndarray, pixels: float = 2.0) -> dict[str, np.ndarray]:
    """Masks bool [N, h, w] eroded, dilated, and shifted along the eight directions in turn, by ``pixels``."""
    depth = np.stack([signed_distance(mask) for mask in wanted])
    steps = [np.round(pixels * np.array(way) / np.hypot(*way)) for way in DIRECTIONS]
    moved = [shift(mask, steps[number % len(steps)], order=0) for number, mask in enumerate(wanted)]
    return {"eroded": depth > pixels, "dilated": depth > -pixels, "shifted": np.stack(moved)}


@torch.no_grad()
def ask(model: SemanticSam, images: torch.Tensor, **prompt) -> torch.Tensor:
    """SAM's single masks, bool [N, h, w], for one prompt per image [N, h, w]: ``points``, ``boxes`` or ``masks`` of
    ``Prompts``."""
    logits, _ = answer(model, encode(model, images), Prompts(torch.zeros(images.shape), **prompt), images)
    return logits[:, 0] > 0


def mask_prompt(model: SemanticSam, masks: np.ndarray, scale: float | None = MASK_SCALE) -> torch.Tensor:
    """Masks bool [N, h, w] as SAM's mask prompt: signed logits +-``scale``, or, with None, 0 and 1."""
    grid = model.prompt_encoder.mask_input_size
    signed = prompt_logits(torch.from_numpy(masks), grid, scale or 1.0)
    return signed if scale else (signed > 0).float()


def measure_prompts(
    model: SemanticSam, pictures: Sequence[Picture], scale: float = MASK_SCALE, pixels: float = 2.0
) -> pd.DataFrame:
    """How well SAM answers prompts for one object per picture, mean IoU with the true object; one row per kind.

    Kinds are the object's mask "eroded", "dilated" or "shifted" by ``pixels``, its "box", and a "point" in its middle.
    Columns: ``prompt``, ``objects`` (their number), ``prompt_iou`` (the prompt's own IoU with the object; NaN for a
    point), ``iou`` (of SAM's single mask; mask prompts as signed logits +-``scale``) and ``iou_zero_one`` (mask prompts
    as 0 and 1 instead, the best-known failure).
    """
    images, wanted = questions(pictures, pixels)

    def iou(masks: torch.Tensor | np.ndarray) -> float:
        return intersection_over_union(torch.as_tensor(masks), torch.from_numpy(wanted)).mean().item()

    rows = []
    for name, masks in degraded(wanted, pixels).items():
        signed, zero_one = (ask(model, images, masks=mask_prompt(model, masks, s)) for s in (scale, None))
        rows.append((name, len(wanted), iou(masks), iou(signed), iou(zero_one)))
    boxes = np.stack([box_of(mask) for mask in wanted])
    answered = ask(model, images, boxes=box_prompt(model, boxes, images))
    rows.append(
        ("box", len(wanted), iou(np.stack([filled(box, wanted[0].shape) for box in boxes])), iou(answered), np.nan)
    )
    middles = np.stack([np.argwhere(mask)[signed_distance(mask)[mask].argmax()][::-1] for mask in wanted])
    points = point_prompt(model, middles[:, None], np.ones((len(wanted), 1), int), images)
    rows.append(("point", len(wanted), np.nan, iou(ask(model, images, points=points)), np.nan))
    return pd.DataFrame(rows, columns=["prompt", "objects", "prompt_iou", "iou", "iou_zero_one"])


def filled(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A box of first and last pixels as a mask, bool [h, w]."""
    left, top, right, bottom = box.astype(int)
    mask = np.zeros(shape, bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask
