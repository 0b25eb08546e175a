"""Which annotation belongs to which frame: a rule by names, shown with examples and checked against the pixels.

Equal names are believed unless the pixels contradict. Any other rule has to leave no second way of pairing open, in the
names or, where names allow several, in the pixels. Else the user is asked.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, unique
from xpci_utils.importing.edges import EdgeCheck, Films, Verdict
from xpci_utils.importing.film import Film
from xpci_utils.importing.names import Frames, Rule, by_name, by_number, by_order, by_part

CHANNEL = re.compile(r"000\d")  # behind the name of a case, in nnU-Net
PAIR_BY = ("auto", "name", "number", "number-from-one", "order")
EXAMPLES = 3


@dataclass(frozen=True)
class Masks:
    """What is matched with frames: names of annotations, where they are from, and how one is read."""

    names: tuple[str, ...]
    path: Path
    read: Callable[[str], np.ndarray]


def match(
    films: Sequence[Film], masks: Masks, by: str = "auto", given_only: bool = False
) -> tuple[dict[str, str], str]:
    """(frame name -> name of its annotation, in words how they were matched); frames may be without annotation.

    ``by`` is one of ``PAIR_BY``. Annotations without frame are a FolderError unless ``given_only`` (with equal names
    alone); so is a pairing that names and pixels leave open, or contradict.
    """
    frames = Frames.of(films)
    unique(frames.names, masks.path)
    check = EdgeCheck(Films(_reader(films), masks.read, frames.film))
    rules = _rules(frames, films, masks, by, given_only)
    rule, verdict = _choose(rules, check, frames, masks, by)
    pairs = {frames.names[index]: name for name, index in rule.pairs.items()}
    wording = rule.description if rule.description == "by name" else f"{rule.description} ({_examples(rule, frames)})"
    wording = f"{wording}; {check.wording(rule.pairs, verdict)}"
    return {name: pairs[name] for name in frames.names if name in pairs}, wording


def _rules(frames: Frames, films: Sequence[Film], masks: Masks, by: str, given_only: bool) -> list[Rule]:
    """The ways of pairing that names allow, best first, no two of them alike; FolderError without any."""
    named = by_name(frames, masks.names)
    whole = named and (given_only or len(named.pairs) == len(masks.names))
    makers = {
        "name": lambda: (named if whole else None) or by_part(frames, masks.names),
        "number": lambda: by_number(frames, masks.names),
        "number-from-one": lambda: by_number(frames, masks.names, first=1),
        "order": lambda: by_order(frames, masks.names),
    }
    if by != "auto":
        wanted = [by]
    elif frames.counted and named:
        wanted = ["name", "number-from-one"]  # the numbers in such names are the reader's, who counts from 0
    else:
        wanted = ["name"] if whole else list(makers)
    rules = [rule for name in wanted if (rule := makers[name]())]
    if not rules:
        raise FolderError(_lonely(frames, films, masks, named, by))
    return [rule for i, rule in enumerate(rules) if rule.pairs not in [other.pairs for other in rules[:i]]]


def _choose(rules: list[Rule], check: EdgeCheck, frames: Frames, masks: Masks, by: str) -> tuple[Rule, Verdict]:
    verdicts = [check.judge(rule.pairs) for rule in rules]
    if by != "auto":
        return rules[0], verdicts[0]
    judged: list[tuple[Rule, Verdict]] = list(zip(rules, verdicts, strict=True))
    left = [pair for pair in judged if pair[1] is not Verdict.WRONG]
    fitting = [pair for pair in left if pair[1] is Verdict.FITS]
    if len(fitting) == 1:
        return fitting[0]
    if left and left[0][0].sure and (len(left) == 1 or not _rival(left, frames)):
        return left[0]
    raise FolderError(_question(rules, left, frames, masks))


def _rival(left: list[tuple[Rule, Verdict]], frames: Frames) -> bool:
    """Whether names allow a second pairing as well: a count from 1 where the reader's own names count from 0."""
    return frames.counted or any(rule.sure for rule, _ in left[1:]) or left[0][0].name != "name"


def _question(rules: list[Rule], left: list[tuple[Rule, Verdict]], frames: Frames, masks: Masks) -> str:
    """What is asked when names and pixels leave a pairing open, with the possible ones."""
    where = paths.display(masks.path)
    if not left:
        rule = rules[0]
        return (
            f"{where}: {rule.description}, {_examples(rule, frames)}, but the outlines of the masks follow the edges "
            f"of other frames more; give the masks the names of their frames, or insist with --pair-by {rule.name}"
        )
    ways = "; ".join(f"{rule.description}: {_examples(rule, frames, 2)} (--pair-by {rule.name})" for rule, _ in left)
    return (
        f"{where}: neither names nor pixels tell for certain which frame an annotation belongs to. Possible is {ways}. "
        "Choose, or give the masks the names of their frames"
    )


def _lonely(frames: Frames, films: Sequence[Film], masks: Masks, named: Rule | None, by: str) -> str:
    paired = named.pairs if named else {}
    lonely = [name for name in masks.names if name not in paired]
    asked = f" and cannot be paired by {by}" if by != "auto" else ""
    return (
        f"{paths.display(masks.path)}: {len(lonely)} of {len(masks.names)} annotations have no frame{asked} (first: "
        f"{lonely[0]}; frames are named like {frames.names[0]}); add the frames, or name the annotations like them"
        + (f", of which there are {len(frames.names)}" if len(frames.names) < len(masks.names) else "")
        + _channels(frames)
        + (", or leave these annotations out with --given-frames-only" if paired else "")
        + _unread(films)
    )


def _channels(frames: Frames) -> str:
    """A word on pictures of several channels as nnU-Net names them: every case with the same numbers behind it."""
    cases = [name.rpartition("_") for name in frames.names]
    ends = {end for _, _, end in cases}
    stems = {stem for stem, _, _ in cases}
    if len(stems) < 2 or len(ends) < 2 or len(stems) * len(ends) > len(cases) or not all(map(CHANNEL.fullmatch, ends)):
        return ""
    return f"; _{min(ends)} to _{max(ends)} seem to be channels of nnU-Net: give a folder with one of them alone"


def _examples(rule: Rule, frames: Frames, count: int = EXAMPLES) -> str:
    """The first pairs of a rule, as a user sees them."""
    chosen = sorted(rule.pairs.items(), key=lambda pair: pair[1])[:count]
    return ", ".join(f"{name} -> {frames.names[index]}" for name, index in chosen)


def _unread(films: Sequence[Film]) -> str:
    """What else lies among the frames and may be the missing ones."""
    notes = [note for film in films for note in film.notes if "not read" in note]
    return f" ({notes[0]})" if notes else ""


def _reader(films: Sequence[Film]) -> Callable[[int], np.ndarray]:
    place = [(film, i) for film in films for i in range(len(film))]
    return lambda index: place[index][0][place[index][1]]
