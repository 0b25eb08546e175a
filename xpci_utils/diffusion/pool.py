"""Writing thousands of pairs to disk, block by block: resumable, shardable, and the same bytes in any order.

A block is a fixed run of pair numbers that are sampled together. Its PNG files come first and its table in `blocks/`
last, by rename, so a table vouches for its block; a run killed at any moment loses one block. Shard k of n writes every
n-th block into a folder of its own; the pool then takes its blocks from there instead of sampling them.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from xpci_utils import files
from xpci_utils.diffusion.clamping import masks_of_block
from xpci_utils.diffusion.denoiser import Denoiser
from xpci_utils.diffusion.sampling import SAMPLERS, sample_pairs
from xpci_utils.frames.specks import write_pair
from xpci_utils.training import StoppedForTime, time_is_over, watched

Examples = Sequence[tuple[np.ndarray, np.ndarray]]  # (image, mask or labels)


@dataclass(frozen=True)
class PoolSettings:
    """What decides the bytes of a pool, beside the denoiser's weights."""

    sampler: str = "ddpm"
    steps: int = 250  # for known images: noise levels on the way to their masks
    seed: int = 0
    block: int = 16
    min_component_px: int = 4  # smaller mask components are specks: removed from the mask, and counted
    bf16: bool = False

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler = {self.sampler!r} is unknown; choose one of {', '.join(SAMPLERS)}.")


def weights_digest(denoiser: Denoiser) -> str:
    """Short hash of every weight and buffer."""
    digest = hashlib.sha256(repr(denoiser.config).encode())
    for name, tensor in sorted(denoiser.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def claim(folder: Path, denoiser: Denoiser, settings: PoolSettings) -> None:
    """Write or check pool.json: one folder holds the pairs of one denoiser and one setting.

    Raises ValueError if the folder holds other pairs.
    """
    facts = {**asdict(settings), "weights": weights_digest(denoiser)}
    path = folder / "pool.json"
    if not path.exists():
        files.write_json(path, facts)
    then = files.read_json(path)
    changed = [f"{key}: {then.get(key)} -> {facts[key]}" for key in facts if then.get(key) != facts[key]]
    if changed:
        raise ValueError(
            f"{folder} holds pairs made otherwise ({'; '.join(changed)}). Delete it or name another folder."
        )


def write_block(
    folder: Path,
    table: Path,
    denoiser: Denoiser,
    members: Sequence[int],
    settings: PoolSettings,
    known: Examples | None = None,
) -> None:
    """Make the pairs `members`, write their PNG files, then the block's table."""
    images, masks = make_pairs(denoiser, members, settings, known)
    pairs = zip(members, images, masks, strict=True)
    rows = [write_pair(folder, *pair, settings.min_component_px) for pair in pairs]
    files.write_csv(table, pd.DataFrame(rows))


def take_block(source: Path, folder: Path, table: Path) -> None:
    """Copy a block that a shard wrote to ``source``: its PNG files, then its table."""
    for name in pd.read_csv(source / "blocks" / table.name)["name"]:
        for kind in ("images", "masks"):
            with files.atomic_path(folder / kind / name) as temporary:
                shutil.copyfile(source / kind / name, temporary)
    with files.atomic_path(table) as temporary:
        shutil.copyfile(source / "blocks" / table.name, temporary)


def make_pairs(
    denoiser: Denoiser, members: Sequence[int], settings: PoolSettings, known: Examples | None
) -> tuple[Iterable[np.ndarray], np.ndarray]:
    """(images, masks) of the pairs `members`: sampled, or masks drawn for the images of `known`."""
    if known is not None:
        images = [known[index][0] for index in members]
        return images, masks_of_block(
            denoiser, images, members, steps=settings.steps, seed=settings.seed, bf16=settings.bf16
        )
    return sample_pairs(
        denoiser,
        members,
        sampler=settings.sampler,
        steps=settings.steps,
        seed=settings.seed,
        block=settings.block,
        bf16=settings.bf16,
    )


def is_done(table: Path, members: Sequence[int]) -> bool:
    """Whether a block's table lists at least these pairs (a pool may have been shorter before)."""
    return table.exists() and len(pd.read_csv(table)) >= len(members)


def block_tables(folder: Path, count: int, block: int) -> dict[int, Path]:
    """First pair -> table of every block of a pool."""
    return {start: folder / "blocks" / f"{start:06d}.csv" for start in range(0, count, block)}


def block_members(start: int, count: int, block: int) -> list[int]:
    """Numbers of the pairs of a block; the last one may be short."""
    return list(range(start, min(start + block, count)))


def write_pool(
    denoiser: Denoiser,
    folder: str | Path,
    count: int,
    settings: PoolSettings | None = None,
    *,
    shard: tuple[int, int] = (0, 1),
    taken_from: Sequence[Path] = (),
    known: Examples | None = None,
    history: str | Path | None = None,
) -> Path:
    """Write `count` pairs to images/ and masks/ (PNG; masks 0 / 255), with pairs.csv; return the folder.

    Blocks that are there already are left alone. `shard` (k, n) writes every n-th block alone; blocks in one of
    the shards `taken_from` are copied, and the pool equals that of one run byte for byte on the same kind of machine.
    Memory does not grow with `count`. pairs.csv: index, name, foreground (share of the frame), components,
    specks_removed; an empty mask stays and shows as foreground 0. After each block a record of progress is appended to
    ``history``, a file outside the pool. Of the (image, ...) examples `known`, one per pair, the images are taken over
    and only masks are drawn for them (`clamping`). Raises ValueError if a folder holds pairs that were made otherwise.
    """
    first, every = shard
    if not 0 <= first < every:
        raise ValueError(f"shard = {first}: with shards = {every}, shards are numbered 0 to {every - 1}.")
    settings, folder = settings or PoolSettings(), Path(folder)
    for name in ("images", "masks", "blocks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for place in (folder, *taken_from):
        claim(place, denoiser, settings)
    tables = block_tables(folder, count, settings.block)
    members = {start: block_members(start, count, settings.block) for start in list(tables)[first::every]}
    waiting = [start for start in members if not is_done(tables[start], members[start])]
    progress = Progress(sum(len(members[start]) for start in waiting), history)
    for start in tqdm(waiting, desc="pairs", unit="block", disable=not watched()):
        if time_is_over():
            raise StoppedForTime(f"sampling stopped for time before pair {start} of {count}; run it again to go on")
        made = [place for place in taken_from if is_done(place / "blocks" / tables[start].name, members[start])]
        if made:
            take_block(made[0], folder, tables[start])
        else:
            write_block(folder, tables[start], denoiser, members[start], settings, known)
        progress.add(len(members[start]))
    joined = pd.concat([pd.read_csv(tables[start]).head(len(members[start])) for start in members], ignore_index=True)
    files.write_csv(folder / "pairs.csv", joined)
    return folder


def finished_shards(pool: str | Path) -> list[Path]:
    """The shards of a pool, `shards/<k>_of_<n>` below its folder, that hold pairs."""
    return sorted(path.parent for path in Path(pool).glob("shards/*/pool.json"))


class Progress:
    """Records for `xpci_utils.run`: pairs made by this run, of those it found missing."""

    def __init__(self, pairs: int, history: str | Path | None):
        self.pairs, self.history, self.done, self.began = pairs, history, 0, time.monotonic()

    def add(self, pairs: int) -> None:
        """Note that so many more pairs are on disk."""
        self.done += pairs
        if self.history:
            seconds = round(time.monotonic() - self.began, 2)
            record = {"step": self.done, "steps": self.pairs, "unit": "pairs", "seconds": seconds}
            files.append_jsonl(self.history, record)
