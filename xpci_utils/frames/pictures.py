"""PNG and TIFF as other people's programs write them: grey frames as shown, masks of class indices as stored."""

import warnings
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import ExifTags, Image

from xpci_utils import paths
from xpci_utils.frames.faults import MIN_SIDE, FolderError, as_grey, check_size, opaque, reading, regular_file
from xpci_utils.frames.tiff import THROUGH_PALETTE, UPRIGHT, TiffStack

TIFF = (".tif", ".tiff")
SUFFIXES = (".png", *TIFF)
GREY, COLOUR, PALETTE = (0, 4), (2, 4, 6), 3  # colour types of PNG: levels; several channels


def read_grey(path: Path) -> np.ndarray:
    """A frame [H, W] as uint8, uint16 or float32, from PNG or TIFF; colour is taken when its channels are equal."""
    with reading(path, "an image"):
        if path.suffix.lower() not in TIFF:
            return as_grey(read_png_pixels(regular_file(path), path, grey=True), paths.display(path))
        return as_grey(np.asarray(_page(path).shown(0)), paths.display(path))


def read_indices(path: Path) -> np.ndarray:
    """A mask [H, W] of class indices, in PNG or TIFF; one bit per pixel as 0 and 1, 1 is white; see `as_indices`."""
    with reading(path, "an image"):
        if path.suffix.lower() not in TIFF:
            pixels = read_png_pixels(regular_file(path), path, grey=False)
        else:
            pixels = np.array(_page(path).indices(0))
    return as_indices(pixels, paths.display(path))


def as_indices(pixels: np.ndarray, where: str) -> np.ndarray:
    """A mask [H, W] of what may have channels: colours whose channels are equal are one, an opaque alpha channel none.

    Raises FolderError for transparency and for colours, which are no class indices.
    """
    if pixels.ndim == 3 and pixels.shape[-1] in (2, 4):
        pixels = opaque(pixels, where)
    if pixels.ndim == 3 and pixels.shape[-1] in (1, 3) and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim != 2:
        raise FolderError(
            f"{where} is a colour image; masks hold one class index per pixel: export class indices, or for colours of "
            "CVAT its whole export, whose labelmap.txt names them"
        )
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def palette_notes(path: Path) -> tuple[str, ...]:
    """What to say of a PNG whose numbers are shown as others by a palette; damaged ones are told when they are read."""
    if _png_header(path)[1] != PALETTE:
        return ()
    try:
        with reading(path, "an image"), Image.open(path, formats=["PNG"]) as picture:
            colours = np.array(picture.getpalette() or ()).reshape(-1, 3)
    except FolderError:
        return ()
    return () if (colours == np.arange(len(colours))[:, None]).all() else (THROUGH_PALETTE,)


def read_png_pixels(file: Path | BinaryIO, where: str | Path, grey: bool, smallest: int = MIN_SIDE) -> np.ndarray:
    """Pixels as stored, of any bit depth; with ``grey`` as shown: a palette as its colours, few bits spread to 8.

    Pillow keeps 8 of the 16 bits of colours and spreads 2 and 4 bits of grey; the first are read by imagecodecs here,
    the second are taken back.
    """
    depth, kind = _png_header(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = Image.open(file, formats=["PNG"])
        except Image.DecompressionBombError as error:
            claim = str(error).partition(" exceeds")[0]
            raise FolderError(f"{paths.display(where)}: {claim} is far too much; the file is damaged") from None
    with picture:
        check_size((picture.height, picture.width), where, smallest)
        if (turned := picture.getexif().get(ExifTags.Base.Orientation, 1)) not in UPRIGHT:
            raise FolderError(
                f"{paths.display(where)} is marked to be shown turned or mirrored (orientation {turned}), which some "
                "programs do and others do not; save it upright, as it was annotated"
            )
        if depth == 16 and kind in COLOUR:
            return _sixteen_bits(file)
        if grey and picture.mode in ("P", "PA"):
            return np.array(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))
        pixels = np.array(picture)
    return pixels // (255 // (2**depth - 1)) if not grey and kind in GREY and depth in (2, 4) else pixels


def _png_header(file: Path | BinaryIO) -> tuple[int, int]:
    """(bits per channel, colour type) of a PNG; (8, 0) where there is no header, about which the decoder complains."""
    if isinstance(file, Path):
        with open(file, "rb") as stream:
            start = stream.read(26)
    else:
        start = file.read(26)
        file.seek(0)
    return (start[24], start[25]) if len(start) == 26 else (8, 0)


def _sixteen_bits(file: Path | BinaryIO) -> np.ndarray:
    if isinstance(file, Path):
        return imagecodecs.png_decode(file.read_bytes())
    file.seek(0)
    return imagecodecs.png_decode(file.read())


def _page(path: Path) -> TiffStack:
    stack = TiffStack(path)
    if len(stack) > 1:
        raise FolderError(f"{paths.display(path)} is a stack of {len(stack)} pages; save one file per frame")
    return stack
