"""Long work on the frames of a film in blocks: each is one file, written whole, and a killed run loses one block."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from xpci_utils import files

Arrays = dict[str, np.ndarray]


def run_blocks(
    frames: int, size: int, folder: Path, make: Callable[[range], Arrays], history: Path, description: str
) -> list[Path]:
    """Call ``make`` for every run of ``size`` frames whose file is not in ``folder`` yet; returns all files in order.

    ``make`` returns numeric arrays by name. Progress goes to ``history`` (and to a bar when somebody watches). Raises
    StoppedForTime between two blocks when this process has used up its time; the same call then goes on from there.
    """
    from xpci_utils.training import StoppedForTime, time_is_over, watched

    starts = range(0, frames, size)
    paths = [folder / f"{start:07d}.npz" for start in starts]
    began, already = time.monotonic(), size * sum(path.is_file() for path in paths)
    for start, path in tqdm(list(zip(starts, paths, strict=True)), desc=description, disable=not watched()):
        if path.is_file():
            continue
        if time_is_over():
            raise StoppedForTime(f"{description} stopped for time at frame {start} of {frames}; run it again to go on")
        members = range(start, min(start + size, frames))
        with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
            arrays: dict[str, Any] = make(members)
            np.savez_compressed(file, **arrays)
        seconds = (time.monotonic() - began) * members.stop / max(members.stop - already, 1)
        files.append_jsonl(history, {"step": members.stop, "steps": frames, "seconds": round(seconds, 2)})
    return paths


def read_blocks(paths: list[Path]) -> Iterator[Arrays]:
    """The arrays of every block, one block at a time."""
    for path in paths:
        with np.load(path, allow_pickle=False) as content:
            yield dict(content)
