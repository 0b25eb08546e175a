"""From recorded grey levels to frames: how many bits they hold, and the flat field.

A camera of 12 bits fills 16-bit files either from below (0 to 4095) or shifted to the left (multiples of 16); both
are found and said. The flat field comes from reference frames, (raw - dark) / (flat - dark), or from the film
itself: what stays where it is in most frames is the beam, and a frame is divided by its median over time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError
from xpci_utils.frames.flatfield import flat_field_correct
from xpci_utils.importing.films import Film

CAMERA_BITS = (8, 10, 12, 14)
MEDIAN_FRAMES = 61
FEWEST_FOR_MEDIAN = 10


@dataclass(frozen=True)
class Levels:
    """What integers of a set of frames use: ``bits`` of the camera, moved to the left by ``shift``."""

    stored: int
    bits: int
    shift: int

    def __str__(self) -> str:
        if self.shift:
            multiples = f"all values are multiples of {2**self.shift}"
            return f"{self.bits} bit, stored shifted to the left by {self.shift} in {self.stored} bit ({multiples})"
        unshifted = "" if self.bits == self.stored else f", stored unshifted in {self.stored} bit"
        return f"{self.bits} bit{unshifted}"


def levels_of(frames: Iterable[np.ndarray]) -> Levels | None:
    """The bits that uint8 or uint16 frames use; None where one of them holds floats."""
    used = stored = 0
    for frame in frames:
        if frame.dtype.kind != "u":
            return None
        used, stored = used | int(np.bitwise_or.reduce(frame, axis=None)), max(stored, 8 * frame.dtype.itemsize)
    if stored == 8:
        return Levels(8, 8, 0)
    high = used.bit_length()
    empty = (used & -used).bit_length() - 1 if used else 0
    if high == 16 and (fitting := [bits for bits in CAMERA_BITS if 16 - bits <= empty]):
        return Levels(16, fitting[0], 16 - fitting[0])
    return Levels(16, next((bits for bits in CAMERA_BITS if high <= bits), 16), 0)


@dataclass(frozen=True)
class Correction:
    """What is done to every frame of a film, and what frames.json shall say of it."""

    apply: Callable[[np.ndarray], np.ndarray]
    steps: tuple[str, ...]


def choose_correction(film: Film, how: str, flats: Film | None, darks: Film | None) -> Correction:
    """The correction of a film: ``how`` is auto (reference frames where there are any), references, median or none."""
    flats, darks = flats or film.flats, darks or film.darks
    if how == "none" or (how == "auto" and flats is None):
        if how == "auto" and darks is not None:
            raise FolderError(f"{_where(darks)} are darks without flats; give --flats, or --correct median or none")
        return Correction(lambda frame: frame, ())
    if how == "median":
        return _by_median(film, darks)
    if flats is None:
        raise FolderError(f"{_where(film)} holds no flats; give --flats, or --correct median or none")
    return _by_references(film, flats, darks)


def _by_references(film: Film, flats: Film, darks: Film | None) -> Correction:
    flat = _mean(flats, film)
    dark = _mean(darks, film) if darks is not None else np.zeros_like(flat)
    if not np.median(flat - dark) > 0:
        raise FolderError(f"the flats of {_where(flats)} are not brighter than the darks; were they swapped, or empty?")
    named = f"dark (mean of {len(darks)})" if darks is not None else "dark taken as 0"
    steps = (named, f"flat field (mean of {len(flats)})", "defective pixels")
    return Correction(lambda frame: flat_field_correct(frame, flat, dark), steps)


def _by_median(film: Film, darks: Film | None) -> Correction:
    if len(film) < FEWEST_FOR_MEDIAN:
        raise FolderError(
            f"{_where(film)} has {len(film)} frames; a median over time needs {FEWEST_FOR_MEDIAN}, "
            "or the particles themselves become the background"
        )
    dark = _mean(darks, film) if darks is not None else np.float32(0)
    chosen = np.unique(np.linspace(0, len(film) - 1, min(len(film), MEDIAN_FRAMES)).round().astype(int))
    median = np.median(np.stack([film[i] for i in chosen]), axis=0).astype(np.float32) - dark
    if not np.median(median) > 0:
        raise FolderError(
            f"the median over time of {_where(film)} is not brighter than 0; there is no beam to divide by"
        )
    steps: tuple[str, ...] = (f"dark (mean of {len(darks)})",) if darks is not None else ()
    steps += (f"divided by the median over time of {len(chosen)} frames", "defective pixels")
    return Correction(lambda frame: flat_field_correct(frame - dark, median, np.zeros_like(median)), steps)


def _mean(film: Film, frames: Film) -> np.ndarray:
    """Mean of reference frames, float32, of the size of the frames they are for."""
    shape = frames[0].shape
    total = np.zeros(shape)
    for frame in film:
        if frame.shape != shape:
            raise FolderError(
                f"{_where(film)} is {frame.shape[0]} x {frame.shape[1]} pixels, its frames {shape[0]} x {shape[1]}; "
                "reference frames are taken with the camera as it was"
            )
        total = total + frame
    return (total / len(film)).astype(np.float32)


def _where(film: Film) -> str:
    return paths.display(film.path)
