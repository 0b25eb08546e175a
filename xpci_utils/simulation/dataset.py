"""A simulated data set on disk: splits by sequence, 8-bit window from training frames, instance table."""

import csv
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from xpci_utils.files import atomic_path
from xpci_utils.frames import Frame, FrameSet, write_frames
from xpci_utils.simulation.classes import load_classes
from xpci_utils.simulation.presets import Preset, get_preset
from xpci_utils.simulation.scene import FRAMES_PER_SEQUENCE
from xpci_utils.simulation.simulate import SimulatedFrame, plan_splits, simulate_frames
from xpci_utils.simulation.window import intensity_window, relative_to_uint8

WINDOW_FRAMES = 32
INSTANCE_COLUMNS = ("frame", "split", "metal", "id", "class", "diameter_um", "x_px", "y_px", "pixels", "visible")


def adjusted_preset(preset: str | Preset, **values: float) -> Preset:
    """The preset with some of its fields replaced; values of 0 leave a field as it is.

    ``quanta_per_pixel`` may be one number: the flux is then the same in every sequence.
    """
    changes: dict[str, Any] = {name: value for name, value in values.items() if value}
    if isinstance(changes.get("quanta_per_pixel"), int | float):
        changes["quanta_per_pixel"] = (changes["quanta_per_pixel"],) * 2
    return replace(get_preset(preset), **changes)


class DatasetOptions(TypedDict, total=False):
    """Further options of `write_simulated_frames`, by name."""

    log_window: bool
    mask_jitter_px: float
    tile: int
    workers: int
    train_per_sequence: int


def write_simulated_frames(
    folder: str | Path,
    counts: dict[str, int],
    height: int,
    width: int,
    seed: int,
    preset: str | Preset = "aps32id_u18",
    sampling: str = "curated",
    **options: Unpack[DatasetOptions],
) -> FrameSet:
    """Simulate ``counts`` frames per split ({"train": 40, ...}) into a frame-set folder with instances.csv.

    No two splits share a sequence. The 8-bit window comes from training frames alone (at most 32, spread over the
    split). ``mask_jitter_px`` draws the labels as a hand would. Every training sequence gives ``train_per_sequence``
    frames.
    """
    preset, log_window = get_preset(preset), options.get("log_window", False)
    mask_jitter_px, workers = options.get("mask_jitter_px", 0.0), options.get("workers", 1)
    splits = plan_splits(counts, options.get("train_per_sequence", FRAMES_PER_SEQUENCE))
    simulate = partial(
        simulate_frames, 0, height, width, seed, preset, sampling, mask_jitter_px=mask_jitter_px, workers=workers
    )
    chosen = splits["train"][:: -(-len(splits["train"]) // WINDOW_FRAMES)]
    window = intensity_window((f.image for f in simulate(indices=chosen)), log=log_window)
    rows: list[tuple] = []

    def frames() -> Iterator[Frame]:
        for split, indices in splits.items():
            for simulated in simulate(indices=indices):
                rows.extend(_table_rows(simulated, split))
                yield as_frame(simulated, split, window, log_window)

    info = {**_info(preset), "tile": options.get("tile", 0), "sampling": sampling, "mask_jitter_px": mask_jitter_px}
    info["window"] = {"kind": "log" if log_window else "linear", "low": window[0], "high": window[1]}
    frame_set = write_frames(folder, frames(), info)
    with atomic_path(frame_set.folder / "instances.csv") as part, open(part, "w", newline="") as stream:
        csv.writer(stream).writerows([INSTANCE_COLUMNS, *rows])
    return frame_set


def _info(preset: Preset) -> dict[str, object]:
    """What frames.json says about the source."""
    return {
        "class_names": ["background", *(c.name for c in load_classes())],
        "class_colours": ["#000000", *(c.colour for c in load_classes())],
        "pixel_size_um": preset.pixel_um,
        "source": "simulator",
        "simulated": True,
        "corrections": ["dark", "flat field", "defective pixels"],
        "preset": asdict(preset),
    }


def as_frame(simulated: SimulatedFrame, split: str, window: tuple[float, float], log: bool) -> Frame:
    """A simulated frame in the 8 bits of ``window``."""
    return Frame(
        name=simulated.name,
        sequence=simulated.sequence,
        split=split,
        image=relative_to_uint8(simulated.image, window, log),
        labels=simulated.labels,
        simulated=True,
        instances=simulated.instances,
    )


def _table_rows(frame: SimulatedFrame, split: str) -> Iterator[tuple]:
    for i in frame.table:
        place = (round(i.diameter_um, 2), round(i.x, 2), round(i.y, 2), int(i.mask.sum()))
        yield frame.name, split, frame.metal, i.id, i.class_name, *place, str(i.visible).lower()
