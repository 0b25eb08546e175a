"""Edges of toy frames, where fringe (+20), dip (-60) and noise (5 grey levels on 190) are known."""

import numpy as np
import pytest
from scipy import ndimage

from xpci_utils.evaluation.edges import (
    background_of,
    edge_contrast,
    edge_profile,
    edge_significance,
    fringe_share,
    signed_distance,
)


def blobs(rng):
    """A mask that has nothing to do with any image."""
    return ndimage.gaussian_filter(rng.normal(size=(64, 64)), 4) > 0.12


def test_signed_distance_is_that_to_the_nearest_pixel_of_the_other_kind():
    mask = np.random.default_rng(0).random((12, 15)) < 0.3
    points = np.argwhere(np.ones_like(mask))
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    other = mask.ravel()[:, None] != mask.ravel()[None]
    nearest = np.where(other, gaps, np.inf).min(axis=1).reshape(mask.shape)
    np.testing.assert_allclose(signed_distance(mask), np.where(mask, 0.5 - nearest, nearest - 0.5))
    assert (signed_distance(np.zeros((3, 3))) == np.inf).all()
    assert (signed_distance(np.ones((3, 3))) == -np.inf).all()


def test_background_fringe_and_rim_of_toys_are_what_was_drawn(toys):
    """To 3 %: clipping at 3 standard deviations takes 1.5 % off the noise."""
    measures = []
    for image, mask in toys:
        distance = signed_distance(mask)
        level, noise = background_of(image, distance)
        measures.append((level, noise, *edge_contrast(image, distance, level, noise)))
    level, noise, fringe, rim = np.mean(measures, axis=0)
    assert level == pytest.approx(190, abs=0.2)
    assert noise == pytest.approx(5, rel=0.03)
    assert (fringe, rim) == pytest.approx((4, 12), rel=0.03)


def test_background_is_blind_to_hot_pixels_and_never_without_noise():
    image, nothing = np.full((20, 20), 100, np.uint8), np.full((20, 20), np.inf)
    assert background_of(image, nothing) == (100, pytest.approx(12**-0.5))
    noisy = np.random.default_rng(0).normal(100, 4, (40, 40))
    noisy.flat[:5] = 255
    assert background_of(noisy, np.full((40, 40), np.inf))[1] == pytest.approx(4, rel=0.06)


def test_edge_profile_is_the_drawn_one(toys):
    profile = edge_profile(toys, reach_px=6)
    np.testing.assert_allclose(profile.loc[[-2.5, -1.5, -0.5]], -60, atol=1)
    np.testing.assert_allclose(profile.loc[[0.5, 1.5, 2.5, 3.5, 4.5, 5.5]], [0, 20, 20, 0, 0, 0], atol=0.7)


@pytest.mark.parametrize("blur", [0.0, 0.6, 1.0])
def test_scores_of_pure_noise_have_unit_spread(blur):
    """However correlated it is. Errors of independent pixels give 1.7 (blur 0.6) and 2.5 (blur 1: 24 % false)."""
    rng = np.random.default_rng(1)
    pairs = []
    for _ in range(60):
        noise = ndimage.gaussian_filter(rng.normal(size=(64, 64)), blur, mode="wrap")
        pairs.append((190 + 6 * noise / noise.std(), blobs(rng)))
    scores = edge_significance(pairs).dropna()
    assert len(scores) > 200
    assert scores[["fringe", "dip"]].mean().abs().max() < 0.3
    np.testing.assert_allclose(scores[["fringe", "dip"]].std(), 1, atol=0.3)
    assert fringe_share(pairs) < 0.03


def test_every_toy_particle_is_seen_and_none_without_contrast(toys, toy):
    assert fringe_share(toys) > 0.99
    assert fringe_share([toy(np.random.default_rng(k), fringe=0, dip=0) for k in range(40)]) < 0.05
    for contrast in ({"fringe": 0}, {"dip": 0}):
        assert fringe_share([toy(np.random.default_rng(k), **contrast) for k in range(20)]) > 0.97


def test_a_mask_on_nothing_beside_a_real_particle_counts_half():
    rng = np.random.default_rng(2)
    pairs = []
    for _ in range(20):
        image, mask = rng.normal(190, 5, (64, 64)), np.zeros((64, 64), bool)
        image[10:18, 10:18] -= 40
        mask[10:18, 10:18] = mask[40:48, 40:48] = True
        pairs.append((image, mask))
    table = edge_significance(pairs)
    assert table["area_px"].tolist() == [64] * 40
    assert fringe_share(pairs) == pytest.approx(0.5, abs=0.03)


def test_components_without_surroundings_are_left_out():
    image = np.random.default_rng(0).normal(190, 5, (32, 32))
    full = np.ones((32, 32), bool)
    full[0, 0] = False
    assert np.isnan(fringe_share([(image, full), (image, np.zeros((32, 32)))]))
