"""The four kinds of pools: the paper's, two controls that ask where a gain is lost, and masks for the test frames."""

from collections.abc import Sequence
from pathlib import Path

from xpci_utils.diffusion.denoiser import load_denoiser
from xpci_utils.diffusion.pool import Examples, PoolSettings, finished_shards, write_pool
from xpci_utils.frames import FrameSet, PairExamples
from xpci_utils.simulation.more import write_fresh_pool

DENOISER_FILE = "denoiser_ema.safetensors"


def make_pool(
    kind: str,
    inputs: Sequence[Path],
    folder: Path,
    pairs: int,
    settings: PoolSettings,
    *,
    shard: tuple[int, int] = (0, 1),
    workers: int = 1,
    history: Path | None = None,
) -> Path:
    """Write a pool of ``pairs`` (frame, mask) pairs into ``folder``, as `write_pool` lays it out; returns the folder.

    "ddpm"     both are drawn from the denoiser (Section 2.1); finished shares beside ``folder`` are taken up
    "fresh"    newly simulated frames with true masks and labels, on ``workers`` processes; no denoiser
    "clamped"  the images of a fresh pool, with the masks that the denoiser draws for them
    "heldout"  the annotated test frames with such masks, as many as there are

    ``inputs`` are the folders that such a pool is made from, in this order: frames, denoiser, fresh pool. Raises
    ValueError for another kind, for frames that no simulator made where new ones are wanted, and as `write_pool`.
    """
    if kind not in ("ddpm", "fresh", "clamped", "heldout"):
        raise ValueError(f"there is no pool {kind!r}; choose ddpm, fresh, clamped or heldout")
    frames = FrameSet.open(inputs[0])
    if kind == "fresh":
        return write_fresh_pool(frames, folder, pairs, settings.seed, workers)
    known = known_images(kind, frames, inputs, pairs)
    return write_pool(
        load_denoiser(inputs[1] / DENOISER_FILE),
        folder,
        pairs if known is None else len(known),
        settings,
        shard=shard,
        taken_from=finished_shards(folder.parent) if shard == (0, 1) else (),
        known=known,
        history=history,
    )


def known_images(kind: str, frames: FrameSet, inputs: Sequence[Path], pairs: int) -> Examples | None:
    """The examples whose images a pool takes over and draws masks for; None where it draws both."""
    if kind == "clamped":
        return PairExamples(inputs[2], inputs[2] / "masks", range(pairs))
    return frames.examples("test") if kind == "heldout" else None
