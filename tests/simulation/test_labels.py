"""Label rules: silhouettes, priority, visibility floor, hand-drawn boundaries, explosions."""

import numpy as np
import pytest

from xpci_utils.simulation import get_preset, load_classes, simulate_frames
from xpci_utils.simulation.labels import bin_silhouette, humanise, is_visible, make_instance, paint
from xpci_utils.simulation.scene import build_sequence


def disc(size, radius, centre=0.0, oversampling=4):
    """Sub-pixels inside a circle; lengths in pixels, ``centre`` relative to the middle of the grid."""
    axis = (np.arange(size * oversampling) + 0.5) / oversampling - size / 2 - centre
    return np.hypot(axis, axis[:, None]) <= radius


def test_area_of_a_sphere_mask():
    for radius in (20.0, 25.3):
        for centre in (0.11, 0.23, 0.37):  # a circle centred on a pixel's corner has many pixels covered just half
            mask = bin_silhouette(disc(64, radius, centre), 4)
            assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.01)


def test_half_a_pixel_counts():
    inside = np.zeros((8, 8), bool)
    inside[:4, :2] = True
    inside[4:, 4:5] = True
    assert bin_silhouette(inside, 4).tolist() == [[True, False], [False, False]]


def instance(number, name, window, visible=True):
    shape = tuple(s.stop - s.start for s in window)
    return make_instance(number, name, 10.0, window, np.ones(shape, bool), visible)


def test_rarer_class_on_top_and_ignored_below():
    a = instance(1, "microexplosion", (slice(0, 4), slice(0, 4)))
    b = instance(2, "solid_particle", (slice(2, 6), slice(2, 6)))
    c = instance(3, "fragment", (slice(5, 8), slice(5, 8)), visible=False)
    labels, numbers = paint([c, a, b], (8, 8))
    assert labels[3, 3] == 6
    assert numbers[3, 3] == 1
    assert labels[5, 5] == 1
    assert labels[7, 7] == 255
    assert numbers[7, 7] == 0


def test_priorities_are_the_written_ones():
    order = sorted(load_classes(), key=lambda c: -c.priority)
    assert [c.index for c in order] == [6, 4, 9, 8, 5, 3, 7, 2, 1]


def test_visibility_floor():
    clean = np.ones((20, 20), np.float32)
    window = (slice(5, 9), slice(5, 9))
    mask = np.ones((4, 4), bool)
    assert not is_visible(mask, window, clean, 0.02)
    clean[7, 7] = 0.93
    assert is_visible(mask, window, clean, 0.02)
    assert not is_visible(mask, window, clean, 0.03)
    tiny = np.zeros((4, 4), bool)
    tiny[0, :] = True
    assert not is_visible(tiny, window, clean, 0.001)


def test_labels_follow_the_table():
    for frame in simulate_frames(12, 64, 64, 3, "reduced"):
        drawn = set(np.unique(frame.labels)) - {0, 255}
        assert drawn <= {i.class_index for i in frame.table if i.visible}
        for i in frame.table:
            assert i.mask.shape == tuple(s.stop - s.start for s in i.window)
            where = frame.instances == i.id
            if i.visible:
                assert (frame.labels[where] == i.class_index).all()
            else:
                assert not where.any()
        assert ((frame.instances > 0) == ((frame.labels > 0) & (frame.labels < 255))).all()


def test_hand_drawn_masks_differ_at_the_boundary_only():
    mask = bin_silhouette(disc(64, 20.0), 4)
    drawn = humanise(mask, np.random.default_rng(0), 1.0)
    assert drawn.sum() == pytest.approx(mask.sum(), rel=0.01)
    changed = drawn != mask
    axis = np.arange(64) - 31.5
    radius = np.hypot(axis, axis[:, None])
    assert 0 < changed.sum() < 0.2 * mask.sum()
    assert np.abs(radius[changed] - 20).max() < 5


def test_a_hand_draws_every_visible_particle():
    """Also small ones and those that the frame's border cuts; the frame stays the same."""
    changed = 0
    for exact, drawn in zip(
        *(simulate_frames(12, 64, 64, 0, "reduced", mask_jitter_px=j) for j in (0.0, 1.0)), strict=True
    ):
        assert np.array_equal(exact.image, drawn.image)
        changed += (exact.labels != drawn.labels).sum()
        for a, b in zip(exact.table, drawn.table, strict=True):
            assert (a.class_index, a.visible) == (b.class_index, b.visible)
            assert b.mask.sum() == pytest.approx(a.mask.sum(), rel=0.01)
            assert np.hypot(a.x - b.x, a.y - b.y) < 3
    assert changed > 12 * 20


def test_droplets_beyond_two_radii_are_fragments():
    preset = get_preset("reduced")
    count = 0
    for number in range(20):
        sequence = build_sequence(number, 0, 64, 64, preset, "curated")
        for track in sequence.tracks:
            if not any(s.class_name == "microexplosion" for s in track.stages):
                continue
            for time in range(sequence.frames):
                centre = track.position_at(time, preset)
                objects = track.objects(time, preset)
                clouds = [o for o in objects if o.class_name == "microexplosion"]
                if not clouds:
                    continue
                parent, *near = clouds[0].bodies
                radius = parent.layers[0].solids[0].semi_axes[0]
                far = [o.bodies[0] for o in objects if o.class_name == "fragment"]
                assert all(np.hypot(*(np.array(b.position) - centre)) <= 2 * radius + 1e-6 for b in near)
                assert all(np.hypot(*(np.array(b.position) - centre)) > 2 * radius for b in far)
                assert len(near) + len(far) >= 6
                count += 1
    assert count > 10
