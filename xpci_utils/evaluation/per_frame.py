"""Every metric of the paper for one frame, a table over a folder of frames, and the line that a table prints.

Two ways to average Dice and NSD over the classes of a frame stand side by side:

* over the classes *present in the reference*, the convention of Seidlitz et al. 2022 (the paper's [17]): a class
  that is predicted but absent costs nothing by itself. Plain names: ``dice``, ``nsd``.
* over the *union* of reference and prediction, where such a class counts as 0: ``dice_union``, ``nsd_union``.

Both with background (the paper's numbers are explained best by it) and without (``..._foreground``).
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from xpci_utils.evaluation.overlap import (
    comparable,
    confusion_matrix,
    dice_from_confusion,
    f1,
    foreground_counts,
)
from xpci_utils.evaluation.particles import evaluate_particles
from xpci_utils.evaluation.surface import surface_dice_per_class
from xpci_utils.frames import IGNORE, FrameSet

Predictions = Mapping[str, np.ndarray] | Callable[[np.ndarray], np.ndarray]

TOLERANCES_PX = (0, 1, 2, 3, 4)  # of the curve of NSD: 2 px of a frame of 64 are far more than 2 px of one of 640
_SUMS = ("tp", "fp", "fn", "particles_true", "particles_predicted", "particles_matched")


def evaluate_frame(
    predicted: ArrayLike,
    true: ArrayLike,
    num_classes: int,
    tolerance_px: float = 2.0,
    ignore_index: int = 255,
    pixel_size_um: float = 1.0,
) -> dict:
    """Evaluate one predicted label map H x W against its reference.

    Returns ``dice``, ``nsd`` and their ``_foreground``, ``_union``, ``_union_foreground`` variants (NaN when no
    class is left to average, e.g. foreground of an empty frame); ``nsd_0px``, ``nsd_foreground_0px``, ... at
    the tolerances of the curve, whatever ``tolerance_px`` is; ``tp``, ``fp``, ``fn`` (particle pixels) and
    their ``micro_f1``; ``accuracy`` over all pixels, ignored ones being background in both maps; the entries of
    `evaluate_particles`; and the arrays ``dice_per_class``, ``nsd_per_class``.
    """
    predicted, true = comparable(predicted, true, num_classes, ignore_index)
    confusion = confusion_matrix(predicted, true, num_classes)
    curve = {
        tolerance: surface_dice_per_class(predicted, true, num_classes, tolerance)
        for tolerance in {*TOLERANCES_PX, tolerance_px}
    }
    per_class = {"dice": dice_from_confusion(confusion), "nsd": curve[tolerance_px]}
    present = confusion.sum(axis=1) > 0
    result = {}
    for name, scores in per_class.items():
        result[name] = nanmean(scores[present])
        result[f"{name}_foreground"] = nanmean(scores[1:][present[1:]])
        result[f"{name}_union"] = nanmean(scores)
        result[f"{name}_union_foreground"] = nanmean(scores[1:])
    for tolerance in TOLERANCES_PX:
        scores = curve[tolerance]
        result[f"nsd_{tolerance}px"] = nanmean(scores[present])
        result[f"nsd_foreground_{tolerance}px"] = nanmean(scores[1:][present[1:]])
    counts = foreground_counts(confusion)
    result |= dict(zip(("tp", "fp", "fn"), counts, strict=True))
    result |= {"micro_f1": f1(*counts), "accuracy": float(np.trace(confusion) / confusion.sum())}
    result |= evaluate_particles(predicted, true, num_classes, pixel_size_um)
    return result | {f"{name}_per_class": scores for name, scores in per_class.items()}


def evaluate_frames(frames: FrameSet, predictions: Predictions, tolerance_px: float = 2.0) -> pd.DataFrame:
    """Evaluate a prediction for every frame: one row per frame, in the order of ``frames``.

    ``predictions`` maps a frame's name to its label map H x W, or is a function of the image (uint8 H x W).
    Columns: ``frame``, ``sequence``, the scalars of `evaluate_frame`, ``dice_<class>`` and ``nsd_<class>``.
    """
    return pd.DataFrame([_row(frame, frames, predictions, tolerance_px) for frame in frames])


def _row(frame, frames: FrameSet, predictions: Predictions, tolerance_px: float) -> dict:
    predicted = predictions(frame.image) if callable(predictions) else predictions[frame.name]
    pixel_size = frames.pixel_size_um or 1.0
    scores = evaluate_frame(predicted, frame.labels, frames.num_classes, tolerance_px, pixel_size_um=pixel_size)
    per_class = {name: scores.pop(f"{name}_per_class") for name in ("dice", "nsd")}
    columns = {
        f"{metric}_{class_name}": value
        for metric, values in per_class.items()
        for class_name, value in zip(frames.class_names, values, strict=True)
    }
    return {"frame": frame.name, "sequence": frame.sequence} | scores | columns


def summarise(table: pd.DataFrame) -> dict[str, float | int | None]:
    """Reduce the rows of `evaluate_frames` to one value per column, ready for JSON.

    Means over frames, NaN left out (a frame without particles says nothing about foreground Dice); None when every
    frame is NaN. Pixel and particle counts are sums, and ``micro_f1`` and ``detection_f1`` are computed from
    them, pooled over the frames. ``count_error_absolute`` is the mean of the absolute count errors.
    """
    summary = {name: nanmean(table[name]) for name in table.columns.drop(["frame", "sequence"])}
    sums = {name: int(table[name].sum()) for name in _SUMS}
    summary |= sums
    matched = sums["particles_matched"]
    summary["micro_f1"] = f1(sums["tp"], sums["fp"], sums["fn"])
    summary["detection_f1"] = f1(matched, sums["particles_predicted"] - matched, sums["particles_true"] - matched)
    summary["count_error_absolute"] = nanmean(table["count_error"].abs())
    return {name: None if np.isnan(value) else value for name, value in summary.items()}


def score_labels(frames: FrameSet, labels: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Scores of label maps that may say "ignore" (255), as a labeller does that leaves out what it is not sure of.

    ``labels`` maps a frame's name to uint8 [H, W]. ``dice_foreground`` and ``micro_f1`` count the pixels that are
    labelled, and ``kept`` is their share of all particle pixels; a filter has to win more than it throws away.
    """
    confusions, kept, particles = [], 0, 0
    for frame in frames:
        assigned, known = labels[frame.name], (frame.labels != 0) & (frame.labels != IGNORE)
        unsure = assigned == IGNORE
        truth = np.where(unsure, IGNORE, frame.labels)
        confusions.append(confusion_matrix(np.where(unsure, 0, assigned), truth, frames.num_classes))
        kept, particles = kept + int((known & ~unsure).sum()), particles + int(known.sum())
    return {
        "dice_foreground": _mean_foreground_dice(confusions),
        "micro_f1": f1(*foreground_counts(_total(confusions, frames.num_classes))),
        "kept": kept / max(particles, 1),
    }


def foreground_dice(frames: FrameSet, predictions: Mapping[str, np.ndarray]) -> float:
    """Mean over frames of the Dice of the particle classes present; the quick look that training takes."""
    return _mean_foreground_dice([confusion_matrix(predictions[f.name], f.labels, frames.num_classes) for f in frames])


def _mean_foreground_dice(confusions: list[np.ndarray]) -> float:
    scores = [dice_from_confusion(confusion)[1:][confusion[1:].sum(axis=1) > 0] for confusion in confusions]
    return nanmean([nanmean(score) for score in scores])


def pooled_confusion(frames: FrameSet, predictions: Mapping[str, np.ndarray]) -> np.ndarray:
    """Confusion matrix summed over frames: int64 [num_classes, num_classes], rows are true classes."""
    confusions = (confusion_matrix(predictions[f.name], f.labels, frames.num_classes) for f in frames)
    return _total(confusions, frames.num_classes)


def _total(confusions: Iterable[np.ndarray], num_classes: int) -> np.ndarray:
    return sum(confusions, start=np.zeros((num_classes, num_classes), np.int64))


def nanmean(values: ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN, without a warning, when none is left."""
    numbers = np.asarray(values, dtype=float)
    numbers = numbers[~np.isnan(numbers)]
    return float(numbers.mean()) if len(numbers) else float("nan")
