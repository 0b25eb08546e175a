"""PNG and TIFF as other people's programs write them: grey frames, stacks of them, and masks of class indices."""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from xpci_utils import paths
from xpci_utils.frames.faults import MIN_SIDE, FolderError, as_grey, check_size, reading, regular_file

TIFF = (".tif", ".tiff")
SUFFIXES = (".png", *TIFF)


def read_grey(path: Path) -> np.ndarray:
    """A frame [H, W] as uint8, uint16 or float32, from PNG or TIFF; colour is taken when its channels are equal."""
    with reading(path, "an image"):
        return as_grey(_single(path, grey=True), paths.display(path))


def read_indices(path: Path) -> np.ndarray:
    """A mask [H, W] of class indices, from a grey or palette PNG or TIFF."""
    with reading(path, "an image"):
        pixels = _single(path, grey=False)
    if pixels.ndim != 2:
        raise FolderError(f"{paths.display(path)} is a colour image; masks hold one class index per pixel")
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def read_png_pixels(file: Path | BinaryIO, where: str | Path, grey: bool, smallest: int = MIN_SIDE) -> np.ndarray:
    """Pixels as stored; with ``grey`` a palette becomes the colours it stands for, else its indices stay."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = Image.open(file, formats=["PNG"])
        except Image.DecompressionBombError as error:
            claim = str(error).partition(" exceeds")[0]
            raise FolderError(f"{paths.display(where)}: {claim} is far too much; the file is damaged") from None
    with picture:
        check_size((picture.height, picture.width), where, smallest)
        return np.array(picture.convert("RGB") if grey and picture.mode in ("P", "PA") else picture)


class TiffStack:
    """Grey frames of a TIFF file, read page by page: ``stack[i]`` is what page i stores, [H, W] or [H, W, channels].

    ``pixel_um`` and ``interval_us`` are what ImageJ's description tells, else None. Raises FolderError for channels,
    pages of different sizes, and files that are shorter than their header says.
    """

    def __init__(self, path: Path):
        self.path = regular_file(path)
        with reading(path, "an image"):
            self._file = tifffile.TiffFile(path)
            self._series = self._file.series[0]
            self._plane = self._series.shape[-3:] if self._series.axes.endswith("S") else self._series.shape[-2:]
            self._count = _frames_of(self._file, path)
            self.pixel_um, self.interval_us = _scale(self._file)
            end = (self._series.dataoffset or 0) + self._series.nbytes
            if self._series.dataoffset is not None and (size := path.stat().st_size) < end:
                raise FolderError(f"{paths.display(path)} is cut off: {size} bytes of {end}; copy it again")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        """One frame: from its place in the file where frames lie in a row, else from its own page."""
        series = self._series
        if series.dataoffset is not None:
            dtype = series.dtype.newbyteorder(self._file.byteorder)
            offset = series.dataoffset + index * int(np.prod(self._plane)) * dtype.itemsize
            return np.memmap(self.path, dtype, "r", offset, self._plane)
        if len(series) == self._count:
            return series[index].asarray()
        return series.asarray().reshape(self._count, *self._plane)[index]


def _single(path: Path, grey: bool) -> np.ndarray:
    if path.suffix.lower() not in TIFF:
        return read_png_pixels(regular_file(path), path, grey)
    stack = TiffStack(path)
    if len(stack) > 1:
        raise FolderError(f"{paths.display(path)} is a stack of {len(stack)} pages; save one file per frame")
    return np.array(stack[0])


def _frames_of(file: tifffile.TiffFile, path: Path) -> int:
    """Number of grey frames; FolderError for channels, odd axes, and pages of different sizes."""
    series = file.series[0]
    where = paths.display(path)
    if len(file.series) > 1 and {s.shape for s in file.series} != {series.shape}:
        raise FolderError(f"{where} holds pages of different sizes; save frames of one size in a file")
    if len(file.series) > 1:
        raise FolderError(f"{where} holds {len(file.series)} series of frames; save one per file")
    axes = series.axes.removesuffix("S")
    if not axes.endswith("YX"):
        raise FolderError(f"{where} stores its axes as {series.axes}; save it with height and width last")
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if sizes.get("C", 1) > 1:
        raise FolderError(f"{where} has {sizes['C']} channels; save the one that shows the particles")
    check_size((sizes["Y"], sizes["X"]), path)
    return int(np.prod(series.shape[: len(axes) - 2], dtype=np.int64))


def _scale(file: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """(pixel [um], time between frames [us]) as ImageJ writes them; None where they are not told in micrometres."""
    told = file.imagej_metadata or {}
    interval = 1e6 * told["finterval"] if told.get("finterval") else None
    if str(told.get("unit", "")).replace("\\u00B5", "u").replace("µ", "u") not in ("um", "micron", "microns"):
        return None, interval
    tag = file.pages[0].tags.get("XResolution")
    numerator, denominator = tag.value if tag else (0, 0)
    return (denominator / numerator if numerator else None), interval
