"""Points, boxes and rough masks as prompts for a SAM, and its answers: what pre-training asks for and is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter, shift

from xpci_utils.sam.model import SemanticSam
from xpci_utils.sam.pretraining.shapes import Picture
from xpci_utils.sam.prompts import prompt_logits

POINTS = 3  # at most, per prompt
SCALES = (5.0, 20.0)  # of a mask prompt's signed logits
NOISE = 0.3  # of these logits, at most, as a share of their scale
ROUGH_PIXELS = 3  # a rough mask is eroded, dilated and shifted by up to this
BOX_JITTER = 1.0  # standard deviation of a box's edges, in pixels
SEVERAL = 0.5  # share of the mask prompts that may ask for several objects at once


@dataclass(frozen=True)
class Prompts:
    """Prompts of one kind for N pictures, ``each`` per picture: the ``wanted`` masks, bool [N * each, h, w], and what
    SAM's prompt encoder takes: points (coordinates [P, n, 2], labels [P, n]), boxes [P, 4] or masks [P, 1, g, g]."""

    wanted: torch.Tensor
    each: int = 1
    points: tuple[torch.Tensor, torch.Tensor] | None = None
    boxes: torch.Tensor | None = None
    masks: torch.Tensor | None = None


def encode(model: SemanticSam, images: torch.Tensor) -> torch.Tensor:
    """Embedding [N, dim, g, g] of grey pictures [N, h, w] (0..255), to be asked any number of prompts."""
    return model.image_encoder(model.preprocess(images, model.input_shape(images)))


def answer(
    model: SemanticSam, embedding: torch.Tensor, prompts: Prompts, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits [P, 4, h, w], expected IoU [P, 4]) for the prompts; mask 0 is SAM's single answer."""
    sparse, dense = model.prompt_encoder(points=prompts.points, boxes=prompts.boxes, masks=prompts.masks)
    sparse = sparse.expand(len(prompts.wanted), -1, -1)
    logits, quality = model.decode(embedding.repeat_interleave(prompts.each, 0) + dense, sparse)
    return model.to_frame(logits, images), quality


def intersection_over_union(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """IoU over the last two axes of boolean tensors; two empty masks agree."""
    both, either = (one & other).sum((-2, -1)), (one | other).sum((-2, -1))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def draw_prompts(
    model: SemanticSam, pictures: Sequence[Picture], rng: np.random.Generator, kind: str, each: int
) -> Prompts:
    """``each`` random prompts of one kind ("points", "boxes" or "masks") per picture.

    Points and boxes ask for one object. Mask prompts often ask for several at once, as the binary mask of all particles
    of a frame will.
    """
    share = SEVERAL if kind == "masks" else 0
    masks = [wanted_mask(rng, picture.objects, share) for picture in pictures for _ in range(each)]
    wanted = torch.from_numpy(np.stack(masks))
    if kind == "points":
        points, labels = zip(*(random_points(rng, mask) for mask in masks), strict=True)
        return Prompts(wanted, each, points=point_prompt(model, np.stack(points), np.stack(labels), wanted))
    if kind == "boxes":
        boxes = np.stack([box_of(mask) for mask in masks])
        return Prompts(wanted, each, boxes=box_prompt(model, boxes + rng.normal(0, BOX_JITTER, boxes.shape), wanted))
    rough = torch.from_numpy(np.stack([rough_mask(rng, mask) for mask in masks]))
    logits = prompt_logits(rough, model.prompt_encoder.mask_input_size, 1.0)
    noise = torch.from_numpy(rng.standard_normal(logits.shape, np.float32)) * float(rng.uniform(0, NOISE))
    low, high = np.log(SCALES)
    scales = torch.from_numpy(np.exp(rng.uniform(low, high, (len(masks), 1, 1, 1)))).float()
    return Prompts(wanted, each, masks=scales * (logits + noise))


def wanted_mask(rng: np.random.Generator, objects: np.ndarray, several: float) -> np.ndarray:
    """One of the objects bool [K, h, w] or, in a share ``several`` of the cases, the union of any number of them."""
    count = rng.integers(1, len(objects) + 1) if rng.random() < several else 1
    return np.any(objects[rng.permutation(len(objects))[:count]], axis=0)


def random_points(rng: np.random.Generator, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (column, row) [POINTS, 2] and labels [POINTS]: 1 on the object, 0 beside it, -1 no point. The first is
    always on the object."""
    labels = np.array([1, *rng.choice([-1, 0, 1], POINTS - 1, p=[0.5, 0.2, 0.3])])
    places = {1: np.argwhere(mask), 0: np.argwhere(~mask), -1: np.zeros((1, 2))}
    labels[[len(places[label]) == 0 for label in labels]] = -1  # an object that fills the picture has no outside
    points = [places[label][rng.integers(len(places[label]))][::-1] for label in labels]
    return np.stack(points).astype(float), labels


def point_prompt(
    model: SemanticSam, points: np.ndarray, labels: np.ndarray, frames: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels (column, row) [P, n, 2] of ``frames`` [..., h, w] as SAM's points; SAM adds the half pixel to their
    middle itself."""
    return torch.from_numpy((points + 0.5) * _scale(model, frames) - 0.5).float(), torch.from_numpy(labels)


def box_of(mask: np.ndarray) -> np.ndarray:
    """First column and row and last column and row of a mask, in pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], float)


def box_prompt(model: SemanticSam, boxes: np.ndarray, frames: torch.Tensor) -> torch.Tensor:
    """Boxes [P, 4] of first and last pixels as SAM's boxes: the outer edges of these pixels."""
    return torch.from_numpy((boxes + [0, 0, 1, 1]) * _scale(model, frames) - 0.5).float()


def rough_mask(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """A mask eroded or dilated by up to three pixels, perhaps with a boundary that wanders, perhaps shifted."""
    depth = signed_distance(mask)
    threshold = rng.uniform(-ROUGH_PIXELS, min(ROUGH_PIXELS, 0.7 * depth.max()))
    if rng.random() < 0.5:
        wander = gaussian_filter(rng.normal(size=mask.shape), 2)
        threshold = threshold + rng.uniform(0, 1.5) * wander / wander.std()
    rough = depth > threshold
    if rng.random() < 0.5:
        rough = shift(rough, rng.integers(-ROUGH_PIXELS, ROUGH_PIXELS + 1, 2), order=0)
    return rough if rough.any() else mask


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance to the boundary in pixels, positive inside: the pixels beside the boundary have 0.5 and -0.5."""
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)))
    outside = distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
    return np.where(mask, distance_transform_edt(mask) - 0.5, 0.5 - outside)


def _scale(model: SemanticSam, frames: torch.Tensor) -> float:
    return model.image_encoder.img_size / max(frames.shape[-2:])
