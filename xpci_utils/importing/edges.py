"""Whether masks lie on their frames: borders of a mask lie on edges of its own frame more than on those of another.

Two things are compared pixel by pixel along the same borders, so that what both frames show in the same place cancels:
how steep a frame is there, as a rank among its own pixels (brightness and contrast of frames do not matter), and the
step of grey levels across the border, with the sign that it has in both frames together (noise has none).
docs/import_pairing.md gives how often this is right on real films.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
from scipy import ndimage

from xpci_utils.frames.faults import FolderError

FEWEST_SAMPLED, MOST_SAMPLED = 8, 64  # masks looked at: as many as keep the frames read below the next number
PIXELS = 40_000_000  # about ten seconds, and 120 MB
FEWEST = 3  # masks without which nothing is confirmed: one may lie on edges of a wrong frame by chance
FEWEST_ASTRAY = 2  # masks that fit other frames and make a pairing wrong: two are changed for each other
BLUR_PX, FINE_PX = 1.0, 0.5  # for the steepness, and for the step
CORRELATED_PX = 6  # pixels of a border that tell one thing
FEWEST_PIXELS, MOST_PIXELS = 12, 4000  # of the border of one mask; fewer may agree by chance, and seem certain
SURE, PLAIN = 4.0, 6.0  # standard errors: for all masks together, for one alone among many frames


class Verdict(Enum):
    """What the pixels say of a pairing."""

    FITS = "checked: borders of the masks lie on edges of their frames, and less on those of the frames beside them"
    OPEN = "the pixels neither confirm nor contradict this"
    WRONG = "the borders of the masks lie on edges of other frames"


@dataclass(frozen=True)
class Films:
    """What the check reads: frame by index, mask by name, and the film of every frame."""

    frame: Callable[[int], np.ndarray]
    mask: Callable[[str], np.ndarray]
    film: Sequence[int]

    def beside(self, index: int, step: int) -> list[int]:
        """The frame ``step`` further in the same film, if there is one."""
        other = index + step
        return [other] if 0 <= other < len(self.film) and self.film[other] == self.film[index] else []


@dataclass(frozen=True)
class Borders:
    """Pixels on both sides of borders between two classes: flat indices inside and outside, and which classes.

    ``apart`` is how many of them tell different things.
    """

    inside: np.ndarray
    outside: np.ndarray
    classes: np.ndarray
    apart: float
    shape: tuple[int, int]


@dataclass(frozen=True)
class Margin:
    """How much better a mask fits one frame than another, with its standard error; for [steepness, step]."""

    mean: np.ndarray
    error: np.ndarray

    @property
    def sigmas(self) -> np.ndarray:
        """Means in standard errors, 0 where nothing differs."""
        return self.mean / np.where(self.error > 0, self.error, np.inf)


class EdgeCheck:
    """Judges pairings of one set of frames and masks; what is found in a frame is kept for the next pairing."""

    def __init__(self, films: Films):
        self.films = films
        self._frame = lru_cache(maxsize=MOST_SAMPLED + 16)(lambda index: prepared(_if_readable(films.frame, index)))
        self._borders = lru_cache(maxsize=4 * MOST_SAMPLED)(lambda name: borders(_if_readable(films.mask, name)))

    def judge(self, pairs: Mapping[str, int]) -> Verdict:
        """FITS when each mask fits its frame better than those before and after, WRONG when they fit others better."""
        names = self._sample(pairs)
        if not names:
            return Verdict.OPEN
        own = [pairs[name] for name in names]
        shifts = [self._against_shift(names, own, step) for step in (-1, 1)]
        decided = [values for values in shifts if values is not None]
        if any(values.min() < -SURE and values.max() < SURE for values in decided):
            return Verdict.WRONG
        fits = len(decided) == 2 and all(values.max() > SURE and values.min() > -SURE for values in decided)
        fits &= len(names) >= FEWEST and not self.silent(pairs)
        astray = self._astray(names, own, sorted(pairs.values()))
        if astray >= FEWEST_ASTRAY:
            return Verdict.WRONG
        return Verdict.FITS if fits and not astray else Verdict.OPEN

    def wording(self, pairs: Mapping[str, int], verdict: Verdict) -> str:
        """The verdict in words; where it is open, how many masks fit by themselves, and one that does not."""
        count, silent = len(self._sample(pairs)), self.silent(pairs)
        if verdict is not Verdict.OPEN or len(silent) == count:
            return verdict.value
        sentence = (
            f"{count - len(silent)} of the {count} masks looked at fit their own frame better than those beside it"
        )
        return f"{verdict.value} for all masks: {sentence}" + (f", {silent[0]} does not" if silent else "")

    def silent(self, pairs: Mapping[str, int]) -> list[str]:
        """Those of the masks looked at that do not fit their frame better, by a standard error, than both beside it."""
        return [name for name in self._sample(pairs) if not self._fits_alone(name, pairs[name])]

    def _fits_alone(self, name: str, own: int) -> bool:
        beside = [j for step in (-1, 1) for j in self.films.beside(own, step)]
        return bool(beside) and all(_in_one(self._margin(name, own, j)) > 1 for j in beside)

    def _against_shift(self, names: list[str], own: list[int], step: int) -> np.ndarray | None:
        """How much better the pairing is than the one shifted by ``step`` frames, in standard errors [2]."""
        margins = self._margins(names, own, step)
        return _together(margins) if margins else None

    def _margins(self, names: list[str], own: list[int], step: int) -> list[Margin]:
        return [
            self._margin(name, i, j) for name, i in zip(names, own, strict=True) for j in self.films.beside(i, step)
        ]

    def _astray(self, names: list[str], own: list[int], paired: list[int]) -> int:
        """How many masks plainly fit another frame better than their own: one with a mask, or one without any."""
        count = max(16, 2 * len(names))
        others = {*_spread(paired, count), *_spread(range(len(self.films.film)), count), *own}
        near = [{j for step in (-1, 1) for j in self.films.beside(i, step)} for i in own]
        misfits = np.zeros(len(names), bool)
        for j in sorted(others.union(*near)):  # every other frame is read once
            misfits |= [
                i != j and (j in others or j in beside) and _plainly_worse(self._margin(name, i, j))
                for name, i, beside in zip(names, own, near, strict=True)
            ]
        return int(misfits.sum())

    def _sample(self, pairs: Mapping[str, int]) -> list[str]:
        """Masks with enough border, spread evenly over all of them; as many as time allows for frames of this size."""
        names = sorted(pairs, key=pairs.__getitem__)
        most = PIXELS // (3 * max(1, int(np.prod(self._borders(names[0]).shape)))) if names else 0
        most = min(max(most, FEWEST_SAMPLED), MOST_SAMPLED)
        order = np.argsort(np.arange(len(names)) * 0.6180339887 % 1)  # evenly spread, however many are taken
        chosen: list[str] = []
        for place in order[: 4 * most]:
            if self._borders(names[place]).inside.size >= FEWEST_PIXELS:
                chosen.append(names[place])
            if len(chosen) == most:
                break
        return chosen

    def _margin(self, name: str, own: int, other: int) -> Margin:
        """Of a frame over another along the borders of a mask; 0 for frames and masks of different sizes."""
        line, first, second = self._borders(name), self._frame(own), self._frame(other)
        if not line.shape == first[0].shape == second[0].shape:
            return Margin(np.zeros(2), np.zeros(2))
        steep = [(pair[0].ravel()[line.inside] + pair[0].ravel()[line.outside].astype(int)) for pair in (first, second)]
        steps = [
            pair[1].ravel()[line.inside].astype(np.float32) - pair[1].ravel()[line.outside] for pair in (first, second)
        ]
        signs = _signs(steps[0] + steps[1], line.classes)
        differences = (steep[0] - steep[1], signs * (steps[0] - steps[1]))
        scale = np.sqrt(line.apart)
        return Margin(np.array([d.mean() for d in differences]), np.array([d.std() / scale for d in differences]))


def _if_readable(read: Callable, key: int | str) -> np.ndarray:
    """What is read, or a picture of no size that fits nothing, in place of what tells nothing.

    Damaged files are named when their turn comes, in order; a frame of one single value has no edges at all.
    """
    nothing = np.zeros((2, 2), np.uint8)
    try:
        picture = read(key)
    except FolderError:
        return nothing
    return picture if picture.min() < picture.max() else nothing


def prepared(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rank of the gradient among the frame's own pixels, uint8; grey levels of mean 0 and deviation 1, float16)."""
    grey = frame.astype(np.float32)
    slope = np.hypot(*np.gradient(ndimage.gaussian_filter(grey, BLUR_PX)))
    levels = np.quantile(slope[:: max(1, slope.shape[0] // 512)], np.linspace(0, 1, 256)[1:])
    fine = ndimage.gaussian_filter(grey, FINE_PX)
    scaled = (fine - fine.mean()) / (fine.std() or 1)
    return np.searchsorted(levels, slope).astype(np.uint8), scaled.astype(np.float16)


def borders(labels: np.ndarray, ignore: int = 255) -> Borders:
    """The borders of a label map [H, W], at most ``MOST_PIXELS`` of them; inside is the larger class index.

    Ignored regions have no border.
    """
    place = np.arange(labels.size).reshape(labels.shape)
    parts = []
    for axis in (0, 1):
        values, index = np.moveaxis(labels, axis, 0).astype(int), np.moveaxis(place, axis, 0)
        first, second = values[:-1], values[1:]
        differ = (first != second) & (first != ignore) & (second != ignore)
        upper = (first > second)[differ]
        near, far = index[:-1][differ], index[1:][differ]
        classes = np.maximum(first, second)[differ] * 256 + np.minimum(first, second)[differ]
        parts.append((np.where(upper, near, far), np.where(upper, far, near), classes))
    whole = [np.concatenate(part) for part in zip(*parts, strict=True)]
    every = -(-len(whole[0]) // MOST_PIXELS) or 1
    inside, outside, classes = (part[::every] for part in whole)
    apart = max(1.0, min(len(inside), len(whole[0]) / CORRELATED_PX))
    return Borders(inside, outside, classes, apart, labels.shape)


def _signs(steps: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """1 or -1 by the mean step of the border between the same two classes."""
    _, own = np.unique(classes, return_inverse=True)
    return np.sign(np.bincount(own, steps))[own]


def _spread(values: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of the values, evenly spread."""
    return [values[i] for i in np.linspace(0, len(values) - 1, min(len(values), count)).round().astype(int)]


def _in_one(margin: Margin) -> float:
    """Steepness and step together, in standard errors."""
    return float(margin.sigmas.sum() / np.sqrt(2))


def _plainly_worse(margin: Margin) -> bool:
    return bool(margin.sigmas.min() < -PLAIN and margin.sigmas.max() < SURE)


def _together(margins: Sequence[Margin]) -> np.ndarray:
    """The mean margin in standard errors [2]: the larger of those within and those between the masks."""
    means, errors = np.stack([one.mean for one in margins]), np.stack([one.error for one in margins])
    within = np.sqrt((errors**2).sum(0)) / len(means)
    between = means.std(0, ddof=1) / np.sqrt(len(means)) if len(means) > 4 else 0.0
    error = np.maximum(within, between)
    return means.mean(0) / np.where(error > 0, error, np.inf)
