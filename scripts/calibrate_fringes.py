"""Which settings of the optics give the fringes that real frames show? The tables of docs/simulator_calibration.md.

    python scripts/calibrate_fringes.py                 scan of the simulator, about half a minute
    python scripts/calibrate_fringes.py FRAME PIXEL_UM X,Y,DIAMETER_UM ...

The second form measures lone spheres in a frame of your own (any image file; X and Y are pixels, all three rough) and
simulated aluminium spheres of the diameters it finds. The frames that the simulator is calibrated against are previews
in the documentation of TomoBank: docs/source/img/rad_00003_high_res.png and rad_00001h.png.
"""

import sys
from dataclasses import replace
from itertools import product

import numpy as np
from PIL import Image
from scipy import ndimage

from xpci_utils.simulation import adjusted_preset, get_preset
from xpci_utils.simulation.calibration import REAL_RANGES, Fringe, measure_sphere, sphere_fringe

DISTANCES_M = (0.15, 0.2, 0.3, 0.4, 0.5)
CORE_SIGMAS_UM = (1.2, 1.5, 1.8, 2.1, 2.4)
TAIL_SIGMAS_UM = (6.0, 12.0, 20.0)
TAIL_SHARES = (0.15, 0.3, 0.45)
DIAMETERS_UM = (15, 60)
BLURS_UM = (0.8, 1.0, 1.5, 2.0, 2.5, 3.0)


def outside(fringe: Fringe, name: str) -> float:
    """How far a fringe's value lies outside the real range, relative to the middle of the range; 0 inside."""
    low, high = REAL_RANGES[name]
    value = {"fringe": fringe.peak, "rim": fringe.rim, "fwhm_um": fringe.fwhm_um}[name]
    return max(low - value, value - high, 0) / abs(low + high) * 2


def row(name: str, fringes: list[Fringe]) -> str:
    """A line of a Markdown table: peaks, their ratio, rims, widths, places of the peaks."""
    columns = (
        " / ".join(f"{100 * f.peak:+.1f}" for f in fringes),
        f"{fringes[-1].peak / fringes[0].peak:.2f}",
        " / ".join(f"{100 * f.rim:.1f}" for f in fringes),
        " / ".join(f"{f.fwhm_um:.2f}" for f in fringes),
        " / ".join(f"{f.distance_um:.1f}" for f in fringes),
    )
    return f"| {name} | {' | '.join(columns)} |"


def weak_fringe(diameter_um: float, blur_um: float, grid_um: float = 0.1) -> float:
    """Height, in any unit, of a sphere's fringe by transport of intensity: minus the blurred Laplacian of thickness."""
    half = np.arange(0, diameter_um / 2 + 25, grid_um)
    x = np.concatenate([-half[:0:-1], half])
    thickness = 2 * np.sqrt(np.maximum((diameter_um / 2) ** 2 - x**2 - x[:, None] ** 2, 0))
    return float(ndimage.laplace(ndimage.gaussian_filter(thickness, blur_um / grid_um)).max())


def scan() -> None:
    """Print the settings that do best in one respect each, and the preset's."""
    preset, settings = get_preset("aps32id_u18"), {}
    for z, core, tail, share in product(DISTANCES_M, CORE_SIGMAS_UM, TAIL_SIGMAS_UM, TAIL_SHARES):
        changes = {"distance_m": z, "psf_core_sigma_um": core, "psf_tail_sigma_um": tail, "psf_tail_share": share}
        fringes = [sphere_fringe(d, replace(preset, **changes)) for d in DIAMETERS_UM]
        settings[f"{z} m, {core} µm, {share:.0%} of {tail:.0f} µm"] = fringes

    def misses(fringes: list[Fringe], *names: str) -> float:
        return sum(outside(f, name) for f in fringes for name in names or ("fringe", "rim", "fwhm_um"))

    def ratio(fringes: list[Fringe]) -> float:
        return fringes[-1].peak / fringes[0].peak

    every = sum(misses(f) == 0 for f in settings.values())
    wide = {name: f for name, f in settings.items() if misses(f, "fwhm_um") == 0}
    high = {name: f for name, f in settings.items() if misses(f, "fringe") == 0}
    print(
        f"{len(settings)} settings; {len(high)} with both peaks, {len(wide)} with both widths, "
        f"{every} with all in range"
    )
    print("| setting | peak, % | ratio | rim, % | FWHM, µm | peak outside the edge, µm |\n|---|---|---|---|---|---|")
    flattest, flattest_wide = (min(part, key=lambda name: ratio(part[name])) for part in (settings, wide))
    nearest = min(settings, key=lambda name: misses(settings[name]))
    print(row(f"smallest ratio: {flattest}", settings[flattest]))
    print(row(f"smallest ratio with both widths in range: {flattest_wide}", wide[flattest_wide]))
    print(row(f"least outside the ranges in all: {nearest}", settings[nearest]))
    print(row("the preset", [sphere_fringe(d, preset) for d in DIAMETERS_UM]))
    weak = (weak_fringe(DIAMETERS_UM[1], blur) / weak_fringe(DIAMETERS_UM[0], blur) for blur in BLURS_UM)
    print(
        "ratio by transport of intensity:", ", ".join(f"{r:.2f} at {b} um" for b, r in zip(BLURS_UM, weak, strict=True))
    )


def measure(path: str, pixel_um: float, spheres: list[str]) -> None:
    """Print the fringes of a frame's spheres beside simulated ones of the same diameters and pixel."""
    frame = np.asarray(Image.open(path)).astype(float)
    frame = frame if frame.ndim == 2 else frame[..., 0]
    preset = adjusted_preset("aps32id_u18", pixel_um=pixel_um)
    print("| diameter, µm | peak, % | rim, % | FWHM, µm | simulated: peak | rim | FWHM |\n" + "|---" * 7 + "|")
    for text in spheres:
        diameter, real = measure_sphere(frame, *map(float, text.split(",")), pixel_um)
        fringes = (real, sphere_fringe(diameter, preset))
        cells = " | ".join(f"{100 * f.peak:+.1f} | {100 * f.rim:.1f} | {f.fwhm_um:.2f}" for f in fringes)
        print(f"| {diameter:.1f} | {cells} |")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        scan()
    elif len(sys.argv) > 3:
        measure(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(__doc__)
