"""Does a simulated sphere look like a real one? Fringe profiles and photon transfer, and what real frames show.

The real numbers are azimuthal means around isolated powder particles above the powder bed in two radiographs of the
Advanced Photon Source (TomoBank, XFusion project, previews of data sets rad_00001 and rad_00003; BSD-3; De Carlo et
al., Meas. Sci. Technol. 29, 034004, 2018). Their material is inferred from its transmission, which is aluminium-like.
"""

from dataclasses import dataclass, replace

import numpy as np

from xpci_utils.simulation.detector import Camera
from xpci_utils.simulation.particles import Body, Layer
from xpci_utils.simulation.presets import Preset
from xpci_utils.simulation.render import make_piece, render
from xpci_utils.simulation.shapes import sphere

# (frame, pixel [um], diameter [um], bright fringe relative to the open beam)
REAL_FRINGES = (
    ("rad_00003", 1.31, 15, 0.08),
    ("rad_00003", 1.31, 19, 0.09),
    ("rad_00003", 1.31, 27, 0.13),
    ("rad_00003", 1.31, 56, 0.17),
    ("rad_00001", 2.0, 24, 0.10),
    ("rad_00001", 2.0, 34, 0.14),
)
REAL_RANGES = {
    "fringe": (0.08, 0.18),
    "rim": (-0.20, -0.10),
    "fwhm_um": (4.0, 5.0),
    "noise": (0.015, 0.025),
    "dn_per_quantum": 0.55,
}


@dataclass(frozen=True)
class Fringe:
    """A sphere's profile in numbers: intensities relative to the open beam, lengths in um."""

    peak: float
    rim: float
    plateau: float
    fwhm_um: float
    distance_um: float  # of the peak outside the geometric edge
    second: float  # largest deviation farther out


def sphere_image(diameter_um: float, preset: Preset, material: str = "Al") -> tuple[np.ndarray, float]:
    """Noise-free image of one sphere and the position [um] of its centre (the same in x and y)."""
    size = int(np.ceil((diameter_um + 50) / preset.pixel_um))
    centre = size * preset.pixel_um / 2 + 0.3  # not on a pixel's corner, like most real particles
    ball = Body((Layer(material, (sphere((0, 0, 0), diameter_um / 2),)),), position=(centre, centre))
    piece = make_piece(ball, size, size, preset)
    assert piece is not None  # the ball is in the middle of the field
    return render([piece], size, size, preset), centre


def radial_profile(
    image: np.ndarray, centre_um: float | tuple[float, float] | np.ndarray, pixel_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Azimuthal mean in rings of 1 um every 0.5 um around (y, x) or one number for both: radius [um] and intensity."""
    centre_y, centre_x = np.broadcast_to(centre_um, 2)
    y, x = (np.indices(image.shape) + 0.5) * pixel_um
    radius = np.hypot(y - centre_y, x - centre_x)
    wanted = np.arange(0.5, image.shape[0] * pixel_um / 2 - 1, 0.5)
    rings = [np.abs(radius - r) < 0.5 for r in wanted]
    kept = np.array([ring.any() for ring in rings])
    return wanted[kept], np.array([image[ring].mean() for ring in rings if ring.any()])


def fringe(radius: np.ndarray, intensity: np.ndarray, diameter_um: float) -> Fringe:
    """Peak, rim, plateau and width of a radial profile."""
    r = np.linspace(radius[0], radius[-1], 4000)
    profile = np.interp(r, radius, intensity) - 1
    top = int(profile.argmax())
    above = profile > profile[top] / 2
    first = top - int(np.argmin(above[top::-1]))
    last = top + int(np.argmin(above[top:]))
    return Fringe(
        peak=float(profile[top]),
        rim=float(profile[r < diameter_um / 2 + 1].min()),
        plateau=float(profile[r < max(2.0, diameter_um / 8)].mean()),
        fwhm_um=float(r[last] - r[first]),
        distance_um=float(r[top] - diameter_um / 2),
        second=float(np.abs(profile[r > r[last] + 4]).max()),
    )


def sphere_fringe(diameter_um: float, preset: Preset, material: str = "Al") -> Fringe:
    """The fringe of a simulated sphere."""
    image, centre = sphere_image(diameter_um, preset, material)
    return fringe(*radial_profile(image, centre, preset.pixel_um), diameter_um)


def measure_sphere(
    frame: np.ndarray, x_px: float, y_px: float, diameter_um: float, pixel_um: float
) -> tuple[float, Fringe]:
    """Diameter [um] and fringe of a lone sphere in a recorded frame (H x W, any unit), given roughly where it is.

    The centre is the one within 3 pixels whose profile has most contrast; the open beam a plane through what lies 8 to
    15 um outside the edge, outliers left out; the edge half way up from the dark rim to the bright fringe.
    """
    half = round((diameter_um / 2 + 18) / pixel_um) + 3
    y0, x0 = (max(round(c) - half, 0) for c in (y_px, x_px))
    patch = frame[y0 : round(y_px) + half + 1, x0 : round(x_px) + half + 1].astype(float)
    guess = (np.array([y_px - y0, x_px - x0]) + 0.5) * pixel_um
    steps = np.arange(-3, 3.1, 0.5) * pixel_um
    near = diameter_um / 2 + 8

    def contrast(centre: np.ndarray) -> float:
        radius, intensity = radial_profile(patch, centre, pixel_um)
        return np.ptp(intensity[radius < near])

    centre = max((guess + (dy, dx) for dy in steps for dx in steps), key=contrast)
    radius, intensity = radial_profile(patch / _open_beam(patch, centre, near, pixel_um), centre, pixel_um)
    top = int(intensity[radius < near].argmax())
    rim = int(intensity[: top + 1].argmin())
    middle = (intensity[top] + intensity[rim]) / 2
    edge = np.interp(middle, np.maximum.accumulate(intensity[rim : top + 1]), radius[rim : top + 1])
    return 2 * float(edge), fringe(radius, intensity, 2 * float(edge))


def _open_beam(patch: np.ndarray, centre: np.ndarray, near_um: float, pixel_um: float) -> np.ndarray:
    """Plane through the ring of 7 um beyond ``near_um``, without what deviates by more than 2.5 sigma."""
    y, x = (np.indices(patch.shape) + 0.5) * pixel_um
    radius = np.hypot(y - centre[0], x - centre[1])
    design = np.stack([np.ones_like(x), y, x], axis=-1)
    kept = (radius > near_um) & (radius < near_um + 7)
    for _ in range(5):
        plane = design @ np.linalg.lstsq(design[kept], patch[kept], rcond=None)[0]
        kept &= np.abs(patch - plane) < 2.5 * (patch - plane)[kept].std()
    return plane


def photon_transfer(
    preset: Preset, seed: int = 0, size: int = 200, levels: int = 10
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Mean signal [DN], variance [DN^2] at several exposures, and the line through them: slope and intercept.

    The variance is half of that of the difference of two frames, so fixed patterns cancel (Janesick, Photon Transfer,
    2007). The slope is the gain [DN per quantum], the intercept the read noise squared plus 1/12 for rounding.
    """
    camera = Camera(replace(preset, hot_pixel_share=0.0, dead_pixel_share=0.0), seed, 0, size, size)
    signals, spreads = [], []
    for k, level in enumerate(np.linspace(0.05, 1.0, levels)):
        a, b = (camera.expose(level, np.random.default_rng((seed, k, i))).astype(float) for i in (0, 1))
        signals.append((a.mean() + b.mean()) / 2 - preset.offset_dn)
        spreads.append((a - b).var() / 2)
    means, variances = np.array(signals), np.array(spreads)
    # Bright levels have noisier variances: weigh each by what one standard deviation of it is.
    slope, intercept = np.polyfit(means, variances, 1, w=1 / variances)
    return means, variances, float(slope), float(intercept)
