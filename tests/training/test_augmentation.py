import numpy as np
import pytest

from xpci_utils.training import augment


def disc(side=33):
    rows, columns = np.mgrid[:side, :side] - side // 2
    labels = np.where(np.hypot(rows + 5, columns) < 6, 7, 0).astype(np.uint8)
    return np.where(labels == 7, 200, 50).astype(np.uint8), labels


@pytest.mark.parametrize("kind", ["symmetries", "affine"])
@pytest.mark.parametrize("seed", range(5))
def test_image_and_labels_move_together(kind, seed):
    image, labels = augment(*disc(), np.random.default_rng(seed), kind)
    assert image.dtype == labels.dtype == np.uint8
    assert image.shape == labels.shape == (33, 33)
    assert set(np.unique(labels)) <= {0, 7, 255}  # no class is invented at a boundary
    assert (image > 125)[labels == 7].mean() > 0.9
    assert (image < 125)[labels == 0].mean() > 0.9


def test_symmetries_resample_nothing():
    image, labels = disc()
    for seed in range(8):
        turned, _ = augment(image, labels, np.random.default_rng(seed))
        assert np.array_equal(np.bincount(turned.ravel(), minlength=256), np.bincount(image.ravel(), minlength=256))


def test_particles_change_their_size_and_place_in_affine_views():
    views = [augment(*disc(), np.random.default_rng(seed), "affine")[1] == 7 for seed in range(20)]
    areas = [view.sum() for view in views]
    assert min(areas) < 0.8 * (disc()[1] == 7).sum() < (disc()[1] == 7).sum() * 1.2 < max(areas)


@pytest.mark.parametrize("kind", ["symmetries", "affine"])
def test_frames_that_are_not_square_keep_their_shape(kind):
    for seed in range(8):
        image, labels = augment(
            np.zeros((32, 64), np.uint8), np.zeros((32, 64), np.uint8), np.random.default_rng(seed), kind
        )
        assert image.shape == labels.shape == (32, 64)


def test_none_leaves_everything_as_it_is():
    image, labels = disc()
    assert all(
        a is b for a, b in zip((image, labels), augment(image, labels, np.random.default_rng(0), "none"), strict=True)
    )


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match=r"elastic.*none, symmetries, affine"):
        augment(*disc(), np.random.default_rng(0), "elastic")
