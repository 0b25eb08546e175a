"""New, independent frames like those of a simulated frame set: what synthetic frames are measured against."""

from collections.abc import Iterable, Iterator

import numpy as np

from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.frames.tiles import tiles_of
from xpci_utils.simulation.more import preset_of, shifted_preset
from xpci_utils.simulation.roles import role_of
from xpci_utils.simulation.scene import FRAMES_PER_SEQUENCE
from xpci_utils.simulation.simulate import simulate_frames
from xpci_utils.simulation.window import relative_to_uint8

Pairs = list[tuple[np.ndarray, np.ndarray]]


def comparison_sets(frames: FrameSet, count: int, seed: int, workers: int = 1) -> tuple[Pairs, dict[str, Pairs]]:
    """(reference, further sets by name) of (image uint8, mask bool) [H, W]: what a pool is measured against.

    Of simulated ``frames``, ``count`` new ones each: the reference; others like them, the floor; the scenes of another
    instrument, the ceiling. With ``count`` 0, or for frames of another source, the reference are the test frames and
    the floor the training frames.
    """
    if not (frames.simulated and count):
        return _masked(frames.examples("test")), {"training frames (floor)": _masked(frames.examples("train"))}
    roles = {"reference": False, "fresh (floor)": False, "shifted (ceiling)": True}
    sets = {
        role: _masked(fresh_examples(frames, count, seed, role, shifted=shifted, workers=workers))
        for role, shifted in roles.items()
    }
    return sets.pop("reference"), sets


def _masked(examples: Iterable[tuple[np.ndarray, np.ndarray]]) -> Pairs:
    return [(image, binary_mask(labels)) for image, labels in examples]


def fresh_examples(
    frames: FrameSet, count: int, seed: int, role: str, *, shifted: bool = False, workers: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ``count`` new (image, labels), uint8 [H, W], with the preset, sampling and 8-bit window of ``frames``.

    Each comes from a sequence of its own (frames of one share flat field, flux and metal, so a classifier recognises
    them); where the set is seen in tiles, it is one tile. Seed and ``role`` (`roles.ROLES`) decide the bytes, and no
    role repeats a frame of the set. ``shifted`` simulates on another instrument (`shifted_preset`). ValueError if
    ``frames`` are not simulated, or for an unknown role.
    """
    info, preset = frames.info, preset_of(frames)
    simulated = simulate_frames(
        count,
        frames.height,
        frames.width,
        role_of(role).simulator_seed(seed),
        shifted_preset(preset) if shifted else preset,
        info["sampling"],
        indices=role_of(role).indices(count),
        mask_jitter_px=info["mask_jitter_px"],
        workers=workers,
    )
    limits, log = (info["window"]["low"], info["window"]["high"]), info["window"]["kind"] == "log"
    windows = tiles_of(frames.height, frames.width, frames.tile)
    for i, frame in enumerate(simulated):
        window = windows[(i // FRAMES_PER_SEQUENCE) % len(windows)]
        yield relative_to_uint8(frame.image, limits, log)[window], frame.labels[window]
