"""Wave optics against closed forms (Goodman, Introduction to Fourier Optics; Born and Wolf, Principles of Optics)."""

import numpy as np
import pytest
from scipy import fft, ndimage, special

from xpci_utils.simulation import fresnel_propagate, optical_constants, transmission
from xpci_utils.simulation.materials import wavelength_m

LAMBDA = wavelength_m(24.4)
RNG = np.random.default_rng(0)


def field(shape=(96, 128)):
    """A random wave that the grid resolves well."""
    noise = RNG.normal(size=(2, *shape))
    return ndimage.gaussian_filter(noise[0] + 1j * noise[1], 2, mode="wrap")


def grid(n, pixel):
    """Coordinates [m] centred on the grid."""
    return (np.arange(n) - n // 2) * pixel


def test_energy_is_conserved():
    u = field()
    v = fresnel_propagate(u, LAMBDA, 0.3, 0.5e-6)
    assert np.sum(np.abs(v) ** 2) == pytest.approx(np.sum(np.abs(u) ** 2), rel=1e-12)


@pytest.mark.filterwarnings("ignore:fresnel_propagate")
def test_propagation_reverses_and_composes():
    u = field()
    there = fresnel_propagate(u, LAMBDA, 0.3, 0.5e-6)
    assert np.abs(fresnel_propagate(there, LAMBDA, -0.3, 0.5e-6) - u).max() < 1e-12
    twice = fresnel_propagate(fresnel_propagate(u, LAMBDA, 0.1, 0.5e-6), LAMBDA, 0.2, 0.5e-6)
    assert np.abs(twice - there).max() < 1e-12


@pytest.mark.filterwarnings("ignore:fresnel_propagate")
def test_talbot_self_image():
    period, pixel = 8e-6, 0.5e-6
    x = np.arange(64) * pixel
    u = np.tile(1 + 0.5 * np.cos(2 * np.pi * x / period) + 0.2j * np.sin(4 * np.pi * x / period), (64, 1))
    z = 2 * period**2 / LAMBDA
    assert z == pytest.approx(2.519, abs=1e-3)
    assert np.abs(fresnel_propagate(u, LAMBDA, z, pixel) - u).max() < 1e-10


def test_gaussian_beam():
    w0, z, pixel, n = 8e-6, 0.8, 0.5e-6, 512
    r2 = grid(n, pixel)[:, None] ** 2 + grid(n, pixel) ** 2
    q = 1 - 1j * LAMBDA * z / (np.pi * w0**2)
    # exp(-r^2/w0^2) propagates to exp(-r^2/(w0^2 s)) / s with s = 1 + i z / z_R for the phase convention exp(+ikz).
    s = np.conj(q)
    expected = np.exp(-r2 / (w0**2 * s)) / s
    assert np.abs(fresnel_propagate(np.exp(-r2 / w0**2), LAMBDA, z, pixel) - expected).max() < 1e-10


def test_weak_phase_grating_follows_the_contrast_transfer_function():
    phase, pixel, n, z = 1e-4, 0.5e-6, 256, 0.3
    x = np.arange(n) * pixel
    for waves in (4, 8, 16, 24):
        f = waves / (n * pixel)
        u = np.tile(np.exp(1j * phase * np.cos(2 * np.pi * f * x)), (n, 1))
        intensity = np.abs(fresnel_propagate(u, LAMBDA, z, pixel)[0]) ** 2
        amplitude = 2 * np.abs(np.fft.rfft(intensity)[waves]) / n
        assert amplitude == pytest.approx(2 * abs(np.sin(np.pi * LAMBDA * z * f**2)) * phase, rel=1e-3)


def _edge_amplitude(x, z):
    """A of Fresnel's straight edge: 0 deep in the first half, 1 deep in the second."""
    w = x * np.sqrt(2 / (LAMBDA * z))
    s, c = special.fresnel(w)
    return (1 + (1 - 1j) * (c + 1j * s)) / 2


def _edge(t1, t2, pixel, n, z):
    """Simulated and exact intensity around an edge between two samples."""
    x = (np.arange(n) + 0.5 - n // 2) * pixel
    u = np.where(x < 0, t1, t2).astype(complex)
    rows = 2 * int(np.ceil(LAMBDA * z / pixel**2 / 2)) + 8  # enough rows for the transfer function
    simulated = np.abs(fresnel_propagate(np.tile(u, (rows, 1)), LAMBDA, z, pixel)[0]) ** 2
    a = _edge_amplitude(x, z)
    return x, simulated, np.abs(t1 * (1 - a) + t2 * a) ** 2


@pytest.mark.parametrize(("pixel_um", "tolerance"), [(0.25, 0.003), (0.5, 0.04)])
def test_straight_edge_between_two_transmissions(pixel_um, tolerance):
    pixel, n = pixel_um * 1e-6, int(2000 / pixel_um)
    t2 = 0.6 * np.exp(-2.0j)
    x, simulated, exact = _edge(1.0, t2, pixel, n, 0.3)
    blurred = [ndimage.gaussian_filter1d(i, 1.0 / pixel_um) for i in (simulated, exact)]
    near = np.abs(x) < 0.8 * LAMBDA * 0.3 / (2 * pixel)  # farther out the fringes are finer than two samples
    assert np.abs(blurred[0] - blurred[1])[near].max() < tolerance


def test_opaque_edge_peaks_where_fresnel_says():
    pixel, z = 0.25e-6, 0.3
    x, simulated, _exact = _edge(0.0, 1.0, pixel, 8000, z)
    near = np.abs(x) < 30e-6
    peak = np.flatnonzero(near)[simulated[near].argmax()]
    where = 1.2172 * np.sqrt(LAMBDA * z / 2)
    assert where == pytest.approx(3.36e-6, abs=0.01e-6)
    assert abs(x[peak] - where) <= pixel
    assert simulated[peak] == pytest.approx(1.370, rel=0.005)
    middle = (simulated[x < 0][-1] + simulated[x > 0][0]) / 2
    assert middle == pytest.approx(0.25, abs=0.01)


def test_transport_of_intensity_error_falls_quadratically():
    n, pixel = 256, 0.5e-6
    x = grid(n, pixel)
    bump = 1e-6 * np.exp(-(x[:, None] ** 2 + x**2) / (2 * (8e-6) ** 2))  # thickness [m]
    delta, _ = optical_constants("Al", 24.4)
    u = np.exp(-2j * np.pi / LAMBDA * delta * bump)
    k2 = (2 * np.pi * fft.fftfreq(n, pixel)[:, None]) ** 2 + (2 * np.pi * fft.fftfreq(n, pixel)) ** 2
    laplacian = fft.ifft2(-k2 * fft.fft2(bump)).real
    errors = [
        np.abs(np.abs(fresnel_propagate(u, LAMBDA, z, pixel)) ** 2 - 1 - z * delta * laplacian).max()
        for z in (0.04, 0.02, 0.01)
    ]
    assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.1)
    assert errors[1] / errors[2] == pytest.approx(4.0, abs=0.1)


def test_beer_lambert_behind_the_object():
    t = RNG.uniform(0, 1e-4, (8, 8))
    _, beta = optical_constants("Zr", 24.4)
    expected = np.exp(-4 * np.pi * beta / LAMBDA * t)
    assert np.abs(np.abs(transmission({"Zr": t}, 24.4)) ** 2 - expected).max() < 1e-12


def test_far_from_its_edges_a_slab_is_beer_lambert():
    n, pixel = 1024, 0.5e-6
    t = np.zeros((64, n))
    t[:, n // 4 : 3 * n // 4] = 30e-6
    smooth = ndimage.gaussian_filter1d(t, 4, axis=1)
    intensity = np.abs(fresnel_propagate(transmission({"Ti": smooth}, 24.4), LAMBDA, 0.3, pixel)) ** 2
    _, beta = optical_constants("Ti", 24.4)
    assert intensity[32, n // 2] == pytest.approx(np.exp(-4 * np.pi * beta / LAMBDA * 30e-6), abs=1e-3)


def test_metal_has_its_bright_fringe_outside_and_a_bubble_inside():
    n, pixel = 256, 0.5e-6
    x = grid(n, pixel)
    ball = 2 * np.sqrt(np.maximum((20e-6) ** 2 - x[:, None] ** 2 - x**2, 0))
    for t, sign in ((ball, 1), (200e-6 - ball, -1)):
        intensity = np.abs(fresnel_propagate(transmission({"Al": t}, 24.4), LAMBDA, 0.3, pixel)) ** 2
        row = ndimage.gaussian_filter(intensity, 3)[n // 2]
        outside, inside = row[(x > 21e-6) & (x < 26e-6)], row[(x > 14e-6) & (x < 19.5e-6)]
        reference = row[0]
        assert sign * (outside.mean() - reference) > 0
        assert sign * (inside.mean() - reference) < 0


def test_single_precision_is_enough():
    t = {"Hf": RNG.uniform(0, 5e-5, (64, 64))}
    single = {"Hf": t["Hf"].astype(np.float32)}
    a, b = (np.abs(fresnel_propagate(transmission(x, 24.4), LAMBDA, 0.05, 1e-6)) ** 2 for x in (t, single))
    assert b.dtype == np.float32
    assert np.abs(a - b).max() < 1e-3


def test_the_fresnel_integral_summed_in_real_space_agrees():
    """Goodman Eq. 4-14 as a plain sum over a grid of half the pixel, against our multiplication of a spectrum."""
    n, pixel, z = 512, 0.25e-6, 0.3
    bumps = [4e-5 * np.exp(-(x[:, None] ** 2 + x**2) / (2 * 7e-6**2)) for x in (grid(n, pixel), grid(2 * n, pixel / 2))]
    ours = fresnel_propagate(transmission({"Ti": bumps[0]}, 24.4), LAMBDA, z, pixel)
    change = transmission({"Ti": bumps[1]}, 24.4) - 1  # the plane wave around it stays a plane wave
    rows = n // 2 + np.array([-40, -9, 0, 17, 55])
    chirp = np.exp(1j * np.pi * (grid(n, pixel)[rows, None] - grid(2 * n, pixel / 2)) ** 2 / (LAMBDA * z))
    theirs = 1 + chirp @ change @ chirp.T * (pixel / 2) ** 2 / (1j * LAMBDA * z)
    assert np.abs(theirs - 1).max() > 0.1
    assert np.abs(theirs - ours[np.ix_(rows, rows)]).max() < 1e-6  # a wrong sign or distance: above 0.1


def test_bad_arguments_say_what_is_wrong():
    with pytest.raises(ValueError, match="two dimensions"):
        fresnel_propagate(np.ones(8), LAMBDA, 0.1, 1e-6)
    with pytest.raises(ValueError, match="must be positive"):
        fresnel_propagate(np.ones((8, 8)), LAMBDA, 0.1, 0)
    with pytest.warns(UserWarning, match="aliases"):
        fresnel_propagate(np.ones((8, 8)), LAMBDA, 10.0, 1e-6)
    with pytest.raises(ValueError, match="no material"):
        transmission({}, 24.4)
