"""Measurements of particles against shapes whose size, place and class are known."""

import numpy as np
import pytest
from toy_film import GREY, disc, grey_scores

from xpci_utils.video import find_particles, regions_of

SHAPE = (60, 80)
UM = 2.0


def measured(image, min_pixels=6, min_probability=0.9):
    labels, particles = find_particles(grey_scores(image[None])[0], image, UM, min_pixels, min_probability)
    return labels, particles


def canvas():
    return np.full(SHAPE, GREY[0], np.uint8)


def test_a_disc_is_measured_in_micrometres():
    image = canvas()
    image[disc(SHAPE, 20, 50, 9)] = GREY[2]
    labels, particles = measured(image)
    assert particles["class"].tolist() == [2]
    assert particles["diameter_um"][0] == pytest.approx(2 * 9 * UM, rel=0.02)  # pixels approximate a circle this well
    assert (particles["x_um"][0], particles["y_um"][0]) == pytest.approx((50 * UM, 20 * UM))
    assert particles["eccentricity"][0] == pytest.approx(0, abs=0.05)
    assert particles["mean_grey"][0] == GREY[2]
    assert particles["confidence"][0] > 0.99
    assert particles["pixels"][0] == (labels == 2).sum() == disc(SHAPE, 20, 50, 9).sum()
    assert not particles["at_border"][0]


def test_an_ellipse_has_its_eccentricity_and_a_cut_disc_touches_the_border():
    image = canvas()
    rows, columns = np.indices(SHAPE)
    image[((rows - 30) / 8) ** 2 + ((columns - 30) / 16) ** 2 <= 1] = GREY[1]
    image[disc(SHAPE, 30, 79, 6)] = GREY[1]
    _, particles = measured(image)
    assert particles["eccentricity"][0] == pytest.approx(np.sqrt(1 - 0.25), abs=0.01)
    assert particles["at_border"].tolist() == [False, True]


def test_one_particle_has_one_class_whatever_the_network_says_in_its_middle():
    image = canvas()
    image[disc(SHAPE, 30, 30, 10)] = GREY[2]
    image[disc(SHAPE, 30, 30, 4)] = GREY[1]
    labels, particles = measured(image)
    assert particles["class"].tolist() == [2]
    assert set(np.unique(labels)) == {0, 2}
    share = 1 - disc(SHAPE, 30, 30, 4).sum() / disc(SHAPE, 30, 30, 10).sum()
    assert particles["confidence"][0] == pytest.approx(share, abs=0.01)


def test_specks_and_guesses_are_no_particles():
    image = canvas()
    image[disc(SHAPE, 10, 10, 1)] = GREY[1]  # 5 pixels
    image[disc(SHAPE, 30, 30, 5)] = 132  # hardly more likely a particle than not
    image[disc(SHAPE, 50, 60, 5)] = GREY[1]
    labels, particles = measured(image)
    assert particles["pixels"].tolist() == [81]
    assert np.array_equal(labels > 0, disc(SHAPE, 50, 60, 5))
    assert len(measured(image, min_pixels=5, min_probability=0.5)[1]["class"]) == 3


def test_an_empty_frame_has_no_particles():
    labels, particles = measured(canvas())
    assert not labels.any()
    assert {len(values) for values in particles.values()} == {0}


def test_numbers_of_regions_are_those_of_the_label_map():
    image = canvas()
    for y, x in ((50, 10), (10, 60), (30, 40)):
        image[disc(SHAPE, y, x, 4)] = GREY[1]
    image[0, 0:3] = GREY[1]  # a speck, left out
    labels, particles = measured(image)
    regions = regions_of(labels)
    for number in range(1, 4):
        assert np.argwhere(regions == number).mean(0) * UM == pytest.approx(
            (particles["y_um"][number - 1], particles["x_um"][number - 1])
        )
