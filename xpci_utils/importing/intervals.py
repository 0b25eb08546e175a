"""The time between the frames of an HDF5 film, where the file gives it together with its unit.

A time axis of the frames counts (a dimension scale, or the first of the ``axes`` of the data or of their group, as in
NeXus), and a frame rate or frame interval in /exchange or /measurement/instrument/detector (Data Exchange: De Carlo et
al., J. Synchrotron Rad. 21, 2014, 1224), as a data set or an attribute. The unit is the attribute ``units``, or the end
of the name (``frame_interval_us``, like ``element_size_um``). Without a unit nothing is taken. An exposure time never
counts: frames may be further apart.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from xpci_utils.frames.scale import in_us

PLACES = ("exchange", "measurement/instrument/detector")
# NXdetector's frame_time is the exposure with the readout; areaDetector calls the same AcquirePeriod.
NAMES = re.compile(
    r"(frame_?(?:rate|interval|period|time)|acquire_?period)(?:_(s|ms|us|ns|hz|khz|fps))?", re.IGNORECASE
)
PER_SECOND = {"Hz": 1, "hz": 1, "fps": 1, "1/s": 1, "s-1": 1, "s^-1": 1, "kHz": 1e3, "khz": 1e3, "MHz": 1e6}
SAME = 0.02  # times that differ by less, relatively, count as equal


@dataclass(frozen=True)
class _Entry:
    """What a file gives at one place: the numbers of a time axis, or one number, a frame rate or a frame interval."""

    where: str
    numbers: np.ndarray
    unit: str
    kind: str

    def interval_us(self) -> float:
        """The time between two frames [us]; ValueError says why there is none."""
        if not self.unit:
            raise ValueError("has no unit")
        factor = PER_SECOND.get(self.unit) if self.kind == "rate" else in_us(self.unit)
        if factor is None:
            raise ValueError(f"has the unit {self.unit!r}, which is no {'rate' if self.kind == 'rate' else 'time'}")
        if self.kind == "axis":
            return self._step() * factor
        value = float(self.numbers[0])
        if len(self.numbers) > 1 or not (np.isfinite(value) and value > 0):
            raise ValueError("is not one number above 0")
        return 1e6 / (value * factor) if self.kind == "rate" else value * factor

    def _step(self) -> float:
        """The step of a time axis, in its unit."""
        steps = np.diff(self.numbers)
        middle, rounding = np.median(steps), 2 * np.spacing(np.abs(self.numbers).max())
        if not (middle > 0 and (np.abs(steps - middle) <= SAME * middle + rounding).all()):
            raise ValueError(f"does not rise by equal steps (they are {steps.min():g} to {steps.max():g} {self.unit})")
        return float(steps.mean())


def frame_interval(file: h5py.File, data: h5py.Dataset) -> tuple[float | None, list[str]]:
    """(time between two frames of ``data`` [us] or None, sentences about what the file gives and nothing uses)."""
    given: dict[str, float] = {}
    notes = []
    for entry in (*_axes(data), *_values(file, data)):
        try:
            given[entry.where] = entry.interval_us()
        except ValueError as error:
            notes.append(f"{entry.where} {error}; the time between frames is not taken from it")
    if given and max(given.values()) > (1 + SAME) * min(given.values()):
        every = ", ".join(f"{where} {value:.4g} us" for where, value in given.items())
        return None, [*notes, f"the file gives different times between frames ({every}); none of them is taken"]
    if not given and (elsewhere := _elsewhere(file)):
        used = " and /".join(PLACES)
        notes.append(f"{elsewhere} is not used, for it may be of another camera; frame rates are read in /{used}")
    return next(iter(given.values()), None), notes


def _axes(data: h5py.Dataset) -> Iterator[_Entry]:
    """The axis of the frames, if it is one of time: by its unit, or by its name where it has none."""
    scales = list(data.dims[0].values()) if data.ndim == 3 else []
    name = _first_axis(data) or _first_axis(data.parent)
    if name and isinstance(own := data.parent.get(name), h5py.Dataset):
        scales.append(own)
    for scale in dict.fromkeys(scales):
        unit = _text(scale.attrs.get("units", ""))
        is_time = in_us(unit) is not None or (not unit and "time" in scale.name.rpartition("/")[2].lower())
        if is_time and scale.shape == data.shape[:1] and len(scale) > 1 and scale.dtype.kind in "uif":
            yield _Entry(scale.name, scale[()].astype(np.float64), unit, "axis")


def _first_axis(item: h5py.Dataset | h5py.Group) -> str:
    """The name of the axis of the frames: NeXus lists the axes, Data Exchange and older NeXus join them by colons."""
    return re.split("[:,]", _text(item.attrs.get("axes", "")))[0].strip()


def _values(file: h5py.File, data: h5py.Dataset) -> Iterator[_Entry]:
    """Frame rates and frame intervals beside the data, at the detector, and in the attributes of both."""
    groups = [group for place in PLACES if isinstance(group := file.get(place), h5py.Group)]
    for item in (data, *groups):
        for match in filter(None, map(NAMES.fullmatch, _attributes(item))):
            unit = item.attrs.get(f"{match[0]}_units", "")
            yield _entry(f"the attribute {match[0]} of {item.name}", match, item.attrs[match[0]], unit)
    for group in groups:
        for match in filter(None, map(NAMES.fullmatch, group)):
            if isinstance(item := group.get(match[0]), h5py.Dataset) and item.size:
                yield _entry(item.name, match, item[()], item.attrs.get("units", ""))


def _attributes(item: h5py.Dataset | h5py.Group) -> list[str]:
    """Names of attributes. The list of h5py opens a data set again, which HDF5 refuses if its files lie beside it."""
    return [h5py.h5a.open(item.id, index=i).name.decode() for i in range(h5py.h5a.get_num_attrs(item.id))]


def _entry(where: str, match: re.Match, value: Any, unit: Any) -> _Entry:
    """A frame rate or a frame interval by its name."""
    numbers = np.asarray(value).ravel()
    numbers = numbers.astype(np.float64) if numbers.dtype.kind in "uif" else np.array([np.nan])
    kind = "rate" if match[1].lower().endswith("rate") else "interval"
    return _Entry(where, numbers, _text(unit) or (match[2] or "").lower(), kind)


def _elsewhere(file: h5py.File) -> str:
    """Where else in the file a frame rate or interval lies; "" without any."""
    names: list[str] = []
    file.visit(names.append)
    parts = [name.rpartition("/") for name in names]
    others = [f"/{place}/{name}" for place, _, name in parts if NAMES.fullmatch(name) and place not in PLACES]
    return " and ".join(others[:2])


def _text(value: Any) -> str:
    """The text of an attribute, which may be bytes, or an array whose first item counts."""
    first = next(iter(np.asarray(value).ravel().tolist()), "")
    return (first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)).strip()
