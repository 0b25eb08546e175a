"""Dice and NSD against MONAI, and the points where this project's definitions differ on purpose."""

import warnings

import numpy as np
import pytest

from xpci_utils.evaluation import dice_per_class, surface_dice_per_class

CLASSES = 10


@pytest.fixture(scope="module")
def monai_metrics():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("monai.metrics")


def one_hot(labels, num_classes=CLASSES):
    import torch

    return torch.from_numpy((np.arange(num_classes)[:, None, None] == labels)[None])


def monai_dice(metrics, predicted, true, num_classes=CLASSES):
    both = one_hot(predicted, num_classes).float(), one_hot(true, num_classes).float()
    return metrics.compute_dice(*both)[0].double().numpy()


def monai_nsd(metrics, predicted, true, tolerance, num_classes=CLASSES):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns about every absent class
        scores = metrics.compute_surface_dice(
            one_hot(predicted, num_classes),
            one_hot(true, num_classes),
            class_thresholds=[tolerance] * num_classes,
            include_background=True,
        )
    return scores[0].double().numpy()


def random_pair(index):
    """The index-th pair of label maps: blobs, noise, single pixels, borders, shifts, empty and full maps."""
    rng = np.random.default_rng(index)
    height, width = rng.integers(1, 48, size=2)
    kind = index % 8
    if kind == 0:
        return rng.integers(0, CLASSES, size=(2, height, width), dtype=np.uint8)
    maps = np.zeros((2, height, width), np.uint8)
    for labels in maps:
        for _ in range(rng.integers(0, 7)):
            row, column, radius = rng.integers(0, height), rng.integers(0, width), rng.integers(0, 9)
            rows, columns = np.ogrid[:height, :width]
            disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
            labels[disc] = rng.integers(0, CLASSES)
    if kind == 1:
        maps[1] = np.roll(maps[0], rng.integers(-4, 5, size=2), axis=(0, 1))
    if kind == 2:
        maps[:, rng.integers(0, height), rng.integers(0, width)] = rng.integers(1, CLASSES, size=2)
    if kind == 3:
        maps[0] = 0
    if kind == 4:
        maps[1] = rng.integers(0, CLASSES)
    if kind == 5:
        maps[:, :, 0], maps[:, -1, :] = 3, 4
    if kind == 6:
        maps[1] = maps[0]
    return maps


@pytest.mark.parametrize("tolerance", [2.0, 0.0, 1.5, 5.0])
def test_scores_equal_monai_on_200_pairs(monai_metrics, tolerance):
    for index in range(200 if tolerance == 2.0 else 40):
        predicted, true = random_pair(index)
        ours = surface_dice_per_class(predicted, true, CLASSES, tolerance)
        np.testing.assert_allclose(ours, monai_nsd(monai_metrics, predicted, true, tolerance), atol=1e-6)
        in_reference = np.isin(np.arange(CLASSES), true)
        ours, theirs = dice_per_class(predicted, true, CLASSES), monai_dice(monai_metrics, predicted, true)
        np.testing.assert_allclose(ours[in_reference], theirs[in_reference], atol=1e-6)


def test_a_predicted_but_absent_class_scores_zero_where_monai_leaves_it_out(monai_metrics):
    true = np.zeros((8, 8), np.uint8)
    predicted = true.copy()
    predicted[2:4, 2:4] = 5
    assert dice_per_class(predicted, true, CLASSES)[5] == 0
    assert np.isnan(monai_dice(monai_metrics, predicted, true)[5])
    assert surface_dice_per_class(predicted, true, CLASSES)[5] == 0
    assert monai_nsd(monai_metrics, predicted, true, 2.0)[5] == 0


def test_ignored_pixels_become_background_where_monai_removes_them_from_every_class(monai_metrics):
    true = np.zeros((6, 6), np.uint8)
    true[1:3, 1:3] = 1
    predicted = true.copy()
    true[:, 4:] = 255
    predicted[:, 4:] = 2
    predicted[0, 0] = 1
    masked = np.where(true == 255, 0, predicted), np.where(true == 255, 0, true)
    for metric in (dice_per_class, surface_dice_per_class):
        np.testing.assert_array_equal(metric(predicted, true, 3), metric(*masked, 3))
    known = true != 255
    removed = one_hot(predicted, 3) & known, one_hot(true, 3) & known
    theirs = monai_metrics.compute_dice(removed[0].float(), removed[1].float())[0].numpy()
    ours = dice_per_class(predicted, true, 3)
    assert ours[1] == pytest.approx(theirs[1], abs=1e-6)
    assert ours[0] > theirs[0]  # 12 ignored pixels agree on background; MONAI counts 19 of 20 instead of 31 of 32
