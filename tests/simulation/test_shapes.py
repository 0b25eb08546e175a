"""Projected thickness against volumes and chords known in closed form."""

import numpy as np
import pytest

from xpci_utils.simulation.materials import CHEMISTRIES
from xpci_utils.simulation.particles import BUILDERS, build_particle
from xpci_utils.simulation.shapes import (
    Ellipsoid,
    Polyhedron,
    layered_thickness,
    random_rotation,
    sphere,
    union_length,
)

FINE = 0.25
AXIS = np.arange(-45, 45, FINE, dtype=np.float32) + np.float32(FINE / 2)


def volume(thickness):
    return float(thickness.sum()) * FINE**2


def ball(radius):
    return 4 / 3 * np.pi * radius**3


def test_sphere_is_exact():
    (t,) = layered_thickness([], [[sphere((3, -2, 50), 20)]], AXIS, AXIS)
    r = np.hypot(AXIS - 3, AXIS[:, None] + 2)
    assert np.abs(t - 2 * np.sqrt(np.maximum(400 - r**2, 0))).max() < 2e-2  # float32 next to the rim
    assert volume(t) == pytest.approx(ball(20), rel=1e-3)


def test_turned_ellipsoid_keeps_its_volume():
    rotation = random_rotation(np.random.default_rng(1))
    body = Ellipsoid(np.array([1.0, 2, 3]), np.array([30.0, 12, 8]), rotation)
    assert volume(union_length([body], AXIS, AXIS)) == pytest.approx(4 / 3 * np.pi * 30 * 12 * 8, rel=1e-3)


def test_cube_seen_along_any_direction():
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    cube = Polyhedron(normals, np.full(6, 10.0), 18.0, np.zeros(3))
    for seed in range(3):
        turned = cube.moved(random_rotation(np.random.default_rng(seed)), np.array([2.0, -3, 5]))
        assert volume(union_length([turned], AXIS, AXIS)) == pytest.approx(20**3, rel=2e-3)


def test_union_counts_overlaps_once():
    bodies = [sphere((0, 0, 0), 15), sphere((6, 0, 5), 15), sphere((0, 0, 0), 15), sphere((0, 0, 60), 5)]
    d = np.hypot(6, 5)
    lens = np.pi * (4 * 15 + d) * (2 * 15 - d) ** 2 / 12
    assert volume(union_length(bodies, AXIS, AXIS)) == pytest.approx(2 * ball(15) - lens + ball(5), rel=1e-3)


def test_voids_and_layers():
    void, core, shell = sphere((0, 0, 4), 8), sphere((0, 0, 0), 20), sphere((0, 0, 0), 25)
    inner, outer = layered_thickness([void], [[core], [shell]], AXIS, AXIS)
    assert volume(inner) == pytest.approx(ball(20) - ball(8), rel=1e-3)
    assert volume(outer) == pytest.approx(ball(25) - ball(20), rel=1e-3)


@pytest.mark.parametrize("metal", CHEMISTRIES)
@pytest.mark.parametrize("name", [*BUILDERS, "microexplosion"])
def test_every_class_has_matter_inside_its_box(name, metal):
    for seed in range(3):
        chemistry = CHEMISTRIES[metal][0]
        bodies = build_particle(name, np.random.default_rng(seed), chemistry, 40.0)
        again = build_particle(name, np.random.default_rng(seed), chemistry, 40.0)
        for body, twin in zip(bodies, again, strict=True):
            x0, y0, x1, y1 = body.box()
            x, y = (np.arange(a - 2, b + 2, 0.5, dtype=np.float32) for a, b in ((x0, x1), (y0, y1)))
            total = sum(body.thickness(x, y).values())
            assert total.min() >= 0
            assert total.max() > 0
            assert max(total[0].max(), total[-1].max(), total[:, 0].max(), total[:, -1].max()) == 0
            assert np.array_equal(total, sum(twin.thickness(x, y).values()))


def test_bubbles_keep_to_the_definition():
    for seed in range(20):
        (drop,) = build_particle("bubbling_droplet", np.random.default_rng(seed), CHEMISTRIES["Ti"][0], 40.0)
        radii = np.array([v.semi_axes[0] for v in drop.voids])
        assert 1 <= len(radii) <= 15
        assert radii.min() >= 3.0
        assert (radii**2).sum() < 0.5 * 20**2


def test_walls_of_shells_keep_to_the_definition():
    for progress in (0.0, 1.0):
        for seed in range(10):
            (shell,) = build_particle("hollow_shell", np.random.default_rng(seed), CHEMISTRIES["Zr"][0], 80.0, progress)
            assert 0.02 <= (40 - shell.voids[0].semi_axes[0]) / 80 <= 0.15
