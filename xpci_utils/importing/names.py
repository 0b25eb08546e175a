"""Which annotation belongs to which frame, as far as names can tell: rules, none of which looks at a pixel.

equal      names are the same once accents, folders, capitals and nnU-Net's channel number are written alike
contained  a name of an annotation holds that of one frame (film_00001_png.rf.<hash>, film_00001_mask), or the reverse
number     the one number that differs from name to name is the frame's, counted as it is, or from one
order      as many annotations as frames, sorted alike
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xpci_utils.importing.film import Film
from xpci_utils.importing.films import in_order

CHANNEL = re.compile(r"_0000$")  # nnU-Net: the first channel of a case, whose labels have no such number


@dataclass(frozen=True)
class Frames:
    """The frames of all films in a row: their names, the names without folders, and the film of each.

    ``counted`` says that the numbers in the names were given by the reader, which counts the frames of a file from 0.
    """

    names: tuple[str, ...]
    bare: tuple[str, ...]
    film: tuple[int, ...]
    counted: bool

    @classmethod
    def of(cls, films: Sequence[Film]) -> "Frames":
        """Those of the given films, in their order."""
        names = tuple(name for film in films for name in film.names)
        bare = tuple(name for film in films for name in film.bare or film.names)
        number = tuple(i for i, film in enumerate(films) for _ in film.names)
        return cls(names, bare, number, any(len(film) > 1 and not film.path.is_dir() for film in films))


@dataclass(frozen=True)
class Rule:
    """A way to pair: ``pairs`` maps an annotation to the index of its frame."""

    name: str  # as --pair-by calls it
    description: str
    pairs: dict[str, int]
    complete: bool = False  # every annotation has a frame, and every frame an annotation
    sure: bool = False  # the names alone are enough, unless the pixels contradict


def by_name(frames: Frames, annotated: Sequence[str]) -> Rule | None:
    """Equal names; of several ways of writing them alike the first that pairs all, else the one that pairs most."""
    rules = [_equal(frames, annotated, key, description) for key, description in _KEYS]
    rules = [rule for rule in rules if rule.pairs]
    whole = [rule for rule in rules if len(rule.pairs) == len(annotated)]
    ranked = whole or sorted(rules, key=lambda rule: -len(rule.pairs))
    return ranked[0] if ranked else None


def by_part(frames: Frames, annotated: Sequence[str]) -> Rule | None:
    """Names that hold the whole name of exactly one frame, or lie in it; None unless all do, each in its own frame."""
    names = [_written(name) for name in frames.bare]
    if len(set(names)) < len(names):
        names = [_written(name) for name in frames.names]
    pairs = {}
    for name in annotated:
        holders = _holders(_written(name), names)
        if len(holders) != 1:
            return None
        pairs[name] = holders[0]
    if len(set(pairs.values())) < len(pairs):
        return None
    letters = all(re.search(r"[^\W\d_]", names[i]) for i in pairs.values())
    return Rule("name", "by the name of the frame inside the other", pairs, len(pairs) == len(names), letters)


def by_number(frames: Frames, annotated: Sequence[str], first: int = 0) -> Rule | None:
    """The number that differs from name to name; ``first`` is what the annotations call the frames' first number."""
    of_annotation = numbers(annotated)
    of_frame = dict(enumerate(range(len(frames.names)))) if _one_stack(frames) else numbers(frames.bare)
    if not of_annotation or not of_frame:
        return None
    place = {number: index for index, number in of_frame.items()}
    wanted = {annotated[i]: number - first for i, number in of_annotation.items()}
    if not place.keys() >= set(wanted.values()) or len(place) < len(of_frame):
        return None
    pairs = {name: place[number] for name, number in wanted.items()}
    name = "number-from-one" if first else "number"
    description = (
        "by number, frames counted from 1 by the annotations" if first else "by number, counted as in the names"
    )
    complete = len(pairs) == len(frames.names)
    return Rule(name, description, pairs, complete, complete)


def by_order(frames: Frames, annotated: Sequence[str]) -> Rule | None:
    """As many annotations as frames, both sorted by the numbers in their names."""
    if len(annotated) != len(frames.names):
        return None
    sorted_frames = sorted(range(len(frames.names)), key=lambda i: in_order(frames.names[i]))
    pairs = dict(zip(sorted(annotated, key=in_order), sorted_frames, strict=True))
    return Rule("order", "in the order of their names", pairs, complete=True)


def numbers(names: Sequence[str]) -> dict[int, int]:
    """The one number in which otherwise equal names differ, by index; nothing when there is no such number.

    A number that is the same in all names, such as that of a recording or a channel, is none of a frame; a name of
    other text, such as a hash, has none either. A single name gives its last number.
    """
    parts = [re.split(r"(\d+)", name) for name in names]
    if len({tuple(part[::2]) for part in parts}) > 1 or not parts or len(parts[0]) < 2:
        return {}
    columns = list(zip(*(map(int, part[1::2]) for part in parts), strict=True))
    differing = [column for column in columns if len(set(column)) > 1] or columns[-1:]
    if len(differing) > 1 or len(set(differing[0])) < len(names):
        return {}
    return dict(enumerate(differing[0]))


def _one_stack(frames: Frames) -> bool:
    return frames.counted and len(set(frames.film)) == 1


def _written(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("/", "_").replace("\\", "_")


_KEYS: tuple[tuple[Callable[[Frames], Sequence[str]], str], ...] = (
    (lambda frames: [_written(name) for name in frames.names], "by name"),
    (lambda frames: _without_channel(frames.names), "by name, without nnU-Net's channel number _0000"),
    (lambda frames: [_written(name) for name in frames.bare], "by name, folders left aside"),
    (lambda frames: [_written(name).casefold() for name in frames.names], "by name, capitals left aside"),
)


def _without_channel(names: Sequence[str]) -> list[str]:
    return [CHANNEL.sub("", _written(name)) for name in names] if all(map(CHANNEL.search, names)) else []


def _equal(frames: Frames, annotated: Sequence[str], key: Callable[[Frames], Sequence[str]], description: str) -> Rule:
    keys = key(frames)
    place = {name: index for index, name in enumerate(keys)}
    fold = str.casefold if "capitals" in description else str
    pairs = {name: place[own] for name in annotated if (own := fold(_written(name))) in place}
    if len(place) < len(keys) or len(set(pairs.values())) < len(pairs):
        pairs = {}  # two frames, or two annotations, with the same name
    return Rule("name", description, pairs, len(pairs) == len(annotated) == len(keys), sure=True)


def _holders(name: str, frames: list[str]) -> list[int]:
    """Frames whose name lies in ``name``, or holds it, as whole words; of names within each other the longest."""
    spans = [(i, span) for i, frame in enumerate(frames) for span in (_span(frame, name), _span(name, frame)) if span]
    inside = [(i, span) for i, span in spans if len(frames[i]) <= len(name)] or spans
    longest = max((span[1] - span[0] for _, span in inside), default=0)
    best = [(i, span) for i, span in inside if span[1] - span[0] == longest]
    if len(best) == 1 and all(best[0][1][0] <= start and end <= best[0][1][1] for _, (start, end) in inside):
        return [best[0][0]]
    return [i for i, _ in inside] if len(inside) != 1 else [inside[0][0]]


def _span(part: str, whole: str) -> tuple[int, int] | None:
    """Where ``part`` stands in ``whole`` with no letter or digit next to it."""
    match = re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", whole)
    return match.span() if match else None
