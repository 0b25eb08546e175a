"""Scores against the truth, on stacks whose scores follow from how they were made."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from toy_film import disc

from xpci_utils.video import compare_with_truth, find_particles, link_tracks, truth_scores
from xpci_utils.video.simulated import IGNORED_INSTANCE

US, UM, SHAPE, FRAMES = 20.0, 2.0, (64, 96), 12
NAMES = np.array(["background", "solid", "molten"], object)


def true_stack():
    """Particle 7 (solid) goes right by 3 px a frame, particle 9 (molten) stays; uint16 [FRAMES, H, W]."""
    stack = np.zeros((FRAMES, *SHAPE), np.uint16)
    for t, page in enumerate(stack):
        page[disc(SHAPE, 15, 20 + 3 * t, 6)] = 7
        page[disc(SHAPE, 45, 50, 8)] = 9
    return stack


def truth_table():
    rows = []
    for t in range(FRAMES):
        rows.append((t, 7, "solid", 24.0, UM * (20 + 3 * t), UM * 15, True))
        rows.append((t, 9, "molten", 32.0, UM * 50, UM * 45, True))
    return pd.DataFrame(rows, columns=["frame", "id", "class", "diameter_um", "x_um", "y_um", "visible"])


def scored(folder, labels, stack, change=lambda linked: linked):
    """Scores of label maps [FRAMES, H, W] against the stack of true numbers."""
    tifffile.imwrite(folder / "labels.tif", labels)
    tifffile.imwrite(folder / "instances.tif", stack)
    tables = []
    for t, page in enumerate(labels):
        _, measures = find_particles(np.eye(3, dtype=np.float32)[page].transpose(2, 0, 1), page, UM, 6, 0.5)
        table = pd.DataFrame(measures).assign(frame=t)
        tables.append(table.assign(particle=range(1, len(table) + 1)))
    particles = pd.concat(tables, ignore_index=True)
    particles["class"] = NAMES[particles["class"]]
    linked = change(link_tracks(particles, 3.0, US))
    detections, true = compare_with_truth(folder / "labels.tif", folder / "instances.tif", truth_table(), 6)
    return truth_scores(linked, detections, true, frame_interval_us=US, pixel_um=UM, min_frames=3)


def perfect():
    stack = true_stack()
    return np.select([stack == 7, stack == 9], [1, 2]).astype(np.uint8)


def test_perfect_labels_have_perfect_scores(tmp_path):
    scores = scored(tmp_path, perfect(), true_stack())
    assert scores["particles_true"] == scores["particles_found"] == 2 * FRAMES
    for name in ("detection_f1", "precision", "recall", "class_accuracy", "track_class_accuracy", "track_purity"):
        assert scores[name] == 1, name
    assert (scores["track_completeness"], scores["tracks"]) == (1, 2)
    assert scores["median_diameter_bias_um"] == 0
    assert scores["median_speed_error_m_per_s"] == pytest.approx(0, abs=1e-9)


def test_missed_and_invented_particles_cost_what_they_should(tmp_path):
    labels = perfect()
    labels[:6][labels[:6] == 2] = 0  # 9 is missed for half of the film
    labels[:3, 55:60, 5:12] = 1  # and something is seen where nothing is
    scores = scored(tmp_path, labels, true_stack())
    assert scores["recall"] == pytest.approx(18 / 24)
    assert scores["precision"] == pytest.approx(18 / 21)
    assert scores["detection_f1"] == pytest.approx(36 / 45)
    assert scores["track_purity"] == pytest.approx(18 / 21)
    assert scores["track_completeness"] == pytest.approx(18 / 24)


def test_a_track_that_changes_over_to_another_particle_is_half_pure(tmp_path):
    def swapped(linked):
        late = linked["frame"] >= FRAMES // 2
        return linked.assign(track=np.where(late, 3 - linked["track"], linked["track"]))

    scores = scored(tmp_path, perfect(), true_stack(), swapped)
    assert scores["detection_f1"] == 1
    assert scores["track_purity"] == scores["track_completeness"] == 0.5


def test_one_track_over_two_particles_in_turn_is_complete_for_each_but_impure(tmp_path):
    def merged(linked):
        return linked[(linked["track"] == 1) == (linked["frame"] < 8)].assign(track=1)

    stack = true_stack()
    stack[8:][stack[8:] == 7] = 0
    stack[:8][stack[:8] == 9] = 0
    scores = scored(tmp_path, np.where(stack > 0, perfect(), 0).astype(np.uint8), stack, merged)
    assert scores["track_purity"] == pytest.approx(8 / 12)
    assert scores["track_completeness"] == 1


def test_a_shrunken_particle_is_found_and_too_small_or_not_found(tmp_path):
    stack, labels = true_stack(), perfect()
    for t, page in enumerate(labels):
        page[:] = 0
        page[disc(SHAPE, 15, 20 + 3 * t, 5)] = 1  # 81 of 113 pixels: IoU 0.72
        page[disc(SHAPE, 45, 50, 5)] = 1  # 81 of 197: IoU 0.41, and the wrong class
    scores = scored(tmp_path, labels, stack)
    assert (scores["precision"], scores["recall"], scores["class_accuracy"]) == (0.5, 0.5, 1)
    assert scores["track_purity"] == 1
    circle = [2 * np.sqrt(disc(SHAPE, 30, 30, radius).sum() / np.pi) * UM for radius in (5, 6)]
    assert scores["median_diameter_bias_um"] == pytest.approx(circle[0] - circle[1])


def test_what_an_annotator_could_not_see_counts_for_nothing(tmp_path):
    stack = true_stack()
    stack[stack == 9] = IGNORED_INSTANCE
    for labels in (perfect(), np.where(perfect() == 2, 0, perfect()).astype(np.uint8)):
        scores = scored(tmp_path, labels, stack)
        assert scores["particles_true"] == scores["particles_found"] == FRAMES
        assert scores["detection_f1"] == 1


def test_nothing_found_has_no_shares(tmp_path):
    scores = scored(tmp_path, np.zeros_like(perfect()), true_stack())
    assert (scores["recall"], scores["detection_f1"]) == (0, 0)
    assert np.isnan(scores["track_purity"])
    assert np.isnan(scores["class_accuracy"])
