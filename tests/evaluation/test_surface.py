import numpy as np
import pytest

from xpci_utils.evaluation import boundary_classes, surface_dice_per_class


def pixel(row, column, size=12):
    labels = np.zeros((size, size), np.uint8)
    labels[row, column] = 1
    return labels


def test_frame_borders_and_single_pixels_are_boundary():
    labels = np.zeros((5, 5), np.uint8)
    labels[2, 2] = 1
    boundary = boundary_classes(labels)
    assert boundary[2, 2] == 1
    assert (boundary[[0, -1]] == 0).all()
    assert (boundary[:, [0, -1]] == 0).all()
    assert (boundary[[1, 2, 2, 3], [2, 1, 3, 2]] == 0).all()
    assert (boundary[[1, 1, 3, 3], [1, 3, 1, 3]] == 255).all()


@pytest.mark.parametrize(
    ("shift", "tolerance", "expected"),
    [((0, 2), 2, 1), ((2, 2), 2, 0), ((2, 2), 2.83, 1), ((0, 3), 2.99, 0), ((0, 1), 0, 0), ((0, 0), 0, 1)],
)
def test_the_tolerance_is_euclidean_and_inclusive(shift, tolerance, expected):
    moved = pixel(5 + shift[0], 5 + shift[1])
    assert surface_dice_per_class(moved, pixel(5, 5), 2, tolerance)[1] == expected


def test_a_match_across_the_frame_edge_is_none():
    first, last = pixel(5, 0), pixel(4, 11)  # neighbours in memory, far apart in the frame
    assert surface_dice_per_class(first, last, 2)[1] == 0
    assert surface_dice_per_class(pixel(0, 0), pixel(11, 11), 2)[1] == 0


def test_absent_classes():
    scores = surface_dice_per_class(pixel(5, 5), np.zeros((12, 12), np.uint8), 3)
    assert scores[1] == 0
    assert np.isnan(scores[2])


@pytest.mark.parametrize("tolerance", [-1, np.inf, np.nan])
def test_an_impossible_tolerance_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance_px"):
        surface_dice_per_class(pixel(5, 5), pixel(5, 5), 2, tolerance)
