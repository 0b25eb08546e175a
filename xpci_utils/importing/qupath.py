"""GeoJSON of QuPath ("Export objects as GeoJSON"): one file per frame, called like it, with a class per outline.

Pixels belong to an outline when their middle lies inside it, as in QuPath; holes stay open. Points and lines have no
area: they are left out and told. The file does not contain the size of its picture, which is the frame's.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.importing.base import Annotations, How, Names, Tally, frame_names, frame_size
from xpci_utils.importing.outlines import Regions, points_of, with_area

SUFFIXES = (".geojson", ".json")
ENDINGS = ("_annotations", "-annotations", "_objects", "_detections")


@dataclass(frozen=True)
class _Feature:
    """An outline with its holes [n, 2], its class or None, its plane (from 0), and where it stands."""

    label: str | None
    rings: list[np.ndarray]
    plane: int
    where: str


def is_qupath(path: Path) -> bool:
    """Whether a file is GeoJSON: by its suffix, or by what it holds."""
    return path.suffix.lower() == ".geojson" or (path.suffix.lower() == ".json" and _is_geojson(path))


def is_qupath_folder(path: Path) -> bool:
    """Whether a folder holds GeoJSON files."""
    return any(is_qupath(item) for item in path.iterdir() if not item.name.startswith("."))


def open_qupath_folder(path: Path, how: How) -> Annotations:
    """The GeoJSON files of a folder, one per frame."""
    return open_qupath(path, sorted(f for f in path.iterdir() if is_qupath(f) and not f.name.startswith(".")), how)


def open_qupath(path: Path, files: list[Path], how: How) -> Annotations:
    """The outlines of GeoJSON files, one per frame; a single file may hold the planes of a film."""
    tally = Tally()
    features = {file: list(_features(file, tally)) for file in files}
    labels = [one.label for own in features.values() for one in own if one.label]
    only = how.classes[1].name if how.classes and len(how.classes) == 2 else None
    names = Names(path, how, ((label, None) for label in dict.fromkeys(labels or ([only] if only else []))))
    placed = list(_by_frame(path, features, how))
    regions = Regions(frame_size(path, how), tally, (name for name, _ in placed))
    for name, one in placed:
        if one is None:
            continue
        if not (label := one.label or only):
            raise FolderError(f"{one.where} has no class; set it in QuPath, or to 'Ignore*' where it is to be ignored")
        regions.add(name, one.rings, names[label], one.where)
    notes = (*names.notes, *tally.notes())
    return Annotations(path, "GeoJSON of QuPath", regions.frames, regions.draw, names.classes, notes)


def _by_frame(path: Path, features: dict[Path, list[_Feature]], how: How) -> Iterator[tuple[str, _Feature | None]]:
    """(frame, feature or None): by the file's name, or where one file tells the planes of the film, by these."""
    stems = {file: _stem(file) for file in features}
    if len(features) == 1 and (own := next(iter(features.values()))) and any(one.plane for one in own):
        last = max(one.plane for one in own)
        if last >= len(how.frames):
            raise FolderError(f"{paths.display(path)} gives plane {last + 1}, the film has {len(how.frames)} frames")
        yield from ((how.frames[one.plane], one) for one in own)
        return
    if len(features) == 1 and len(how.frames) == 1:
        stems = dict.fromkeys(stems, how.frames[0])
    for name, own in zip(
        frame_names((f"{stem}.json" for stem in stems.values()), path), features.values(), strict=True
    ):
        yield name, None
        for one in own:
            if one.plane:
                raise FolderError(f"{one.where} lies in plane {one.plane + 1}, but there is one file per frame here")
            yield name, one


def _stem(path: Path) -> str:
    """The frame a file is called like: ``f1.geojson``, ``f1.png.geojson`` and ``f1_annotations.geojson`` are f1."""
    stem = path.stem
    for ending in (*ENDINGS, ".png", ".tif", ".tiff", ".ome"):
        stem = stem.removesuffix(ending)
    return stem or path.stem


def _content(path: Path) -> object:
    with reading(path, "JSON"):
        return json.loads(path.read_text(encoding="utf-8-sig"))


def _is_geojson(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError):
        return False
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, dict) and first.get("type") in ("FeatureCollection", "Feature")


def _features(path: Path, tally: Tally) -> Iterator[_Feature]:
    """The outlines of one file, checked."""
    content, where = _content(path), paths.display(path)
    features = content.get("features", [content]) if isinstance(content, dict) else content
    if not isinstance(features, list) or (features and not _is_geojson(path)):
        raise FolderError(f"{where} is not GeoJSON: it needs a FeatureCollection or a list of Features")
    for number, feature in enumerate(features):
        own = f"{where}, feature {number}"
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        if not isinstance(geometry, dict):
            raise FolderError(f"{own} has no geometry")
        kind = geometry.get("type")
        if kind in ("Point", "MultiPoint", "LineString", "MultiLineString"):
            tally.add(f"left out, features without area ({kind})", own)
        elif kind not in ("Polygon", "MultiPolygon"):
            raise FolderError(f"{own} is a {kind}, which is not known; known are Polygon and MultiPolygon")
        else:
            yield from _outlines(feature, geometry, tally, own)


def _outlines(feature: dict, geometry: dict, tally: Tally, where: str) -> Iterator[_Feature]:
    """A feature with all rings of its polygons; nothing if none has an area."""
    polygons = geometry.get("coordinates")
    polygons = [polygons] if geometry["type"] == "Polygon" else polygons
    if not isinstance(polygons, list) or not all(isinstance(rings, list) for rings in polygons):
        raise FolderError(f"{where} has coordinates that are no lists of points")
    rings = [points_of(ring, where) for rings in polygons for ring in rings]
    rings = [ring for ring in rings if with_area(ring, tally, where)]
    if rings:
        yield _Feature(_label(feature), rings, _plane(geometry, where), where)


def _label(feature: dict) -> str | None:
    """The class of a feature: in ``classification``, which older versions of QuPath write as a bare name."""
    classification = (feature.get("properties") or {}).get("classification")
    if isinstance(classification, dict):
        classification = classification.get("name") or ": ".join(classification.get("names") or [])
    return str(classification) if classification else None


def _plane(geometry: dict, where: str) -> int:
    plane = geometry.get("plane") or {}
    z, t = (plane.get(axis) or 0 for axis in "zt")
    if z and t:
        raise FolderError(f"{where} lies in plane {z} of time {t}; a film has one of both")
    if not isinstance(z or t, int) or (z or t) < 0:
        raise FolderError(f"{where} lies in plane {z or t!r}; planes are whole numbers")
    return z or t
