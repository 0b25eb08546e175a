"""Simulated aluminium spheres against two published radiographs of metal powder."""

import numpy as np
import pytest

from xpci_utils.simulation import adjusted_preset
from xpci_utils.simulation.calibration import REAL_FRINGES, REAL_RANGES, sphere_fringe

# Two real frames differ by about one and a half points at the same diameter; the model cannot do better than that.
SCATTER = 0.015


@pytest.fixture(scope="module")
def fringes():
    diameters = (15, 19, 24, 27, 34, 45, 56, 60)
    preset = adjusted_preset("aps32id_u18")
    return {d: sphere_fringe(d, preset) for d in diameters}


def test_fringe_rises_with_diameter_within_the_real_range(fringes):
    peaks = np.array([f.peak for f in fringes.values()])
    assert (np.diff(peaks) > 0).all()
    low, high = REAL_RANGES["fringe"]
    assert peaks.min() > low - SCATTER
    assert peaks.max() < high + SCATTER
    inner = [f.peak for d, f in fringes.items() if 19 <= d <= 56]
    assert low <= min(inner) <= max(inner) <= high


def test_every_real_sphere_is_met():
    for _, pixel_um, diameter, peak in REAL_FRINGES:
        simulated = sphere_fringe(diameter, adjusted_preset("aps32id_u18", pixel_um=pixel_um))
        assert simulated.peak == pytest.approx(peak, abs=SCATTER + 0.002)


def test_rim_width_and_position(fringes):
    low, high = REAL_RANGES["fwhm_um"]
    for diameter, f in fringes.items():
        assert REAL_RANGES["rim"][0] < f.rim < REAL_RANGES["rim"][1]
        assert 2.0 <= f.distance_um <= 3.0
        assert low - 0.25 < f.fwhm_um < high
        if diameter >= 19:
            assert f.fwhm_um >= low


def test_no_second_fringe_above_the_noise(fringes):
    noise = adjusted_preset("aps32id_u18").relative_noise
    assert all(f.second < noise for f in fringes.values())


def test_plateau_tends_to_beer_lambert(fringes):
    assert fringes[60].plateau == pytest.approx(np.exp(-5.30e-4 * 60) - 1, abs=0.04)
    # the middle of a small sphere lies within reach of the rim's blur
    assert fringes[15].plateau < fringes[60].plateau


def test_the_shifted_preset_is_another_instrument(fringes):
    shifted = sphere_fringe(34, adjusted_preset("aps32id_shifted"))
    assert shifted.fwhm_um > fringes[34].fwhm_um + 0.5
    assert adjusted_preset("aps32id_shifted").relative_noise > 1.25 * adjusted_preset("aps32id_u18").relative_noise
