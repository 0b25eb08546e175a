"""Run lengths of COCO, checked: pycocotools does not look, and writes beyond its memory where they are too long."""

from xpci_utils.frames.faults import FolderError
from xpci_utils.importing.base import Size


def checked_runs(coded: dict, size: Size, where: str) -> dict:
    """A run-length code with its runs as numbers, column after column, that fill the picture exactly."""
    shape = coded.get("size")
    if not isinstance(shape, list | tuple) or list(shape) != list(size):
        raise FolderError(f"{where} has a run-length code for {shape}, its image is {list(size)}")
    counts = coded.get("counts")
    if isinstance(counts, str | bytes):
        runs = _unpacked(counts.encode() if isinstance(counts, str) else counts)
    else:
        runs = counts
    if not isinstance(runs, list) or not all(isinstance(run, int) and run >= 0 for run in runs):
        raise FolderError(f"{where} has a run-length code that cannot be read; export it again")
    if sum(runs) != size[0] * size[1]:
        raise FolderError(f"{where} has a run-length code for {sum(runs)} pixels, its image has {size[0] * size[1]}")
    return {"size": list(size), "counts": runs}


def _unpacked(text: bytes) -> list[int] | None:
    """Run lengths of COCO's compressed string: six-bit groups, from the third run on as differences."""
    runs: list[int] = []
    value = shift = 0
    for byte in text:
        group = byte - 48
        if not 0 <= group < 64 or shift > 30:
            return None
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (1 << shift) if group & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs if not shift else None
