"""Frames of the films that nobody annotated: which are kept, in which sequence, and how they are written.

An unlabelled frame belongs to the sequence of the annotated frames around it, so that it never comes into another split
than they: not now, as a frame to learn from without labels, nor when it is annotated later.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.apart import UNLABELLED, append_rows
from xpci_utils.frames.frameset import SPLITS
from xpci_utils.importing.film import Film
from xpci_utils.importing.sequences import numbered_series

MOST = 1000  # frames that are kept unless the command says another number
GUARDED = ("test", "val", "train")  # whose neighbour a frame between two splits becomes, first come first


@dataclass(frozen=True)
class Apart:
    """The frames to keep apart: (film, index in it, name), and their sequences by name."""

    chosen: list[tuple[Film, int, str]]
    sequences: dict[str, str]
    note: str = ""


def set_apart(
    films: Sequence[Film], annotated: set[str], known: Mapping[str, str], splits: Mapping[str, str], most: int
) -> Apart:
    """At most ``most`` of the frames that are not ``annotated``, evenly spaced over all of them.

    ``known`` holds the sequences of annotated frames, ``splits`` their splits as far as they are dealt.
    """
    bare = [(film, i, name) for film in films for i, name in enumerate(film.names) if name not in annotated]
    if not bare:
        return Apart([], {})
    kept = [bare[i] for i in np.unique(np.linspace(0, len(bare) - 1, min(most, len(bare))).round().astype(int))]
    sequences = {name: one for film in films for name, one in sequences_beside(film, known, splits).items()}
    return Apart(kept, {name: sequences[name] for *_, name in kept}, _note(len(bare), len(kept), bare[0][2]))


def _note(bare: int, kept: int, first: str) -> str:
    if not kept:
        return f"{bare} frames without annotation are left out (the first is {first})"
    some = "all of them" if kept == bare else f"{kept} of them, evenly spaced,"
    return (
        f"{bare} frames have no annotation (the first is {first}): {some} are kept apart in {UNLABELLED}/, and nothing "
        "is trained on them; --unlabelled N keeps at most N, --annotated-only none"
    )


def sequences_beside(film: Film, known: Mapping[str, str], splits: Mapping[str, str]) -> dict[str, str]:
    """The sequence of every frame of a film: that of the nearest known frame before or after it.

    Between known frames of two splits it is that of the test frame, else of the validation frame: what lies beside
    them is a near copy, and not to be learnt from. Pictures that are no film stay sequences of their own, and a film
    without known frames is one sequence.
    """
    sequences: dict[str, str] = {}
    for members in _series(film):
        place = np.array([i for i, name in enumerate(members) if name in known])
        own = bool(len(place)) and all(known[members[i]] == members[i] for i in place)
        for i, name in enumerate(members):
            beside = [members[j] for j in _beside(i, place)]
            sequences[name] = name if own else known[_guarded(beside, splits)] if beside else _called(film)
    return sequences


def _called(film: Film) -> str:
    """The name of a film, that of its folder before it where its frames carry it."""
    return film.names[0].rpartition("_")[0] if film.bare and len(film) > 1 else film.path.stem


def _series(film: Film) -> list[list[str]]:
    """The frames of a film in the order of time; of a folder of pictures one list per numbered series."""
    if not film.path.is_dir():
        return [list(film.names)]
    return [[name for _, name in members] for members in numbered_series(film.names).values()]


def _beside(i: int, place: np.ndarray) -> list[int]:
    """The known places around ``i``, the nearer first; its own alone where it is known."""
    if not len(place):
        return []
    after = int(np.searchsorted(place, i))
    around = {int(place[j]) for j in (after - 1, after) if 0 <= j < len(place)}
    return [i] if i in around else sorted(around, key=lambda j: abs(j - i))


def _guarded(names: list[str], splits: Mapping[str, str]) -> str:
    """The name whose split is guarded most; the first of equals."""
    return min(names, key=lambda name: GUARDED.index(splits[name]) if name in splits else len(SPLITS))


def write_apart(
    apart: Apart,
    folder: Path,
    store: Callable[[Path, Film, int], None],
    like: np.ndarray,
) -> Iterator[str]:
    """Write unlabelled/ and its table; yields what is left out since it does not look ``like`` an annotated frame.

    ``store(path, film, index)`` writes a frame with the corrections of the annotated ones.
    """
    if not apart.chosen:
        return
    (folder / UNLABELLED).mkdir()
    rows, other = [], []
    for film, i, name in apart.chosen:
        raw = film[i]
        if raw.min() == raw.max() or raw.shape != like.shape or raw.dtype != like.dtype:
            other.append(name)
            continue
        store(folder / UNLABELLED / name, film, i)
        time = None if film.interval_us is None else i * film.interval_us
        rows.append((name, apart.sequences[name], paths.display(film.path), i, time))
    append_rows(folder / UNLABELLED, rows)
    if other:
        yield (
            f"{len(other)} frames without annotation are left out, since they have another size or depth, or one "
            f"single value (first: {other[0]})"
        )
