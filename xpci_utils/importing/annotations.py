"""Annotations in the files that annotation tools write, as class indices per pixel.

    a folder or stack          PNG or TIFF of class indices, of 0 and 255 per class, or of one number per particle
    *.h5                       the same in /exchange/labels
    *.zip (or unpacked)        CVAT "Segmentation mask 1.1" and "CVAT for images 1.1"; COCO; ROI sets of Fiji
    *.json                     COCO: polygons, RLE, crowds (which are ignored)
    a folder of *.json         labelme, X-AnyLabeling
    *.geojson, *.json          QuPath, one file per frame
    *.xml                      CVAT for images 1.1
    *.roi                      Fiji

Names of classes are looked up in the user's classes file; without one the tool's own names and colours are taken.
This module only finds out who wrote a file; every format has a module of its own.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from xpci_utils import paths
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.importing import coco, cvat, cvat_xml, imagej, indices, labelme, qupath
from xpci_utils.importing.archives import Bundle, open_bundle
from xpci_utils.importing.base import Annotations, How, json_object

MASKS = (".png", ".tif", ".tiff", ".h5", ".hdf5", ".hdf", ".nx")
CURES = {
    ".txt": "; outlines of YOLO are not read: export COCO or masks instead",
    ".npy": "; save masks as PNG or TIFF (Cellpose: File > Save masks as PNG/tif)",
    ".jpg": "; JPEG changes the numbers of a mask: save PNG",
    ".json": "; none is of labelme or QuPath: export COCO or masks instead",
    ".xml": "; of Pascal VOC only its masks are read (SegmentationClass): export these, or COCO",
}
CURES |= {".npz": CURES[".npy"], ".mat": CURES[".npy"], ".jpeg": CURES[".jpg"]}
KNOWN = (".zip", ".json", ".geojson", ".xml", ".roi", *MASKS)


def open_annotations(path: str | Path, classes: list[FrameClass] | None, how: How = How()) -> Annotations:  # noqa: B008
    """The annotations at ``path``; FolderError says what is known when this is not."""
    path, how = paths.resolve(path), replace(how, classes=classes)
    if not path.exists():
        raise FolderError(f"{paths.display(path)} does not exist")
    annotations = _of_folder(path, how) if path.is_dir() else _of_file(path, how)
    by_numbers = annotations.kind.startswith(("class indices", "instance masks", "binary masks"))
    if (how.mask_values != "auto" or how.instance_classes) and not by_numbers:
        note = f"--mask-values and --instance-classes do not apply here: {annotations.kind} gives the classes itself"
        annotations = replace(annotations, notes=(*annotations.notes, note))
    if not annotations.names:
        raise FolderError(
            "; ".join((f"{paths.display(path)} ({annotations.kind}) annotates no frame", *annotations.notes))
        )
    return annotations


def of_given_frames(annotations: Annotations, frames: list[str], images: Path, some: bool) -> Annotations:
    """The annotations of ``frames``, when a file annotates more: with ``some`` the others are left out and told.

    Where folders stand in the names (2MPa_f1, 3MPa_f1), the frames of the folder ``images`` are those with its name.
    """
    given = {unicodedata.normalize("NFC", name) for name in frames}
    kept = {name: name for name in annotations.names if unicodedata.normalize("NFC", name) in given}
    if not kept:
        bare = {
            name.removeprefix(f"{images.name}_"): name
            for name in annotations.names
            if name.startswith(f"{images.name}_")
        }
        kept = {new: name for new, name in bare.items() if unicodedata.normalize("NFC", new) in given}
    if not some or not kept or len(kept) == len(annotations.names):
        return annotations
    lonely = [name for name in annotations.names if name not in set(kept.values())]
    note = f"{len(lonely)} annotations of frames that were not given are left out (the first is {lonely[0]})"

    def renamed(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new for new, name in kept.items() if name in set(names))

    return replace(
        annotations,
        names=tuple(kept),
        read=lambda name: annotations.read(kept[name]),
        notes=(*annotations.notes, note),
        bare=renamed(annotations.bare),
        unchecked=renamed(annotations.unchecked),
    )


def _of_file(path: Path, how: How) -> Annotations:
    suffix = path.suffix.lower()
    if suffix not in KNOWN or not path.is_file():
        raise FolderError(
            f"{paths.display(path)} has no known format of masks; known are {', '.join(KNOWN)} and folders"
            f"{CURES.get(suffix, '')}"
        )
    if suffix in MASKS:
        return indices.open_indices(path, how)
    if suffix == ".zip":
        return _of_bundle(open_bundle(path), how)
    if suffix == ".roi":
        return imagej.open_rois(Bundle(path, {path.name: path.read_bytes}), how)
    if suffix == ".xml":
        return cvat_xml.open_cvat_xml(path, path.read_bytes(), how)
    return qupath.open_qupath(path, [path], how) if qupath.is_qupath(path) else coco.open_coco(path, how)


def _of_bundle(bundle: Bundle, how: How) -> Annotations:
    """What a zip holds: the exports of CVAT, one COCO file, or ROIs of Fiji."""
    path = bundle.path
    if cvat.cvat_root(bundle) is not None:
        return cvat.open_cvat(bundle, how)
    if len(members := bundle.called("annotations.xml")) == 1:
        return cvat_xml.open_cvat_xml(path, _bytes(bundle, members[0]), how)
    if bundle.ending(".roi"):
        return imagej.open_rois(bundle, how)
    if len(members := bundle.ending(".json")) == 1:
        return coco.open_coco(
            path, how, json_object(_bytes(bundle, members[0]), f"{paths.display(path)}, {members[0]}")
        )
    inside = ", ".join(sorted({name.partition("/")[0] for name in bundle.files})[:4]) or "nothing"
    raise FolderError(
        f"{paths.display(path)} holds no labelmap.txt or no SegmentationClass/, no annotations.xml, no single "
        f".json and no .roi (it holds {inside}); export 'Segmentation mask 1.1' or 'COCO 1.0' from CVAT, or give other "
        "files unpacked"
    )


def _bytes(bundle: Bundle, name: str) -> bytes:
    with reading(f"{paths.display(bundle.path)}, {name}"):
        return bundle.read(name)


def _of_folder(path: Path, how: How) -> Annotations:
    for known, reader in _folder_readers():
        if known(path):
            return reader(path, how)
    if others := [
        item for item in labelme.json_files(path) if {"images", "annotations"} <= labelme.any_json(item).keys()
    ]:
        raise FolderError(
            f"{paths.display(path)} holds {others[0].name}, a COCO file; give this file itself, or take it out of the "
            "folder if the pictures beside it are masks"
        )
    if not indices.mask_files(path) and (held := _unread(path)):
        raise FolderError(f"{paths.display(path)} holds no masks: no PNG, TIFF or HDF5 file; it holds {held}")
    return indices.open_indices(path, how)


def _unread(path: Path) -> str:
    """The kinds of files in a folder that have no reader, the most frequent first, with what to do about them."""
    files = [item for item in sorted(path.rglob("*")) if item.is_file() and not item.name.startswith(".")]
    kinds = Counter(item.suffix.lower() for item in files).most_common(3)
    listing = ", ".join(f"{count} {suffix or 'other'}" for suffix, count in kinds)
    cure = next((CURES[suffix] for suffix, _ in kinds if suffix in CURES), "")
    return f"{listing} files ({files[0].name}, ...){cure}" if files else ""


def _folder_readers() -> tuple[tuple[Callable[[Path], bool], Callable[[Path, How], Annotations]], ...]:
    return (
        (cvat.is_unpacked, lambda path, how: cvat.open_cvat(open_bundle(path), how)),
        (labelme.is_labelme_folder, labelme.open_labelme),
        (qupath.is_qupath_folder, qupath.open_qupath_folder),
        (imagej.is_roi_folder, imagej.open_roi_folder),
    )
