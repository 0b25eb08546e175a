"""Films and annotations of any format to one folder that notebook 01 reads: images/, masks/, classes.yaml.

Nothing of the user's is touched. The new folder appears at the end, by rename, after the same check that the
notebook makes; until then there is nothing by its name.
"""

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import yaml
from PIL import Image
from tqdm import tqdm

from xpci_utils import files, paths
from xpci_utils.frames import FolderError, check_folder, read_classes
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.folder import listed_splits
from xpci_utils.importing.annotations import of_given_frames
from xpci_utils.importing.apart import Apart, set_apart, write_apart
from xpci_utils.importing.base import Annotations, How
from xpci_utils.importing.corrections import Correction, Levels, choose_correction
from xpci_utils.importing.film import Film
from xpci_utils.importing.films import open_films
from xpci_utils.importing.layouts import open_masks
from xpci_utils.importing.looking import Survey, check_mask, chosen, look
from xpci_utils.importing.marked import only_annotated
from xpci_utils.importing.matching import Masks, match
from xpci_utils.importing.onto import Earlier
from xpci_utils.importing.request import Request
from xpci_utils.importing.sequences import Sequences, sequences_of, write_sequences, write_splits

IMPORT_FILE = "import.json"


@dataclass(frozen=True)
class Plan:
    """Everything that was found out before the first frame is written."""

    films: list[Film]
    annotations: Annotations
    pairs: dict[str, str]
    sequences: Sequences
    corrections: dict[Path, Correction]
    levels: Levels | None
    sentences: list[str]
    apart: Apart


def import_frames(request: Request) -> dict:
    """Write the folder ``request.out`` and return what its import.json says; FolderError when something is wrong."""
    if request.out.exists() or request.out.is_symlink():
        raise FolderError(f"{paths.display(request.out)} exists already; choose another name or remove it")
    earlier = Earlier.open(request.onto) if request.onto else None
    request = earlier.completed(request) if earlier else request
    plan = plan_import(request, earlier)
    with files.atomic_folder(request.out) as folder:
        record = _write(plan, request, folder, earlier)
        try:
            check_folder(folder, read_classes(folder / "classes.yaml"))
        except FolderError as error:
            raise FolderError(str(error).replace(str(folder), paths.display(request.out))) from None
    return record


def plan_import(request: Request, earlier: Earlier | None = None) -> Plan:
    """Open everything, match frames and annotations, and find levels and corrections; writes nothing."""
    _check_apart(request)
    films = open_films(request.images, request.grey)
    films = earlier.spelt(films) if earlier else films
    annotations = _annotations(films, request)
    masks = Masks(annotations.names, request.masks, annotations.read)
    by = "name" if annotations.exported and request.pair_by == "auto" else request.pair_by
    pairs, matched = match(films, masks, by, request.given_frames_only)
    annotated, notes = set(pairs), [*annotations.notes]
    if earlier:
        pairs, again = earlier.check_again(pairs, request.again)
        notes += again
    most = 0 if request.annotated_only else request.unlabelled
    corrections = _corrections(films, {name for film in films for name in film.names} if most else annotated, request)
    survey = look(films, pairs, annotations.read)
    sequences, apart = _sequences(films, survey, annotated, request, earlier)
    sentences = [
        f"frames: {sum(map(len, films))} in {_kinds(films)}",
        *dict.fromkeys(note for film in films for note in film.notes),
        f"annotations: {len(annotations.names)} in {annotations.kind}, matched {matched}",
        *notes,
        *_left_out(len(annotations.names) - len(annotated), survey.blank),
        sequences.note,
        *filter(None, [apart.note]),
        f"grey levels: {_levels_in_words(survey.levels, corrections)}",
    ]
    kept = {name: pairs[name] for name in sequences.of}
    return Plan(films, annotations, kept, sequences, corrections, survey.levels, sentences, apart)


def _check_apart(request: Request) -> None:
    """FolderError when one folder is given for frames and masks and holds pictures alone."""
    if request.images.is_dir() and request.masks.is_dir() and request.images.samefile(request.masks):
        others = {item.suffix.lower() for item in request.masks.iterdir()} & {".json", ".geojson", ".roi", ".xml"}
        if not others and any(item.is_file() for item in request.masks.iterdir()):
            raise FolderError(
                f"{paths.display(request.images)} is given for the frames and for the masks; put each into a folder of "
                "its own, with equal names"
            )


def _annotations(films: list[Film], request: Request) -> Annotations:
    """The annotations that count, of frames that were given."""
    classes = read_classes(request.classes) if request.classes else None
    names, how = [name for film in films for name in film.names], _how(request, films)
    annotations = open_masks(request.masks, classes, how)
    return only_annotated(of_given_frames(annotations, names, request.images, request.given_frames_only), how)


def _sequences(
    films: list[Film], survey: Survey, annotated: set[str], request: Request, earlier: Earlier | None
) -> tuple[Sequences, Apart]:
    """Sequences and splits of the annotated frames, and what is kept of the others."""
    most = 0 if request.annotated_only else request.unlabelled
    if earlier:
        added = earlier.sequences(films, survey.looks.names)
        return added, set_apart(earlier.new_films(films), annotated, added.of, added.splits, most)
    dealt = sequences_of(films, survey.looks, request.sequences, request.splits is not None, request.gap)
    return dealt, set_apart(films, annotated, dealt.of, dealt.splits or _given_splits(request, annotated), most)


def _given_splits(request: Request, names: Collection[str]) -> dict[str, str]:
    if request.splits is None:
        return {}
    if not request.splits.is_dir():
        raise FolderError(f"{paths.display(request.splits)} is no folder with train.txt, val.txt and test.txt")
    return listed_splits(request.splits, names)


def _corrections(films: list[Film], names: set[str], request: Request) -> dict[Path, Correction]:
    flats, darks = (_references(path, request.grey) for path in (request.flats, request.darks))
    return {
        film.path: choose_correction(film, request.correct, flats, darks)
        for film in films
        if any(name in names for name in film.names)
    }


def _left_out(stray: int, blank: tuple[str, ...]) -> Iterator[str]:
    """What is not taught, and why."""
    if stray:
        yield f"{stray} annotations of frames that were not given are left out"
    if blank:
        yield f"{len(blank)} frames of one single value are left out: they show nothing (first: {blank[0]})"


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
        empty=request.empty,
        take_unchecked=request.take_unchecked,
        onto=request.onto,
    )


def _levels_in_words(levels: Levels | None, corrections: dict[Path, Correction]) -> str:
    if levels is None:
        return "floats"
    shifted_back = levels.shift and not all(correction.steps for correction in corrections.values())
    return f"{levels}, shifted back" if shifted_back else str(levels)


def _references(path: Path | None, grey: str) -> Film | None:
    """Reference frames at a path, those of several films as one."""
    if path is None:
        return None
    films = open_films(path, grey)
    if len(films) == 1:
        return films[0]
    frames = [(film, i) for film in films for i in range(len(film))]
    names = tuple(str(i) for i in range(len(frames)))
    return Film(paths.resolve(path), names, films[0].kind, lambda i: frames[i][0][frames[i][1]])


def _kinds(films: list[Film]) -> str:
    kinds = [film.kind for film in films]
    return ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))


def _write(plan: Plan, request: Request, folder: Path, earlier: Earlier | None) -> dict:
    record = _record(plan, request)
    if earlier:
        used = [film for film in plan.films if film.path in plan.corrections]
        earlier.check_films(used, lambda film, i: _prepared(plan, film, i))
        record |= earlier.agreed(record)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for film, i, name in tqdm(chosen(plan.films, plan.pairs), desc="frames", total=len(plan.pairs), disable=None):
        image = _prepared(plan, film, i)
        labels = check_mask(plan.annotations.read(plan.pairs[name]), name, image.shape)
        _write_image(folder / "images" / name, image)
        Image.fromarray(labels).save(folder / "masks" / f"{name}.png")
    _write_tables(plan, request, folder)
    plan.sentences.extend(_write_apart(plan, folder))
    if earlier:
        plan.sentences.append(earlier.copy_into(folder, plan.sequences))
    files.write_json(folder / IMPORT_FILE, record)
    return record


def _write_apart(plan: Plan, folder: Path) -> Iterator[str]:
    first, number, _ = next(chosen(plan.films, plan.pairs))

    def store(path: Path, film: Film, i: int) -> None:
        _write_image(path, _prepared(plan, film, i))

    return write_apart(plan.apart, folder, store, first[number])


def _prepared(plan: Plan, film: Film, i: int) -> np.ndarray:
    """A frame as it is written: corrected, or moved back where the camera moved its bits."""
    frame, correction, levels = film[i], plan.corrections[film.path], plan.levels
    if correction.steps:
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
    write_sequences(folder, plan.sequences.of)
    if request.splits:
        shutil.copytree(request.splits, folder / "splits")
    elif plan.sequences.splits:
        write_splits(folder, plan.sequences.splits)


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
    treatments = list(dict.fromkeys(correction.steps for correction in plan.corrections.values()))
    corrections = list(dict.fromkeys(step for steps in treatments for step in steps))
    pixels = {film.pixel_um for film in plan.films if film.pixel_um}
    pixel_um = request.pixel_um or (pixels.pop() if len(pixels) == 1 else None)
    intervals = {film.interval_us for film in plan.films if film.interval_us}
    return {
        "images": paths.display(request.images),
        "masks": paths.display(request.masks),
        "told": plan.sentences,
        "mask_values": "class indices, 255 ignored",
        "grey_levels": _levels_in_words(plan.levels, plan.corrections),
        "corrections": corrections,
        "pixel_size_um": pixel_um,
        "frame_interval_us": intervals.pop() if len(intervals) == 1 else None,
        "options": {"correct": request.correct, "grey": request.grey, "pixel_um": request.pixel_um}
        | {name: paths.display(path) for name in ("flats", "darks") if (path := getattr(request, name))},
    }
