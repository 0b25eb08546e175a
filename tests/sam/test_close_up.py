"""Close-ups: what is cut out is what lay there, and what is found in it comes back to its place."""

import numpy as np
import pytest

from xpci_utils.frames import binary_mask
from xpci_utils.sam.close_up import CloseUp, centres_of, close_up_scores, square
from xpci_utils.sam.naming import regions_of

CLASSES = 4


def scene(seed, side=48):
    """Noise, and a mask of rectangles, some cut by the border, one longer than the close-up of 16 px below."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), bool)
    for height, width in ((3, 5), (9, 4), (6, 30), (1, 1)):
        row, column = rng.integers(-2, side - 2, 2)
        mask[max(row, 0) : max(row, 0) + height, max(column, 0) : max(column, 0) + width] = True
    return rng.integers(0, 256, (side, side), np.uint8), mask


def unchanged(image, labels, rng):
    return image, labels


def by_grey_level(images, masks):
    """Probabilities [n, C, h, w] that only tell the grey level: certain of class (grey level mod C)."""
    return np.eye(CLASSES, dtype=np.float32)[images % CLASSES].transpose(0, 3, 1, 2)


def test_a_square_is_a_part_of_the_frame_and_its_reflection_beyond():
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)
    np.testing.assert_array_equal(square(image, (4, 5), 4), image[2:6, 3:7])
    corner = square(image, (0, 9), 4)
    np.testing.assert_array_equal(corner[2:, :3], image[:2, 7:])
    np.testing.assert_array_equal(corner[:2], corner[3:1:-1])
    np.testing.assert_array_equal(square(image, (0, 9), 4, beyond=255)[:2], 255)


@pytest.mark.parametrize("seed", range(5))
def test_a_centre_lies_in_its_region_next_to_the_middle(seed):
    regions = regions_of(scene(seed)[1])
    centres = centres_of(regions)
    assert [regions[row, column] for row, column in centres] == list(range(1, regions.max() + 1))
    ring = np.ones((7, 7), int)
    ring[1:-1, 1:-1] = 0
    assert ring[tuple(centres_of(ring)[0])] == 1
    assert centres_of(np.zeros((4, 4), int)).shape == (0, 2)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_found_in_a_close_up_comes_back_to_its_pixels(seed):
    """A pixel keeps what belongs to its grey level; those of a region that reach beyond have the mean of the others."""
    images, masks = (np.stack(part) for part in zip(scene(seed), scene(seed + 100), strict=True))
    scores = close_up_scores(by_grey_level, images, masks, 16, CLASSES)
    expected = by_grey_level(images, masks)
    for number, mask in enumerate(masks):
        assert (scores[number, 0][~mask] == 1).all()
        assert (scores[number, 1:][:, ~mask] == 0).all()
        regions = regions_of(mask)
        for index, (row, column) in enumerate(centres_of(regions), start=1):
            near = np.zeros(mask.shape, bool)
            near[max(row - 8, 0) : row + 8, max(column - 8, 0) : column + 8] = True
            inside, outside = (regions == index) & near, (regions == index) & ~near
            np.testing.assert_array_equal(scores[number][:, inside], expected[number][:, inside])
            mean = np.broadcast_to(expected[number][:, inside].mean(1)[:, None], (CLASSES, outside.sum()))
            np.testing.assert_allclose(scores[number][:, outside], mean, rtol=1e-6)


def test_frames_without_particles_are_background():
    images = np.zeros((2, 20, 20), np.uint8)
    scores = close_up_scores(by_grey_level, images, np.zeros(images.shape, bool), 16, CLASSES)
    assert (scores[:, 0] == 1).all()
    assert (scores[:, 1:] == 0).all()


@pytest.mark.parametrize("seed", range(10))
def test_a_view_shows_a_particle_near_its_middle(seed):
    image, mask = scene(seed)
    view = CloseUp(unchanged, 16)
    shown, labels = view(image, mask.astype(np.uint8), np.random.default_rng(seed))
    assert shown.shape == labels.shape == (16, 16)
    assert binary_mask(labels)[6:11, 6:11].any()  # 16 / 8 = 2 pixels of shift
    empty = view(image, np.zeros_like(image), np.random.default_rng(seed))
    assert empty[0].shape == (16, 16)
