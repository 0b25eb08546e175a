"""A long recording: particles come, change, leave and are replaced, and each keeps one number as long as it lives.

A sequence of the data set spans some 30 frames around its key frames. A film has no key frames: particles appear at a
steady rate, so that on average as many are in view as the preset's density says, and every frame follows from the
film and its number alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from xpci_utils.randomness import numpy_rng
from xpci_utils.simulation.detector import Camera
from xpci_utils.simulation.labels import paint
from xpci_utils.simulation.materials import CHEMISTRIES, METAL_SHARES
from xpci_utils.simulation.presets import Preset, get_preset
from xpci_utils.simulation.render import render
from xpci_utils.simulation.scene import SAMPLINGS, SceneObject, Track, _fragment_track, _pick, _slow_track
from xpci_utils.simulation.simulate import SimulatedFrame, _Job, _label, _placed

OUTSIDE_UM = 500.0  # nothing of a particle farther from the field than this is seen in it, ejecta included
LEAD_FRAMES = 60  # particles of the first and last frames may have their reference time outside the film


@dataclass(frozen=True)
class Film:
    """``frames`` frames of ``height`` x ``width`` pixels; particles are numbered from 1 over the whole film."""

    frames: int
    height: int
    width: int
    seed: int
    preset: Preset
    metal: str
    tracks: tuple[Track, ...]

    @cached_property
    def camera(self) -> Camera:
        """Camera and illumination of this film, with its flat and dark frames."""
        return Camera(self.preset, self.seed, 0, self.height, self.width)

    @cached_property
    def numbers(self) -> dict[tuple[int, float], int]:
        """Number of a particle by (index of its track, 0), of a droplet thrown out by (index, its diameter [um]).

        The droplets of one explosion differ in diameter and keep it.
        """
        keys = []
        for index, track in enumerate(self.tracks):
            keys.append((index, 0.0))
            ends = [stage.end for stage in track.stages if stage.class_name == "microexplosion"]
            keys += [(index, _size(drop)) for end in ends for drop in track.objects(end, self.preset)]
        return {key: number for number, key in enumerate(keys, start=1)}

    def frame(self, number: int) -> SimulatedFrame:
        """Frame ``number``, its particles numbered as in the whole film (``instances``, ``table``)."""
        job = _Job(self.height, self.width, self.seed, self.preset, "natural", 0.0)
        placements = [(key, pair) for key, item in self._objects(number) for pair in _placed([item], job)]
        clean = render(
            [piece for _, (_, pieces) in placements for piece in pieces], self.height, self.width, self.preset
        )
        raw = self.camera.record(clean, number)
        table = [
            replace(instance, id=key)
            for key, pair in placements
            for instance in _label([pair], clean, job, (0, number))
        ]
        labels, instances = paint(table, clean.shape)
        image = self.camera.correct(raw)
        return SimulatedFrame(f"{number:06d}", "film", self.metal, image, raw, labels, instances, tuple(table))

    def _objects(self, time: int) -> Iterator[tuple[int, SceneObject]]:
        """(number, object) of all that is in the field or near it."""
        field = np.array([self.width, self.height]) * self.preset.pixel_um
        for index, track in enumerate(self.tracks):
            place = track.position_at(time, self.preset)
            if (place > -OUTSIDE_UM).all() and (place < field + OUTSIDE_UM).all():
                for item in track.objects(time, self.preset):
                    yield self.numbers.get((index, _size(item)), self.numbers[index, 0.0]), item


def make_film(
    frames: int,
    height: int,
    width: int,
    seed: int,
    preset: str | Preset = "aps32id_u18",
    sampling: str = "curated",
    metal: str | None = None,
) -> Film:
    """Draw the particles of a film of ``frames`` frames of height x width pixels; no frame is computed yet.

    On average ``preset.particles_per_mm2`` slow particles and ``preset.fragments_per_mm2`` lone fragments are in view;
    ``sampling`` ("curated": rare classes raised, or "natural") weights the classes they have at a time drawn at random.
    Raises ValueError for a field below 16 x 16 pixels, no frames, or an unknown preset, sampling or metal.
    """
    if frames < 1 or min(height, width) < 16:
        raise ValueError(f"a film needs at least 1 frame of 16 x 16 pixels, not {frames} of {height} x {width}")
    if sampling not in SAMPLINGS or metal not in (None, *CHEMISTRIES):
        raise ValueError(f"sampling is one of {', '.join(SAMPLINGS)}, metal one of {', '.join(CHEMISTRIES)}")
    preset, rng = get_preset(preset), numpy_rng("film", seed)
    metal = metal or _pick(METAL_SHARES, rng.random())
    field = np.array([width, height]) * preset.pixel_um
    weights = preset.curated_weights if sampling == "curated" else preset.natural_weights
    tracks: list[Track] = []
    for kind, density in (("slow", preset.particles_per_mm2), ("fragment", preset.fragments_per_mm2)):
        total, wanted = 0, density * field.prod() * 1e-6 * frames
        while total < wanted:
            key, time = (seed, f"film {kind} {len(tracks)}"), rng.uniform(-LEAD_FRAMES, frames + LEAD_FRAMES)
            place = (metal, time, field, preset, tracks)
            slow = kind == "slow"
            track = _slow_track(key, _pick(weights, rng.random()), *place) if slow else _fragment_track(key, *place)
            tracks.append(track)
            total += _frames_in_view(track, frames, field, preset)
    return Film(frames, height, width, seed, preset, metal, tuple(tracks))


def _frames_in_view(track: Track, frames: int, field: np.ndarray, preset: Preset) -> int:
    """Frames in which a particle's centre is in the field and it has not burst."""
    times = np.arange(frames)
    elapsed_us = (times - track.reference_time) * preset.frame_interval_us
    places = np.add(track.position, np.multiply.outer(elapsed_us, track.velocity))
    bursts = [stage.end for stage in track.stages if stage.class_name == "microexplosion"]
    inside = ((places > 0) & (places < field)).all(axis=1)
    return int((inside & (times < min(bursts, default=np.inf))).sum())


def _size(item: SceneObject) -> float:
    return round(item.diameter_um, 6)
