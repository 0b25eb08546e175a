"""Copy-paste of particles. On a flat donor and target everything can be computed by hand."""

import numpy as np
import pytest

from xpci_utils.training.augmentation import KINDS, augment
from xpci_utils.training.copy_paste import ParticlePaste, find_place, pick_particle


@pytest.fixture
def donor():
    image, labels = np.full((32, 32), 200, np.uint8), np.zeros((32, 32), np.uint8)
    image[10:16, 12:18], labels[10:16, 12:18] = 100, 3  # lets half of the beam through
    image[9, 12:18] = 220  # its fringe, in the background
    labels[0:4, 0:4] = 5  # cut by the border: never pasted
    return image, labels


@pytest.mark.parametrize("window", [{"kind": "linear", "low": 0.0, "high": 1.275}, None])
def test_what_is_pasted_multiplies_what_is_there(donor, window):
    target = np.full((32, 32), 160, np.uint8)
    image, labels = ParticlePaste([donor], window).paste(
        target, np.zeros((32, 32), np.uint8), *donor, np.random.default_rng(0)
    )
    assert (labels == 3).sum() == 36
    np.testing.assert_array_equal(image[labels == 3], 80)  # 160 * 100 / 200
    assert sorted(np.unique(image)) == [80, 160, 176]  # particle, beam, fringe: 160 * 220 / 200
    assert (image == 176).sum() == 6
    assert 5 not in labels


def test_in_a_logarithmic_window_grey_levels_add(donor):
    paste = ParticlePaste([donor], {"kind": "log", "low": -2.0, "high": 0.5})
    labels = np.zeros((32, 32), np.uint8)
    image, labels = paste.paste(np.full((32, 32), 160, np.uint8), labels, *donor, np.random.default_rng(1))
    np.testing.assert_array_equal(image[labels == 3], 60)  # 160 + 100 - 200


@pytest.mark.parametrize("kind", ["linear", "log"])
def test_grey_levels_survive_the_way_to_intensity_and_back(kind):
    paste = ParticlePaste([], {"kind": kind, "low": -0.9 if kind == "log" else 0.11, "high": 1.23})
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(paste.grey(paste.intensity(levels)), levels)


def test_without_room_or_a_whole_particle_nothing_changes(donor):
    full, empty = np.full((32, 32), 2, np.uint8), np.zeros((32, 32), np.uint8)
    for labels, donor_labels in ((full, donor[1]), (empty, np.where(donor[1] == 5, 5, 0).astype(np.uint8))):
        image = np.full((32, 32), 160, np.uint8)
        pair = ParticlePaste([donor]).paste(image, labels, donor[0], donor_labels, np.random.default_rng(0))
        assert pair[0] is image
        assert pair[1] is labels


def discs(rng, side=64):
    """Labels of a few discs of nine classes; some touch, some are cut by the border."""
    labels, (rows, columns) = np.zeros((side, side), np.uint8), np.ogrid[:side, :side]
    for _ in range(rng.integers(3, 7)):
        row, column, radius = *rng.integers(side, size=2), rng.integers(4, 11)
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = rng.integers(1, 10)
    return labels


@pytest.mark.parametrize("seed", range(10))
def test_a_particle_is_whole_and_lands_inside_where_there_is_room(seed):
    rng = np.random.default_rng(seed)
    labels, target = discs(rng), discs(rng)
    particle = pick_particle(labels, rng)
    if particle is None:
        return
    assert not np.concatenate([particle[0], particle[-1], particle[:, 0], particle[:, -1]]).any()
    assert len(np.unique(labels[particle])) == 1
    place = find_place(particle, particle, target, rng)
    if place:
        assert (target[place[1]][particle[place[0]]] != 0).mean() <= 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_the_view_is_what_was_pasted_in_that_augmentation(donor, kind):
    """As many particles, donors and places are drawn as without augmentation, and the usual view comes last."""
    target, empty = np.full((32, 32), 160, np.uint8), np.zeros((32, 32), np.uint8)
    rng = np.random.default_rng(4)
    pasted = ParticlePaste([donor], augmentation="none")(target, empty, rng)
    assert (pasted[1] == 3).any()
    expected = augment(*pasted, rng, kind)
    view = ParticlePaste([donor], augmentation=kind)(target, empty, np.random.default_rng(4))
    assert all(np.array_equal(one, other) for one, other in zip(view, expected, strict=True))
