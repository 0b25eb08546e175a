"""Random views of annotated frames: image, labels and hence a mask prompt move together.

"symmetries" is the usual choice: flips and quarter turns, which resample nothing. "affine" adds what finetune-SAM
does (Gu et al. 2024: rotation, resized crops, contrast jitter), which its prompts could not follow; it is for reduced
networks, which start from random weights and see only a few dozen particles, and for a control. "none" is another one.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import affine_transform

from xpci_utils.frames import IGNORE
from xpci_utils.training.symmetries import dihedral, symmetries_of

View = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]

KINDS = ("none", "symmetries", "affine")
SCALES, CONTRASTS, SHIFT = (0.7, 1.4), (0.7, 1.4), 0.25


def augment(
    image: np.ndarray, labels: np.ndarray, rng: np.random.Generator, kind: str = "symmetries"
) -> tuple[np.ndarray, np.ndarray]:
    """A random view of uint8 ``image`` and ``labels`` [H, W]; same shapes and types.

    Labels are never interpolated between classes; what enters from outside the frame is reflected image and ignored
    label.
    """
    if kind not in KINDS:
        raise ValueError(f"augmentation is {kind!r}; choose from {', '.join(KINDS)}")
    if kind == "none":
        return image, labels
    k = int(rng.integers(symmetries_of(*image.shape)))
    image, labels = dihedral(image, k), dihedral(labels, k)
    if kind == "symmetries":
        return image, labels
    angle, scale = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(*np.log(SCALES)))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    centre = (np.array(image.shape) - 1) / 2
    offset = centre * (1 + rng.uniform(-SHIFT, SHIFT, 2)) - matrix @ centre
    moved = affine_transform(image.astype(np.float32), matrix, offset, order=1, mode="mirror")
    moved = (moved - np.median(moved)) * rng.uniform(*CONTRASTS) + np.median(moved)
    labels = affine_transform(labels, matrix, offset, order=0, cval=IGNORE)
    return moved.round().clip(0, 255).astype(np.uint8), labels
