"""Features of frames whose answers are known."""

import numpy as np
import pytest

from xpci_utils.evaluation.features import FEATURES, GROUPS, composition, frame_features, radial_spectrum


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


def test_every_feature_has_its_column_and_its_group(toys):
    table = frame_features(toys[:3], 2.0)
    assert list(table.columns) == list(FEATURES) == [name for members in GROUPS.values() for name in members]
    assert len(table) == 3
    assert np.isfinite(table.to_numpy()).all()


def test_particles_and_grey_levels_agree_with_composition(toys):
    ours, plain = frame_features(toys[:20], 2.0, 4), composition(toys[:20], 4)
    for name in ("foreground", "particles", "grey_mean", "grey_sd", "contrast"):
        np.testing.assert_allclose(ours[name], plain[name])
    one = plain["particles"] == 1
    np.testing.assert_allclose(ours["median_diameter_um"][one], 4 * np.sqrt(plain["median_area_px"][one] / np.pi))


def test_diameters_are_in_micrometres_and_small_specks_do_not_count():
    image, mask = np.full((40, 40), 100, np.uint8), np.zeros((40, 40), bool)
    mask[2:6, 2:6], mask[20:28, 20:28], mask[35, 35] = True, True, True
    row = frame_features([(image, mask)], 0.5, min_area_px=4).iloc[0]
    assert row.particles == 2
    assert row.max_diameter_um == pytest.approx(np.sqrt(4 * 64 / np.pi) * 0.5)
    assert row.median_diameter_um == pytest.approx(0.5 * np.sqrt(4 / np.pi) * (4 + 8) / 2)


def test_grey_quantiles_noise_and_edges_of_a_toy(toys):
    """Means of 100 frames; fringe and rim are 20 and 60 grey levels in noise units of 5 (to 3 %: clipping)."""
    table = frame_features(toys, 2.0)
    np.testing.assert_allclose(table["grey_q50"], [np.median(image) for image, _ in toys])
    assert table["noise"].mean() == pytest.approx(5, rel=0.03)
    assert table["background"].mean() == pytest.approx(190, abs=0.2)
    assert table[["fringe", "rim"]].mean().tolist() == pytest.approx([4, 12], rel=0.03)


@pytest.mark.parametrize(("cycles", "band"), [(1, 1), (3, 2), (5, 3), (8, 4), (16, 5), (30, 6)])
def test_a_wave_raises_its_own_band_most(cycles, band):
    """64 px, bands of equal width in log frequency: edges at 1, 1.8, 3.2, 5.7, 10.1, 18 and 32 waves per frame."""
    image = 100 + 30 * np.sin(2 * np.pi * cycles * np.arange(64) / 64)[None] * np.ones((64, 1))
    row = frame_features([(image, np.zeros((64, 64)))], 2.0)[list(GROUPS["spectrum"])].iloc[0]
    assert row.idxmax() == f"band_{band}"


def test_bands_are_logarithms_of_the_power():
    noise = np.random.default_rng(0).normal(100, 3, (30, 64, 64))
    table = frame_features([(image, np.zeros((64, 64))) for image in noise], 2.0)
    np.testing.assert_allclose(table[["band_4", "band_5", "band_6"]].mean(), np.log10(9), atol=0.03)


def test_a_frame_without_particles_has_zeros_and_no_gaps():
    row = frame_features([(np.full((16, 16), 90, np.uint8), np.zeros((16, 16), bool))], 1.0).iloc[0]
    assert row[["foreground", "particles", "max_diameter_um", "contrast", "fringe", "rim"]].tolist() == [0] * 6
    assert np.isfinite(row).all()
