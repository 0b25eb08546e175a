"""Does the denoiser copy its training frames? An audit of particles, the smallest thing it could copy.

Every particle of a synthetic frame is looked up among all training particles, in eight symmetries and at small shifts.
A small round particle is near to many others, copy or not; so its distance to the training frames is divided by its
distance to as many frames that the denoiser has never seen (after Carlini et al. 2023, Sec. 4.2, who divide by the
distance to further training images). This score is about 1 for a new particle and falls towards 0 for a copy. Held-out
frames set the threshold, further ones measure false alarms, and planted copies of training frames tell what would have
been found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import ndimage

from xpci_utils.randomness import numpy_rng
from xpci_utils.training.symmetries import dihedral

SIDE_PX = 24  # of a crop: twice a particle of the reduced preset
MARGIN_PX = 3  # a copy may lie this far from where the training particle's centre lies
MIN_AREA_PX = 12  # smaller components have no structure to recognise
BLUR_PX = 1.0  # generated and recorded grain differ in strength; a copy is not the copy of its grain
SYMMETRIES = 8
QUERIES, LIBRARY = 128, 256  # crops compared at a time

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Crops:
    """Windows around mask components: ``pixels`` float32 [N, S, S], ``seen`` bool [N, S, S] (inside the frame)."""

    pixels: np.ndarray
    seen: np.ndarray
    places: pd.DataFrame  # frame, row, column of each window's centre

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Matches:
    """The nearest library window of every crop: ``distance`` [N] and where: library crop, symmetry, row and column."""

    distance: np.ndarray
    place: np.ndarray  # int [N, 4]


@dataclass(frozen=True)
class Audit:
    """Scores of every particle and what they mean; `summary` has the figures."""

    threshold: float
    scores: dict[str, np.ndarray]  # by group: check (held-out frames that set nothing), planted, pool
    pool: Crops
    train: Crops
    matches: Matches = field(repr=False)  # of the pool among the training frames

    def summary(self) -> dict[str, float]:
        """Share of particles flagged as copies in each group, and how many particles that is a share of.

        ``false_alarms`` in held-out frames, ``planted_found`` among planted copies, ``pool_flagged`` in the pool, where
        the share of false alarms is what an innocent pool shows. ``pool_score`` is the median score.
        """
        shares = {name: float((scores <= self.threshold).mean()) for name, scores in self.scores.items()}
        counts = {f"{name}_particles": len(scores) for name, scores in self.scores.items()}
        named = {"false_alarms": "check", "planted_found": "planted", "pool_flagged": "pool"}
        found = {new: shares[old] for new, old in named.items()}
        return found | {"threshold": self.threshold, "pool_score": float(np.median(self.scores["pool"]))} | counts

    def nearest(self, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """(pool crop turned to fit, training window, score) of the ``count`` most suspicious pool particles."""
        side = self.pool.pixels.shape[1]
        for i in np.argsort(self.scores["pool"])[:count]:
            crop, symmetry, row, column = self.matches.place[i]
            window = self.train.pixels[crop, row : row + side, column : column + side]
            yield dihedral(self.pool.pixels[i], symmetry), window, float(self.scores["pool"][i])


def audit(
    pool: Pairs, train: Pairs, held_out: Pairs, *, false_alarms: float = 0.05, noise: float = 8.0, seed: int = 0
) -> Audit:
    """Look for copies of ``train`` in ``pool``; all are (image uint8 [H, W], mask [H, W]), foreground not 0.

    ``held_out`` frames are taken in order: half of them, at most as many as ``train``, are the frames never seen that
    distances are compared with, one half of the rest sets the threshold at which a share ``false_alarms`` of its
    particles is flagged, the other checks it. Keep frames of one sequence together. ``noise`` is that of the planted
    copies (`plant`). Raises ValueError if one of the groups has no particle.
    """
    compared = min(len(train), len(held_out) // 2)
    middle = (compared + len(held_out)) // 2
    groups = {
        "threshold": held_out[compared:middle],
        "check": held_out[middle:],
        "planted": plant(train, noise=noise, seed=seed),
        "pool": pool,
    }
    library, unseen = (particle_crops(pairs, MARGIN_PX) for pairs in (train, held_out[:compared]))
    crops = {name: particle_crops(pairs) for name, pairs in groups.items()}
    empty = [name for name, found in {"train": library, "held_out": unseen, **crops}.items() if not len(found)]
    if empty:
        raise ValueError(f"audit: no particle of {MIN_AREA_PX} px and more in {', '.join(empty)}; give more frames")
    matches = {name: nearest(found, library) for name, found in crops.items()}
    scores = {
        name: matches[name].distance / np.maximum(nearest(found, unseen).distance, 1e-6)
        for name, found in crops.items()
    }
    threshold = float(np.quantile(scores.pop("threshold"), false_alarms))
    return Audit(threshold, scores, crops["pool"], library, matches["pool"])


def particle_crops(pairs: Iterable[tuple[np.ndarray, np.ndarray]], margin_px: int = 0) -> Crops:
    """A window of SIDE_PX + 2 ``margin_px`` around every mask component of at least MIN_AREA_PX pixels.

    Grey levels are smoothed by BLUR_PX; beyond the frame they are mirrored and marked as not seen.
    """
    half = SIDE_PX // 2 + margin_px
    pixels, seen, places = [], [], []
    for number, (image, mask) in enumerate(pairs):
        smooth = ndimage.gaussian_filter(image.astype(np.float32), BLUR_PX)
        padded, inside = np.pad(smooth, half, mode="symmetric"), np.pad(np.ones(image.shape, bool), half)
        for row, column in _centres(mask):
            window = np.s_[row : row + 2 * half, column : column + 2 * half]
            pixels.append(padded[window])
            seen.append(inside[window])
            places.append((number, row, column))
    shape = (-1, 2 * half, 2 * half)
    table = pd.DataFrame(places, columns=["frame", "row", "column"])
    return Crops(np.array(pixels, np.float32).reshape(shape), np.array(seen, bool).reshape(shape), table)


def nearest(queries: Crops, library: Crops) -> Matches:
    """For every crop its smallest distance to a window of the library, over shifts and the eight symmetries.

    The distance is the root mean square difference of grey levels after taking off the mean difference, over the
    crop's pixels inside its frame.
    """
    side, shifts = queries.pixels.shape[1], library.pixels.shape[1] - queries.pixels.shape[1] + 1
    best, place = np.full(len(queries), np.inf, np.float32), np.zeros((len(queries), 4), int)
    for start in range(0, len(library), LIBRARY):
        part = library.pixels[start : start + LIBRARY]
        windows = np.lib.stride_tricks.sliding_window_view(part, (side, side), axis=(1, 2)).reshape(-1, side**2)
        windows = windows - windows.mean()  # keeps float32's digits for the differences
        squares = windows**2
        for symmetry in range(SYMMETRIES):
            turned, seen = (
                np.ascontiguousarray(dihedral(a, symmetry)).reshape(len(queries), -1)
                for a in (queries.pixels - part.mean(), queries.seen)
            )
            for rows in np.array_split(np.arange(len(queries)), -(-len(queries) // QUERIES)):
                found = _mean_squares(turned[rows], seen[rows].astype(np.float32), windows, squares)
                index = found.argmin(1)
                value = found[np.arange(len(rows)), index]
                better = value < best[rows]
                best[rows[better]] = value[better]
                crop, shift = np.divmod(index[better], shifts**2)
                where = (start + crop, np.full(len(crop), symmetry), *np.divmod(shift, shifts))
                place[rows[better]] = np.stack(where, 1)
    return Matches(np.sqrt(np.maximum(best, 0)), place)


def plant(pairs: Pairs, *, noise: float = 8.0, shift_px: float = 2.0, seed: int = 0) -> Pairs:
    """Copies that are hard to recognise: every frame turned by a random symmetry, shifted and made noisy.

    Shifts are drawn evenly up to ``shift_px`` in either direction, fractions of a pixel included; ``noise`` is white,
    in grey levels, on top of the frame's own.
    """
    copies = []
    for number, (image, mask) in enumerate(pairs):
        rng = numpy_rng("planted copy", seed, number)
        symmetry, shift = int(rng.integers(SYMMETRIES)), rng.uniform(-shift_px, shift_px, 2)
        turned, mask = (dihedral(a, symmetry) for a in (image.astype(float), (mask != 0).astype(float)))
        moved = ndimage.shift(turned, shift, order=3, mode="reflect") + rng.normal(0, noise, turned.shape)
        copy = np.rint(moved).clip(0, 255).astype(np.uint8)
        copies.append((copy, ndimage.shift(mask, shift, order=1, mode="reflect") > 0.5))
    return copies


def _mean_squares(crops: np.ndarray, seen: np.ndarray, windows: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Variance over the seen pixels of crop minus window, [N, M], for N flat crops and M flat windows."""
    crops, pixels = crops * seen, seen.sum(1, keepdims=True)
    mean = (crops.sum(1, keepdims=True) - seen @ windows.T) / pixels
    return ((crops**2).sum(1, keepdims=True) - 2 * crops @ windows.T + seen @ squares.T) / pixels - mean**2


def _centres(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Centre (row, column) of each 8-connected component that is large enough."""
    components, count = ndimage.label(mask != 0, np.ones((3, 3)))
    areas = np.bincount(components.ravel())[1:]
    for number, (row, column) in enumerate(ndimage.center_of_mass(mask != 0, components, range(1, count + 1))):
        if areas[number] >= MIN_AREA_PX:
            yield round(row), round(column)
