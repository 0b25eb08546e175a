"""Films and annotations of any format to one folder that notebook 01 reads: images/, masks/, classes.yaml.

Nothing of the user's is touched. The new folder appears at the end, by rename, after the same check that the
notebook makes; until then there is nothing by its name.
"""

import csv
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import yaml
from PIL import Image
from tqdm import tqdm

from xpci_utils import artifacts, paths
from xpci_utils.frames import FolderError, check_folder, read_classes
from xpci_utils.frames.classes import FrameClass
from xpci_utils.importing.annotations import of_given_frames, open_annotations
from xpci_utils.importing.base import Annotations, How
from xpci_utils.importing.corrections import Correction, Levels, choose_correction, levels_of
from xpci_utils.importing.films import Film, open_films
from xpci_utils.importing.matching import match, sequences_of

IMPORT_FILE = "import.json"


@dataclass(frozen=True)
class Request:
    """What to import, from where, and how: the options of the command."""

    images: Path
    masks: Path
    out: Path
    classes: Path | None = None
    flats: Path | None = None
    darks: Path | None = None
    correct: str = "auto"
    sequences: Path | None = None
    splits: Path | None = None
    annotated_only: bool = False
    pixel_um: float | None = None
    mask_values: str = "auto"
    instance_classes: Path | None = None
    crowds: str = "ask"
    boxes: str = "ask"
    ignore_label: tuple[str, ...] = ()
    given_frames_only: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that was found out before the first frame is written."""

    films: list[Film]
    annotations: Annotations
    pairs: dict[str, str]
    sequences: dict[str, str]
    corrections: dict[Path, Correction]
    levels: Levels | None
    told: list[str]


def import_frames(request: Request) -> dict:
    """Write the folder ``request.out`` and return what its import.json says; FolderError when something is wrong."""
    if request.out.exists() or request.out.is_symlink():
        raise FolderError(f"{paths.display(request.out)} exists already; choose another name or remove it")
    plan = plan_import(request)
    with artifacts.atomic_folder(request.out) as folder:
        record = _write(plan, request, folder)
        try:
            check_folder(folder, read_classes(folder / "classes.yaml"))
        except FolderError as error:
            raise FolderError(str(error).replace(str(folder), paths.display(request.out))) from None
    return record


def plan_import(request: Request) -> Plan:
    """Open everything, match frames and annotations, and find levels and corrections; writes nothing."""
    films = open_films(request.images)
    classes = read_classes(request.classes) if request.classes else None
    names = [name for film in films for name in film.names]
    annotations = open_annotations(request.masks, classes, _how(request, films))
    annotations = of_given_frames(annotations, names, request.images, request.given_frames_only)
    pairs, how = match(names, annotations.names, request.annotated_only, request.masks)
    sequences, grouped = sequences_of(films, list(pairs), request.sequences)
    flats, darks = (_references(path) for path in (request.flats, request.darks))
    corrections = {
        film.path: choose_correction(film, request.correct, flats, darks)
        for film in films
        if any(name in pairs for name in film.names)
    }
    levels = levels_of(_alike(films, pairs))
    told = [
        f"frames: {len(names)} in {_kinds(films)}",
        f"annotations: {len(annotations.names)} in {annotations.kind}, matched {how}",
        *annotations.notes,
        *([f"{len(names) - len(pairs)} frames without annotation are left out"] if len(pairs) < len(names) else []),
        grouped,
        f"grey levels: {_told_levels(levels, corrections)}",
    ]
    return Plan(films, annotations, pairs, sequences, corrections, levels, told)


def _how(request: Request, films: list[Film]) -> How:
    """What the command says about the annotations; formats that count frames count those of one film."""
    return How(
        frames=films[0].names if len(films) == 1 else (),
        size=films[0][0].shape,
        annotated_only=request.annotated_only,
        mask_values=request.mask_values,
        instance_classes=request.instance_classes,
        crowds=request.crowds,
        boxes=request.boxes,
        ignored=tuple(request.ignore_label),
    )


def _told_levels(levels: Levels | None, corrections: dict[Path, Correction]) -> str:
    if levels is None:
        return "floats"
    shifted_back = levels.shift and not all(correction.said for correction in corrections.values())
    return f"{levels}, shifted back" if shifted_back else str(levels)


def _references(path: Path | None) -> Film | None:
    """Reference frames at a path, those of several films as one."""
    if path is None:
        return None
    films = open_films(path)
    if len(films) == 1:
        return films[0]
    frames = [(film, i) for film in films for i in range(len(film))]
    names = tuple(str(i) for i in range(len(frames)))
    return Film(paths.resolve(path), names, films[0].kind, lambda i: frames[i][0][frames[i][1]])


def _chosen(films: list[Film], pairs: dict[str, str]) -> Iterator[tuple[Film, int, str]]:
    return ((film, i, name) for film in films for i, name in enumerate(film.names) if name in pairs)


def _alike(films: list[Film], pairs: dict[str, str]) -> Iterator[np.ndarray]:
    """The chosen frames, all of which must store the same kind of numbers."""
    first = None
    for film, i, name in _chosen(films, pairs):
        frame = film[i]
        first = first or frame.dtype
        if frame.dtype != first:
            raise FolderError(f"frame {name} is {frame.dtype}, the first frame {first}; save all with the same depth")
        yield frame


def _kinds(films: list[Film]) -> str:
    kinds = [film.kind for film in films]
    return ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))


def _write(plan: Plan, request: Request, folder: Path) -> dict:
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    shape = None
    for film, i, name in tqdm(_chosen(plan.films, plan.pairs), desc="frames", total=len(plan.pairs), disable=None):
        image = _corrected(film[i], plan.corrections[film.path], plan.levels)
        shape = shape or image.shape
        if image.shape != shape:
            raise FolderError(
                f"frame {name} is {_size(image.shape)}, the first frame {_size(shape)}; all must be alike"
            )
        labels = plan.annotations.read(plan.pairs[name])
        if labels.shape != shape:
            raise FolderError(f"the annotation of {name} is {_size(labels.shape)}, its frame {_size(shape)}")
        _write_image(folder / "images" / name, image)
        Image.fromarray(labels).save(folder / "masks" / f"{name}.png")
    _write_tables(plan, request, folder)
    record = _record(plan, request)
    artifacts.write_json(folder / IMPORT_FILE, record)
    return record


def _corrected(frame: np.ndarray, correction: Correction, levels: Levels | None) -> np.ndarray:
    if correction.said:
        return correction.apply(frame)
    return frame >> levels.shift if levels and levels.shift else frame


def _write_image(path: Path, image: np.ndarray) -> None:
    """Integers as PNG, corrected intensities as TIFF: grey levels arrive as they are."""
    if image.dtype.kind == "u":
        Image.fromarray(image).save(path.with_name(f"{path.name}.png"))
    else:
        tifffile.imwrite(path.with_name(f"{path.name}.tif"), image)


def _write_tables(plan: Plan, request: Request, folder: Path) -> None:
    text = yaml.safe_dump(_classes_content(plan.annotations.classes), sort_keys=False, allow_unicode=True)
    (folder / "classes.yaml").write_text(text, encoding="utf-8")
    with open(folder / "sequences.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "sequence"), *plan.sequences.items()])
    if request.splits:
        if not request.splits.is_dir():
            raise FolderError(f"{paths.display(request.splits)} is no folder with train.txt, val.txt and test.txt")
        shutil.copytree(request.splits, folder / "splits")


def _classes_content(classes: tuple[FrameClass, ...]) -> dict:
    entries = [
        {"index": one.index, "name": one.name, "colour": one.colour}
        | ({"priority": one.priority} if one.priority else {})
        | ({"description": one.description} if one.description else {})
        for one in classes
    ]
    background = {key: value for key, value in entries[0].items() if key != "index"}
    return {"background": background, "classes": entries[1:]}


def _record(plan: Plan, request: Request) -> dict:
    said = list(dict.fromkeys(correction.said for correction in plan.corrections.values()))
    corrections = list(dict.fromkeys(step for steps in said for step in steps))
    pixels = {film.pixel_um for film in plan.films if film.pixel_um}
    pixel_um = request.pixel_um or (pixels.pop() if len(pixels) == 1 else None)
    intervals = {film.interval_us for film in plan.films if film.interval_us}
    return {
        "images": paths.display(request.images),
        "masks": paths.display(request.masks),
        "told": plan.told,
        "mask_values": "class indices, 255 ignored",
        "grey_levels": _told_levels(plan.levels, plan.corrections),
        "corrections": corrections,
        "pixel_size_um": pixel_um,
        "frame_interval_us": intervals.pop() if len(intervals) == 1 else None,
    }


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
