"""Writing thousands of pairs to disk, block by block: resumable, shardable, and the same bytes in any order.

A block is a fixed run of pair numbers that are sampled together. Its PNG files come first and its table in `blocks/`
last, by rename, so a table vouches for its block; a run killed at any moment loses one block. When all tables are
there, whoever finds them joins them to pairs.csv. Shards are further runs of the same call, at the same time or not, on
this machine or another one that sees the folder.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage
from tqdm import tqdm

from xpci_utils import artifacts
from xpci_utils.diffusion.clamping import masks_of_block
from xpci_utils.diffusion.denoiser import Denoiser
from xpci_utils.diffusion.sampling import SAMPLERS, sample_pairs
from xpci_utils.frames.frameset import write_png
from xpci_utils.training import StoppedForTime, time_is_over, watched

Examples = Sequence[tuple[np.ndarray, np.ndarray]]  # (image, mask or labels)

ANY_NEIGHBOUR = np.ones((3, 3), dtype=bool)


class ShardsMissing(RuntimeError):
    """A shard is complete and the pool is not; the message says what is missing."""


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


def remove_specks(mask: np.ndarray, min_px: int) -> tuple[np.ndarray, int, int]:
    """(mask without components below `min_px` pixels, components left, components removed); corners connect."""
    components, count = ndimage.label(mask > 0, structure=ANY_NEIGHBOUR)
    small = np.bincount(components.ravel(), minlength=count + 1)[1:] < min_px
    cleaned = np.where(np.append(True, small)[components], 0, 255).astype(np.uint8)
    return cleaned, int((~small).sum()), int(small.sum())


def claim(folder: Path, denoiser: Denoiser, settings: PoolSettings) -> None:
    """Write or check pool.json: one folder holds the pairs of one denoiser and one setting.

    Raises ValueError if the folder holds other pairs.
    """
    facts = {**asdict(settings), "weights": weights_digest(denoiser)}
    path = folder / "pool.json"
    if not path.exists():
        artifacts.write_json(path, facts)
    found = artifacts.read_json(path)
    changed = [f"{key}: {found.get(key)} -> {facts[key]}" for key in facts if found.get(key) != facts[key]]
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
    rows = []
    for index, image, mask in zip(members, images, masks, strict=True):
        mask, components, removed = remove_specks(mask, settings.min_component_px)
        name = f"{index:06d}.png"
        write_png(folder / "images" / name, image)
        write_png(folder / "masks" / name, mask)
        rows.append(
            {
                "index": index,
                "name": name,
                "foreground": round(float((mask > 0).mean()), 6),
                "components": components,
                "specks_removed": removed,
            }
        )
    with artifacts.atomic_path(table) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def make_pairs(
    denoiser: Denoiser, members: Sequence[int], settings: PoolSettings, known: Examples | None
) -> tuple[Sequence[np.ndarray], np.ndarray]:
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


def join_tables(folder: Path, tables: Sequence[Path], count: int) -> None:
    """Join the blocks' tables to pairs.csv if all are there."""
    if not all(table.exists() for table in tables):
        return
    joined = pd.concat([pd.read_csv(table) for table in tables]).head(count)
    if len(joined) == count:
        with artifacts.atomic_path(folder / "pairs.csv") as temporary:
            joined.to_csv(temporary, index=False)


def write_pool(
    denoiser: Denoiser,
    folder: str | Path,
    count: int,
    settings: PoolSettings | None = None,
    *,
    shard: int = 0,
    shards: int = 1,
    known: Examples | None = None,
    history: str | Path | None = None,
) -> Path:
    """Write `count` pairs to images/ and masks/ (PNG; masks 0 / 255), with pairs.csv; return the folder.

    Blocks that are there already are left alone. Shard k of n writes every n-th block; the union of all shards, run
    anywhere and in any order on the same kind of machine, equals one run byte for byte, and the last to finish writes
    pairs.csv. Memory does not grow with `count`. pairs.csv: index, name, foreground (share of the frame), components,
    specks_removed; an empty mask stays and shows as foreground 0. After each block a record of progress is appended to
    ``history``, a file outside the pool. Of the (image, ...) examples `known`, one per pair, the images are taken over
    and only masks are drawn for them (`clamping`). Raises ValueError if the folder holds other pairs.
    """
    if not 0 <= shard < shards:
        raise ValueError(f"shard = {shard}: with shards = {shards}, shards are numbered 0 to {shards - 1}.")
    settings, folder = settings or PoolSettings(), Path(folder)
    for name in ("images", "masks", "blocks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    claim(folder, denoiser, settings)
    tables = block_tables(folder, count, settings.block)
    members = {start: block_members(start, count, settings.block) for start in list(tables)[shard::shards]}
    waiting = [start for start in members if not is_done(tables[start], members[start])]
    progress = Progress(sum(len(members[start]) for start in waiting), history)
    for start in tqdm(waiting, desc="pairs", unit="block", disable=not watched()):
        if time_is_over():
            raise StoppedForTime(f"sampling stopped for time before pair {start} of {count}; run it again to go on")
        write_block(folder, tables[start], denoiser, members[start], settings, known)
        progress.add(len(members[start]))
    join_tables(folder, list(tables.values()), count)
    return folder


def require_whole_pool(folder: str | Path, count: int, settings: PoolSettings, *, shard: int, shards: int) -> None:
    """Raise ShardsMissing unless all blocks of all shards are there; the shard that ends last may go on alone."""
    tables = block_tables(Path(folder), count, settings.block)
    owing = {
        number % shards
        for number, (start, table) in enumerate(tables.items())
        if not is_done(table, block_members(start, count, settings.block))
    }
    if owing:
        raise ShardsMissing(
            f"shard {shard} of {shards} is complete; blocks of shard {', '.join(map(str, sorted(owing)))} are missing. "
            "The shard that ends last finishes the stage; if none is left, run a missing one again."
        )


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
            artifacts.append_jsonl(self.history, record)
