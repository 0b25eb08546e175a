"""From class probabilities to labels: who votes, and what is left out when the labeller is not sure.

The paper takes the plain argmax (section 2.2). The other ways may make better pseudo-labels; notebook 03 scores each of
them on annotated frames.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.measure import label as connected_components
from skimage.segmentation import watershed

from xpci_utils.frames import IGNORE

VOTES = ("pixel", "masked", "particle", "split")
SPLIT_DISTANCE_PX = 3  # centres of touching particles lie at least this far apart


@dataclass(frozen=True)
class Naming:
    """How labels follow from probabilities.

    symmetries      average the probabilities over the symmetries of the frame first
    vote            "pixel": the most probable class of each pixel, the paper's; "masked": the same, with background
                    outside the prompt; "particle": one class per connected region of the prompt, the most probable on
                    its average; "split": the same after touching particles were cut apart
    min_confidence  particles whose probability of the chosen class is lower become "ignore" (255), 0..1
    kept_share      of every class this share of its particles in the pool is kept, the most confident ones; the others
                    become "ignore", too. 1: all. One threshold for all classes removes the rare ones first
                    (`least_confident`)
    """

    symmetries: bool = False
    vote: str = "pixel"
    min_confidence: float = 0.0
    kept_share: float = 1.0

    def __post_init__(self):
        if self.vote not in VOTES:
            raise ValueError(f"there is no vote by {self.vote!r}; choose from {', '.join(VOTES)}")


def split_touching(mask: np.ndarray) -> np.ndarray:
    """Regions int [H, W], 0 outside ``mask`` [H, W]: its 8-connected components, cut at their necks.

    Watershed on the distance to the background (Vincent and Soille 1991), one basin per maximum of that distance.
    """
    components = connected_components(mask, connectivity=2)
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    peaks = peak_local_max(distance, min_distance=SPLIT_DISTANCE_PX, labels=components, exclude_border=False)
    markers = np.zeros(mask.shape, int)
    markers[tuple(peaks.T)] = 1 + np.arange(len(peaks))
    return watershed(-distance, markers, mask=mask, connectivity=2)


def regions_of(mask: np.ndarray, vote: str = "particle") -> np.ndarray:
    """The particles of a mask [H, W] as regions 1..n: components, or with ``vote`` "split" their parts."""
    return split_touching(mask) if vote == "split" else connected_components(mask, connectivity=2)


def particle_probabilities(scores: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Class probabilities [n, C] of regions 1..n: averages of ``scores`` [C, H, W], without background, sum 1."""
    index = np.arange(1, regions.max() + 1)
    means = np.stack([ndimage.mean(plane, regions, index) for plane in scores], axis=1).reshape(len(index), len(scores))
    means[:, 0] = 0
    return means / np.maximum(means.sum(1, keepdims=True), np.finfo(float).tiny)


def least_confident(probabilities: np.ndarray, kept_share: float) -> np.ndarray:
    """Particles that are left out when of every class the most confident ``kept_share`` (0..1) is kept: bool [n].

    ``probabilities`` [n, C] are those of the particles of a whole pool; the class of a particle is its most probable
    one, and its confidence the probability of it. At least one particle of a class is kept, and equal ones are kept
    alike. Class-balanced self-training (Zou et al. 2018) selects pseudo-labels so.
    """
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    left_out = np.zeros(len(probabilities), bool)
    for members in (predicted == c for c in np.unique(predicted)):
        kept = int(np.ceil(kept_share * members.sum()))
        left_out |= members & (confidence < np.sort(confidence[members])[-kept])
    return left_out


def labels_of(scores: np.ndarray, mask: np.ndarray, naming: Naming) -> np.ndarray:
    """Labels uint8 [H, W] from class probabilities [C, H, W] and the prompt's mask bool [H, W]."""
    regions = regions_of(mask, naming.vote)
    probabilities = particle_probabilities(scores, regions)
    if naming.vote in ("pixel", "masked"):
        labels = scores.argmax(0).astype(np.uint8)
        labels[~mask & (naming.vote == "masked")] = 0
    else:
        labels = np.append(0, probabilities.argmax(1)).astype(np.uint8)[regions]
    unsure = np.append(False, probabilities.max(1, initial=0) < naming.min_confidence)
    return np.where(unsure[regions], IGNORE, labels).astype(np.uint8)
