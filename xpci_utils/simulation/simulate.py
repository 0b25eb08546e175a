"""Simulated frames, one at a time: every frame follows from the seed and its index alone."""

from collections import deque
from collections.abc import Iterator
from collections.abc import Sequence as Indices
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from typing import TypedDict, Unpack

import numpy as np

from xpci_utils.randomness import numpy_rng
from xpci_utils.simulation.detector import Camera
from xpci_utils.simulation.labels import Instance, bin_silhouette, humanise, is_visible, make_instance, paint, widened
from xpci_utils.simulation.materials import CHEMISTRIES
from xpci_utils.simulation.presets import Preset, get_preset
from xpci_utils.simulation.render import Piece, make_piece, render
from xpci_utils.simulation.scene import FRAMES_PER_SEQUENCE, SAMPLINGS, SceneObject, Sequence, build_sequence


@dataclass(frozen=True)
class SimulatedFrame:
    """A simulated frame and all that is known about it.

    ``image`` is the flat-field corrected intensity (float32, about 1 in the open beam), ``raw`` the camera's digital
    numbers (uint16, 12 bit), ``labels`` the class index (uint8, 255 = ignore), ``instances`` the instance number
    (uint16, 0 = none); ``table`` lists the instances, also those labelled "ignore".
    """

    name: str
    sequence: str
    metal: str
    image: np.ndarray
    raw: np.ndarray
    labels: np.ndarray
    instances: np.ndarray
    table: tuple[Instance, ...]


@dataclass(frozen=True)
class _Job:
    """What fixes a set of frames besides their indices."""

    height: int
    width: int
    seed: int
    preset: Preset
    sampling: str
    jitter_px: float
    metal: str | None = None


class FrameOptions(TypedDict, total=False):
    """Further options of `simulate_frames`, by name."""

    start: int
    indices: Indices[int] | None
    mask_jitter_px: float
    workers: int


def simulate_frames(
    count: int,
    height: int,
    width: int,
    seed: int,
    preset: str | Preset = "aps32id_u18",
    sampling: str = "curated",
    **options: Unpack[FrameOptions],
) -> Iterator[SimulatedFrame]:
    """Yield ``count`` simulated frames of height x width pixels, indices ``start``, ``start`` + 1, ... of the seed.

    Frames 4 k to 4 k + 3 come from sequence k, so split data sets at multiples of 4 (`plan_splits` does).
    ``sampling`` is "curated" (what annotators pick: rare classes raised, frames of a sequence at least 5 apart) or
    "natural". ``indices`` names frames instead of a run of them. ``mask_jitter_px`` above 0 draws labels as a hand
    would. Frames are made one by one in ``workers`` processes and yielded in order; their bytes depend on the seed and
    the index alone.
    """
    start, indices, workers = options.get("start", 0), options.get("indices"), options.get("workers", 1)
    job = _Job(height, width, seed, get_preset(preset), sampling, options.get("mask_jitter_px", 0.0))
    wanted = list(range(start, start + count)) if indices is None else [int(i) for i in indices]
    _check(job, count, wanted, workers)
    return _run(job, wanted, workers)


def simulate_sequence(
    frames: int,
    height: int,
    width: int,
    seed: int,
    number: int = 0,
    preset: str | Preset = "aps32id_u18",
    *,
    start: int = 0,
    metal: str | None = None,
) -> Iterator[SimulatedFrame]:
    """Yield consecutive frames ``start``, ``start`` + 1, ... of one sequence; ``metal`` overrides its powder."""
    job = _Job(height, width, seed, get_preset(preset), "curated", 0.0, metal)
    _check(job, frames, [number], 1)
    if metal is not None and metal not in CHEMISTRIES:
        raise ValueError(f"unknown metal {metal!r}; there are {', '.join(CHEMISTRIES)}")
    return (_frame(job, number, t) for t in range(start, start + frames))


def plan_splits(counts: dict[str, int], train_per_sequence: int = FRAMES_PER_SEQUENCE) -> dict[str, list[int]]:
    """Frame indices per split, such that no two splits share a sequence: each starts at a fresh one.

    Training sequences give ``train_per_sequence`` frames each, all others FRAMES_PER_SEQUENCE.
    """
    splits, first = {}, 0
    for name, count in counts.items():
        each = train_per_sequence if name == "train" else FRAMES_PER_SEQUENCE
        splits[name] = [first * FRAMES_PER_SEQUENCE + i for i in spread_indices(count, each)]
        first += -(-count // each)
    return splits


def spread_indices(count: int, per_sequence: int, start: int = 0) -> list[int]:
    """Frame indices of the frames ``start`` ... ``count`` - 1 of a set whose sequences give ``per_sequence`` each.

    A sequence has FRAMES_PER_SEQUENCE frames, early and late ones. If fewer are taken, every sequence begins with
    another of them, so that the set has early and late frames alike.
    """
    if per_sequence == FRAMES_PER_SEQUENCE:
        return list(range(start, count))
    places = (divmod(i, per_sequence) for i in range(start, count))
    return [FRAMES_PER_SEQUENCE * sequence + (sequence + k) % FRAMES_PER_SEQUENCE for sequence, k in places]


def _check(job: _Job, count: int, wanted: list[int], workers: int) -> None:
    if count < 0 or any(i < 0 for i in wanted):
        raise ValueError("simulate_frames: count, start and indices must not be negative")
    if job.height < 16 or job.width < 16:
        raise ValueError(f"simulate_frames: a frame needs at least 16 x 16 pixels, got {job.height} x {job.width}")
    if job.sampling not in SAMPLINGS:
        raise ValueError(f"unknown sampling {job.sampling!r}; there are {', '.join(SAMPLINGS)}")
    if workers < 1:
        raise ValueError(f"simulate_frames: workers must be at least 1, got {workers}")
    if job.jitter_px < 0:
        raise ValueError(f"simulate_frames: mask_jitter_px must not be negative, got {job.jitter_px}")


def _run(job: _Job, wanted: list[int], workers: int) -> Iterator[SimulatedFrame]:
    if workers == 1 or len(wanted) < 2 * FRAMES_PER_SEQUENCE:
        yield from (_indexed(job, i) for i in wanted)
        return
    groups = (wanted[i : i + FRAMES_PER_SEQUENCE] for i in range(0, len(wanted), FRAMES_PER_SEQUENCE))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # Only a few groups ahead, so that a slow reader does not fill the memory with finished frames.
        ahead = deque(pool.submit(_group, job, group) for group in islice(groups, 2 * workers))
        while ahead:
            yield from ahead.popleft().result()
            ahead.extend(pool.submit(_group, job, group) for group in islice(groups, 1))


def _group(job: _Job, indices: list[int]) -> list[SimulatedFrame]:
    return [_indexed(job, i) for i in indices]


def _indexed(job: _Job, index: int) -> SimulatedFrame:
    number, k = divmod(index, FRAMES_PER_SEQUENCE)
    return _frame(job, number, _sequence(_Key(job), number)[0].key_frames[k])


class _Key:
    """Hashable stand-in for a job (presets hold dictionaries) in the cache of sequences."""

    def __init__(self, job: _Job) -> None:
        self.job = job
        self.text = repr(job)

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.text == other.text


@lru_cache(maxsize=4)
def _sequence(key: _Key, number: int) -> tuple[Sequence, Camera]:
    job = key.job
    sequence = build_sequence(number, job.seed, job.height, job.width, job.preset, job.sampling, job.metal)
    return sequence, Camera(job.preset, job.seed, number, job.height, job.width)


def _frame(job: _Job, number: int, frame: int) -> SimulatedFrame:
    sequence, camera = _sequence(_Key(job), number)
    placed = _placed(sequence.objects(frame), job)
    clean = render([p for _, pieces in placed for p in pieces], job.height, job.width, job.preset)
    raw = camera.record(clean, frame)
    table = _label(placed, clean, job, (number, frame))
    labels, instances = paint(table, clean.shape)
    name = f"{sequence.name}_f{frame:03d}"
    return SimulatedFrame(
        name, sequence.name, sequence.metal, camera.correct(raw), raw, labels, instances, tuple(table)
    )


def _placed(objects: list[SceneObject], job: _Job) -> list[tuple[SceneObject, list[Piece]]]:
    """Objects with the pieces of their bodies that lie in or near the field."""
    placed = []
    for item in objects:
        sampled = [make_piece(body, job.height, job.width, job.preset) for body in item.bodies]
        pieces = [piece for piece in sampled if piece is not None]
        if pieces:
            placed.append((item, pieces))
    return placed


def _label(
    placed: list[tuple[SceneObject, list[Piece]]], clean: np.ndarray, job: _Job, key: tuple[int, int]
) -> list[Instance]:
    table: list[Instance] = []
    for i, (item, pieces) in enumerate(placed):
        window, mask = _silhouette(pieces, clean.shape, job.preset.oversampling)
        if not mask.any():
            continue
        visible = is_visible(mask, window, clean, job.preset.relative_noise)
        if job.jitter_px:
            window, mask = widened(window, mask, clean.shape, int(np.ceil(4 * job.jitter_px)))
            mask = humanise(mask, numpy_rng("hand", job.seed, *key, i), job.jitter_px)
        table.append(make_instance(len(table) + 1, item.class_name, item.diameter_um, window, mask, visible))
    return table


def _silhouette(pieces: list[Piece], shape: tuple[int, int], n: int) -> tuple[tuple[slice, slice], np.ndarray]:
    """The object's pixels within the frame, and the window of the frame they are in."""
    boxes = np.array([p.box for p in pieces])
    (y0, x0), (y1, x1) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    fine = np.zeros((y1 - y0, x1 - x0), bool)
    for p in pieces:
        fine[p.box[0] - y0 : p.box[2] - y0, p.box[1] - x0 : p.box[3] - x0] |= p.silhouette()
    mask = bin_silhouette(fine, n)
    y0, x0 = int(y0 // n), int(x0 // n)
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y0 + mask.shape[0], shape[0]), min(x0 + mask.shape[1], shape[1])
    if bottom <= top or right <= left:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool)
    return (slice(top, bottom), slice(left, right)), mask[top - y0 : bottom - y0, left - x0 : right - x0]
