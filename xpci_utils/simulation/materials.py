"""Refractive indices n = 1 - delta + i beta, and which materials each metal's particles are made of."""

import csv
import math
from dataclasses import dataclass
from functools import lru_cache

from xpci_utils.paths import resolve

KEV_TO_METRES = 12.398419843320026e-10
# No absorption edge of any listed material lies in these ranges (the undulator's first and third harmonic), so the
# table may be interpolated inside them.
SMOOTH_KEV = ((20.0, 30.0), (66.0, 90.0))


def wavelength_m(energy_kev: float) -> float:
    """Photon wavelength in metres (0.5081 Angstrom at 24.4 keV)."""
    return KEV_TO_METRES / energy_kev


@dataclass(frozen=True)
class Material:
    """A material and its tabulated delta and total linear attenuation [1/m] by photon energy [keV]."""

    name: str
    formula: str
    density_g_cm3: float
    table: dict[float, tuple[float, float]]


@lru_cache
def load_materials() -> dict[str, Material]:
    """All materials of data/materials.csv by name (written by scripts/make_materials.py from xraydb)."""
    materials: dict[str, Material] = {}
    with resolve("data/materials.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            name = row["material"]
            if name not in materials:
                materials[name] = Material(name, row["formula"], float(row["density_g_cm3"]), {})
            materials[name].table[float(row["energy_kev"])] = (float(row["delta"]), float(row["mu_total_per_m"]))
    return materials


@lru_cache(maxsize=256)
def optical_constants(material: str, energy_kev: float) -> tuple[float, float]:
    """delta and beta of a material at an energy [keV].

    beta is mu_total lambda / 4 pi with the total attenuation, because a narrow-beam radiograph also loses what is
    scattered. Between tabulated energies (20 to 30 and 66 to 90 keV) both follow power laws.
    """
    materials = load_materials()
    if material not in materials:
        raise ValueError(f"unknown material {material!r}; data/materials.csv has {', '.join(sorted(materials))}")
    delta, mu = _interpolated(materials[material].table, energy_kev)
    return delta, mu * wavelength_m(energy_kev) / (4 * math.pi)


def _interpolated(table: dict[float, tuple[float, float]], energy: float) -> tuple[float, float]:
    if energy in table:
        return table[energy]
    if not any(low <= energy <= high for low, high in SMOOTH_KEV):
        raise ValueError(f"no optical constants at {energy:g} keV: the table holds 20 to 30 keV and 66 to 90 keV")
    low = max(e for e in table if e < energy)
    high = min(e for e in table if e > energy)
    share = math.log(energy / low) / math.log(high / low)
    return tuple(a ** (1 - share) * b**share for a, b in zip(table[low], table[high], strict=True))


@dataclass(frozen=True)
class Chemistry:
    """Materials of one particle: feed (with lamellae in composites), melt, oxide or nitride, burnt-out residue."""

    feed: str
    melt: str
    oxide: str
    residue: str
    lamella: str | None = None


# The particles that a powder of each metal may hold; aluminium comes as composites with zirconium.
CHEMISTRIES = {
    "Al": (
        Chemistry("Al", "Al_liquid", "Al2O3", "Al2O3", lamella="Zr"),
        Chemistry("ZrAl3", "ZrAl3", "Al2O3", "Al2O3"),
        Chemistry("ZrAl", "ZrAl", "Al2O3", "ZrO2"),
    ),
    "Ti": (Chemistry("Ti", "Ti_liquid", "TiO2", "TiO2"), Chemistry("Ti", "Ti_liquid", "TiN", "TiO2")),
    "Zr": (Chemistry("Zr", "Zr_liquid", "ZrO2", "ZrO2"), Chemistry("Zr", "Zr_liquid", "ZrN", "ZrO2")),
    "Hf": (Chemistry("Hf", "Hf_liquid", "HfO2", "HfO2"), Chemistry("Hf", "Hf_liquid", "HfN", "HfO2")),
}
# Share of sequences per metal: mostly aluminium-based composites, as in the paper's list of powders.
METAL_SHARES = {"Al": 0.55, "Ti": 0.15, "Zr": 0.15, "Hf": 0.15}
