"""Grey frames and masks in TIFF: what a page stores, and what it means by it (TIFF 6.0; ImageJ 1's description).

A page says how its numbers are to be shown: with 0 as black or white, through a palette, with fewer bits than a byte.
Frames arrive as they are shown, masks as they are stored. What would need a guess is refused with a sentence.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, check_size, reading, regular_file
from xpci_utils.frames.scale import tiff_scale

STRAIGHT_LINE, NO_FUNCTION = 0, 20  # ij.measure.Calibration
THROUGH_PALETTE = (
    "the files show their numbers through a palette; the levels are taken as shown, --grey stored takes the numbers"
)
UPRIGHT = (0, 1)  # 0 is not in the standard and written by some cameras
KNOWN = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.PALETTE, PHOTOMETRIC.RGB)
JPEG = (COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.JPEG_2000_LOSSY, COMPRESSION.JPEGXL)


class TiffStack:
    """Frames of a TIFF file, read page by page: [H, W] or [H, W, channels], as `stored`, `shown` or class `indices`.

    ``pixel_um`` and ``interval_us`` are what ImageJ's description or OME metadata tell, else None; ``notes`` says what
    a user should know of the file. Raises FolderError for channels, pages of different sizes or missing ones, files
    that are shorter than their header says, and pictures that are to be shown turned.
    """

    def __init__(self, path: Path):
        self.path = regular_file(path)
        with reading(path, "an image"), _quiet():
            self._file = tifffile.TiffFile(path)
            self._series = self._file.series[0]
            self._count = _frames_of(self._file, path)
            _check_pages(self._file, path)
            self._page = self._file.pages.first
            self._function = _calibration(self._file)
            scale = tiff_scale(self._file)
            end = (self._series.dataoffset or 0) + self._series.nbytes
            if self._series.dataoffset is not None and (size := path.stat().st_size) < end:
                raise FolderError(f"{paths.display(path)} is cut off: {size} bytes of {end}; copy it again")
        self.pixel_um, self.interval_us = scale.pixel_um, scale.interval_us
        self.notes = (*scale.notes, *self._notes())

    def __len__(self) -> int:
        return self._count

    def stored(self, index: int) -> np.ndarray:
        """The numbers of one page: from their place in the file where frames lie in a row, else from their own page."""
        series = self._series
        plane = series.shape[-3:] if series.axes.endswith("S") else series.shape[-2:]
        if series.dataoffset is not None:
            dtype = series.dtype.newbyteorder(self._file.byteorder)
            offset = series.dataoffset + index * int(np.prod(plane)) * dtype.itemsize
            return np.memmap(self.path, dtype, "r", offset, plane)
        if len(series) == self._count:
            page = series[index]
            assert page is not None  # _check_pages looked
            return page.asarray()
        return series.asarray().reshape(self._count, *plane)[index]

    def shown(self, index: int) -> np.ndarray:
        """Grey levels, or the colours of a palette: white as the largest value, fewer than 8 bits spread to 8.

        With a straight line as ImageJ's calibration (so it keeps signed integers), its values as float32.
        """
        pixels, page = self.stored(index), self._page_of(index)
        bits = page.bitspersample
        if pixels.dtype == bool:
            return self.indices(index).astype(bool)
        if page.photometric == PHOTOMETRIC.PALETTE:
            palette = page.colormap
            if palette is None:
                raise FolderError(
                    f"{paths.display(self.path)} holds numbers of a palette, but no palette; export it again"
                )
            return _colours(pixels, palette)
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            pixels = self._inverted(pixels, bits)
        if self._function is not None:
            return self._calibrated(pixels, *self._function)
        return (pixels * (255 // (2**bits - 1))).astype(np.uint8) if bits < 8 else pixels

    def indices(self, index: int) -> np.ndarray:
        """Class indices as they are stored; one bit per pixel as 0 and 1, 1 being what is shown white."""
        pixels, white = self.stored(index), self._page_of(index).photometric == PHOTOMETRIC.MINISWHITE
        if pixels.dtype == bool:
            return (pixels != white).astype(np.uint8)
        if white:
            raise FolderError(
                f"{paths.display(self.path)} shows 0 as white (MinIsWhite), so that programs disagree about its class "
                "indices; save the mask with 0 as black (Fiji: Image > Lookup Tables > Grays)"
            )
        return pixels

    def _page_of(self, index: int) -> tifffile.TiffPage:
        """What says how a frame is meant: its own page, where every frame has one; FolderError if it is turned."""
        pages = self._series.pages
        own = pages[index] if len(pages) == self._count else None
        if index == 0 or own is None or own.parent is not self._file:
            return self._page
        page = own.aspage()
        _check_upright(page, f"{paths.display(self.path)}, frame {index}")
        return page

    def _inverted(self, pixels: np.ndarray, bits: int) -> np.ndarray:
        if pixels.dtype.kind != "u":
            raise FolderError(
                f"{paths.display(self.path)} shows 0 as white (MinIsWhite) and holds {pixels.dtype} values, of which "
                "nothing says what black is; save it with 0 as black, or import with --grey stored"
            )
        return (2**bits - 1) - pixels

    def _calibrated(self, pixels: np.ndarray, function: int, coefficients: tuple[float, ...]) -> np.ndarray:
        if function != STRAIGHT_LINE or len(coefficients) != 2:
            raise FolderError(
                f"{paths.display(self.path)} carries a calibration of ImageJ (function {function}), by which its grey "
                "levels stand for other values; set it to none (Analyze > Calibrate), or import with --grey stored"
            )
        return (coefficients[0] + coefficients[1] * pixels.astype(np.float64)).astype(np.float32)

    def _notes(self) -> Iterator[str]:
        if self._page.photometric == PHOTOMETRIC.MINISWHITE and self._page.bitspersample > 1:
            yield "0 is shown as white in the files; the levels are inverted, as programs show them"
        if self._function is not None and self._function[0] == STRAIGHT_LINE and len(self._function[1]) == 2:
            first, slope = self._function[1]
            yield f"grey levels by ImageJ's calibration: {first:g} + {slope:g} x stored value"
        if self._page.photometric == PHOTOMETRIC.PALETTE and not _is_plain(self._page.colormap):
            yield THROUGH_PALETTE
        sizes = dict(zip(self._series.axes, self._series.shape, strict=True))
        if sizes.get("T", 1) > 1 and sizes.get("Z", 1) > 1:
            yield (
                f"the file holds {sizes['T']} times of {sizes['Z']} slices (Z) each; they are taken as {self._count} "
                "frames in the order of the file"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """tifffile also logs what is said here in one sentence."""
    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _frames_of(file: tifffile.TiffFile, path: Path) -> int:
    """Number of grey frames; FolderError for channels, odd axes, and pages of different sizes."""
    series = file.series[0]
    where = paths.display(path)
    if len(file.series) > 1 and {s.shape for s in file.series} != {series.shape}:
        raise FolderError(f"{where} holds pages of different sizes; save frames of one size in a file")
    if len(file.series) > 1:
        raise FolderError(f"{where} holds {len(file.series)} series of frames; save one per file")
    if series.axes.endswith("SYX") and not file.is_shaped:
        raise FolderError(f"{where} is a colour image, stored in {series.shape[-3]} planes; convert it to grey")
    axes = series.axes.removesuffix("S")
    if not axes.endswith("YX"):
        raise FolderError(f"{where} stores its axes as {series.axes}; save it with height and width last")
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if sizes.get("C", 1) > 1:
        raise FolderError(
            f"{where} has {sizes['C']} channels; save the one that shows the particles, or, if these are the frames of "
            f"a film, tell so (Fiji: Image > Properties, channels 1 and frames {sizes['C']}; tifffile: axes 'TYX')"
        )
    check_size((sizes["Y"], sizes["X"]), path)
    return int(np.prod(series.shape[: len(axes) - 2], dtype=np.int64))


def _check_pages(file: tifffile.TiffFile, path: Path) -> None:
    """FolderError for frames that the description promises and no file holds, and for pages nothing here can show."""
    series, where = file.series[0], paths.display(path)
    if missing := [i for i, page in enumerate(series.pages) if page is None]:
        lost = _lost_files(file, path)
        cure = f"put {', '.join(lost)} beside it, or" if lost else "the recording was cut off;"
        raise FolderError(
            f"{where} says it holds {len(series.pages)} frames, but {len(missing)} of them are not there (the first: "
            f"frame {missing[0]}); {cure} save the frames that are there as a stack"
        )
    page = file.pages.first
    _check_upright(page, where)
    if page.photometric not in KNOWN and not (page.photometric == PHOTOMETRIC.YCBCR and page.compression in JPEG):
        raise FolderError(f"{where} stores its colours as {_name(page.photometric)}; convert it to grey")


def _check_upright(page: tifffile.TiffPage, where: str) -> None:
    turned = page.tags.valueof("Orientation", 1)
    if turned not in UPRIGHT:
        raise FolderError(
            f"{where} is marked to be shown turned or mirrored (orientation {turned}), which some programs do and "
            "others do not; save it upright, as it was annotated"
        )


def _lost_files(file: tifffile.TiffFile, path: Path) -> list[str]:
    """Names of the files that OME metadata list and that are not beside this one."""
    if file.ome_metadata is None:
        return []
    named = dict.fromkeys(re.findall(r'<UUID[^>]*FileName="([^"]+)"', file.ome_metadata))
    return [name for name in named if not (path.parent / name).is_file()][:3]


def _calibration(file: tifffile.TiffFile) -> tuple[int, tuple[float, ...]] | None:
    """(function, coefficients) by which ImageJ shows grey levels; None where it shows them as they are."""
    metadata = file.imagej_metadata or {}
    function = int(metadata.get("cf", NO_FUNCTION))
    if function == NO_FUNCTION:
        return None
    coefficients = tuple(float(metadata[f"c{i}"]) for i in range(5) if f"c{i}" in metadata)
    return None if (function, coefficients) == (STRAIGHT_LINE, (0.0, 1.0)) else (function, coefficients)


def _colours(pixels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Entries [H, W, 3] of a palette of uint16 [3, N]: uint8 for at most 256 of them, like every program takes them."""
    colours = np.moveaxis(palette[:, pixels], 0, -1)
    return (colours >> 8).astype(np.uint8) if palette.shape[1] <= 256 else colours


def _is_plain(palette: np.ndarray | None) -> bool:
    """Whether a palette of uint16 [3, N] shows every number as itself."""
    return palette is None or bool(((palette >> 8) == np.arange(palette.shape[1])).all())


def _name(value: object) -> str:
    return getattr(value, "name", str(value))
