"""The table of refractive indices, and the trap that a formula like TiN hides."""

import importlib.util
import math

import pytest

from xpci_utils import paths
from xpci_utils.simulation import load_materials, optical_constants
from xpci_utils.simulation.materials import CHEMISTRIES, METAL_SHARES, wavelength_m

# delta and total attenuation [1/cm] at 24.4 keV: Chantler (1995) and Elam et al. (2002).
EXPECTED = {
    "Al": (9.09e-7, 5.30),
    "Ti": (1.455e-6, 40.4),
    "Zr": (1.982e-6, 281),
    "Hf": (3.721e-6, 480),
    "Al2O3": (1.359e-6, 5.16),
    "TiN": (1.775e-6, 38.0),
    "LuAG": (None, 147),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_constants_at_the_undulator_energy(name):
    delta, beta = optical_constants(name, 24.4)
    expected_delta, expected_mu = EXPECTED[name]
    assert 4 * math.pi * beta / wavelength_m(24.4) / 100 == pytest.approx(expected_mu, rel=0.01)
    if expected_delta:
        assert delta == pytest.approx(expected_delta, rel=0.005)


def test_titanium_nitride_is_not_tin():
    xraydb = pytest.importorskip("xraydb", reason="xraydb is a test dependency: pip install xraydb")
    nitride = load_materials()["TiN"]
    assert nitride.formula == "Ti1N1"
    right = xraydb.material_mu("Ti1N1", 24400, density=5.40, kind="total")
    metallic_tin = xraydb.material_mu("TiN", 24400, density=5.40, kind="total")
    stored = nitride.table[24.4][1] / 100
    assert stored == pytest.approx(right, rel=1e-6)
    assert metallic_tin > 1.5 * stored  # the library reads "TiN" as the name "tin"


def test_the_table_is_what_its_script_writes():
    pytest.importorskip("xraydb", reason="xraydb is a test dependency: pip install xraydb")
    spec = importlib.util.spec_from_file_location("make_materials", paths.root() / "scripts/make_materials.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert set(script.MATERIALS) == set(load_materials())
    for name, (formula, density, _) in script.MATERIALS.items():
        for energy in script.ENERGIES_KEV:
            stored = load_materials()[name].table[energy]
            assert stored == pytest.approx(script.constants(formula, density, energy), rel=1e-5)


def test_droplets_of_50_um_transmit_what_the_literature_says():
    shares = {"Al": 0.974, "Ti": 0.817, "Zr": 0.245, "Hf": 0.091}
    for metal, share in shares.items():
        _, beta = optical_constants(metal, 24.4)
        assert math.exp(-4 * math.pi * beta / wavelength_m(24.4) * 50e-6) == pytest.approx(share, abs=0.002)


def test_interpolation_lies_between_its_neighbours():
    low, middle, high = (optical_constants("Zr", e) for e in (24.4, 24.7, 25.0))
    assert low[0] > middle[0] > high[0]
    assert low[1] > middle[1] > high[1]
    # delta follows the square of the wavelength far from edges
    assert middle[0] == pytest.approx(low[0] * (24.4 / 24.7) ** 2, rel=2e-3)


def test_every_chemistry_has_its_constants_at_both_harmonics():
    assert sum(METAL_SHARES.values()) == pytest.approx(1)
    for options in CHEMISTRIES.values():
        for chemistry in options:
            for name in filter(None, vars(chemistry).values()):
                assert optical_constants(name, 24.4)[0] > optical_constants(name, 73.2)[0] > 0


def test_unknown_materials_and_energies_are_named():
    with pytest.raises(ValueError, match="unknown material 'Tin'"):
        optical_constants("Tin", 24.4)
    with pytest.raises(ValueError, match="no optical constants at 12 keV"):
        optical_constants("Ti", 12.0)
