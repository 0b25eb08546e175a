"""What each arm of the controls changes: the one place that decides what a cell trains on, for how long, and how."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames import FrameSet, PoolImages
from xpci_utils.params.cells import Cell
from xpci_utils.segmentation.training import (
    Examples,
    NetworkData,
    first_of_pool,
    joined,
    synthetic_examples,
    training_steps,
)
from xpci_utils.training import NetworkTraining, augment
from xpci_utils.training.copy_paste import ParticlePaste


def training_of(
    cell: Cell, frames: FrameSet, pool: tuple[Path, Path] | None, settings: NetworkTraining
) -> tuple[NetworkData, NetworkTraining]:
    """What ``cell`` trains on and how: ``frames`` and the (pairs, labels) folders of ``pool``; see ``cells.ARMS``.

    ``settings`` are the profile's; arms that study mixing, steps or epochs replace them. Raises ValueError when the
    cell asks for frames or pairs that there are not, or for fewer annotated frames than its pairs come from.
    """
    train = frames.split("train")
    if cell.labelled and 0 < cell.annotated < len(train):
        raise ValueError(
            f"{cell.name}: denoiser and labeller have seen all {len(train)} annotated frames of "
            f"{paths.display(frames.folder)}, so synthetic pairs beside {cell.annotated} of them would not show what "
            "so few annotations are worth; prepare frames with a smaller train split in another run_root"
        )
    annotated = _annotated(cell, frames, pool)
    synthetic = _pairs(cell, pool, cell.synthetic) if cell.labeller != "none" else ()
    data = NetworkData(
        () if cell.trains_on == "synthonly" else annotated,
        synthetic,
        _view(cell, frames, settings),
        unlabelled=_unlabelled(cell, pool) if cell.trains_on == "fixmatch" else (),
    )
    return data, replace(
        settings,
        steps=steps_of(cell, len(annotated), settings),
        batch_size=cell.frames_per_step(settings.batch_size) if cell.trains_on == "halfbatch" else settings.batch_size,
        mixing=cell.mixing or settings.mixing,
        pair_weight=cell.pair_weight,
        seed=cell.seed,
    )


def steps_of(cell: Cell, annotated: int, settings: NetworkTraining) -> int:
    """Optimiser steps of a cell with so many annotated examples, by the profile's ``settings``.

    Pairs bring steps of their own where training is counted in epochs, save where they come beside whole batches: then
    the steps are those of the cell without pairs, and so is the stream of annotated frames.
    """
    steps, epochs, batch_size = settings.steps, settings.epochs, settings.batch_size
    if cell.trains_on in ("epochs", "longer"):
        return equal_epochs(annotated, cell.synthetic, steps, epochs, batch_size)
    pairs = 0 if cell.whole_batches else cell.synthetic
    return training_steps(annotated, pairs, batch_size, epochs) if epochs else steps


def equal_epochs(annotated: int, synthetic: int, steps: int, epochs: int, batch_size: int) -> int:
    """Steps of the paper's protocol: as many passes over the union as ``steps`` are over the annotated examples."""
    if epochs:
        return training_steps(annotated, synthetic, batch_size, epochs)
    return ceil(steps * (annotated + synthetic) / annotated)


def _annotated(cell: Cell, frames: FrameSet, pool: tuple[Path, Path] | None) -> Examples:
    train = frames.split("train")
    if cell.trains_on != "more":
        return train.take(cell.annotated).examples("train")
    further = cell.annotated - len(train)
    if further < 1:
        raise ValueError(f"{cell.name}: the train split has {len(train)} frames already; the arm 'more' asks for more")
    return joined(train.examples("train"), _pairs(cell, pool, further))


def _pairs(cell: Cell, pool: tuple[Path, Path] | None, count: int) -> Examples:
    return synthetic_examples(*_given(cell, pool), count, cell.seed)


def _unlabelled(cell: Cell, pool: tuple[Path, Path] | None) -> Sequence[np.ndarray]:
    """The images of a pool alone: whatever labels or masks there are of them, no one reads them."""
    pairs, _ = _given(cell, pool)
    return PoolImages(pairs, first_of_pool(pairs, cell.synthetic, cell.seed))


def _given(cell: Cell, pool: tuple[Path, Path] | None) -> tuple[Path, Path]:
    if pool is None:
        raise ValueError(f"{cell.name} takes frames of a pool, but no pool was given")
    return pool


def _view(
    cell: Cell, frames: FrameSet, settings: NetworkTraining
) -> Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple]:
    if cell.trains_on == "copypaste":
        donors = frames.split("train").take(cell.annotated).examples("train")
        return ParticlePaste(donors, frames.info.get("window"), cell.augmentation or "symmetries")
    return partial(augment, kind=cell.augmentation or settings.augmentation)
