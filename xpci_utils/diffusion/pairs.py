"""Annotated frames as the denoiser sees them: image and binary mask, two channels in [-1, 1] (Eq. 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from xpci_utils.frames import binary_mask
from xpci_utils.frames.pad import pad_image
from xpci_utils.training.symmetries import dihedral, symmetries_of


def pair_of(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """uint8 [2, H, W] with values 0..255 (mask 0 or 255), padded by reflection to a multiple of 32."""
    return pad_image(np.stack([image, np.where(binary_mask(labels), 255, 0).astype(np.uint8)]))


def to_unit(pairs: np.ndarray) -> Tensor:
    """uint8 0..255 to float32 -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pairs)).float() / 127.5 - 1.0


class PairTensors:
    """Pairs of one split, fetched by index as a float32 batch [N, 2, H, W] in [-1, 1]."""

    def __init__(self, examples: Sequence[tuple[np.ndarray, np.ndarray]]):
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def symmetries(self) -> int:
        """How many of the eight symmetries keep the shape of a frame: 8 for square ones, else 4."""
        return symmetries_of(*self.examples[0][0].shape)

    def batch(self, indices: Iterable[int], symmetries: Iterable[int] | None = None) -> Tensor:
        """The pairs at `indices`, each turned by its symmetry 0..7 (`dihedral`) if given."""
        pairs = [pair_of(*self.examples[int(i)]) for i in indices]
        if symmetries is not None:
            pairs = [dihedral(pair, int(k)) for pair, k in zip(pairs, symmetries, strict=True)]
        return to_unit(np.stack(pairs))

    def first(self, count: int) -> Tensor:
        """The first `count` pairs (all, if there are fewer)."""
        return self.batch(range(min(count, len(self))))
