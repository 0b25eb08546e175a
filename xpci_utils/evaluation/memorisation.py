"""Does the denoiser copy its training frames? An audit of particles, the smallest thing it could copy.

Every particle of a synthetic frame is looked up among all training particles, in eight symmetries and at small shifts.
A small round particle is near to many others, copy or not; so its distance to the training frames is divided by its
distance to as many frames that the denoiser has never seen (after Carlini et al. 2023, Sec. 4.2, who divide by the
distance to further training images). This score is about 1 for a new particle and falls towards 0 for a copy. Held-out
frames set the threshold, further ones measure false alarms, and planted copies of training frames tell what would have
been found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.transform import downscale_local_mean

from xpci_utils import files
from xpci_utils.frames.frameset import write_png
from xpci_utils.frames.sheet import contact_sheet
from xpci_utils.randomness import numpy_rng
from xpci_utils.training.symmetries import dihedral

SIDE_PX = 24  # of a crop
DIAMETER_PX = 12  # frames of larger particles are shrunk by the whole number that brings their median nearest to this
MARGIN_PX = 3  # a copy may lie this far from where the training particle's centre lies
MIN_AREA_PX = 12  # smaller components have no structure to recognise
HALVES = ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5))  # fringes are so sharp that half a pixel counts
BLUR_PX = 1.0  # generated and recorded grain differ in strength; a copy is not the copy of its grain
SYMMETRIES = 8
QUERIES, LIBRARY = 128, 256  # crops compared at a time
SHOWN = 8  # pairs in the picture

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Crops:
    """Windows around mask components.

    ``pixels``  float32 [P, N, S, S], the frame shifted in P ways by fractions of a pixel (the first: not at all)
    ``inside``  bool [N, S, S], inside the frame
    """

    pixels: np.ndarray
    inside: np.ndarray

    def __len__(self) -> int:
        return len(self.inside)

    def some(self, count: int, *key: int | str) -> Crops:
        """At most ``count`` of them, drawn at random."""
        chosen = np.sort(numpy_rng(*key).permutation(len(self))[:count])
        return Crops(self.pixels[:, chosen], self.inside[chosen])


@dataclass(frozen=True)
class Matches:
    """The nearest library window of every crop: ``distance`` [N] and where: library crop, symmetry, row and column."""

    distance: np.ndarray
    place: np.ndarray  # int [N, 4]


@dataclass(frozen=True)
class Audit:
    """Scores of every particle and what they mean; `summary` has the figures."""

    threshold: float | None
    scores: dict[str, np.ndarray]  # by group: check (held-out frames that set nothing), planted, pool
    pool: Crops
    train: Crops
    matches: Matches = field(repr=False)  # of the pool among the training frames

    def summary(self) -> dict[str, float | int | None]:
        """What was found, ready for JSON; None where a group has no particles.

        ``pool_flagged``, ``planted_found``, ``false_alarms``: share flagged as copies in the pool, among planted
        copies, and in held-out frames. An innocent pool shows as many as the held-out frames. ``pool_score``: median.
        """
        flagged = {"pool_flagged": "pool", "planted_found": "planted", "false_alarms": "check"}
        numbers = {new: _share(self.scores[old], self.threshold) for new, old in flagged.items()}
        pool = self.scores["pool"]
        numbers |= {"pool_score": float(np.median(pool)) if len(pool) else None, "threshold": self.threshold}
        return numbers | {f"{name}_particles": len(scores) for name, scores in self.scores.items()}

    def nearest(self, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """(pool crop turned to fit, training window, score) of the ``count`` most suspicious pool particles."""
        side = self.pool.pixels.shape[-1]
        for i in np.argsort(self.scores["pool"])[:count]:
            crop, symmetry, row, column = self.matches.place[i]
            window = self.train.pixels[0, crop, row : row + side, column : column + side]
            yield dihedral(self.pool.pixels[0, i], symmetry), window, float(self.scores["pool"][i])


def audit(
    pool: Pairs,
    train: Pairs,
    held_out: Pairs,
    *,
    false_alarms: float = 0.05,
    noise: float = 8.0,
    most: int = 1000,
    seed: int = 0,
) -> Audit:
    """Look for copies of ``train`` in ``pool``; all are (image uint8 [H, W], mask [H, W]), foreground not 0.

    ``held_out`` frames are taken in order: half of them, at most as many as ``train``, are the frames never seen that
    distances are compared with, one half of the rest sets the threshold at which a share ``false_alarms`` of its
    particles is flagged, the other checks it. Keep frames of one sequence together. ``noise`` is that of the planted
    copies (`plant`). At most ``most`` particles of a group are looked up, drawn at random.
    """
    compared = min(len(train), len(held_out) // 2)
    middle = (compared + len(held_out)) // 2
    shrink = shrinkage(train)
    library, unseen = (particle_crops(pairs, MARGIN_PX, shrink=shrink) for pairs in (train, held_out[:compared]))
    groups = {
        "threshold": held_out[compared:middle],
        "check": held_out[middle:],
        "planted": plant(train, noise=noise, seed=seed),
        "pool": pool,
    }
    crops = {
        name: particle_crops(pairs, shifts=HALVES, shrink=shrink).some(most, "audited particles", seed)
        for name, pairs in groups.items()
    }
    matches = {name: nearest(group, library) for name, group in crops.items()}
    scores = {name: np.empty(0) for name in crops}
    if len(library) and len(unseen):
        for name, group in crops.items():
            scores[name] = matches[name].distance / np.maximum(nearest(group, unseen).distance, 1e-6)
    ours = scores.pop("threshold")
    threshold = float(np.quantile(ours, false_alarms)) if len(ours) else None
    return Audit(threshold, scores, crops["pool"], library, matches["pool"])


def write_audit(result: Audit, folder: str | Path) -> None:
    """Write memorisation.json (`Audit.summary`) and memorisation.png: the most suspicious particles of the pool above,
    their nearest training particles below."""
    pairs = list(result.nearest(SHOWN))
    scores = [round(score, 3) for _, _, score in pairs]
    files.write_json(Path(folder) / "memorisation.json", result.summary() | {"nearest_scores": scores})
    if pairs:
        rows = [[np.rint(pair[row]).clip(0, 255) for pair in pairs] for row in (0, 1)]
        write_png(Path(folder) / "memorisation.png", contact_sheet(rows))


def shrinkage(pairs: Pairs) -> int:
    """The whole number by which frames are shrunk so that the median particle is about DIAMETER_PX across."""
    areas = np.concatenate([_areas(mask)[1] for _, mask in pairs])
    return max(1, round(2 * np.sqrt(np.median(areas) / np.pi) / DIAMETER_PX)) if len(areas) else 1


def particle_crops(
    pairs: Pairs, margin_px: int = 0, *, shifts: Sequence[tuple[float, float]] = HALVES[:1], shrink: int = 1
) -> Crops:
    """A window of SIDE_PX + 2 ``margin_px`` around every mask component of at least MIN_AREA_PX pixels.

    Frames are shrunk first, by averaging. Grey levels are smoothed by BLUR_PX; beyond the frame they are mirrored and
    marked as not inside.
    """
    half = SIDE_PX // 2 + margin_px
    pixels, inside_frame = [], []
    for image, mask in pairs:
        image, mask = (downscale_local_mean(a.astype(np.float32), (shrink, shrink)) for a in (image, mask != 0))
        smooth = ndimage.gaussian_filter(image, BLUR_PX)
        shifted = [smooth, *(ndimage.shift(smooth, shift, mode="reflect") for shift in shifts[1:])]
        padded = np.stack([np.pad(a, half, mode="symmetric") for a in shifted])
        inside = np.pad(np.ones(image.shape, bool), half)
        for row, column in _centres(mask > 0.5):
            window = np.s_[row : row + 2 * half, column : column + 2 * half]
            pixels.append(padded[:, *window])
            inside_frame.append(inside[window])
    shape = (2 * half, 2 * half)
    windows = np.array(pixels, np.float32).reshape(-1, len(shifts), *shape)
    return Crops(windows.swapaxes(0, 1), np.array(inside_frame, bool).reshape(-1, *shape))


def nearest(queries: Crops, library: Crops) -> Matches:
    """For every crop its smallest distance to a window of the library, over shifts and the eight symmetries.

    The distance is the root mean square difference of grey levels after taking off the mean difference, over the
    crop's pixels inside its frame.
    """
    side, steps = queries.pixels.shape[-1], library.pixels.shape[-1] - queries.pixels.shape[-1] + 1
    best, place = np.full(len(queries), np.inf, np.float32), np.zeros((len(queries), 4), int)
    for start in range(0, len(library), LIBRARY):
        part = library.pixels[0, start : start + LIBRARY]
        windows = np.lib.stride_tricks.sliding_window_view(part, (side, side), axis=(1, 2)).reshape(-1, side**2)
        level = windows.mean()
        windows = windows - level  # keeps float32's digits for the differences
        squares = windows**2
        for shifted, symmetry in product(queries.pixels, range(SYMMETRIES)):
            turned, inside = (_flat(dihedral(a, symmetry)) for a in (shifted - level, queries.inside))
            for rows in np.array_split(np.arange(len(queries)), 1 + len(queries) // QUERIES):
                distances = _mean_squares(turned[rows], inside[rows], windows, squares)
                index = distances.argmin(1)
                value = distances[np.arange(len(rows)), index]
                better = value < best[rows]
                best[rows[better]] = value[better]
                crop, step = np.divmod(index[better], steps**2)
                where = (start + crop, np.full(len(crop), symmetry), *np.divmod(step, steps))
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


def _mean_squares(crops: np.ndarray, inside: np.ndarray, windows: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Variance over the pixels inside the frame of crop minus window, [N, M], for N flat crops and M flat windows."""
    crops, pixels = crops * inside, inside.sum(1, keepdims=True)
    mean = (crops.sum(1, keepdims=True) - inside @ windows.T) / pixels
    return ((crops**2).sum(1, keepdims=True) - 2 * crops @ windows.T + inside @ squares.T) / pixels - mean**2


def _flat(crops: np.ndarray) -> np.ndarray:
    """[N, S, S] as float32 [N, S^2], also for N = 0."""
    return np.ascontiguousarray(crops, np.float32).reshape(len(crops), crops.shape[1] * crops.shape[2])


def _areas(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(component numbers [H, W], area in pixels of each component); corners connect."""
    components, count = ndimage.label(mask != 0, np.ones((3, 3)))
    return components, np.bincount(components.ravel(), minlength=count + 1)[1:]


def _centres(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Centre (row, column) of each component that is large enough."""
    components, areas = _areas(mask)
    large = np.flatnonzero(areas >= MIN_AREA_PX) + 1
    for row, column in ndimage.center_of_mass(mask, components, large):
        yield round(row), round(column)


def _share(scores: np.ndarray, threshold: float | None) -> float | None:
    return float((scores <= threshold).mean()) if len(scores) and threshold is not None else None
