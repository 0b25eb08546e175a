"""Pixel size and time between frames as TIFF files tell them: ImageJ's description, or OME metadata.

Sources: ij.io.FileSaver and ij.measure.Calibration of ImageJ 1 (unit, finterval, tunit, escapes like \\u00B5), and the
OME model of 2016-06 (PhysicalSizeX in um and TimeIncrement in s where no unit is given).
"""

import re
from dataclasses import dataclass

import tifffile

from xpci_utils.frames.faults import reading

TO_UM = {
    "um": 1, "micron": 1, "micrometer": 1, "micrometre": 1, "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3,
    "pm": 1e-6, "picometer": 1e-6, "picometre": 1e-6, "å": 1e-4, "angstrom": 1e-4, "ångström": 1e-4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "cm": 1e4, "centimeter": 1e4, "centimetre": 1e4,
    "dm": 1e5, "m": 1e6, "meter": 1e6, "metre": 1e6, "km": 1e9, "inch": 25400, "inche": 25400, "in": 25400, '"': 25400,
    "mil": 25.4, "thou": 25.4, "ft": 304800, "foot": 304800,
}  # fmt: skip
TO_US = {
    "us": 1, "usec": 1, "microsec": 1, "microsecond": 1, "ns": 1e-3, "nsec": 1e-3, "nanosec": 1e-3, "nanosecond": 1e-3,
    "ps": 1e-6, "psec": 1e-6, "picosecond": 1e-6, "ms": 1e3, "msec": 1e3, "millisec": 1e3, "millisecond": 1e3,
    "s": 1e6, "sec": 1e6, "second": 1e6, "min": 6e7, "minute": 6e7, "h": 3.6e9, "hr": 3.6e9, "hour": 3.6e9,
}  # fmt: skip
NO_LENGTH = ("", "pixel", "px", "pix", "null", "unit")
SQUARE = 0.01  # sides of a pixel that differ by less, relatively, count as equal


@dataclass(frozen=True)
class Scale:
    """What a file tells: pixel [um], time between frames [us], None where it does not; and what to say about it."""

    pixel_um: float | None = None
    interval_us: float | None = None
    notes: tuple[str, ...] = ()


def in_um(unit: str) -> float | None:
    """Micrometres per ``unit``, in any spelling that ImageJ or OME knows; None for what is no length."""
    return _factor(unit, TO_UM)


def in_us(unit: str) -> float | None:
    """Microseconds per ``unit``; None for what is no time."""
    return _factor(unit, TO_US)


def tiff_scale(file: tifffile.TiffFile) -> Scale:
    """The scale of a TIFF file by its OME metadata or ImageJ's description; resolutions for printing do not count."""
    with reading(file.filename or "a TIFF file", "a description of its scale"):
        if file.ome_metadata is not None:
            return _ome(file.ome_metadata)
        if file.imagej_metadata:
            return _imagej(file.imagej_metadata, file.pages.first.tags)
    return Scale()


def _factor(unit: str, table: dict[str, float]) -> float | None:
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), str(unit)).strip().replace("\\", "")
    text = text.replace("µ", "u").replace("μ", "u")  # the micro sign and the Greek letter
    if text.lower() in table and text not in ("M", "Mm", "Ms", "S", "Pm", "Nm"):  # mega, siemens and the like
        return float(table[text.lower()])
    plural = text.lower().removesuffix("s").removesuffix(".")
    return float(table[plural]) if len(plural) > 2 and plural in table else None


def _imagej(metadata: dict, tags: tifffile.TiffTags) -> Scale:
    unit = metadata.get("unit", "")
    notes: list[str] = []
    sides = [_side(tags.get(name)) for name in ("XResolution", "YResolution")]
    factors = [in_um(unit), in_um(metadata.get("yunit", unit))]
    pixel = _square([side and factor and side * factor for side, factor in zip(sides, factors, strict=True)], notes)
    if in_um(unit) is None and str(unit).lower().removesuffix("s") not in NO_LENGTH:
        notes.append(f"the file gives its pixels in {unit!r}, which is no known length; give --pixel-um")
    return Scale(pixel, _interval(metadata.get("finterval"), metadata.get("tunit") or "s", notes), tuple(notes))


def _ome(text: str) -> Scale:
    image = tifffile.xml2dict(text)["OME"].get("Image") or {}
    pixels = (image[0] if isinstance(image, list) else image).get("Pixels") or {}
    sides: list[float | None] = []
    notes: list[str] = []
    for axis in "XY":
        size, unit = pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "um")
        factor = in_um(unit)
        if size and factor is None and unit not in ("pixel", "reference frame"):
            notes.append(f"the file gives its pixels in {unit!r}, which is no known length; give --pixel-um")
        sides.append(float(size) * factor if size and factor else None)
    interval = _interval(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"), notes)
    return Scale(_square(sides, notes), interval, tuple(dict.fromkeys(notes)))


def _interval(value: float | None, unit: str, notes: list[str]) -> float | None:
    if not value:
        return None
    factor = in_us(unit)
    if factor is None:
        notes.append(f"the file gives the time between frames in {unit!r}, which is no known time; it is left aside")
    return float(value) * factor if factor else None


def _square(sides: list[float | None], notes: list[str]) -> float | None:
    """The side of a square pixel; with unequal sides none, and a note."""
    across, down = sides
    if not across or not down:
        return across or down
    if abs(across / down - 1) > SQUARE:
        notes.append(f"pixels are {across:.4g} um wide and {down:.4g} um high; frames need square ones, so no size is "
                     "taken over: resample the frames, or give --pixel-um")  # fmt: skip
        return None
    return across


def _side(tag: tifffile.TiffTag | None) -> float | None:
    numerator, denominator = tag.value if tag else (0, 0)
    return denominator / numerator if numerator else None
