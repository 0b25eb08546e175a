"""Simulated aluminium spheres against two published radiographs of metal powder.

Rim, place of the peak and the missing second fringe lie in the real ranges for every diameter. Peak and width do so
from 19 to 56 um; the smallest and the largest sphere miss by what `MISSED` says. Why, docs/simulator_calibration.md
tells: homogeneous spheres cannot have both the real heights at both ends and the real widths.
"""

import numpy as np
import pytest

from xpci_utils.simulation import adjusted_preset
from xpci_utils.simulation.calibration import REAL_FRINGES, REAL_RANGES, measure_sphere, sphere_fringe, sphere_image

# Where a simulated sphere leaves the real range, and by how much: diameter [um], quantity, measured value.
MISSED = ((15, "peak", 0.066), (60, "peak", 0.182), (15, "fwhm_um", 3.84))
# Two real frames differ by about one and a half points at the same diameter.
SCATTER = 0.015


@pytest.fixture(scope="module")
def fringes():
    diameters = (15, 19, 24, 27, 34, 45, 56, 60)
    preset = adjusted_preset("aps32id_u18")
    return {d: sphere_fringe(d, preset) for d in diameters}


def test_fringe_rises_with_diameter_within_the_real_range(fringes):
    peaks = {d: f.peak for d, f in fringes.items()}
    assert (np.diff(list(peaks.values())) > 0).all()
    low, high = REAL_RANGES["fringe"]
    assert {d for d, peak in peaks.items() if not low <= peak <= high} == {15, 60}


def test_where_the_real_ranges_are_missed(fringes):
    """The deviations are as stated, to a thousandth of the open beam and 0.05 um: neither hidden nor growing."""
    for diameter, quantity, value in MISSED:
        tolerance = 0.05 if quantity == "fwhm_um" else 0.001
        assert getattr(fringes[diameter], quantity) == pytest.approx(value, abs=tolerance)


def test_no_blur_gives_both_ends_of_the_fringes_and_their_width():
    """Fringes of 60 and 15 um: a ratio of at most 18 / 8 needs a blur whose fringes are thinner than 3 um.

    Checked along the blur at two distances; the full scan is in docs/simulator_calibration.md.
    """
    for distance in (0.15, 0.4):
        for core in (1.2, 1.5, 1.8, 2.1, 2.4):
            preset = adjusted_preset("aps32id_u18", distance_m=distance, psf_core_sigma_um=core)
            small, large = (sphere_fringe(d, preset) for d in (15, 60))
            assert large.peak / small.peak > 0.18 / 0.08 or small.fwhm_um < 3


def test_every_real_sphere_is_met():
    for _, pixel_um, diameter, peak in REAL_FRINGES:
        simulated = sphere_fringe(diameter, adjusted_preset("aps32id_u18", pixel_um=pixel_um))
        assert simulated.peak == pytest.approx(peak, abs=SCATTER + 0.002)


def test_rim_width_and_position(fringes):
    low, high = REAL_RANGES["fwhm_um"]
    for f in fringes.values():
        assert REAL_RANGES["rim"][0] < f.rim < REAL_RANGES["rim"][1]
        assert 2.0 <= f.distance_um <= 3.0
    assert {d for d, f in fringes.items() if not low <= f.fwhm_um <= high} == {15}


@pytest.mark.parametrize(("diameter", "pixel_um"), [(19, 1.31), (27, 2.0), (56, 1.31)])
def test_a_sphere_is_measured_in_a_recorded_frame(diameter, pixel_um):
    """Under noise, on a sloping background, from a rough guess: as the real spheres were measured."""
    preset = adjusted_preset("aps32id_u18", pixel_um=pixel_um)
    image, centre = sphere_image(diameter, preset)
    y, x = np.indices(image.shape) / image.shape[0]
    quanta = 3000 * image * (1 + 0.2 * y - 0.1 * x)
    frame = 0.55 * np.random.default_rng(0).poisson(quanta) + 64
    place = centre / pixel_um - 0.5
    estimate, measured = measure_sphere(frame - 64, place + 1.4, place - 2.1, 1.1 * diameter, pixel_um)
    assert estimate == pytest.approx(diameter, abs=1.3)  # the blur draws the edge of a small sphere inwards
    assert measured.peak == pytest.approx(sphere_fringe(diameter, preset).peak, abs=0.012)
    assert measured.fwhm_um == pytest.approx(sphere_fringe(diameter, preset).fwhm_um, abs=0.8)


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
