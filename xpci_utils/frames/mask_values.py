"""What the numbers in masks can mean: class indices, one value for the only class, or one number per particle.

Programs differ, and a file does not say which it is. Masks of 0 and 255 are how Fiji and most programs store one
class, yet here 255 means "ignored"; Cellpose and micro-sam number the particles of a frame 1, 2, 3, ...
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from xpci_utils.frames.pad import IGNORE

MOST_CLASSES = 200
EVERYWHERE = np.ones((3, 3), bool)  # pieces that touch at a corner are one


@dataclass(frozen=True)
class Values:
    """The numbers of one mask, ascending, and whether they are 1, 2, 3, ... (255 aside), each in one piece."""

    values: tuple[int, ...]
    numbered: bool

    @property
    def particles(self) -> tuple[int, ...]:
        """The values but 0."""
        return tuple(value for value in self.values if value)

    @property
    def only_ignored(self) -> bool:
        """Whether nothing but 255 is marked."""
        return self.particles == (IGNORE,)


def values_of(labels: np.ndarray) -> Values:
    """The numbers of a mask [H, W] of integers."""
    if labels.dtype == np.uint8:
        numbers = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
    else:
        numbers = np.unique(labels)
    values = tuple(int(value) for value in numbers)
    particles = [value for value in values if value]
    return Values(values, particles == list(range(1, len(particles) + 1)) and _each_in_one_piece(labels))


def _each_in_one_piece(labels: np.ndarray) -> bool:
    numbers, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape) + int(numbers[0] != 0)
    return all(
        ndimage.label(dense[place] == value, EVERYWHERE)[1] == 1
        for value, place in enumerate(ndimage.find_objects(dense), 1)
    )


def looks_like_instances(masks: Mapping[str, Values]) -> bool:
    """Whether the masks number their particles: in each 1, 2, 3, ... in one piece, and not everywhere as many."""
    marked = [one for one in masks.values() if one.particles]
    counts = {len(one.particles) for one in marked}
    return bool(marked) and all(one.numbered for one in marked) and len(counts) > 1 and max(counts) > 2


def doubt(masks: Mapping[str, Values]) -> str | None:
    """What makes it doubtful that masks hold class indices: a sentence without its end, or None.

    ``masks`` has the values of each mask by name, all of them known classes or 255.
    """
    only = [name for name, one in masks.items() if one.only_ignored]
    if only:
        return (
            f"{len(only)} of {len(masks)} masks hold 255 and no class (first: {only[0]}); 255 means 'ignored' here, "
            "but many programs write it for the particles"
        )
    if looks_like_instances(masks):
        first = next(name for name, one in masks.items() if len(one.particles) > 2)
        return (
            f"each of {len(masks)} masks counts its pieces 1, 2, 3, ... (see {first}), as instance masks of Cellpose "
            "or micro-sam do, where a number stands for a particle and not for a class"
        )
    return None


def stray_hint(labels: np.ndarray) -> str:
    """What a mask with values beyond the classes may be instead, as the end of a sentence; empty if nothing known."""
    numbers = values_of(labels)
    if len(numbers.particles) == 1 and 0 in numbers.values:
        return f"; if {numbers.particles[0]} marks the particles of one class, import with --mask-values binary"
    if len(numbers.particles) > MOST_CLASSES or (len(numbers.particles) > 1 and _each_in_one_piece(labels)):
        return "; if every number is one particle (Cellpose, micro-sam), import with --mask-values instances"
    return ""
