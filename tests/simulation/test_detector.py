"""Camera noise, blur, illumination and flat-field correction."""

from dataclasses import replace

import numpy as np
import pytest

from xpci_utils.simulation import flat_field_correct, get_preset
from xpci_utils.simulation.calibration import photon_transfer
from xpci_utils.simulation.detector import Camera, detect

PRESET = get_preset("aps32id_u18")


def test_photon_transfer_gives_gain_and_read_noise():
    means, variances, slope, intercept = photon_transfer(PRESET)
    assert len(means) == 10
    assert slope == pytest.approx(0.55, rel=0.05)
    stated = (PRESET.read_noise_e * PRESET.gain_dn_per_e) ** 2 + 1 / 12
    assert intercept == pytest.approx(stated, rel=0.1)
    assert np.abs(variances / (slope * means + intercept) - 1).max() < 0.05


def test_noise_of_the_corrected_open_beam():
    for seed in range(4):
        camera = Camera(PRESET, seed, 0, 128, 128)
        flat = camera.correct(camera.record(np.ones((128, 128), np.float32), 7))
        high = flat[1:] - flat[:-1]  # neighbouring differences: noise without drift residue
        assert 0.015 < high.std() / np.sqrt(2) < 0.025
        assert abs(flat.mean() - 1) < 0.015


def test_blur_conserves_flux_and_has_the_stated_width():
    fine = PRESET.pixel_um / PRESET.oversampling
    point = np.zeros((256, 256), np.float32)
    point[128, 128] = 1
    sharp = replace(PRESET, oversampling=1, pixel_um=fine)
    psf = detect(point, sharp).astype(float)
    assert psf.sum() == pytest.approx(1, abs=1e-5)
    x = (np.arange(256) - 128) * fine
    share = PRESET.psf_tail_share
    for axis, source in ((0, PRESET.source_sigma_h_um), (1, PRESET.source_sigma_v_um)):
        variance = (psf.sum(axis=axis) * x**2).sum()
        expected = (1 - share) * PRESET.psf_core_sigma_um**2 + share * PRESET.psf_tail_sigma_um**2 + source**2
        assert variance == pytest.approx(expected, rel=0.01)


def test_twelve_bits_and_fixed_defects():
    noisy = replace(PRESET, hot_pixel_share=2e-3, dead_pixel_share=2e-3)
    camera = Camera(noisy, 0, 0, 96, 96)
    raw = [camera.record(np.ones((96, 96), np.float32), f) for f in (0, 5)]
    assert raw[0].dtype == np.uint16
    assert max(r.max() for r in raw) <= 4095
    hot, dead = camera.defects
    assert (hot > 0).any()
    assert dead.any()
    assert np.array_equal(Camera(noisy, 0, 0, 96, 96).defects[0], hot)
    corrected = camera.correct(raw[1])
    assert np.abs(corrected[dead] - 1).max() < 0.1
    assert np.abs(corrected[hot > 0] - 1).max() < 0.1


def test_illumination_falls_and_drifts_as_stated():
    camera = Camera(PRESET, 1, 0, 624, 640)
    flat = camera.flat
    smooth = flat.reshape(78, 8, 80, 8).mean(axis=(1, 3))
    assert 0.05 < 1 - smooth.min() / smooth.max() < 0.5
    ratio = camera.illumination(30) / camera.illumination(0)
    assert abs(ratio.mean() - 1) < 0.025
    assert 0 < ratio.std() < 0.02


def test_flat_field_correction_by_hand():
    raw = np.full((5, 5), 600, np.uint16)
    flat, dark = np.full((5, 5), 1100.0), np.full((5, 5), 100.0)
    raw[2, 2], dark[2, 2] = 4095, 3000.0
    corrected = flat_field_correct(raw, flat, dark)
    assert corrected.dtype == np.float32
    assert np.allclose(corrected, 0.5)
    with pytest.raises(ValueError, match="differ in size"):
        flat_field_correct(raw[:4], flat, dark)
