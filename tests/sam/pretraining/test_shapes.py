"""Procedural pictures: what pre-training learns from."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from xpci_utils.sam.pretraining import draw_picture
from xpci_utils.sam.pretraining.shapes import HELD_OUT, LEAST_PIXELS, RADII, SHAPES, TEXTURES, _paint


def pictures(count, textures=None):
    return [draw_picture(np.random.default_rng(index), textures) for index in range(count)]


def test_a_picture_belongs_to_its_generator():
    one, two, other = (draw_picture(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.objects, two.objects)
    assert not np.array_equal(one.image, other.image)


def test_objects_are_what_can_be_seen_of_them():
    """Visible parts never overlap, and nothing is asked for that is hidden down to a few pixels."""
    for picture in pictures(60):
        assert picture.image.dtype == np.uint8
        assert picture.objects.shape[1:] == picture.image.shape
        assert picture.objects.sum(0).max() <= 1
        assert picture.objects.sum((1, 2)).min() >= LEAST_PIXELS


def test_most_objects_can_be_told_from_what_is_around_them():
    """Otherwise there is nothing to learn: the grey level changes across the boundary by more than the texture does."""
    steps = []
    for picture in pictures(60):
        smooth = gaussian_filter(picture.image.astype(float), 0.7)
        for mask in picture.objects:
            outside = binary_dilation(mask, iterations=3) & ~binary_dilation(mask) & ~picture.objects.any(0)
            rim = mask & binary_dilation(~mask, iterations=2)
            if outside.any():
                steps.append(abs(smooth[rim].mean() - smooth[outside].mean()))
    assert np.mean(np.array(steps) > 8) > 0.9


@pytest.mark.parametrize("held_out", [True, False])
def test_training_and_held_out_pictures_share_no_texture(monkeypatch, held_out):
    def forbidden(*_):
        raise AssertionError("a texture of the other kind was used")

    for name in TEXTURES:
        if (name in HELD_OUT) != held_out:
            monkeypatch.setitem(TEXTURES, name, forbidden)
    assert len(pictures(40, HELD_OUT if held_out else None)) == 40


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_lies_around_its_centre(shape):
    y, x = np.mgrid[-40:41, -40:41].astype(np.float32)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        radius = rng.uniform(*RADII)
        inside = shape(rng, y, x, radius) > 0
        assert inside.any()
        assert np.percentile(np.hypot(y, x)[inside], 10) <= radius + 3


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_is_finite_and_varies(name):
    y, x = np.mgrid[:64, :64].astype(np.float32)
    texture = TEXTURES[name](np.random.default_rng(0), y, x)
    assert texture.shape == (64, 64)
    assert np.isfinite(texture).all()
    assert name == "plain" or texture.std() > 0


def test_a_hollow_object_is_no_ring():
    """Its inside is its own: it keeps at least 0.3 of the rim's cover, where a ring's hole keeps nothing. Told from
    filled objects by the second number that painting draws."""
    y, x = np.mgrid[-15:16, -15:16].astype(float)
    disc, hollow = 12 - np.hypot(y, x), 0
    for seed in range(200):
        drawn = _paint(np.random.default_rng(seed), np.zeros(disc.shape), disc, np.ones(disc.shape))
        rng = np.random.default_rng(seed)
        rim, style = rng.uniform(0.7, 1), rng.random()
        if style < 0.2:
            hollow += 1
            assert 0.8 * rim < drawn.max() <= rim
            assert 0.3 * rim <= drawn[15, 15] <= 0.6 * rim
    assert hollow > 20
