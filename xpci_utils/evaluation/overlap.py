"""Overlap of two label maps: confusion matrix, Dice per class, micro-F1 and accuracy.

Two rules hold for every metric of this package:

* Pixels that the reference marks as ignored become background in *both* maps before anything is counted, so that
  a guess there can neither help nor hurt a particle class.
* A class in neither map has no score (NaN) and stays out of means; a class in only one of them scores 0.
"""

import numpy as np
from numpy.typing import ArrayLike


def comparable(
    predicted: ArrayLike, true: ArrayLike, num_classes: int, ignore_index: int = 255
) -> tuple[np.ndarray, np.ndarray]:
    """Return both label maps as uint8 arrays H x W in which ignored pixels of the reference are background.

    Raises ``ValueError`` when the shapes differ or a map holds a class index outside 0 .. ``num_classes`` - 1.
    """
    if not 1 <= num_classes <= 255:
        raise ValueError(f"num_classes is {num_classes}; label maps of 8 bits hold 1 to 255 classes.")
    predicted, true = np.asarray(predicted), np.asarray(true)
    if predicted.shape != true.shape or true.ndim != 2:
        raise ValueError(
            f"Predicted and true labels must be two maps of one size, H x W; "
            f"got {predicted.shape} and {true.shape}. Crop padding before metrics."
        )
    ignored = true == ignore_index
    maps = [np.where(ignored, 0, labels) for labels in (predicted, true)]
    for name, labels in zip(("predicted", "true"), maps, strict=True):
        if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
            raise ValueError(
                f"The {name} labels hold values from {labels.min()} to {labels.max()}; "
                f"{num_classes} classes allow 0 to {num_classes - 1} (and {ignore_index} = ignore in the reference)."
            )
    return maps[0].astype(np.uint8), maps[1].astype(np.uint8)


def confusion_matrix(predicted: ArrayLike, true: ArrayLike, num_classes: int, ignore_index: int = 255) -> np.ndarray:
    """Count pixels by true class (row) and predicted class (column): int64 [num_classes, num_classes]."""
    predicted, true = comparable(predicted, true, num_classes, ignore_index)
    pairs = true.astype(np.intp) * num_classes + predicted
    return np.bincount(pairs.ravel(), minlength=num_classes**2).reshape(num_classes, num_classes)


def ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    """Divide elementwise in float64; NaN where the denominator is 0."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def dice_from_confusion(confusion: np.ndarray) -> np.ndarray:
    """Dice coefficient of every class, float64 [C]: 2 |P and T| / (|P| + |T|), from a confusion matrix."""
    return ratio(2 * np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1))


def foreground_counts(confusion: np.ndarray) -> tuple[int, int, int]:
    """Return (TP, FP, FN) in pixels, summed over the particle classes (all but background, index 0).

    A particle pixel given to another particle class is one FP and one FN; to the background, one FN.
    """
    true_positive = int(np.trace(confusion)) - int(confusion[0, 0])
    false_positive = int(confusion[:, 1:].sum()) - true_positive
    false_negative = int(confusion[1:, :].sum()) - true_positive
    return true_positive, false_positive, false_negative


def dice_per_class(predicted: ArrayLike, true: ArrayLike, num_classes: int, ignore_index: int = 255) -> np.ndarray:
    """Dice similarity coefficient of every class of one frame, float64 [num_classes] in [0, 1].

    Both maps are H x W class indices; index 0 is background and counts as a class. NaN for a class in neither
    map, 0 for a class in only one: a class that is predicted but absent costs its whole score (the evaluation
    code that TransUNet and EMCAD publish gives it 1). Equal to MONAI's ``compute_dice`` wherever the reference
    holds the class; MONAI gives NaN where only the prediction does.
    """
    return dice_from_confusion(confusion_matrix(predicted, true, num_classes, ignore_index))


def micro_f1(predicted: ArrayLike, true: ArrayLike, num_classes: int, ignore_index: int = 255) -> float:
    """Micro-F1 over the particle pixels of one frame: 2 TP / (2 TP + FP + FN), sums over classes and pixels.

    Background is left out, for with it micro-F1 would be plain pixel accuracy. NaN when neither map holds a
    particle pixel. For several frames add the counts first (`summarise` does).
    """
    return f1(*foreground_counts(confusion_matrix(predicted, true, num_classes, ignore_index)))


def f1(true_positive: int, false_positive: int, false_negative: int) -> float:
    """F1 score of counts; NaN when all three are 0."""
    return float(ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative))
