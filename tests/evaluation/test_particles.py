import numpy as np
import pytest

from xpci_utils.evaluation import evaluate_particles


def frame(*boxes, size=32):
    """A label map with rectangles (class, top, left, height, width)."""
    labels = np.zeros((size, size), np.uint8)
    for value, top, left, height, width in boxes:
        labels[top : top + height, left : left + width] = value
    return labels


def test_counts_matches_and_diameters():
    true = frame((1, 2, 2, 4, 4), (2, 10, 10, 6, 6), (1, 20, 20, 4, 4))
    predicted = frame((1, 2, 3, 4, 4), (1, 10, 10, 6, 6), (1, 20, 20, 4, 4), (1, 28, 2, 2, 2))
    scores = evaluate_particles(predicted, true, 3, pixel_size_um=2.0)
    assert scores["particles_true"] == 3
    assert scores["particles_predicted"] == 4
    assert scores["particles_matched"] == 2  # IoU 12/20 and 1; the wrong class and the speck match nothing
    assert scores["detection_f1"] == pytest.approx(4 / 7)
    assert scores["count_error"] == 1
    assert scores["median_diameter_true_um"] == pytest.approx(2 * 2 * np.sqrt(16 / np.pi))
    assert scores["median_diameter_bias_um"] == 0


@pytest.mark.parametrize(("width", "matched"), [(4, 1), (3, 0)])
def test_an_iou_of_one_half_is_a_match_and_less_is_none(width, matched):
    scores = evaluate_particles(frame((1, 4, 4, 5, width)), frame((1, 4, 4, 5, 8)), 2)
    assert scores["particles_matched"] == matched


def test_touching_corners_are_one_particle_and_touching_classes_are_two():
    assert evaluate_particles(frame((1, 0, 0, 2, 2), (1, 2, 2, 2, 2)), frame(), 3)["particles_predicted"] == 1
    assert evaluate_particles(frame((1, 0, 0, 2, 2), (2, 0, 2, 2, 2)), frame(), 3)["particles_predicted"] == 2


def test_empty_frames_have_no_score():
    scores = evaluate_particles(frame(), frame(), 2)
    assert np.isnan(scores["detection_f1"])
    assert np.isnan(scores["median_diameter_bias_um"])
    assert scores["count_error"] == 0


def test_a_loose_threshold_is_refused():
    with pytest.raises(ValueError, match="min_iou"):
        evaluate_particles(frame(), frame(), 2, min_iou=0.3)
