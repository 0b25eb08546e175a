"""What a stage does, in units of work: how many frames, or tiles of them, it takes through which network."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from xpci_utils.costs.table import View
from xpci_utils.frames import tiles_of
from xpci_utils.frames.frameset import SPLITS
from xpci_utils.frames.pad import padding
from xpci_utils.importing.checkup import CheckUp
from xpci_utils.params import (
    AdaptSam,
    AuditPairs,
    LabelPairs,
    PrepareFrames,
    SamplePairs,
    StageParameters,
    TrainDdpm,
    TrainSegmentation,
)
from xpci_utils.params.cells import Cell, parse_labeller
from xpci_utils.params.places import MASKING
from xpci_utils.params.profiles import stage_parameters
from xpci_utils.training import LabellerTraining, symmetries_of


def counted(frames: PrepareFrames, checkup: CheckUp) -> PrepareFrames:
    """The parameters of a user's frames with what the check-up found: how many, of what size, in which tiles."""
    numbers = {f"{split}_frames": int((checkup.frames.split == split).sum()) for split in SPLITS}
    height, width = checkup.shape
    shape = {"height": height, "width": width, "tile": checkup.tile, "largest_tile": 0, "shifted_test_frames": 0}
    return frames.model_copy(update=numbers | shape)


def frames_of(profile: str, root: Path) -> PrepareFrames:
    """The parameters of a profile's frames."""
    parameters = stage_parameters(profile, "frames", root, {})
    assert isinstance(parameters, PrepareFrames)
    return parameters


def pairs_of(profile: str, frames: PrepareFrames) -> int:
    """Synthetic pairs in a pool of a profile with so many training frames."""
    return SamplePairs.from_yaml(f"params/{profile}/{SamplePairs.notebook}.yaml").pairs_for(frames.train_frames)


def view_of(frames: PrepareFrames) -> View:
    """What networks see of the frames: `counted` ones, or simulated ones."""
    from xpci_utils.frames import read_classes

    height, width = (min(frames.tile or side, side) for side in (frames.height, frames.width))
    return View(height, width, len(read_classes(frames.classes_path)))


def examples_of(frames: PrepareFrames) -> tuple[int, int, int, int]:
    """What networks see, frames or tiles of them: to train on, to validate, to test, and of a shifted set-up."""
    tiles = len(tiles_of(frames.height, frames.width, frames.tile))
    counts = (frames.train_frames, frames.val_frames, frames.test_frames, frames.shifted_test_frames)
    train, val, test, shifted = (count * tiles for count in counts)
    return train, val, test, shifted


def network_of(parameters: StageParameters) -> str:
    """What a stage trains (or "simulator"), as the cost table calls it; empty for a stage that trains nothing."""
    match parameters:
        case PrepareFrames(source="simulator"):
            return "simulator"
        case TrainDdpm():
            return "denoiser"
        case AdaptSam():
            return parse_labeller(parameters.labeller).variant
        case TrainSegmentation():
            return Cell.parse(parameters.cell).backbone
    return ""


def work_of(parameters: StageParameters, frames: PrepareFrames, pairs: int) -> dict[tuple[str, str], int]:
    """(network, unit) -> how many frames, or tiles of them, a stage takes through it; nothing for the report.

    ``pairs`` is the size of a pool of the profile.
    """
    return {unit: count for unit, count in _work_of(parameters, frames, pairs).items() if count}


def _work_of(parameters: StageParameters, frames: PrepareFrames, pairs: int) -> dict[tuple[str, str], int]:
    train, val, test, shifted = examples_of(frames)
    name = network_of(parameters)
    match parameters:
        case PrepareFrames(source="folder"):
            return {}
        case PrepareFrames():
            return {(name, "frame"): train + val + test + shifted}
        case TrainDdpm() as p:
            looks = p.evaluations * (val * p.probe_draws + p.preview_pairs * p.preview_steps)
            last = min(p.judged_frames, test) * p.probe_draws + p.judged_pairs * p.preview_steps
            return _steps(p, p.steps) | {(name, "forward"): looks + last}
        case AdaptSam() as p:
            steps = p.epochs * ceil(train / p.batch_size) or p.steps
            looks = val * (LabellerTraining().evaluations + 1 + _symmetries(frames)) + test
            known = 0 if p.shipped else p.settings().knowledge_frames
            return _steps(p, steps) | {(name, "forward"): looks, ("simulator", "frame"): known}
        case TrainSegmentation() as p:
            looks = (p.evaluations + 1) * val + 2 * test + shifted + _cell_steps(p, train) * _self_labelled(p)
            return {(name, "step"): _cell_steps(p, train) * step_batch(p), (name, "forward"): looks}
        case SamplePairs(pool="fresh"):
            return {("simulator", "frame"): pairs}
        case SamplePairs(pool="unlabelled"):
            simulated = {("simulator", "frame"): pairs} if frames.source == "simulator" else {}
            return {(MASKING.backbone, "forward"): pairs} | simulated
        case SamplePairs(pool="ddpm") as p:
            return {("denoiser", "forward"): pairs * p.sampling_steps}
        case SamplePairs() as p:
            return {("denoiser", "forward"): _clamped(p, pairs_in(p.pool, frames, pairs))}
        case LabelPairs() as p:
            views = _symmetries(frames) if p.symmetries else 1
            return {(parse_labeller(p.labeller).variant, "forward"): pairs_in(p.pool, frames, pairs) * views}
        case AuditPairs() as p:
            return {
                ("denoiser", "forward"): _clamped(p, val),
                (parse_labeller(p.labeller).variant, "forward"): 2 * val,
                ("simulator", "frame"): 3 * min(p.fresh_frames, pairs),
            }
    return {}


def step_batch(parameters: StageParameters) -> int:
    """Frames that an optimiser step of a stage sees; 1 for a stage that trains nothing."""
    batch_size = getattr(parameters, "batch_size", 1)
    if isinstance(parameters, TrainSegmentation):
        return Cell.parse(parameters.cell).frames_per_step(batch_size)
    return batch_size


def _self_labelled(parameters: TrainSegmentation) -> int:
    """Frames that a network labels itself in a step of its training, by a forward pass beside that of the step."""
    return parameters.batch_size if Cell.parse(parameters.cell).trains_on == "fixmatch" else 0


def _steps(parameters: TrainDdpm | AdaptSam, steps: int) -> dict[tuple[str, str], int]:
    """The frames of a training; none where shipped weights stand in for it."""
    return {} if parameters.shipped else {(network_of(parameters), "step"): steps * parameters.batch_size}


def pairs_in(pool: str, frames: PrepareFrames, pairs: int) -> int:
    """Pairs in a pool of a profile whose pools have ``pairs``; the images of one are the test frames."""
    return examples_of(frames)[2] if pool == "heldout" else pairs


def _clamped(parameters: SamplePairs | AuditPairs, images: int) -> int:
    """Forward passes on the way to the masks of known ``images``."""
    from xpci_utils.diffusion.clamping import ROUNDS

    return images * parameters.clamped_steps * ROUNDS


def _cell_steps(parameters: TrainSegmentation, train: int) -> int:
    """Optimiser steps of a cell whose profile has ``train`` annotated training examples."""
    from xpci_utils.segmentation.arms import steps_of

    cell = Cell.parse(parameters.cell)
    return steps_of(cell, cell.annotated or train, parameters.settings())


def _symmetries(frames: PrepareFrames) -> int:
    height, width = (min(frames.tile or side, side) for side in (frames.height, frames.width))
    (top, bottom), (left, right) = padding(height, width)
    return symmetries_of(height + top + bottom, width + left + right)
