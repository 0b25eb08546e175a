"""Which annotation belongs to which frame, and which frames belong together."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading, unique
from xpci_utils.importing.films import Film

STRETCHES = 10


def match(frames: list[str], annotated: tuple[str, ...], only: bool, path: Path) -> tuple[dict[str, str], str]:
    """(frame name -> name of its annotation, how they were matched).

    Names match when they are equal; else, when all of them end in different numbers, by the number. With ``only``
    frames without annotation are left out, otherwise they are a FolderError, as an annotation without frame always is.
    """
    unique(frames, path)
    pairs, how = {name: name for name in annotated if name in set(frames)}, "by name"
    if not pairs:
        pairs, how = _by_number(frames, annotated), "by number, counted as in the names"
    lonely = [name for name in annotated if name not in set(pairs.values())]
    if lonely:
        raise FolderError(
            f"{paths.display(path)}: {len(lonely)} of {len(annotated)} annotations have no frame (first: {lonely[0]}; "
            f"frames are named like {frames[0]}); add the frames, or name the annotations like them"
        )
    missing = [name for name in frames if name not in pairs]
    if missing and not only:
        raise FolderError(
            f"{paths.display(path)}: {len(missing)} of {len(frames)} frames have no annotation (first: {missing[0]}); "
            "add them, or leave these frames out with --annotated-only"
        )
    return {name: pairs[name] for name in frames if name in pairs}, how


def _by_number(frames: Iterable[str], annotated: Iterable[str]) -> dict[str, str]:
    by_frame, by_annotation = _numbers(frames), _numbers(annotated)
    return {by_frame[n]: name for n, name in by_annotation.items() if n in by_frame}


def _numbers(names: Iterable[str]) -> dict[int, str]:
    """Names by their last number; nothing when one has none or two have the same."""
    names = list(names)
    found = {int(digits[-1]): name for name in names if (digits := re.findall(r"\d+", name))}
    return found if len(found) == len(names) else {}


def sequences_of(films: list[Film], chosen: list[str], given: Path | None) -> tuple[dict[str, str], str]:
    """(frame name -> sequence, a sentence): as given, else one per film or single picture, or stretches in time.

    Splits are dealt by sequence and need three at least. Frames of a single film have none; a stretch of it
    stands for one, and the frames beside a cut are the only neighbours that two splits can share.
    """
    if given is not None:
        return _given(given, chosen), f"sequences as in {paths.display(given)}"
    film_of = {name: name if film.path.is_dir() else film.path.stem for film in films for name in film.names}
    if len({film_of[name] for name in chosen}) >= 3:
        return {name: film_of[name] for name in chosen}, "one sequence per file"
    length = max(1, -(-len(chosen) // STRETCHES))
    found = {name: f"{film_of[name]}_part_{i // length:02d}" for i, name in enumerate(chosen)}
    return found, f"all frames are of one or two films: cut into {len(set(found.values()))} stretches in time"


def _given(path: Path, chosen: list[str]) -> dict[str, str]:
    with reading(path, "a table"), open(path, newline="", encoding="utf-8-sig") as file:
        rows = {row.get("name"): row.get("sequence") for row in csv.DictReader(file)}
    if missing := [name for name in chosen if not rows.get(name)]:
        raise FolderError(
            f"{paths.display(path)} gives no sequence for {missing[0]}; it needs the columns name,sequence"
        )
    return {name: rows[name] for name in chosen}
