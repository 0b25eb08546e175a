"""ROI sets of Fiji and ImageJ, from the ROI Manager's "Save...": RoiSet.zip of a stack, or one set per frame.

A ROI belongs to the slice it was drawn in (counted from 1 in Fiji), so its stack must be the film that is imported. Its
class is told by its name (``drop``, ``drop-12``), by its group (group 1 is class 1, ...), or is the only class.
Pixels belong to a ROI when their middle lies inside it, as Fiji fills it; holes of composite ROIs stay open.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading, unique
from xpci_utils.importing.archives import Bundle, open_bundle
from xpci_utils.importing.base import Annotations, How, Names, Tally, frame_size
from xpci_utils.importing.outlines import Regions, ellipse, with_area

AREAS = (ROI_TYPE.POLYGON, ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
NO_OUTLINE = (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE)
AUTOMATIC = re.compile(r"(\d{4,}-)?\d{4,}-\d{4,}(-\d+)?")  # (slice-)row-column, the ROI Manager's own names
SET_NAME = re.compile(r"[\s_\-.]*roi[\s_\-]*set[\s_\-.]*|[\s_\-.]+rois?$", re.IGNORECASE)


@dataclass(frozen=True)
class _Roi:
    """A region: its name in Fiji, group, slice (from 1, 0 for none), closed paths [n, 2], and where it is stored."""

    name: str
    group: int
    slice: int
    paths: list[np.ndarray]
    where: str


def open_rois(bundle: Bundle, how: How) -> Annotations:
    """The ROIs of one stack by slice, or of the frame that the file is called like; later ones lie on top."""
    path, tally = bundle.path, Tally()
    rois = _rois(bundle, tally)
    called = SET_NAME.sub("", path.stem)
    if called in how.frames and not any(one.slice for one in rois):
        return _annotations(path, [(called, one) for one in rois], how, tally)
    if rois and not how.frames:
        raise FolderError(
            f"{paths.display(path)} counts the slices of one stack, but several films are given; import the film that "
            "the ROIs were drawn in, or save one set of ROIs per picture, called like it, and give their folder"
        )
    _check_order(how.frames, rois, path)
    return _annotations(path, [(_frame(one, how.frames), one) for one in rois], how, tally)


def is_roi_folder(path: Path) -> bool:
    """Whether a folder holds ROI files of Fiji, or archives of them."""
    return any(item.suffix.lower() == ".roi" or _is_set(item) for item in path.iterdir())


def open_roi_folder(path: Path, how: How) -> Annotations:
    """One set of ROIs (a .zip or a .roi) per frame, called like the frame, with or without "RoiSet" in its name."""
    tally, place, names = Tally(), [], []
    for item in sorted(path.iterdir()):
        if item.name.startswith(".") or not (item.suffix.lower() == ".roi" or _is_set(item)):
            continue
        bundle = open_bundle(item) if item.suffix.lower() == ".zip" else Bundle(item, {item.name: item.read_bytes})
        names.append(SET_NAME.sub("", item.stem) or item.stem)
        for one in _rois(bundle, tally):
            if one.slice > 1:
                raise FolderError(f"{one.where} lies in slice {one.slice}, but there is one set of ROIs per frame here")
            place.append((names[-1], one))
    return _annotations(path, place, how, tally, unique(names, path))


def _is_set(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and not path.name.startswith(".") and bool(open_bundle(path).ending(".roi"))


def _annotations(
    path: Path, place: list[tuple[str, _Roi]], how: How, tally: Tally, listed: tuple[str, ...] = ()
) -> Annotations:
    labels = [_label(one, how) for _, one in place]
    names = Names(path, how, ((label, None) for label in dict.fromkeys(labels)))
    regions = Regions(frame_size(path, how), tally, listed)
    for (frame, one), label in zip(place, labels, strict=True):
        regions.add(frame, one.paths, names[label], one.where)
    notes = (*names.notes, *tally.notes())
    return Annotations(path, "ROIs of Fiji", regions.frames, regions.draw, names.classes, notes)


def _rois(bundle: Bundle, tally: Tally) -> list[_Roi]:
    """The regions with an area; points, lines and texts are left out and told."""
    rois = []
    for name in bundle.ending(".roi"):
        where = paths.display(bundle.path) + (f", {name}" if bundle.path.name != name else "")
        with reading(where, "a ROI of Fiji"):
            roi = ImagejRoi.frombytes(bundle.read(name))
            outlines = _paths(roi)
        if (roi.roitype not in AREAS or roi.subtype in NO_OUTLINE) and not roi.composite:
            kind = (roi.subtype if roi.subtype in NO_OUTLINE else roi.roitype).name.lower()
            tally.add(f"left out, ROIs without area ({kind})", where)
            continue
        if roi.options & ROI_OPTIONS.SPLINE_FIT or roi.rounded_rect_arc_size:
            tally.add("drawn with straight lines and corners, ROIs that Fiji rounds", where)
        outlines = [points for points in outlines if with_area(points, tally, where)]
        if outlines:
            called = roi.name or PurePosixPath(name).stem
            rois.append(_Roi(called, roi.group, _slice(roi, called, where), outlines, where))
    return rois


def _paths(roi: ImagejRoi) -> list[np.ndarray]:
    """Closed paths [n, 2] in pixels, counted from the corner of the first one."""
    if roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL) and not roi.composite:
        box: tuple[float, ...] = (roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top)
        if roi.subpixelrect:
            box = (roi.xd, roi.yd, roi.widthd, roi.heightd)
        x, y, width, height = box
        if roi.roitype == ROI_TYPE.OVAL:
            return [ellipse((x + width / 2, y + height / 2), (width / 2, height / 2))]
        return [np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], float)]
    return [np.asarray(points, float) for points in roi.coordinates(multi=True)]


def _slice(roi: ImagejRoi, name: str, where: str) -> int:
    """The slice a ROI was drawn in, from 1; 0 where nothing tells it."""
    if roi.position:
        return roi.position
    if roi.z_position > 1 and roi.t_position > 1:
        raise FolderError(f"{where} lies in slice {roi.z_position} of time {roi.t_position}; a film has one of both")
    if number := max(roi.z_position, roi.t_position):
        return number
    automatic = AUTOMATIC.fullmatch(name)
    return int(automatic[1].rstrip("-")) if automatic and automatic[1] else 0


def _frame(roi: _Roi, frames: tuple[str, ...]) -> str:
    if len(frames) == 1 and roi.slice <= 1:
        return frames[0]
    if not 1 <= roi.slice <= len(frames):
        fault = f"lies in slice {roi.slice}, the film has {len(frames)}" if roi.slice else "does not contain its slice"
        raise FolderError(
            f"{roi.where} {fault}; save the ROIs of this film with 'Associate ROIs with slices' (More >> Options) "
            "ticked"
        )
    return frames[roi.slice - 1]


def _check_order(frames: tuple[str, ...], rois: list[_Roi], path: Path) -> None:
    """Fiji sorts numbered pictures by their numbers, this import by their letters: refuse names where it matters."""

    def by_number(name: str) -> list:
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]

    if any(one.slice > 1 for one in rois) and sorted(frames, key=by_number) != list(frames):
        raise FolderError(
            f"{paths.display(path)} counts the pictures in the order of their numbers, which is not that of their "
            "names; write the numbers with leading zeros"
        )


def _label(roi: _Roi, how: How) -> str:
    """The class label of a ROI, by its name without number, by its group, or because there is one class only."""
    stripped = re.sub(r"[\s_\-.#]*\d*$", "", roi.name)
    automatic = bool(AUTOMATIC.fullmatch(roi.name)) or not stripped
    if not how.classes:
        if automatic:
            raise FolderError(f"the name of {roi.where} gives no class, and there is no classes file; give --classes")
        return stripped
    listed = Names(Path(roi.where), how, ())
    by_name = next((label for label in (roi.name, stripped) if not automatic and label in listed), None)
    by_group = how.classes[roi.group].name if 0 < roi.group < len(how.classes) else None
    if by_name and by_group and listed[by_name] != listed[by_group]:
        raise FolderError(f"{roi.where} is called {roi.name!r}, but its group {roi.group} is class {by_group!r}")
    only = how.classes[1].name if len(how.classes) == 2 and roi.group == 0 else None
    if class_label := by_name or by_group or only:
        return class_label
    raise FolderError(
        f"{roi.where} gives no class: it is called {roi.name!r} and has the group {roi.group}; give it the name of "
        f"a class ({how.classes[1].name}-1), or set its group to the number of the class in the classes file"
    )
