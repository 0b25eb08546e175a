"""A film as the network wants to see it: 8-bit frames with the grey window of the network's training frames.

Readers, bit depths and flat field are those of `xpci_utils.importing`. Frames come one at a time, whatever the length.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import FolderError
from xpci_utils.frames.pictures import SUFFIXES
from xpci_utils.importing.corrections import Correction, Levels, choose_correction, levels_of
from xpci_utils.importing.film import Film
from xpci_utils.importing.films import in_order, open_film, open_films
from xpci_utils.simulation.window import relative_to_uint8

LOOKED_AT = 31  # frames, spread over the film, from which bit depth and grey range are told
TOLERANCE = 0.02
MOST_OUTSIDE = 0.5


@dataclass(frozen=True)
class Recording:
    """Frames of a film, corrected and in the window; ``treatment`` lists in words what is done to each of them."""

    film: Film
    correction: Correction
    shift: int
    window: dict
    shape: tuple[int, int]
    treatment: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.film)

    def first(self, frames: int) -> "Recording":
        """The first ``frames`` frames, at most all, treated as the whole film is."""
        return replace(self, film=replace(self.film, names=self.film.names[:frames]))

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame uint8 [H, W]; FolderError if its size is not that of the first one."""
        frame = self.film[index]
        if frame.shape != self.shape:
            raise FolderError(
                f"{paths.display(self.film.path)}: frame {index} is {frame.shape[0]} x {frame.shape[1]} pixels, the "
                f"first one {self.shape[0]} x {self.shape[1]}; save frames of one size"
            )
        if frame.dtype == np.uint8 and not self.correction.steps:
            return frame
        intensity = (
            self.correction.apply(frame) if self.correction.steps else frame >> self.shift if self.shift else frame
        )
        return relative_to_uint8(intensity, (self.window["low"], self.window["high"]), self.window["kind"] == "log")


def open_recording(
    path: str | Path,
    window: dict,
    pixel_size_um: float,
    flat_field: str = "auto",
    flats: str = "",
    darks: str = "",
    frame_interval_us: float | None = None,
) -> Recording:
    """Open a film and find out how to bring its frames to what a network was trained on.

    ``window`` (kind, low, high) and ``pixel_size_um`` are those of the training frames. ``flat_field`` is auto
    (reference frames where there are any), references, median or none; ``flats`` and ``darks`` name reference frames
    outside the film. 8-bit frames without correction are taken as they are. Raises FolderError when the film's own
    pixel size is another (frames are never resampled) or its own time between frames not ``frame_interval_us``, and
    when most pixels of a frame would lie outside the window.
    """
    film = as_one_film(path)
    _check_scale(film, pixel_size_um, frame_interval_us)
    references = [as_one_film(given) if given else None for given in (flats, darks)]
    correction = choose_correction(film, flat_field, *references)
    sample = np.unique(np.linspace(0, len(film) - 1, min(len(film), LOOKED_AT)).round().astype(int))
    blank: list[int] = []
    levels = levels_of(_noting_blank(film, sample, blank))
    shift = 0 if correction.steps or levels is None else _shift(levels, window)
    raw = levels is not None and levels.stored == 8 and not correction.steps
    mapped = "8 bit, taken as it is" if raw else f"{window['kind']} window {window['low']:g} to {window['high']:g}"
    treatment = (f"grey levels: {levels or 'floats'}", *(correction.steps or ("no correction",)), mapped)
    treatment = (*film.notes, *_about_time(film, frame_interval_us), *_about_blank(blank, len(sample)), *treatment)
    recording = Recording(film, correction, shift, window, film[0].shape, treatment)
    _check_range(recording)
    return recording


def _noting_blank(film: Film, sample: np.ndarray, blank: list[int]) -> Iterator[np.ndarray]:
    """The frames of a sample; those of one single value are put on the list."""
    for index in sample.tolist():
        frame = film[index]
        if frame.min() == frame.max():
            blank.append(index)
        yield frame


def _about_blank(blank: list[int], looked_at: int) -> tuple[str, ...]:
    sentence = (
        f"{len(blank)} of {looked_at} frames looked at hold one single value (first: frame {min(blank, default=0)})"
    )
    return (sentence,) if blank else ()


def _about_time(film: Film, interval_us: float | None) -> tuple[str, ...]:
    """What is assumed where the film does not know the time between its frames."""
    if film.interval_us or not interval_us:
        return ()
    return (
        f"the film does not state the time between its frames: {interval_us:g} us are assumed (frame_interval_us), and "
        "every speed depends on it",
    )


def _shift(levels: Levels, window: dict) -> int:
    """Bits to move to the right: none when the training frames had the shifted values, too."""
    top = np.exp(window["high"]) if window["kind"] == "log" else window["high"]
    return levels.shift if top < 2**levels.bits else 0


def as_one_film(path: str | Path) -> Film:
    """The film of a file; the pictures of a folder, in the order of the numbers in their names, as one film."""
    path = paths.resolve(path)
    if not path.is_dir():
        return open_film(path)
    files = sorted((file for file in path.iterdir() if _is_picture(file)), key=lambda file: in_order(file.stem))
    if len(files) < 2:
        (film,) = open_films(path) if files else _only_film(path)
        return film
    first = _picture(files[0])
    names = tuple(file.stem for file in files)
    return Film(path, names, f"folder of {first.kind}s", lambda i: _picture(files[i])[0], first.pixel_um)


def _picture(path: Path) -> Film:
    film = open_film(path)
    if len(film) > 1:
        raise FolderError(
            f"{paths.display(path)} is a stack of {len(film)} frames among others; name the one to be read"
        )
    return film


def _only_film(path: Path) -> list[Film]:
    films = open_films(path)
    if len(films) > 1:
        raise FolderError(
            f"{paths.display(path)} holds {len(films)} films ({films[0].path.name}, ...); name one of them"
        )
    return films


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _check_scale(film: Film, pixel_um: float, interval_us: float | None) -> None:
    where = paths.display(film.path)
    if film.pixel_um and abs(film.pixel_um / pixel_um - 1) > TOLERANCE:
        raise FolderError(
            f"{where} has pixels of {film.pixel_um:.3g} um, the network was trained on {pixel_um:.3g} um; "
            "frames are never resampled, train on frames of this scale"
        )
    if film.interval_us and interval_us and abs(film.interval_us / interval_us - 1) > TOLERANCE:
        raise FolderError(
            f"{where} says that its frames are {film.interval_us:.4g} us apart, frame_interval_us is "
            f"{interval_us:.4g}; speeds would be wrong, say --frame-interval-us {film.interval_us:.6g}"
        )


def _check_range(recording: Recording) -> None:
    """A frame that is mostly black or white in the window has another depth or correction than the training frames."""
    frame = recording[0]
    outside = float(np.isin(frame, (0, 255)).mean())
    if outside > MOST_OUTSIDE:
        film, low, high = recording.film, recording.window["low"], recording.window["high"]
        raise FolderError(
            f"{100 * outside:.0f} % of the pixels of {paths.display(film.path)}, frame 0, lie outside the grey window "
            f"{low:g} to {high:g} of the network's training frames (the film: {'; '.join(recording.treatment[:-1])}; "
            f"grey levels {film[0].min():g} to {film[0].max():g}); correct it as those were (flat_field), or export it "
            "with their bit depth"
        )
