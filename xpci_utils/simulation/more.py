"""More frames of the source that a frame set came from: a pool with true labels, and frame sets of other roles.

All read everything they need (preset, size, sampling, 8-bit window) from the frame set that describes itself, and draw
from the seeds of their role (`roles.ROLES`), so that no sequence comes twice.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from xpci_utils import files, paths
from xpci_utils.frames import Frame, FrameSet, binary_mask, write_frames
from xpci_utils.frames.frameset import read_png, write_png
from xpci_utils.frames.specks import pair_row, remove_specks
from xpci_utils.frames.tiles import tiles_of
from xpci_utils.simulation.dataset import as_frame
from xpci_utils.simulation.presets import Preset, get_preset
from xpci_utils.simulation.roles import role_of
from xpci_utils.simulation.scene import FRAMES_PER_SEQUENCE
from xpci_utils.simulation.simulate import simulate_frames


def preset_of(frames: FrameSet) -> Preset:
    """The preset that simulated ``frames``; ValueError for frames of another source."""
    if not frames.simulated:
        raise ValueError(
            f"{paths.display(frames.folder)} holds no simulated frames; "
            "more frames of the same kind, with true labels, exist for simulated ones only"
        )
    return Preset(**_with_tuples(frames.info["preset"]))


def shifted_preset(preset: Preset) -> Preset:
    """``preset`` on another hutch day: all in which ``aps32id_shifted`` differs from ``aps32id_u18`` is taken over."""
    plain, shifted = get_preset("aps32id_u18"), get_preset("aps32id_shifted")
    names = [f.name for f in fields(Preset) if getattr(plain, f.name) != getattr(shifted, f.name)]
    changes = {name: getattr(shifted, name) for name in names} | {"name": f"{preset.name}_shifted"}
    return replace(preset, **changes)


def write_shifted_frames(frames: FrameSet, folder: str | Path, count: int, seed: int, workers: int = 1) -> FrameSet:
    """Write ``count`` test frames from the shifted preset, in the 8-bit window of ``frames``, as a frame set."""
    return _write_frames(frames, folder, shifted_preset(preset_of(frames)), count, seed, "shifted test", workers)


def write_role_frames(
    frames: FrameSet, folder: str | Path, count: int, seed: int, role: str, workers: int = 1
) -> FrameSet:
    """Write ``count`` new frames of a ``role`` (`roles.ROLES`) like those of ``frames``, as a frame set in ``folder``.

    Their split is "test". A folder that holds these very frames is opened as it is. ValueError if ``frames`` are not
    simulated.
    """
    folder = paths.resolve(folder)
    drawn = {"role": role, "seed": seed, "count": count}
    if (folder / "frames.json").is_file():  # it is written last
        frame_set = FrameSet.open(folder)
        if frame_set.info == frames.info | {"drawn": drawn}:
            return frame_set
    return _write_frames(frames, folder, preset_of(frames), count, seed, role, workers, drawn=drawn)


def _write_frames(
    frames: FrameSet, folder: str | Path, preset: Preset, count: int, seed: int, role: str, workers: int, **about: dict
) -> FrameSet:
    info = {name: value for name, value in frames.info.items() if name not in ("height", "width")}
    simulated = _frames(frames, preset, count, seed, role, workers=workers)
    return write_frames(folder, simulated, info | {"preset": vars(preset)} | about)


def write_fresh_pool(frames: FrameSet, folder: str | Path, count: int, seed: int, workers: int = 1) -> Path:
    """Write ``count`` new frames like ``frames`` as a pool: images/, masks/ (0 / 255), true labels/, pairs.csv.

    The counterpart of the pool that a denoiser samples, with the same columns in pairs.csv. A run that was stopped
    goes on after its last frame.
    """
    folder = paths.resolve(folder)
    for kind in ("images", "labels", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    done = len(list((folder / "masks").glob("*.png")))  # a frame's mask is written last
    made = _frames(frames, preset_of(frames), count, seed, "fresh", start=done, workers=workers)
    for index, frame in enumerate(tqdm(made, total=count - done, desc="fresh frames", disable=None), start=done):
        mask = binary_mask(frame.labels).astype(np.uint8) * 255
        for kind, array in (("images", frame.image), ("labels", frame.labels), ("masks", mask)):
            write_png(folder / kind / f"{index:06d}.png", array)
    masks = (read_png(folder / "masks" / f"{index:06d}.png") for index in range(count))
    rows = [pair_row(index, *remove_specks(mask, 0)) for index, mask in enumerate(masks)]
    files.write_csv(folder / "pairs.csv", pd.DataFrame(rows))
    return folder


def unlabelled_frames(
    frames: FrameSet, count: int, seed: int, sampling: str = "natural", *, start: int = 0, workers: int = 1
) -> Iterator[np.ndarray]:
    """New frames from the source of ``frames``, uint8 [H, W], number ``start`` to ``count`` - 1, without their labels.

    In the study they stand for frames that nobody annotated, so "natural" frames, as a film has them; "curated" ones
    were chosen by an annotator. Each comes from a sequence of its own, and none is a frame of another role
    (`roles.ROLES`). Where the set is seen in tiles, each is one tile.
    """
    source = FrameSet(frames.folder, {**frames.info, "sampling": sampling}, frames.rows)
    made = _frames(source, preset_of(frames), count, seed, "unlabelled", start=start, workers=workers)
    windows = tiles_of(frames.height, frames.width, frames.tile)
    for index, frame in enumerate(made, start=start):
        yield frame.image[windows[index // FRAMES_PER_SEQUENCE % len(windows)]]


def _with_tuples(value: Any) -> Any:
    """A value read from JSON as it was written: a preset holds tuples where JSON has lists."""
    if isinstance(value, dict):
        return {name: _with_tuples(item) for name, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _frames(
    frames: FrameSet, preset: Preset, count: int, seed: int, role: str, *, start: int = 0, workers: int = 1
) -> Iterator[Frame]:
    """Frames ``start`` ... ``count`` - 1 of a role, as test frames like those of ``frames`` but for the preset."""
    window, info, drawn = frames.info["window"], frames.info, role_of(role)
    options = {"sampling": info["sampling"], "mask_jitter_px": info["mask_jitter_px"], "workers": workers}
    options["indices"] = drawn.indices(count, start)
    simulated = simulate_frames(
        count - start, frames.height, frames.width, drawn.simulator_seed(seed), preset, **options
    )
    return (as_frame(s, "test", (window["low"], window["high"]), window["kind"] == "log") for s in simulated)
