import numpy as np
import pytest

from xpci_utils.evaluation import confusion_matrix, dice_per_class, evaluate_frame, micro_f1


def square(value=1, size=8):
    labels = np.zeros((size, size), np.uint8)
    labels[2:6, 2:6] = value
    return labels


def test_dice_of_a_known_overlap():
    shifted = np.roll(square(), 2, axis=1)
    np.testing.assert_allclose(dice_per_class(shifted, square(), 2), [2 * 40 / 96, 2 * 8 / 32])


def test_a_class_in_neither_map_is_nan_and_in_one_map_is_zero():
    dice = dice_per_class(square(1), square(2), 4)
    assert dice[0] == 1
    assert dice[1] == 0
    assert dice[2] == 0
    assert np.isnan(dice[3])


def test_empty_prediction_and_empty_frame():
    empty = np.zeros((8, 8), np.uint8)
    assert micro_f1(empty, square(), 2) == 0
    assert np.isnan(micro_f1(empty, empty, 2))
    scores = evaluate_frame(empty, empty, 3)
    assert scores["dice"] == scores["dice_union"] == scores["nsd"] == 1
    assert np.isnan(scores["dice_foreground"])
    assert np.isnan(scores["nsd_union_foreground"])
    assert np.isnan(scores["detection_f1"])


def test_micro_f1_counts_a_wrong_class_twice_and_a_missed_pixel_once():
    wrong_class = square(2)
    assert micro_f1(wrong_class, square(1), 3) == 0
    half = square()
    half[2:6, 4:6] = 2
    assert micro_f1(half, square(), 3) == pytest.approx(2 * 8 / (2 * 8 + 8 + 8))
    half[half == 2] = 0
    assert micro_f1(half, square(), 3) == pytest.approx(2 * 8 / (2 * 8 + 0 + 8))


def test_confusion_matrix_has_true_classes_in_rows():
    confusion = confusion_matrix(square(2), square(1), 3)
    np.testing.assert_array_equal(confusion, [[48, 0, 0], [0, 0, 16], [0, 0, 0]])
    assert confusion.dtype == np.int64


def test_ignored_pixels_neither_help_nor_hurt_a_particle_class():
    true = square()
    true[4:6] = 255
    guess = square()
    guess[4:6] = 2
    assert micro_f1(guess, true, 3) == 1
    dice = dice_per_class(guess, true, 3)
    assert dice[0] == dice[1] == 1
    assert np.isnan(dice[2])


def test_a_hallucinated_class_costs_only_the_union_mean():
    predicted = square()
    predicted[0, 0] = 2
    scores = evaluate_frame(predicted, square(), 3)
    assert scores["dice_foreground"] == 1
    assert scores["dice_union_foreground"] == 0.5
    assert scores["nsd_union_foreground"] == 0.5
    assert (scores["tp"], scores["fp"], scores["fn"]) == (16, 1, 0)


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (np.zeros((4, 4)), np.zeros((4, 5)), "one size"),
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), "H x W"),
        (np.full((4, 4), 3), np.zeros((4, 4)), "predicted labels hold values from 3 to 3"),
        (np.zeros((4, 4)), np.full((4, 4), 7), "true labels hold values from 7 to 7"),
        (np.full((4, 4), -1), np.zeros((4, 4)), "predicted labels"),
    ],
)
def test_maps_that_cannot_be_compared_are_refused_in_words(predicted, true, message):
    with pytest.raises(ValueError, match=message):
        dice_per_class(predicted, true, 3)
