"""A simulated film on disk: recorded as a beamline would, with the truth about every particle beside it.

film.h5        APS Data Exchange: raw 12-bit frames, flat and dark frames
instances.tif  uint16, a page per frame: number of the particle at every pixel, the same through the whole film;
               0 background, 65535 too faint for an annotator (counts for nothing)
truth.csv      one row per particle and frame: frame, id, class, diameter_um, x_um, y_um, visible
"""

import json
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import tifffile

from xpci_utils import files
from xpci_utils.frames import IGNORE
from xpci_utils.simulation.classes import load_classes
from xpci_utils.simulation.film import Film
from xpci_utils.video.blocks import read_blocks, run_blocks

IGNORED_INSTANCE = 65535
TRUTH_COLUMNS = ("frame", "id", "class_index", "diameter_um", "x_um", "y_um", "visible")


def require_simulated_classes(class_names: list[str]) -> None:
    """Raise ValueError when a network knows other classes than the simulator: it cannot judge a simulated film."""
    own = ["background", *(c.name for c in load_classes())]
    if list(class_names) != own:
        raise ValueError(
            f"this network knows {', '.join(class_names[1:])}, which are not the simulator's classes, and "
            "film_path names no film of yours; set it to the film it shall be applied to"
        )


def simulate_film(film: Film, folder: Path, blocks: Path, block_frames: int, history: Path) -> Path:
    """Compute a film into ``folder`` and return the path of film.h5, written last; finished frames are not repeated."""
    path = folder / "film.h5"
    if path.is_file():
        return path
    made = run_blocks(film.frames, block_frames, blocks, lambda members: _block(film, members), history, "simulating")
    folder.mkdir(parents=True, exist_ok=True)
    _write_truth(folder / "truth.csv", made)
    pages = (page for content in read_blocks(made) for page in content["instances"])
    with files.atomic_path(folder / "instances.tif") as part:
        shape = (film.frames, film.height, film.width)
        tifffile.imwrite(part, pages, shape=shape, dtype=np.uint16, compression="zlib", imagej=True)
    with files.atomic_path(path) as part:
        _write_exchange(part, film, made)
    return path


def _block(film: Film, members: range) -> dict[str, np.ndarray]:
    frames = [film.frame(number) for number in members]
    instances = [np.where(one.labels == IGNORE, IGNORED_INSTANCE, one.instances).astype(np.uint16) for one in frames]
    um = film.preset.pixel_um
    rows = [
        (number, i.id, i.class_index, i.diameter_um, i.x * um, i.y * um, i.visible)
        for number, one in zip(members, frames, strict=True)
        for i in one.table
    ]
    return {
        "raw": np.stack([one.raw for one in frames]),
        "instances": np.stack(instances),
        "truth": np.array(rows, float).reshape(-1, len(TRUTH_COLUMNS)),
    }


def _write_truth(path: Path, blocks: list[Path]) -> None:
    rows = np.concatenate([content["truth"] for content in read_blocks(blocks)])
    table = pd.DataFrame(rows, columns=list(TRUTH_COLUMNS)).round(3)
    names = {c.index: c.name for c in load_classes()}
    table = table.astype({"frame": int, "id": int, "class_index": int, "visible": bool})
    table.insert(2, "class", table.pop("class_index").map(names))
    with files.atomic_path(path) as part:
        table.to_csv(part, index=False)


def _write_exchange(path: Path, film: Film, blocks: list[Path]) -> None:
    um = film.preset.pixel_um
    with h5py.File(path, "w") as file:
        shape = (film.frames, film.height, film.width)
        data = file.create_dataset(
            "exchange/data", shape, np.uint16, chunks=(1, *shape[1:]), compression="gzip", shuffle=True
        )
        data.attrs["element_size_um"] = [1.0, um, um]
        start = 0
        for content in read_blocks(blocks):
            data[start : start + len(content["raw"])] = content["raw"]
            start += len(content["raw"])
        for name, kind in (("data_white", "flat"), ("data_dark", "dark")):
            file.create_dataset(f"exchange/{name}", data=film.camera.reference_stack(kind), compression="gzip")
        file.attrs["simulated"] = True
        file.attrs["metadata"] = json.dumps({"metal": film.metal, "seed": film.seed, "preset": asdict(film.preset)})
