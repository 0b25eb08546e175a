"""One particle on its own: for galleries, and to follow it from thickness to detector."""

from dataclasses import replace

import numpy as np

from xpci_utils.randomness import numpy_rng
from xpci_utils.simulation.detector import detect
from xpci_utils.simulation.materials import CHEMISTRIES
from xpci_utils.simulation.optics import intensity_at_detector
from xpci_utils.simulation.particles import Body, build_particle
from xpci_utils.simulation.presets import Preset, get_preset


def make_particle(
    class_name: str, metal: str, diameter_um: float, seed: int = 0, progress: float = 0.5, thrown: float = 0.6
) -> list[Body]:
    """Bodies of one particle, centred on the origin; see `build_particle` for ``progress`` and ``thrown``."""
    if metal not in CHEMISTRIES:
        raise ValueError(f"unknown metal {metal!r}; there are {', '.join(CHEMISTRIES)}")
    chemistry = CHEMISTRIES[metal][seed % len(CHEMISTRIES[metal])]
    return build_particle(class_name, numpy_rng("single", seed, class_name), chemistry, diameter_um, progress, thrown)


def imaging_steps(
    bodies: list[Body], preset: str | Preset = "aps32id_u18", size: int = 64, seed: int = 0
) -> dict[str, np.ndarray]:
    """What happens to a particle at rest in the middle of size x size pixels, step by step.

    Returns "thickness" [um], "transmission" (intensity right behind it), "propagated" (at the scintillator), all
    oversampled; "detector" (blurred, at the camera's pixels) and "with noise" (size x size). Intensities are those
    relative to the open beam. The field is periodic.
    """
    preset = get_preset(preset)
    fine = preset.pixel_um / preset.oversampling
    grid = ((np.arange(size * preset.oversampling) + 0.5) * fine - size * preset.pixel_um / 2).astype(np.float32)
    thickness: dict[str, np.ndarray] = {}
    for body in bodies:
        for material, t in replace(body, position=body.offset).thickness(grid, grid).items():
            thickness[material] = thickness.get(material, 0) + t * np.float32(1e-6)
    spectrum = {preset.energy_kev: 1.0}
    near, far = (intensity_at_detector(thickness, spectrum, z, fine * 1e-6) for z in (0.0, preset.distance_m))
    clean = detect(far, preset)
    quanta = sum(preset.quanta_per_pixel) / 2
    rng = numpy_rng("single noise", seed)
    electrons = rng.poisson(clean * quanta) + preset.read_noise_e * rng.normal(size=clean.shape)
    return {
        "thickness": 1e6 * sum(thickness.values(), start=np.zeros((len(grid), len(grid)), np.float32)),
        "transmission": near,
        "propagated": far,
        "detector": clean,
        "with noise": electrons / quanta,
    }
