"""A recorded sequence (raw, flat, dark, corrected, labels) as TIFF stacks or HDF5 that Fiji opens, with metadata."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile

from xpci_utils.files import atomic_path
from xpci_utils.frames.classes import colour_table
from xpci_utils.simulation.classes import load_classes
from xpci_utils.simulation.detector import Camera
from xpci_utils.simulation.presets import Preset, get_preset
from xpci_utils.simulation.simulate import simulate_sequence

STACKS = ("raw", "flat", "dark", "corrected", "labels", "instances")


@dataclass(frozen=True)
class RecordedSequence:
    """Consecutive frames of a simulated sequence with their reference frames, all [frames, H, W]."""

    raw: np.ndarray  # uint16, 12 bit
    flat: np.ndarray
    dark: np.ndarray
    corrected: np.ndarray  # float32, about 1 in the open beam
    labels: np.ndarray  # uint8, 255 = ignore
    instances: np.ndarray  # uint16
    metadata: dict[str, Any]


def record_sequence(
    frames: int,
    height: int,
    width: int,
    seed: int,
    number: int = 0,
    preset: str | Preset = "aps32id_u18",
    start: int = 0,
) -> RecordedSequence:
    """Simulate a run of frames as the beamline would store it (all frames are held in memory)."""
    preset = get_preset(preset)
    taken = list(simulate_sequence(frames, height, width, seed, number, preset, start=start))
    if not taken:
        raise ValueError("record_sequence: at least one frame is needed")
    camera = Camera(preset, seed, number, height, width)
    stacks = {
        key: np.stack([getattr(f, field) for f in taken])
        for key, field in {"raw": "raw", "corrected": "image", "labels": "labels", "instances": "instances"}.items()
    }
    metadata = {
        "simulated": True,
        "sequence": taken[0].sequence,
        "metal": taken[0].metal,
        "seed": seed,
        "first_frame": start,
        "classes": {0: "background", **{c.index: c.name for c in load_classes()}, 255: "ignore"},
        "preset": asdict(preset),
    }
    return RecordedSequence(
        flat=camera.reference_stack("flat"), dark=camera.reference_stack("dark"), metadata=metadata, **stacks
    )


def export_tiff(sequence: RecordedSequence, folder: Path | str) -> list[Path]:
    """Write one ImageJ TIFF stack per kind, with pixel size [um] and frame interval, and metadata.json.

    The labels carry a colour map: ImageJ shows them in the colours of the classes, "ignore" in white.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name, preset = str(sequence.metadata["sequence"]), sequence.metadata["preset"]
    written = []
    colours: dict[str, Any] = {"photometric": "palette", "colormap": _class_colours()}
    for kind, stack in _stacks(sequence):
        path = folder / f"{name}_{kind}.tif"
        with atomic_path(path) as part:
            tifffile.imwrite(
                part,
                stack,
                imagej=True,
                resolution=(1 / preset["pixel_um"], 1 / preset["pixel_um"]),
                **(colours if kind == "labels" else {}),
                metadata={
                    "axes": "TYX",
                    "unit": "um",
                    "finterval": preset["frame_interval_us"] * 1e-6,
                    "Info": "simulated: true\n" + json.dumps(sequence.metadata),
                },
            )
        written.append(path)
    path = folder / f"{name}_metadata.json"
    with atomic_path(path) as part:
        Path(part).write_text(json.dumps(sequence.metadata, indent=1))
    return [*written, path]


def export_hdf5(sequence: RecordedSequence, path: Path | str) -> Path:
    """Write the sequence in APS Data Exchange layout: /exchange/data, data_white, data_dark, plus the labels.

    Fiji's HDF5 reader takes the voxel size from ``element_size_um`` [z, y, x].
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {"raw": "data", "flat": "data_white", "dark": "data_dark"}
    pixel = sequence.metadata["preset"]["pixel_um"]
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        for kind, stack in _stacks(sequence):
            data = file.create_dataset(
                f"exchange/{names.get(kind, kind)}", data=stack, compression="gzip", shuffle=True
            )
            data.attrs["element_size_um"] = [1.0, pixel, pixel]
        file.attrs["simulated"] = True
        file.attrs["metadata"] = json.dumps(sequence.metadata)
    return path


def _class_colours() -> np.ndarray:
    """TIFF colour map (uint16 [3, 256]) of the class indices; 255, "ignore", is white."""
    table = colour_table(["#000000", *(c.colour for c in load_classes())])
    return 257 * table.T.astype(np.uint16)


def _stacks(sequence: RecordedSequence) -> Iterator[tuple[str, np.ndarray]]:
    return ((kind, getattr(sequence, kind)) for kind in STACKS)
