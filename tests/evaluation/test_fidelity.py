"""Composition and spectrum of frames whose answers are known."""

import numpy as np
import pytest

from xpci_utils.evaluation.fidelity import composition, radial_spectrum


def test_composition_of_two_squares():
    image, mask = np.full((10, 20), 100, np.uint8), np.zeros((10, 20), np.uint8)
    mask[1:3, 1:3], mask[5:9, 5:9], mask[9, 19] = 255, 255, 255
    image[mask > 0] = 60
    row = composition([(image, mask)], min_area_px=2).iloc[0]
    assert row.foreground == pytest.approx(21 / 200)
    assert (row.particles, row.median_area_px, row.contrast) == (2, 10, 40)
    assert row.grey_mean == pytest.approx(100 - 40 * 21 / 200)


def test_composition_of_an_empty_frame():
    row = composition([(np.zeros((4, 4), np.uint8), np.zeros((4, 4), bool))]).iloc[0]
    assert (row.foreground, row.particles) == (0, 0)
    assert np.isnan(row.median_area_px)
    assert np.isnan(row.contrast)


def test_spectrum_of_white_noise_is_flat_and_of_a_wave_a_peak():
    rng = np.random.default_rng(0)
    frequency, power = radial_spectrum(rng.normal(0, 3, (40, 64, 64)))
    assert (frequency[0], frequency[-1]) == (1 / 64, 0.5)
    np.testing.assert_allclose(power[2:], 9, rtol=0.15)
    wave = 10 * np.sin(2 * np.pi * np.arange(64) / 8)[None] * np.ones((64, 1))
    frequency, power = radial_spectrum([wave])
    assert frequency[power.argmax()] == pytest.approx(1 / 8)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        radial_spectrum([])
