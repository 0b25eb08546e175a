"""Copy-paste of particles between annotated frames: the augmentation that competes with generated frames.

X-ray frames are transmissions: a second particle in the beam multiplies what the first one left (fringes included),
where a photograph's would cover it. So what is pasted is a factor, the donor's intensity over its open beam.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_dilation
from skimage.measure import label as connected_components

from xpci_utils.frames import binary_mask, pad_image, pad_labels
from xpci_utils.training.augmentation import augment
from xpci_utils.training.symmetries import dihedral, symmetries_of

Example = tuple[np.ndarray, np.ndarray]
MOST, TRIES, OVERLAP = 3, 8, 0.2
FRINGE_PX = 3  # the ring around a particle that is pasted with it: edge fringes are a few pixels wide


class ParticlePaste:
    """A view of an example: 1 to 3 particles of other ``donors`` pasted in, then the ``augmentation`` of `augment`.

    ``window`` is that of ``frames.json``: what grey levels mean. Call it with (padded image, padded labels, generator).
    """

    def __init__(self, donors: Sequence[Example], window: dict | None = None, augmentation: str = "symmetries"):
        self.donors, self.window = donors, window or {"kind": "linear", "low": 0.0, "high": 1.0}
        self.augmentation = augmentation

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Example:
        for _ in range(rng.integers(1, MOST + 1)):
            donor, donor_labels = self.donors[int(rng.integers(len(self.donors)))]
            k = int(rng.integers(symmetries_of(*image.shape)))
            donor, donor_labels = dihedral(pad_image(donor), k), dihedral(pad_labels(donor_labels), k)
            image, labels = self.paste(image, labels, donor, donor_labels, rng)
        return augment(image, labels, rng, self.augmentation)

    def paste(self, image: np.ndarray, labels: np.ndarray, donor: np.ndarray, donor_labels: np.ndarray, rng) -> Example:
        """``image`` and ``labels`` (uint8 [H, W]) with one particle of the donor where there is room for it.

        Without a whole particle in the donor, or without room, they come back as they are.
        """
        particle = pick_particle(donor_labels, rng)
        if particle is None:
            return image, labels
        others = (donor_labels != 0) & ~particle
        region = binary_dilation(particle, iterations=FRINGE_PX) & ~others
        place = find_place(particle, region, labels, rng)
        if place is None:
            return image, labels
        source, target = place
        beam = np.median(self.intensity(donor)[donor_labels == 0])
        factor = np.where(region[source], self.intensity(donor[source]) / beam, 1.0)
        image, labels = image.copy(), labels.copy()
        image[target] = self.grey(self.intensity(image[target]) * factor)
        labels[target] = np.where(particle[source], donor_labels[source], labels[target])
        return image, labels

    def intensity(self, grey: np.ndarray) -> np.ndarray:
        """Intensity relative to the open beam (or in any unit) from grey levels, never 0."""
        low, high = self.window["low"], self.window["high"]
        values = low + grey / 255 * (high - low)
        return np.exp(values) if self.window["kind"] == "log" else np.maximum(values, 1e-3)

    def grey(self, intensity: np.ndarray) -> np.ndarray:
        """The inverse of ``intensity``, rounded and clipped to uint8."""
        low, high = self.window["low"], self.window["high"]
        values = np.log(intensity) if self.window["kind"] == "log" else intensity
        return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def pick_particle(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Mask of a random particle (8-connected region of one class) that no border cuts, bool [H, W]; None if none."""
    regions = connected_components(np.where(binary_mask(labels), labels, 0), connectivity=2)
    border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    whole = np.setdiff1d(regions, np.append(border, 0))
    return regions == rng.choice(whole) if len(whole) else None


def find_place(
    particle: np.ndarray, region: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Windows of the donor and of the target that take ``region`` to a random place; None if there is no room.

    There is room where at most a fifth of the particle falls on others, or on ignored pixels.
    """
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    source = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    taken = labels != 0  # ignored pixels too
    for _ in range(TRIES):
        top, left = rng.integers(labels.shape[0] - height + 1), rng.integers(labels.shape[1] - width + 1)
        target = (slice(top, top + height), slice(left, left + width))
        if taken[target][particle[source]].mean() <= OVERLAP:
            return source, target
    return None
