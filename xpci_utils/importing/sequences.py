"""Which frames belong together, so that no split holds a near copy of another's frame.

Frames of one film are one sequence: those of a stack, and numbered pictures whose neighbours are alike. Splits are
dealt by sequence and need three; where there are fewer, a film is cut into stretches of time, of which the first,
middle or last ones make a split each, so that only two cuts have neighbours in two splits. There near copies are left
out.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.frames.frameset import SPLITS
from xpci_utils.importing.film import Film
from xpci_utils.importing.likeness import ALIKE, Likeness

STRETCHES = 10
FEWEST_TO_SPARE = 20  # frames, of which none can be spared
MOST_LEFT_OUT = 1 / 3
ROUNDS = 5


@dataclass(frozen=True)
class Sequences:
    """Sequence by frame name; where a film was cut also its split, and the frames that are left out at the cuts."""

    of: dict[str, str]
    note: str
    splits: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Looks:
    """What chosen frames look like, in the order of time: names and thumbnails [N, P].

    ``masks()`` gives the thumbnails of their masks, bool [N, P], and whether each shows a particle, bool [N].
    """

    names: list[str]
    thumbnails: np.ndarray
    masks: Callable[[], tuple[np.ndarray, np.ndarray]]


def sequences_of(
    films: Sequence[Film], looks: Looks, given: Path | None, dealt: bool = False, gap: int | None = None
) -> Sequences:
    """The sequences of the frames in ``looks``: as ``given`` by a table, else by film.

    Fewer than three are cut into stretches of time, and with ``dealt`` (the user has splits) that is all. ``gap``
    frames are left out on each side of a cut between splits, None: as many as are near copies, if frames can be spared.
    """
    if given is not None:
        of, note = _given(given, looks.names), f"sequences as in {paths.display(given)}"
    else:
        of, note = _by_film(films, looks)
    if len(set(of.values())) >= 3 or len(looks.names) < 3:
        return Sequences(of, note)
    parts, length = _stretches(of, looks.names)
    note += f": cut into {len(set(parts.values()))} stretches in time"
    if dealt:
        return Sequences(parts, note)
    splits, left_out = _blocks(looks, length, gap)
    kept = {name: part for name, part in parts.items() if name not in left_out}
    note += f" ({', '.join(f'{sum(s == split for s in splits.values())} {split}' for split in SPLITS)})"
    if left_out:
        note += f"; {len(left_out)} frames beside the cuts are left out: near copies of frames in another split (--gap)"
    return Sequences(kept, note, splits, tuple(left_out))


def numbered_series(names: Sequence[str]) -> dict[str, list[tuple[int, str]]]:
    """(number, name) of names that differ in one number alone, in its order, by what they share.

    Where several numbers differ (run1_frame3, run2_frame5) the last of them counts the frames of a series. A name
    without fellows is a series of its own, with the number 0.
    """
    templates: dict[tuple[str, ...], list[list[str]]] = {}
    for name in names:
        parts = re.split(r"(\d+)", name)
        templates.setdefault(tuple(parts[::2]), []).append(parts)
    series: dict[str, list[tuple[int, str]]] = {}
    for own in templates.values():
        differ = [i for i in range(1, len(own[0]), 2) if len({int(parts[i]) for parts in own}) > 1]
        for parts in own:
            place = differ[-1] if differ else len(parts)
            number = int(parts[place]) if differ else 0
            key = "".join(parts[:place] + ["#"] * bool(differ) + parts[place + 1 :])
            series.setdefault(key, []).append((number, "".join(parts)))
    return {key: sorted(members) for key, members in series.items()}


def _by_film(films: Sequence[Film], looks: Looks) -> tuple[dict[str, str], str]:
    """One sequence per stack, per numbered series of pictures that are alike, and per other picture."""
    sequences: dict[str, str] = {}
    series = 0
    chosen = set(looks.names)
    likeness = Likeness(looks.thumbnails)
    index = {name: i for i, name in enumerate(looks.names)}
    for number, film in enumerate(films):
        own = [name for name in film.names if name in chosen]
        if not film.path.is_dir():
            stem = own[0].rpartition("_")[0] if film.bare and own and len(film) > 1 else film.path.stem
            taken = stem in sequences.values()
            sequences |= dict.fromkeys(own, f"{stem}_{number}" if taken else stem)
            continue
        for key, members in numbered_series(own).items():
            is_film = _is_film([number for number, _ in members], [index[name] for _, name in members], likeness)
            shared = key.replace("#", "").strip("_-. ") or film.path.name
            sequences |= {name: shared if is_film else name for _, name in members}
            series += is_film
    note = "one sequence per film" if series else "one sequence per file"
    few = len(set(sequences.values())) < 3
    return {name: sequences[name] for name in looks.names}, "all frames are of one or two films" if few else note


def _is_film(numbers: list[int], members: list[int], likeness: Likeness) -> bool:
    """Whether numbered pictures are frames of a film: at even steps of the number, or with neighbours alike."""
    if len(members) < 3:
        return False
    steps = Counter(np.diff(numbers).tolist())
    even = max(steps.values()) >= max(2, (len(members) - 1) / 2)
    return even or float(np.median([likeness.row(i)[j] for i, j in pairwise(members)])) > ALIKE


def _stretches(of: dict[str, str], names: list[str]) -> tuple[dict[str, str], int]:
    """(sequence of every frame, frames per stretch): at most ``STRETCHES`` stretches of equal length."""
    length = max(1, -(-len(names) // STRETCHES))
    return {name: f"{of[name]}_part_{i // length:02d}" for i, name in enumerate(names)}, length


def _blocks(looks: Looks, length: int, gap: int | None) -> tuple[dict[str, str], list[str]]:
    """(split of every frame that is kept, frames left out): three blocks of whole stretches in the best order.

    Best is that every split shows a particle, then that the fewest near copies are left between splits, then that few
    frames are left out; with equals the order train, val, test.
    """
    stretches = -(-len(looks.names) // length)
    test, val = max(1, round(stretches / 5)), max(1, round(stretches / 10))
    sizes = {"train": stretches - test - val, "val": val, "test": test}
    masks, shows = looks.masks()
    tried: list[tuple[int, int, int, int, np.ndarray, np.ndarray]] = []
    for order in permutations(SPLITS):
        splits = np.repeat(order, [sizes[split] for split in order]).repeat(length)[: len(looks.names)]
        kept, between = _apart(splits, looks.thumbnails, masks) if gap is None else (_gapped(splits, gap), 0)
        empty = sum(not shows[kept & (splits == split)].any() for split in SPLITS)
        tried.append((empty, between, int((~kept).sum()), len(tried), splits, kept))
    *_, splits, kept = min(tried, key=lambda one: one[:4])
    named = list(zip(looks.names, splits.tolist(), kept.tolist(), strict=True))
    return {name: split for name, split, keep in named if keep}, [name for name, _, keep in named if not keep]


def _gapped(splits: np.ndarray, gap: int) -> np.ndarray:
    """Which frames to keep, bool [N]: all but ``gap`` on each side of a cut."""
    kept = np.ones(len(splits), bool)
    for cut in np.flatnonzero(splits[1:] != splits[:-1]) + 1:
        kept[max(cut - gap, 0) : cut + gap] = False
    if any(not kept[splits == split].any() for split in SPLITS):
        raise FolderError(f"--gap {gap} leaves no frame in one of the splits; give a smaller one")
    return kept


def _apart(splits: np.ndarray, thumbnails: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, int]:
    """(which frames to keep, bool [N]; near copies between splits that are left): the fewest that have to go.

    All are kept when too many would have to go: a film that repeats itself cannot be cut without near copies.
    """
    kept, pairs = np.ones(len(splits), bool), 0
    for attempt in range(ROUNDS):  # what frames have in common changes with the frames
        likeness = Likeness(thumbnails[kept], masks[kept])
        alike = np.stack([likeness.row(i) for i in range(int(kept.sum()))]) > ALIKE
        copies = alike & (splits[kept][:, None] != splits[kept])
        pairs = pairs if attempt else int(copies.sum()) // 2
        if not copies.any():
            return kept, 0
        kept[np.flatnonzero(kept)[_fewest_that_part(copies, splits[kept])]] = False
        enough = all((kept & (splits == split)).sum() * 2 >= (splits == split).sum() for split in SPLITS)
        if len(splits) < FEWEST_TO_SPARE or (~kept).mean() > MOST_LEFT_OUT or not enough:
            break
    return np.ones(len(splits), bool), pairs


def _fewest_that_part(copies: np.ndarray, splits: np.ndarray) -> list[int]:
    """Frames without which no splits share near copies: one by one that with the most of them, of a large split."""
    left, gone = copies.copy(), []
    size = np.array([(splits == split).mean() for split in splits])
    while left.any():
        gone.append(int(np.argmax(left.sum(1) + size)))
        left[gone[-1]] = left[:, gone[-1]] = False
    return gone


def _given(path: Path, chosen: list[str]) -> dict[str, str]:
    with reading(path, "a table"), open(path, newline="", encoding="utf-8-sig") as file:
        rows = {row.get("name"): row.get("sequence") or "" for row in csv.DictReader(file)}
    if missing := [name for name in chosen if not rows.get(name)]:
        raise FolderError(
            f"{paths.display(path)} gives no sequence for {missing[0]}; it needs the columns name,sequence"
        )
    return {name: rows[name] for name in chosen}


def write_sequences(folder: Path, sequences: Mapping[str, str]) -> None:
    """Write sequences.csv of a folder of frames: the sequence of each frame, in the order given."""
    with open(folder / "sequences.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "sequence"), *sequences.items()])


def write_splits(folder: Path, splits: Mapping[str, str]) -> None:
    """Write splits/train.txt, val.txt and test.txt of a folder of frames: the frames of each, in the order given."""
    (folder / "splits").mkdir(exist_ok=True)
    for split in SPLITS:
        own = "".join(f"{name}\n" for name, given in splits.items() if given == split)
        (folder / f"splits/{split}.txt").write_text(own, encoding="utf-8")
