"""Sequences: particles of one powder that drift, melt, bubble, explode and burn out.

A sequence follows from (seed, number) alone. Its particles are `Track` objects: a reference time at which the
particle has a drawn class and place, and a life before and after it. Lengths in um, speeds in m/s = um/us, times in
frames.
"""

from dataclasses import dataclass, replace

import numpy as np

from xpci_utils.randomness import numpy_rng
from xpci_utils.simulation.materials import CHEMISTRIES, METAL_SHARES, Chemistry
from xpci_utils.simulation.particles import Body, build_particle
from xpci_utils.simulation.presets import Preset
from xpci_utils.simulation.shapes import rotation_z

SAMPLINGS = ("curated", "natural")
FRAMES_PER_SEQUENCE = 4
SMALLEST_GAP = 5
# What becomes of a particle: bubbling and micro-explosion (Wainwright et al. 2019, doi
# 10.1016/j.combustflame.2018.10.019), oxide lobes on aluminium (doi 10.1080/00102202.2019.1678956), inflation before
# bursting and fast fragments (burning iron), residues (titanium; review doi 10.3367/UFNe.2018.04.038349). Durations and
# speeds are our estimates. "fragment" here is the dispersing cloud.
LIVES = (
    ("solid_particle", "molten_droplet", "bubbling_droplet", "microexplosion", "fragment"),
    ("solid_particle", "molten_droplet", "bubbling_droplet", "hollow_shell", "microexplosion", "fragment"),
    ("solid_particle", "molten_droplet", "oxide_capped", "residue"),
    ("bubbling_droplet", "hollow_shell", "residue"),
    ("agglomerate", "molten_droplet", "bubbling_droplet"),
    ("agglomerate", "residue"),
)
STAGE_FRAMES = {
    "solid_particle": (20, 60),
    "molten_droplet": (15, 50),
    "bubbling_droplet": (12, 40),
    "hollow_shell": (8, 25),
    "oxide_capped": (20, 60),
    "microexplosion": (4, 9),
    "fragment": (1, 5),
    "agglomerate": (20, 60),
    "residue": (60, 120),
}
# Diameter relative to the melted particle's.
GROWTH = {
    "solid_particle": 1.05,
    "molten_droplet": 1.0,
    "bubbling_droplet": 1.15,
    "hollow_shell": 1.5,
    "oxide_capped": 1.1,
    "microexplosion": 1.1,
    "fragment": 1.1,
    "agglomerate": 1.5,
    "residue": 1.0,
}


@dataclass(frozen=True)
class SceneObject:
    """What gets one instance label: its class, the diameter [um] and the bodies it consists of."""

    class_name: str
    diameter_um: float
    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class Stage:
    """A class and the frames (not whole numbers) between which a particle has it."""

    class_name: str
    start: float
    end: float

    def progress(self, time: float) -> float:
        """0 at the start (and before it), 1 at the end (and after it)."""
        return float(np.clip((time - self.start) / (self.end - self.start), 0, 1))


@dataclass(frozen=True)
class Track:
    """One particle from its first stage to its last."""

    key: tuple[int | str, ...]
    chemistry: Chemistry
    stages: tuple[Stage, ...]
    reference_time: float
    position: tuple[float, float]
    velocity: tuple[float, float]
    spin: float  # rad per frame
    melt_diameter: float
    ejecta_speed: float

    def position_at(self, time: float, preset: Preset) -> np.ndarray:
        """Place of the centre [um]."""
        elapsed_us = (time - self.reference_time) * preset.frame_interval_us
        return np.add(self.position, np.multiply(self.velocity, elapsed_us))

    def objects(self, time: float, preset: Preset) -> list[SceneObject]:
        """The labelled objects this particle consists of at a time."""
        if self.stages[-1].class_name == "fragment" and time >= self.stages[-1].end:
            return []  # the droplets of an explosion burn out; other particles keep their last class
        exploded = next((s for s in self.stages if s.class_name == "microexplosion" and s.start <= time), None)
        if exploded is not None:
            return self._explosion(exploded, time, preset)
        stage = next((s for s in reversed(self.stages) if s.start <= time), self.stages[0])
        progress = stage.progress(time)
        diameter = self._diameter(stage.class_name, progress, preset)
        rng = numpy_rng("shape", *self.key, stage.class_name)
        bodies = build_particle(stage.class_name, rng, self.chemistry, diameter, progress)
        placed = tuple(self._placed(b, time, preset) for b in bodies)
        return [SceneObject(stage.class_name, diameter, placed)]

    def _diameter(self, class_name: str, progress: float, preset: Preset) -> float:
        growth = GROWTH[class_name]
        if class_name == "bubbling_droplet":
            growth *= 0.9 + 0.25 * progress
        if class_name == "hollow_shell":
            growth *= 0.8 + 0.4 * progress
        return float(np.clip(self.melt_diameter * growth, *preset.diameters_um[class_name]))

    def _placed(self, body: Body, time: float, preset: Preset) -> Body:
        """The body turned by the particle's spin, moved to its place and given the particle's velocity."""
        turn = rotation_z(self.spin * (time - self.reference_time))
        body = body.rotated(turn)
        position = self.position_at(time, preset) + (turn @ [*body.offset, 0])[:2]
        velocity = np.add(self.velocity, (turn @ [*body.velocity, 0])[:2])
        return replace(body, position=tuple(position), velocity=tuple(velocity))

    def _explosion(self, stage: Stage, time: float, preset: Preset) -> list[SceneObject]:
        """Torn parent and near droplets as one object, droplets beyond two radii as fragments.

        Ejecta slow down in the gas: path = v tau (1 - exp(-t / tau)).
        """
        elapsed_us = (time - stage.start) * preset.frame_interval_us
        decay = np.exp(-elapsed_us / preset.ejecta_drag_us)
        radius = self._diameter("microexplosion", 0.5, preset) / 2
        thrown = self.ejecta_speed * preset.ejecta_drag_us * (1 - decay) / radius
        rng = numpy_rng("shape", *self.key, "microexplosion")
        parent, *droplets = build_particle(
            "microexplosion", rng, self.chemistry, 2 * radius, stage.progress(time), thrown
        )
        speed = self.ejecta_speed * decay
        droplets = [replace(d, velocity=tuple(np.multiply(d.velocity, speed))) for d in droplets]
        over = time >= stage.end
        near = [not over and np.hypot(*d.offset) <= 2 * radius for d in droplets]
        cloud = [d for d, close in zip(droplets, near, strict=True) if close]
        lone = [d for d, close in zip(droplets, near, strict=True) if not close]
        objects = [SceneObject("fragment", _width(d), (self._placed(d, time, preset),)) for d in lone]
        if not over:
            hull = 2 * max([radius, *(np.hypot(*d.offset) for d in cloud)])
            bodies = tuple(self._placed(b, time, preset) for b in (parent, *cloud))
            objects.append(SceneObject("microexplosion", float(hull), bodies))
        return objects


def _width(body: Body) -> float:
    x0, y0, x1, y1 = body.box()
    return float(np.sqrt((x1 - x0) * (y1 - y0)))


@dataclass(frozen=True)
class Sequence:
    """A sequence of frames of one powder: its tracks and the key frames that get into a data set."""

    number: int
    metal: str
    frames: int
    key_frames: tuple[int, ...]
    tracks: tuple[Track, ...]
    preset: Preset

    @property
    def name(self) -> str:
        """sim_s0003 for sequence 3."""
        return f"sim_s{self.number:04d}"

    def objects(self, frame: float) -> list[SceneObject]:
        """All objects at a frame (mid-exposure), in or out of the field."""
        return [o for track in self.tracks for o in track.objects(frame, self.preset)]


def build_sequence(
    number: int, seed: int, height: int, width: int, preset: Preset, sampling: str, metal: str | None = None
) -> Sequence:
    """Sequence ``number`` of a seed for a field of height x width pixels; ``metal`` overrides the drawn powder."""
    rng = numpy_rng("sequence", seed, number)
    metal = metal or _pick(METAL_SHARES, _even("metal", seed, number, 0))
    frames, key_frames = _key_frames(rng, preset, sampling)
    field = np.array([width, height]) * preset.pixel_um
    area_mm2 = field.prod() * 1e-6
    weights = preset.curated_weights if sampling == "curated" else preset.natural_weights
    tracks: list[Track] = []
    for slot in range(_count(rng, preset.particles_per_mm2 * area_mm2)):
        time = key_frames[(slot + number) % len(key_frames)]
        class_name = _pick(weights, _even("class", seed, number, slot))
        tracks.append(_slow_track((seed, number, slot), class_name, metal, time, field, preset, tracks))
    for k, time in enumerate(key_frames):
        for i in range(rng.poisson(preset.fragments_per_mm2 * area_mm2)):
            tracks.append(_fragment_track((seed, number, f"fragment {k} {i}"), metal, time, field, preset, tracks))
    return Sequence(number, metal, frames, key_frames, tuple(tracks), preset)


def _even(purpose: str, seed: int, number: int, slot: int) -> float:
    """A number in [0, 1) that is spread evenly over consecutive sequences (multiples of an irrational).

    So metals and rare classes come round regularly even in a few sequences.
    """
    start = numpy_rng(purpose, seed, slot).random()
    step = (np.sqrt(5) - 1) / 2 if purpose == "metal" else np.sqrt([2, 3, 7, 11, 13, 17, 19, 23][slot % 8])
    return float((start + number * step) % 1)


def _pick(weights: dict[str, float], u: float) -> str:
    names = list(weights)
    edges = np.cumsum([weights[n] for n in names])
    return names[min(int(np.searchsorted(edges, u * edges[-1], side="right")), len(names) - 1)]


def _count(rng: np.random.Generator, mean: float) -> int:
    """Poisson within 0.6 to 1.5 of the mean, so that no frame is empty or crowded."""
    return int(np.clip(rng.poisson(mean), np.ceil(0.6 * mean), np.ceil(1.5 * mean)))


def _key_frames(rng: np.random.Generator, preset: Preset, sampling: str) -> tuple[int, tuple[int, ...]]:
    """Length of the sequence, and four of its frames: at least 5 apart (curated) or anywhere (natural)."""
    frames = int(rng.integers(preset.sequence_frames[0], preset.sequence_frames[1] + 1))
    if sampling == "natural":
        return frames, tuple(int(f) for f in np.sort(rng.choice(frames, FRAMES_PER_SEQUENCE, replace=False)))
    slack = frames - 1 - (FRAMES_PER_SEQUENCE - 1) * SMALLEST_GAP
    extra = np.sort(rng.integers(0, slack + 1, FRAMES_PER_SEQUENCE))
    return frames, tuple(int(e + k * SMALLEST_GAP) for k, e in enumerate(extra))


def _slow_track(
    key: tuple, class_name: str, metal: str, time: float, field: np.ndarray, preset: Preset, others: list[Track]
) -> Track:
    rng = numpy_rng("track", *key)
    diameter = _draw_diameter(rng, preset.diameters_um[class_name])
    chemistry = CHEMISTRIES[metal][rng.integers(len(CHEMISTRIES[metal]))]
    reach = diameter / 2 * (1.6 if class_name == "microexplosion" else 1.0)
    return Track(
        key=key,
        chemistry=chemistry,
        stages=_stages(rng, class_name, time),
        reference_time=time,
        position=_free_place(rng, reach, time, field, preset, others),
        velocity=_velocity(rng, preset.drift_m_per_s),
        spin=float(rng.normal(0, 0.03)),
        melt_diameter=diameter / GROWTH[class_name],
        ejecta_speed=_log_uniform(rng, preset.ejecta_m_per_s),
    )


def _fragment_track(
    key: tuple, metal: str, time: float, field: np.ndarray, preset: Preset, others: list[Track]
) -> Track:
    """A droplet of an explosion outside the field: fast, so seldom in view in more than one frame."""
    rng = numpy_rng("track", *key)
    diameter = _draw_diameter(rng, preset.diameters_um["fragment"])
    return Track(
        key=key,
        chemistry=CHEMISTRIES[metal][rng.integers(len(CHEMISTRIES[metal]))],
        stages=(Stage("fragment", time - 100, time + 100),),
        reference_time=time,
        position=_free_place(rng, diameter / 2, time, field, preset, others),
        velocity=_velocity(rng, preset.fragment_m_per_s),
        spin=0.0,
        melt_diameter=diameter / GROWTH["fragment"],
        ejecta_speed=0.0,
    )


def _draw_diameter(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Log-normal between the limits [um]."""
    low, high = limits
    middle, sigma = np.sqrt(low * high), np.log(high / low) / 4
    return float(np.clip(middle * np.exp(sigma * rng.normal()), low, high))


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _velocity(rng: np.random.Generator, limits: tuple[float, float]) -> tuple[float, float]:
    speed, angle = _log_uniform(rng, limits), rng.uniform(0, 2 * np.pi)
    return float(speed * np.cos(angle)), float(speed * np.sin(angle))


def _stages(rng: np.random.Generator, class_name: str, time: float) -> tuple[Stage, ...]:
    """A life that passes through the class, laid out so that ``time`` falls into that class's stage."""
    options = [life for life in LIVES if class_name in life]
    life = options[rng.integers(len(options))]
    lengths = [rng.uniform(*STAGE_FRAMES[name]) for name in life]
    here = life.index(class_name)
    start = time - lengths[here] * rng.uniform(0.05, 0.95) - sum(lengths[:here])
    stages = []
    for name, length in zip(life, lengths, strict=True):
        stages.append(Stage(name, start, start + length))
        start += length
    return tuple(stages)


def _free_place(
    rng: np.random.Generator, reach: float, time: float, field: np.ndarray, preset: Preset, others: list[Track]
) -> tuple[float, float]:
    """A centre inside the field that keeps clear of the other particles if a few attempts find one."""
    margin = np.minimum(preset.inside_share * reach, 0.45 * field)
    best: np.ndarray | None = None
    best_gap = -np.inf
    for _ in range(12):
        place = rng.uniform(margin, field - margin)
        gaps = [np.hypot(*(place - t.position_at(time, preset))) - reach - 0.6 * t.melt_diameter for t in others]
        gap = min(gaps, default=np.inf)
        if gap > best_gap:
            best, best_gap = place, gap
        if gap > 0:
            break
    assert best is not None  # any gap is wider than the first one to beat
    return float(best[0]), float(best[1])
