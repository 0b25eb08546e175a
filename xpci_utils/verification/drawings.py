"""A report drawn again, compared with a committed one: tables by their bytes, pictures by their pixels."""

import re
import zlib
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import Image

from xpci_utils.verification.check import Finding

BLOCK = 8  # pixels, about the height of a digit
GREY_LEVELS = 8.0  # how far the mean of a block may be off: hinting and rounding stay below, ink does not
POINTS = 0.05  # how far a coordinate of a PDF may be off; a point is 1/72 inch
NUMBER = re.compile(rb"[-+]?\d*\.?\d+")


def compare_texts(committed: Path, drawn: Path) -> Finding:
    """Tables, the page and whatever is no picture: equal byte for byte, and no file more or less."""
    return _compare(committed, drawn, "equal bytes", "none", lambda name: name.suffix not in (".png", ".pdf"))


def compare_figures(committed: Path, drawn: Path) -> Finding:
    """PNG files block by block, PDF files stream by stream."""
    tolerance = f"PNG: {GREY_LEVELS:g} of 255 in the mean of any {BLOCK} x {BLOCK} pixels; PDF: {POINTS} points"
    return _compare(committed, drawn, "equal pictures", tolerance, lambda name: name.suffix in (".png", ".pdf"))


def _compare(committed: Path, drawn: Path, expected: str, tolerance: str, wanted) -> Finding:
    names = sorted({path for folder in (committed, drawn) for path in report_files(folder) if wanted(path)})
    differing = [str(name) for name in names if not same_file(committed / name, drawn / name)]
    agreeing = [name for name in names if str(name) not in differing]
    exact = sum(same_bytes(committed / name, drawn / name) for name in agreeing)
    result = f"differing: {', '.join(differing)}" if differing else f"{len(names)} agree, {exact} in every byte"
    return Finding(f"{len(names)} files, {expected}", result, tolerance, bool(names) and not differing)


def report_files(folder: Path) -> list[Path]:
    """Relative paths of the files of a report, without the results that it is drawn from and their chain."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in files if name.parts[0] not in ("results", "chain"))


def same_file(one: Path, other: Path) -> bool:
    """Whether two files of a report say the same; False if one is missing."""
    if not (one.is_file() and other.is_file()):
        return False
    return {".png": same_picture, ".pdf": same_pdf}.get(one.suffix, same_bytes)(one, other)


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files are equal."""
    return one.read_bytes() == other.read_bytes()


def same_picture(one: Path, other: Path) -> bool:
    """Whether two pictures have one size, and no block of `BLOCK` pixels differs in its mean by over `GREY_LEVELS`.

    In red, green and blue. The mean of a block forgives a line that moves by a part of a pixel, and sees a digit.
    """
    pictures = [np.asarray(Image.open(path).convert("RGB"), float) for path in (one, other)]
    if pictures[0].shape != pictures[1].shape:
        return False
    return bool(np.abs(_block_means(pictures[0] - pictures[1])).max() <= GREY_LEVELS)


def _block_means(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] -> the means over blocks; those at the lower and right border may be smaller."""
    rows, columns = (np.arange(0, size, BLOCK) for size in picture.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(picture, rows, axis=0), columns, axis=1)
    heights, widths = (np.diff([*starts, size]) for starts, size in zip((rows, columns), picture.shape, strict=False))
    return sums / (heights[:, None] * widths)[..., None]


def same_pdf(one: Path, other: Path) -> bool:
    """Whether two PDF files have equal streams: the same text, and numbers within `POINTS`.

    The files themselves may differ in how their streams are packed.
    """
    return all(
        first == second or (first is not None and second is not None and _same_stream(first, second))
        for first, second in zip_longest(_streams(one), _streams(other))
    )


def _streams(path: Path) -> list[bytes]:
    packed = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", path.read_bytes(), re.DOTALL)
    return [_unpacked(stream) for stream in packed]


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return stream


def _same_stream(one: bytes, other: bytes) -> bool:
    if NUMBER.sub(b"", one) != NUMBER.sub(b"", other):
        return False
    first, second = (np.array(NUMBER.findall(text), float) for text in (one, other))
    return len(first) == len(second) and bool(np.abs(first - second).max(initial=0) <= POINTS)
