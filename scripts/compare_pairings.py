"""How often the check of frames against masks is right: masks on their own frames, shifted, mixed, or one astray.

    python scripts/compare_pairings.py my_frames [more_frames ...]

Each folder holds images/ and masks/ of equal names. Frames whose names share what stands before the first "_" and
end in numbers count as one film, in the order of the numbers. Prints one row per film and number of masks: the shares
of verdicts over random choices of masks; of the pairings that fit, how many masks show it by themselves (alone), and
how often every wrong mask is among the others (named). docs/import_pairing.md shows what it gave.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xpci_utils.frames.pictures import read_grey, read_indices
from xpci_utils.importing.edges import EdgeCheck, Films, Verdict
from xpci_utils.importing.films import in_order

CHOICES = 30
SIZES = (1, 2, 4, 8, 16)
CHANGED = ("mixed", "two changed", "one astray")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--choices", type=int, default=CHOICES, help="random choices of masks per row")
    parser.add_argument("--frames", type=int, help="the first so many frames of each film")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of masks")
    options = parser.parse_args()
    print("| film | masks | pairing | fits | open | wrong | alone | named |\n|---|---|---|---|---|---|---|---|")
    for folder in options.folders:
        films: dict[str, list[Path]] = {}
        for path in sorted((folder / "images").iterdir(), key=lambda path: in_order(path.stem)):
            films.setdefault(path.stem.partition("_")[0] if "_" in path.stem else folder.name, []).append(path)
        for name, images in films.items():
            chosen = images[: options.frames]
            masks = [next((folder / "masks").glob(f"{path.stem}.*")) for path in chosen]
            measure(name, chosen, masks, options.sizes, options.choices)


def measure(name: str, images: list[Path], masks: list[Path], sizes: Sequence[int], choices: int) -> None:
    """Print the verdicts on pairings of one film."""
    frames, labels = [read_grey(path) for path in images], [read_indices(path) for path in masks]
    check = EdgeCheck(Films(frames.__getitem__, lambda key: labels[int(key)], [0] * len(frames)))
    rng = np.random.default_rng(0)
    for size in (*(size for size in sizes if size < len(frames) - 2), len(frames) - 2):
        for pairing in ("own frame", "next frame", "frame before", "mixed", "two changed", "one astray"):
            if (size < 2 and pairing in CHANGED) or (size == len(frames) - 2 and pairing == "one astray"):
                continue
            count = choices if size < len(frames) - 2 or pairing in CHANGED else 1
            every = [paired(pairing, size, len(frames), rng) for _ in range(count)]
            verdicts = [check.judge(pairs) for pairs in every]
            shares = " | ".join(
                f"{100 * verdicts.count(one) / count:.0f} %" for one in (Verdict.FITS, Verdict.OPEN, Verdict.WRONG)
            )
            fitting = [pairs for pairs, one in zip(every, verdicts, strict=True) if one is Verdict.FITS]
            print(
                f"| {name} ({len(frames)}) | {size} | {pairing} | {shares} | {by_themselves(check, fitting)} |",
                flush=True,
            )


def by_themselves(check: EdgeCheck, fitting: list[dict[str, int]]) -> str:
    """Of pairings that fit: the share of masks that show it by themselves, and how many name every wrong mask."""
    silent = [set(check.silent(pairs)) for pairs in fitting]
    alone = [1 - len(own) / len(pairs) for own, pairs in zip(silent, fitting, strict=True)]
    wrong = [{mask for mask, frame in pairs.items() if int(mask) != frame} for pairs in fitting]
    named = sum(bool(astray) and astray <= own for astray, own in zip(wrong, silent, strict=True))
    return f"{100 * np.mean(alone):.0f} % | {named} of {sum(map(bool, wrong))}" if fitting else "- | -"


def paired(pairing: str, size: int, count: int, rng: np.random.Generator) -> dict[str, int]:
    """Frame by mask for a random choice of ``size`` of the frames that have one before and one after them."""
    chosen = np.sort(rng.choice(np.arange(1, count - 1), size, replace=False))
    frames = chosen + {"next frame": 1, "frame before": -1}.get(pairing, 0)
    if pairing == "mixed":
        while (frames == chosen).all():
            frames = rng.permutation(chosen)
    if pairing == "two changed":
        first, second = rng.choice(size, 2, replace=False)
        frames[[first, second]] = frames[[second, first]]
    if pairing == "one astray":  # on a frame without a mask
        frames[rng.integers(size)] = rng.choice(np.setdiff1d(np.arange(count), chosen))
    return {str(mask): int(frame) for mask, frame in zip(chosen, frames, strict=True)}


if __name__ == "__main__":
    main()
