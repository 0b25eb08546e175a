"""Write data/materials.csv: refractive index of every material at the energies the simulator uses.

delta comes from Chantler's tables and the total attenuation (photo-absorption plus scattering, all of
which a narrow-beam radiograph loses) from Elam's, both through xraydb. Formulas are always written with
explicit counts: xraydb.material_mu("TiN", ...) finds the *name* "tin" and silently answers with metallic
Sn. The script therefore also checks every attenuation against 4 pi beta / lambda.

    python scripts/make_materials.py
"""

import csv
import math
from pathlib import Path

import xraydb

TABLE = Path(__file__).resolve().parents[1] / "data" / "materials.csv"
ENERGIES_KEV = (20.0, 22.0, 23.0, 24.0, 24.4, 25.0, 26.0, 28.0, 30.0, 66.0, 70.0, 73.2, 75.0, 80.0, 90.0)
KEV_TO_METRES = 12.398419843320026e-10
# name: (formula, density in g/cm3, note)
MATERIALS = {
    "Al": ("Al1", 2.70, "solid"),
    "Al_liquid": ("Al1", 2.34, "liquid"),
    "Ti": ("Ti1", 4.51, "solid"),
    "Ti_liquid": ("Ti1", 4.10, "liquid, density estimated"),
    "Zr": ("Zr1", 6.52, "solid"),
    "Zr_liquid": ("Zr1", 6.20, "liquid, density estimated"),
    "Hf": ("Hf1", 13.31, "solid"),
    "Hf_liquid": ("Hf1", 12.00, "liquid, density estimated"),
    "ZrAl": ("Zr1Al1", 5.20, "1:1 composite, density estimated"),
    "ZrAl3": ("Zr1Al3", 4.17, "intermetallic"),
    "Al2O3": ("Al2O3", 3.97, "oxide"),
    "TiO2": ("Ti1O2", 4.23, "oxide"),
    "ZrO2": ("Zr1O2", 5.68, "oxide"),
    "HfO2": ("Hf1O2", 9.68, "oxide"),
    "TiN": ("Ti1N1", 5.40, "nitride"),
    "ZrN": ("Zr1N1", 7.09, "nitride"),
    "HfN": ("Hf1N1", 13.80, "nitride"),
    "LuAG": ("Lu3Al5O12", 6.73, "scintillator"),
}


def constants(formula: str, density: float, energy_kev: float) -> tuple[float, float]:
    """delta and total attenuation [1/m] of one material at one energy."""
    energy_ev = 1000 * energy_kev
    delta, beta, _ = xraydb.xray_delta_beta(formula, density, energy_ev)
    mu_total = 100 * xraydb.material_mu(formula, energy_ev, density=density, kind="total")
    mu_photo = 4 * math.pi * beta * energy_kev / KEV_TO_METRES
    # Scattering adds little to the heavy metals below 30 keV; another element would be far off.
    if energy_kev <= 30 and not 0.9 < mu_total / mu_photo < 1.5:
        raise ValueError(f"{formula}: attenuation {mu_total:.4g}/m contradicts beta, which gives {mu_photo:.4g}/m")
    return delta, mu_total


def main() -> None:
    """Write the table, one row per material and energy."""
    with TABLE.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["material", "formula", "density_g_cm3", "energy_kev", "delta", "mu_total_per_m", "note"])
        for name, (formula, density, note) in MATERIALS.items():
            for energy in ENERGIES_KEV:
                delta, mu = constants(formula, density, energy)
                writer.writerow([name, formula, density, energy, f"{delta:.6e}", f"{mu:.6e}", note])


if __name__ == "__main__":
    main()
