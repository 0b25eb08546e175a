"""Close-ups: a labeller that sees one particle at a time, magnified.

SAM scales whatever it gets to its own input. A frame of 64 px is shown to a reduced SAM at 128 px, where a patch of
SAM-b covers 4 px of the frame; a close-up of 32 px doubles the magnification, and the small particles are no longer
one or two patches.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import find_objects

from xpci_utils.frames import IGNORE, binary_mask
from xpci_utils.sam.naming import regions_of
from xpci_utils.training.augmentation import View

SHIFT = 0.125  # of the side: how far from the middle a particle may lie while the labeller learns


class CloseUp:
    """A view of an example: what ``view`` makes of it, then the square of ``side`` px at one of its particles.

    Without a particle the square lies anywhere. Beyond the frame there are the reflected image and the ignored label.
    """

    def __init__(self, view: View, side: int):
        self.view, self.side = view, side

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple:
        image, labels = self.view(image, labels, rng)
        centres = centres_of(regions_of(binary_mask(labels)))
        centre = centres[int(rng.integers(len(centres)))] if len(centres) else rng.integers(labels.shape)
        reach = int(SHIFT * self.side)
        centre = centre + rng.integers(-reach, reach + 1, 2)
        return square(image, centre, self.side), square(labels, centre, self.side, beyond=IGNORE)


def centres_of(regions: np.ndarray) -> np.ndarray:
    """Row and column, int [n, 2], of each region 1..n of [H, W]: its pixel next to the middle of its bounding box."""
    centres = []
    for index, box in enumerate(find_objects(regions), start=1):
        pixels = np.argwhere(regions[box] == index)
        middle = (np.array(regions[box].shape) - 1) / 2
        nearest = pixels[np.square(pixels - middle).sum(1).argmin()]
        centres.append(nearest + [part.start for part in box])
    return np.array(centres, int).reshape(-1, 2)


def square(array: np.ndarray, centre: np.ndarray, side: int, beyond: int | None = None) -> np.ndarray:
    """The ``side`` x ``side`` pixels of ``array`` [H, W] with ``centre`` (row, column) at index side // 2.

    Beyond the frame the array is reflected, or has the value ``beyond``.
    """
    padded = np.pad(array, side, mode="symmetric") if beyond is None else np.pad(array, side, constant_values=beyond)
    top, left = (int(position) + side - side // 2 for position in centre)
    return padded[top : top + side, left : left + side]


def close_up_scores(
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray],
    images: np.ndarray,
    masks: np.ndarray,
    side: int,
    num_classes: int,
) -> np.ndarray:
    """Class probabilities float32 [N, C, h, w]: each region of a mask has those found in its close-up.

    ``images`` uint8 and ``masks`` bool [N, h, w]; ``predict`` maps close-ups of both, [n, side, side] with n <= N, to
    probabilities [n, C, side, side]. Outside the masks everything is background. Where a region is larger than its
    close-up, the pixels outside have the mean of those inside.
    """
    scores = np.zeros((len(images), num_classes, *images.shape[1:]), np.float32)
    scores[:, 0] = 1
    regions = [regions_of(mask) for mask in masks]
    places = [
        (frame, index, centre)
        for frame, region_map in enumerate(regions)
        for index, centre in enumerate(centres_of(region_map), start=1)
    ]
    for start in range(0, len(places), len(images)):
        block = places[start : start + len(images)]
        pictures = np.stack([square(images[frame], centre, side) for frame, _, centre in block])
        prompts = np.stack([square(masks[frame], centre, side, beyond=0) for frame, _, centre in block])
        for (frame, index, centre), probabilities in zip(block, predict(pictures, prompts), strict=True):
            rows, columns = np.nonzero(regions[frame] == index)
            down, across = rows - (centre[0] - side // 2), columns - (centre[1] - side // 2)
            inside = (down >= 0) & (down < side) & (across >= 0) & (across < side)
            values = probabilities[:, down[inside], across[inside]]
            scores[frame][:, rows, columns] = values.mean(1, keepdims=True)
            scores[frame][:, rows[inside], columns[inside]] = values
    return scores
