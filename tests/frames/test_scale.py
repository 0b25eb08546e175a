"""Pixel size and time between frames in every unit that ImageJ and OME write."""

import numpy as np
import pytest
import tifffile

from xpci_utils.frames.scale import in_um, in_us
from xpci_utils.frames.tiff import TiffStack

FRAMES = np.arange(3 * 12 * 16, dtype=np.uint8).reshape(3, 12, 16)

LENGTHS = {
    "um": 1, "µm": 1, "μm": 1, "\\u00B5m": 1, "micron": 1, "microns": 1, "micrometer": 1, "Micrometres": 1, "nm": 1e-3,
    "nanometers": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "m": 1e6, "inch": 25400, "inches": 25400, "in": 25400,
    "Å": 1e-4, "angstroms": 1e-4, "pm": 1e-6,
}  # fmt: skip
TIMES = {
    "us": 1, "usec": 1, "µs": 1, "μs": 1, "microseconds": 1, "ns": 1e-3, "nsec": 1e-3, "ms": 1e3, "msec": 1e3, "s": 1e6,
    "sec": 1e6, "seconds": 1e6, "min": 6e7, "minutes": 6e7, "h": 3.6e9, "hours": 3.6e9,
}  # fmt: skip


@pytest.mark.parametrize("unit", LENGTHS)
def test_lengths(unit):
    assert in_um(unit) == pytest.approx(LENGTHS[unit])


@pytest.mark.parametrize("unit", TIMES)
def test_times(unit):
    assert in_us(unit) == pytest.approx(TIMES[unit])


@pytest.mark.parametrize("unit", ["pixel", "", "furlong", "Mm", "volts", "sec"])
def test_what_is_no_length_is_none(unit):
    assert in_um(unit) is None


@pytest.mark.parametrize("unit", ["um", "mm", "nm", "cm", "inch", "micrometer", "\\u00B5m"])
def test_imagejs_unit_is_taken_over(tmp_path, unit):
    per_unit = LENGTHS[unit] / 2.0  # pixels of 2 um
    tifffile.imwrite(
        tmp_path / "a.tif", FRAMES, imagej=True, resolution=(per_unit, per_unit), metadata={"axes": "TYX", "unit": unit}
    )
    assert TiffStack(tmp_path / "a.tif").pixel_um == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize(("value", "unit"), [(20, "usec"), (0.02, "ms"), (2e-5, "sec"), (2e-5, None), (20000, "ns")])
def test_imagejs_interval_is_taken_over(tmp_path, value, unit):
    metadata = {"axes": "TYX", "finterval": value} | ({"tunit": unit} if unit else {})
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, imagej=True, metadata=metadata)
    assert TiffStack(tmp_path / "a.tif").interval_us == pytest.approx(20)


def test_unknown_units_and_oblong_pixels_are_told(tmp_path):
    metadata = {"axes": "TYX", "unit": "furlong", "finterval": 3, "tunit": "fortnight"}
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, imagej=True, resolution=(2, 2), metadata=metadata)
    tifffile.imwrite(tmp_path / "b.tif", FRAMES, imagej=True, resolution=(2, 4), metadata={"axes": "TYX", "unit": "um"})
    odd, oblong = TiffStack(tmp_path / "a.tif"), TiffStack(tmp_path / "b.tif")
    assert (odd.pixel_um, odd.interval_us, oblong.pixel_um) == (None, None, None)
    assert "'furlong', which is no known length" in odd.notes[0]
    assert "'fortnight', which is no known time" in odd.notes[1]
    assert "0.5 um wide and 0.25 um high" in oblong.notes[0]


@pytest.mark.parametrize(("size", "unit"), [(2.0, "µm"), (2000.0, "nm"), (0.002, "mm"), (2.0, None)])
def test_omes_scale_is_taken_over(tmp_path, size, unit):
    metadata = {"axes": "TYX", "PhysicalSizeX": size, "PhysicalSizeY": size, "TimeIncrement": 0.02}
    metadata |= {"TimeIncrementUnit": "ms"} | ({"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit} if unit else {})
    tifffile.imwrite(tmp_path / "a.ome.tif", FRAMES, photometric="minisblack", metadata=metadata)
    stack = TiffStack(tmp_path / "a.ome.tif")
    assert (stack.pixel_um, stack.interval_us) == (pytest.approx(2.0), pytest.approx(20))


def test_a_resolution_for_printing_is_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, photometric="minisblack", resolution=(300, 300), resolutionunit="INCH")
    assert TiffStack(tmp_path / "a.tif").pixel_um is None
