"""Wave optics: complex transmission of thin objects and Fresnel propagation to the scintillator."""

import warnings
from collections.abc import Mapping

import numpy as np
from scipy import fft

from xpci_utils.simulation.materials import optical_constants, wavelength_m


def fresnel_propagate(field: np.ndarray, wavelength_m: float, distance_m: float, pixel_m: float) -> np.ndarray:
    """Propagate a paraxial wave field through free space with the Fresnel transfer function.

    ``field`` is complex H x W, sampled every ``pixel_m`` metres; the result has the same shape and precision. The
    transfer function is exp(-i pi lambda z f^2); the plane wave's own phase exp(ikz) is left out. The field is
    periodic, so leave a margin. Negative distances propagate backwards.

    Goodman, Introduction to Fourier Optics, eq. 4-20; Paganin, Coherent X-Ray Optics, eq. 1.33.
    """
    field = np.asarray(field)
    if field.ndim != 2:
        raise ValueError(f"fresnel_propagate expects a field of two dimensions, got shape {field.shape}")
    if wavelength_m <= 0 or pixel_m <= 0:
        raise ValueError("fresnel_propagate: wavelength_m and pixel_m must be positive (in metres)")
    precision = np.complex64 if field.dtype in (np.complex64, np.float32) else np.complex128
    rows, columns = (
        np.exp(-1j * np.pi * wavelength_m * distance_m * fft.fftfreq(n, pixel_m) ** 2).astype(precision)
        for n in field.shape
    )
    _warn_if_undersampled(field.shape, wavelength_m, distance_m, pixel_m)
    spectrum = fft.fft2(field.astype(precision, copy=False))
    spectrum *= rows[:, None]
    spectrum *= columns[None, :]
    return fft.ifft2(spectrum, overwrite_x=True)


def _warn_if_undersampled(shape: tuple[int, int], wavelength: float, distance: float, pixel: float) -> None:
    """The transfer function's phase must not turn by more than pi between samples: |z| <= N pixel^2 / lambda."""
    limit = min(n for n in shape) * pixel**2 / wavelength
    if abs(distance) > limit:
        warnings.warn(
            f"fresnel_propagate: {abs(distance):.3g} m is beyond {limit:.3g} m, where the transfer function of this "
            "grid aliases; use a larger field or a finer pixel",
            stacklevel=3,
        )


def transmission(thickness: Mapping[str, np.ndarray], energy_kev: float) -> np.ndarray:
    """Complex transmission exp(-k sum_m (beta_m + i delta_m) t_m) of a thin object.

    ``thickness`` maps a material's name to its projected thickness [m], H x W. The precision follows the arrays.
    The projection is valid while sqrt(lambda T) is small (0.1 um for a particle of 200 um).
    """
    if not thickness:
        raise ValueError("transmission: no material was given")
    k = 2 * np.pi / wavelength_m(energy_kev)
    inside = np.logical_or.reduce([t != 0 for t in thickness.values()])
    absorption = phase = 0
    for material, t in thickness.items():
        delta, beta = optical_constants(material, energy_kev)
        absorption = absorption + t[inside] * t.dtype.type(k * beta)
        phase = phase + t[inside] * t.dtype.type(k * delta)
    amplitude = np.exp(-absorption)
    field = np.ones(inside.shape, np.result_type(amplitude.dtype, np.complex64))
    field.real[inside] = amplitude * np.cos(phase)
    field.imag[inside] = -amplitude * np.sin(phase)
    return field


def intensity_at_detector(
    thickness: Mapping[str, np.ndarray], spectrum: Mapping[float, float], distance_m: float, pixel_m: float
) -> np.ndarray:
    """Intensity behind an object relative to the open beam, summed over the spectrum {energy [keV]: weight}."""
    total: np.ndarray | float = 0.0
    for energy, weight in spectrum.items():
        wave = fresnel_propagate(transmission(thickness, energy), wavelength_m(energy), distance_m, pixel_m)
        intensity = wave.real**2 + wave.imag**2
        total = intensity if weight == 1 else total + intensity.dtype.type(weight) * intensity
    return np.asarray(total)
