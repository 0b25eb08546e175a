"""Scintillator, lens and camera: blur, illumination with its drift, noise, digitisation."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft, ndimage

from xpci_utils.frames.flatfield import flat_field_correct
from xpci_utils.randomness import numpy_rng
from xpci_utils.simulation.presets import Preset


def detector_mtf(shape: tuple[int, int], pixel_um: float, preset: Preset) -> np.ndarray:
    """Transfer function of source blur and scintillator with lens for ``scipy.fft.rfft2`` of that shape, float32.

    Two Gaussians (a core, and the tails that a thick scintillator adds) times the projected source.
    """
    fy, fx = fft.fftfreq(shape[0], pixel_um)[:, None], fft.rfftfreq(shape[1], pixel_um)[None, :]
    core, tail = (_gauss(fx, s) * _gauss(fy, s) for s in (preset.psf_core_sigma_um, preset.psf_tail_sigma_um))
    source = _gauss(fx, preset.source_sigma_h_um) * _gauss(fy, preset.source_sigma_v_um)
    return (((1 - preset.psf_tail_share) * core + preset.psf_tail_share * tail) * source).astype(np.float32)


def _gauss(frequency: np.ndarray, sigma: float) -> np.ndarray:
    return np.exp(-2 * (np.pi * sigma * frequency) ** 2)


def detect(intensity: np.ndarray, preset: Preset) -> np.ndarray:
    """Blur an oversampled intensity and average it over the camera's pixels, float32."""
    n = preset.oversampling
    spectrum = fft.rfft2(intensity.astype(np.float32, copy=False))
    spectrum *= detector_mtf(intensity.shape, preset.pixel_um / n, preset)
    blurred = fft.irfft2(spectrum, s=intensity.shape)
    h, w = intensity.shape[0] // n, intensity.shape[1] // n
    return blurred.reshape(h, n, w, n).mean(axis=(1, 3))


@dataclass(frozen=True)
class Camera:
    """The camera during one sequence: its illumination, its defective pixels, its reference frames."""

    preset: Preset
    seed: int
    sequence: int
    height: int
    width: int

    def _rng(self, *purpose: str | int) -> np.random.Generator:
        return numpy_rng("camera", self.seed, self.sequence, *purpose)

    @cached_property
    def quanta(self) -> float:
        """Electrons per pixel in the middle of the open beam."""
        return float(self._rng("quanta").uniform(*self.preset.quanta_per_pixel))

    @cached_property
    def flat(self) -> np.ndarray:
        """Illumination relative to its maximum, H x W: beam profile, streaks, scintillator texture, dust."""
        rng, p = self._rng("flat"), self.preset
        y = np.linspace(-1, 1, self.height)[:, None] - rng.uniform(-0.3, 0.3)
        x = np.linspace(-1, 1, self.width)[None, :] - rng.uniform(-0.3, 0.3)
        profile = (1 - rng.uniform(*p.flat_fall)) ** ((x**2 + y**2) / 2)
        streaks = ndimage.gaussian_filter1d(rng.normal(size=self.height), 2.0)
        streaks *= p.flat_streaks / max(streaks.std(), 1e-9)
        texture = ndimage.gaussian_filter(rng.normal(size=(self.height, self.width)), 1.0)
        texture *= rng.uniform(*p.flat_texture) / max(texture.std(), 1e-9)
        return profile * (1 + streaks[:, None]) * (1 + texture) * self._dust(rng)

    def _dust(self, rng: np.random.Generator) -> np.ndarray:
        """Out-of-focus dust on the scintillator: rings of a few per cent (their number is that of the whole field)."""
        shade = np.ones((self.height, self.width))
        share = self.height * self.width / (624 * 640)
        for _ in range(rng.poisson(share * rng.integers(*self.preset.dust_rings, endpoint=True))):
            radius, depth = rng.uniform(3, 10), rng.uniform(0.02, 0.06)
            cy, cx = rng.uniform(0, self.height), rng.uniform(0, self.width)
            window = tuple(slice(max(int(c - 20), 0), int(c + 20)) for c in (cy, cx))
            y, x = np.arange(self.height)[window[0], None], np.arange(self.width)[None, window[1]]
            distance = np.hypot(y - cy, x - cx)
            shade[window] -= depth * np.exp(-0.5 * (distance / (0.5 * radius)) ** 2)
            shade[window] += 0.7 * depth * np.exp(-0.5 * ((distance - radius) / 1.5) ** 2)
        return shade

    @cached_property
    def defects(self) -> tuple[np.ndarray, np.ndarray]:
        """Extra signal [DN] of hot pixels, and which pixels are dead; both stay the same through a sequence."""
        rng = self._rng("defects")
        shape = (self.height, self.width)
        hot = np.where(rng.random(shape) < self.preset.hot_pixel_share, rng.uniform(800, 4000, shape), 0.0)
        return hot, rng.random(shape) < self.preset.dead_pixel_share

    def illumination(self, frame: int) -> np.ndarray:
        """Flat at a frame: shifted by a slow random walk of a fraction of a pixel, and a little brighter or darker."""
        walk = self._rng("drift").normal(size=(frame + 1, 3)).sum(axis=0) / np.sqrt(40)
        dy, dx = np.clip(self.preset.drift_px / 2 * walk[:2], -self.preset.drift_px, self.preset.drift_px)
        gradient_y, gradient_x = self._gradient
        brightness = 1 + np.clip(self.preset.drift_intensity / 2 * walk[2], -0.01, 0.01)
        return brightness * (self.flat - dy * gradient_y - dx * gradient_x)

    @cached_property
    def _gradient(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(np.gradient(self.flat))

    def expose(self, relative: np.ndarray | float, rng: np.random.Generator) -> np.ndarray:
        """Digital numbers (uint16, 12 bit) for an intensity relative to the centre of the open beam, H x W."""
        p = self.preset
        mean = np.broadcast_to(np.maximum(relative, 0) * self.quanta, (self.height, self.width))
        electrons = rng.poisson(mean) + p.read_noise_e * rng.standard_normal(mean.shape, np.float32)
        hot, dead = self.defects
        signal = np.where(dead, 0, p.gain_dn_per_e * electrons) + p.offset_dn + hot
        return np.clip(np.rint(signal), 0, 2**p.bits - 1).astype(np.uint16)

    def record(self, relative: np.ndarray, frame: int) -> np.ndarray:
        """The raw frame of an object's relative intensity."""
        return self.expose(relative * self.illumination(frame), self._rng("noise", frame))

    def reference_stack(self, kind: str) -> np.ndarray:
        """The flat or dark frames taken before the sequence, uint16 [reference_frames, H, W]."""
        levels: dict[str, np.ndarray | float] = {"flat": self.flat, "dark": 0.0}
        return np.stack([self.expose(levels[kind], self._rng(kind, i)) for i in range(self.preset.reference_frames)])

    @cached_property
    def references(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean flat and mean dark frame, float32."""
        return tuple(self.reference_stack(kind).mean(axis=0, dtype=np.float32) for kind in ("flat", "dark"))

    def correct(self, raw: np.ndarray) -> np.ndarray:
        """Flat-field corrected frame, float32, about 1 in the open beam."""
        return flat_field_correct(raw, *self.references)
