"""Geometry of the nine particle classes, from convex bodies; lengths in micrometres.

A particle of one class is one or several `Body` objects that may move on their own. The shape follows from the
generator handed in, the diameter and the progress (0 to 1) through its stage of life, so the same particle drawn
at two times is the same particle.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from xpci_utils.simulation.materials import Chemistry
from xpci_utils.simulation.shapes import (
    Convex,
    Ellipsoid,
    Polyhedron,
    layered_thickness,
    random_rotation,
    rotation_z,
    sphere,
)

ZERO = np.zeros(3)


@dataclass(frozen=True)
class Layer:
    """Solids of one material; ``density`` below 1 stands for foam that no pixel resolves."""

    material: str
    solids: tuple[Convex, ...]
    density: float = 1.0


@dataclass(frozen=True)
class Body:
    """A rigid piece of a particle: layers of material with voids, where it is [um] and how it moves [m/s]."""

    layers: tuple[Layer, ...]
    voids: tuple[Convex, ...] = ()
    position: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    offset: tuple[float, float] = (0.0, 0.0)  # from the particle's centre, which ejecta have left

    def box(self) -> tuple[float, float, float, float]:
        """Bounding box x0, y0, x1, y1 [um] at mid-exposure."""
        boxes = np.array([solid.box() for layer in self.layers for solid in layer.solids])
        x, y = self.position
        return (
            boxes[:, 0].min() + x,
            boxes[:, 1].min() + y,
            boxes[:, 2].max() + x,
            boxes[:, 3].max() + y,
        )

    def rotated(self, rotation: np.ndarray) -> "Body":
        """The body turned about its own origin."""
        layers = tuple(
            replace(layer, solids=tuple(s.moved(rotation, ZERO) for s in layer.solids)) for layer in self.layers
        )
        return replace(self, layers=layers, voids=tuple(v.moved(rotation, ZERO) for v in self.voids))

    def thickness(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Projected thickness [um] per material on the grid x, y [um], float32 [len(y), len(x)]."""
        px, py = (np.float32(p) for p in self.position)
        parts = layered_thickness(self.voids, [layer.solids for layer in self.layers], x - px, y - py)
        result: dict[str, np.ndarray] = {}
        for layer, t in zip(self.layers, parts, strict=True):
            t = t * np.float32(layer.density)
            result[layer.material] = result[layer.material] + t if layer.material in result else t
        return result


def build_particle(
    name: str,
    rng: np.random.Generator,
    chemistry: Chemistry,
    diameter: float,
    progress: float = 0.5,
    thrown: float = 1.0,
) -> list[Body]:
    """Bodies of a particle of class ``name``, centred on the origin.

    ``chemistry`` names the materials; ``diameter`` [um] the equivalent diameter (of the parent for a micro-explosion);
    ``thrown`` how far the ejecta of an explosion have travelled, in units of the parent's radius.
    """
    if name == "microexplosion":
        return microexplosion(rng, chemistry, diameter / 2, progress, thrown)
    if name not in BUILDERS:
        raise ValueError(f"unknown particle class {name!r}; there are {', '.join([*BUILDERS, 'microexplosion'])}")
    return [BUILDERS[name](rng, chemistry, diameter / 2, progress)]


def _crystal(rng: np.random.Generator, radius: float, faces: int) -> Polyhedron:
    """A convex body bounded by random planes, flattened at random."""
    normals = rng.normal(size=(faces, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.concatenate([normals, np.eye(3), -np.eye(3)])
    scale = np.array([1.0, rng.uniform(0.55, 0.95), rng.uniform(0.6, 1.0)])
    offsets = np.concatenate([rng.uniform(0.72, 1.0, faces), np.ones(6)]) * radius
    lengths = np.linalg.norm(normals / scale, axis=1)
    body = Polyhedron(normals / scale / lengths[:, None], offsets / lengths, 1.5 * radius, ZERO)
    return body.moved(random_rotation(rng), ZERO)


def _slabs(rng: np.random.Generator, crystal: Polyhedron, radius: float) -> tuple[Polyhedron, ...]:
    """Lamellae: the crystal cut by pairs of parallel planes, seen nearly edge on."""
    angle, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15)
    normal = np.array([np.cos(angle) * np.cos(tilt), np.sin(angle) * np.cos(tilt), np.sin(tilt)])
    pitch = rng.uniform(0.3, 0.5) * radius
    places = np.arange(-1.0, 1.0, pitch / radius) * radius + rng.uniform(0, pitch)
    return tuple(
        replace(
            crystal,
            normals=np.concatenate([crystal.normals, [normal, -normal]]),
            offsets=np.concatenate([crystal.offsets, [p + 0.12 * pitch, -p + 0.12 * pitch]]),
        )
        for p in places
    )


def solid_particle(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """One or two grown-together crystals; aluminium composites may carry zirconium lamellae."""
    main = _crystal(rng, 1.15 * radius, int(rng.integers(5, 10)))
    solids = [main]
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        shift = 0.6 * radius * np.array([np.cos(angle), np.sin(angle), 0])
        solids.append(_crystal(rng, 0.8 * radius, 6).moved(np.eye(3), shift))
    layers = [Layer(chemistry.feed, tuple(solids))]
    if chemistry.lamella and rng.random() < 0.5:
        layers.insert(0, Layer(chemistry.lamella, _slabs(rng, main, radius), density=0.5))
    return Body(tuple(layers))


def _drop(rng: np.random.Generator, radius: float, aspect: float) -> Ellipsoid:
    """A drop of the same volume as the ball, ``aspect`` times as long as wide."""
    stretch = rng.uniform(1.0, aspect) ** (2 / 3)
    axes = radius * np.array([stretch, stretch**-0.5, stretch**-0.5])
    return Ellipsoid(ZERO, axes, rotation_z(rng.uniform(0, np.pi)))


def molten_droplet(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """A nearly round drop."""
    return Body((Layer(chemistry.melt, (_drop(rng, radius, 1.12),)),))


def _bubbles(rng: np.random.Generator, radius: float, progress: float) -> tuple[Ellipsoid, ...]:
    """Disjoint round voids inside a ball, under half of its projected area; at least two, the first one large."""
    smallest = min(max(3.0, 0.1 * radius), 0.3 * radius)
    wanted, area = rng.integers(3, 13), 0.0
    bubbles: list[Ellipsoid] = []
    for attempt in range(80):
        r = radius * (rng.uniform(0.26, 0.4) if attempt < 2 else rng.uniform(0.1, 0.3)) * (0.75 + 0.35 * progress)
        r = max(r, smallest)
        centre = random_rotation(rng)[0] * (0.9 * radius - r) * rng.uniform(0.3, 1) ** (1 / 2)
        apart = all(np.linalg.norm(centre - b.centre) > 1.05 * (r + b.semi_axes[0]) for b in bubbles)
        if apart and area + r * r < 0.48 * radius**2:
            bubbles.append(sphere(centre, r))
            area += r * r
        if len(bubbles) == wanted:
            break
    return tuple(bubbles)


def bubbling_droplet(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """A drop with resolved gas bubbles."""
    drop = Layer(chemistry.melt, (_drop(rng, radius, 1.1),))
    return Body((drop,), _bubbles(rng, 0.97 * radius, progress))


def hollow_shell(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """One dominant void; the wall is 2 to 15 % of the diameter and thins while the shell inflates."""
    wall = 2 * radius * np.clip(rng.uniform(0.07, 0.15) * (1.15 - 0.6 * progress), 0.02, 0.15)
    wall = max(wall, 1.5)
    inner = sphere(random_rotation(rng)[0] * 0.35 * wall, radius - wall)
    drop = _drop(rng, radius, 1.08)
    return Body((Layer(chemistry.melt, (drop,)),), (inner,))


def oxide_capped(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """A drop of melt with a lobe of oxide or nitride at one side."""
    core = 0.86 * radius
    cap = core * (rng.uniform(0.6, 0.75) + 0.15 * progress)
    angle, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.3)
    towards = np.array([np.cos(angle) * np.cos(tilt), np.sin(angle) * np.cos(tilt), np.sin(tilt)])
    lobe = sphere(towards * core * rng.uniform(0.75, 1.0), cap)
    metal_layer = Layer(chemistry.melt, (_drop(rng, core, 1.08),))
    return Body((metal_layer, Layer(chemistry.oxide, (lobe,))))


def fragment(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """A small compact droplet."""
    return Body((Layer(chemistry.melt, (_drop(rng, radius, 1.3),)),))


def _chain(rng: np.random.Generator, count: int) -> list[tuple[np.ndarray, float]]:
    """Touching balls, each attached to an earlier one, mostly in the image plane."""
    balls = [(ZERO, 1.0)]
    for _ in range(200):
        if len(balls) == count:
            break
        radius = rng.uniform(0.55, 1.0)
        host, host_radius = balls[rng.integers(len(balls))]
        angle, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.35)
        towards = np.array([np.cos(angle) * np.cos(tilt), np.sin(angle) * np.cos(tilt), np.sin(tilt)])
        centre = host + towards * rng.uniform(0.84, 0.98) * (radius + host_radius)
        if all(np.linalg.norm(centre - c) > 0.8 * (radius + r) for c, r in balls):
            balls.append((centre, radius))
    return balls


def agglomerate(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """Touching or sintered drops and crystals; ``radius`` is half of the hull's length."""
    count = int(rng.integers(2, 7)) if radius > 18 else int(rng.integers(2, 5))
    balls = _chain(rng, count)
    centres = np.array([c for c, _ in balls])
    middle = (centres.max(axis=0) + centres.min(axis=0)) / 2
    reach = max(float(np.linalg.norm(c[:2] - middle[:2])) + r for c, r in balls)
    scale = radius / reach
    solids = tuple(
        _crystal(rng, 1.15 * r * scale, 6).moved(np.eye(3), (c - middle) * scale)
        if rng.random() < 0.15
        else sphere((c - middle) * scale, r * scale)
        for c, r in balls
    )
    return Body((Layer(chemistry.melt, solids),))


def residue(rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float) -> Body:
    """Crumpled, foamed oxide: lumps around a core, riddled with small voids."""
    lumps = [_drop(rng, 0.7 * radius, 1.5)]
    for _ in range(int(rng.integers(5, 9))):
        towards = random_rotation(rng)[0]
        axes = radius * rng.uniform(0.2, 0.42, 3)
        lumps.append(Ellipsoid(towards * radius * rng.uniform(0.5, 0.72), axes, random_rotation(rng)))
    holes = []
    for _ in range(int(rng.integers(14, 26))):
        place = random_rotation(rng)[0] * radius * rng.uniform(0.0, 1) ** (1 / 3) * 0.85
        holes.append(sphere(place, radius * rng.uniform(0.1, 0.22)))
    material = chemistry.residue
    return Body((Layer(material, tuple(lumps), density=float(rng.uniform(0.35, 0.6))),), tuple(holes))


def microexplosion(
    rng: np.random.Generator, chemistry: Chemistry, radius: float, progress: float, thrown: float
) -> list[Body]:
    """A torn shell with ligaments, first in the list, and its ejected droplets with their offsets [um]."""
    material = chemistry.melt
    directions = rng.uniform(0, 2 * np.pi, 14)
    parent = _torn_shell(rng, material, radius, directions[:4], progress)
    droplets = []
    for k in range(int(rng.integers(6, 11))):
        size, speed = radius * rng.uniform(0.15, 0.33), rng.uniform(0.25, 1.0)
        tilt = rng.uniform(0.6, 1.0)
        distance = radius * (0.75 + speed * tilt * thrown)
        offset = (distance * np.cos(directions[k]), distance * np.sin(directions[k]))
        drop = _drop(rng, size, 1.4)
        velocity = (speed * tilt * np.cos(directions[k]), speed * tilt * np.sin(directions[k]))
        droplets.append(Body((Layer(material, (drop,)),), position=offset, velocity=velocity, offset=offset))
    return [parent, *droplets]


def _torn_shell(rng: np.random.Generator, material: str, radius: float, openings: np.ndarray, progress: float) -> Body:
    """A shell from which balls are cut where it ruptured, and ligaments drawn out of the rim."""
    wall = radius * rng.uniform(0.16, 0.26) * (1 - 0.4 * progress)
    cuts = [
        sphere((1.05 * radius * np.cos(a), 1.05 * radius * np.sin(a), rng.normal(0, 0.15) * radius), cut * radius)
        for a, cut in zip(openings[:3], rng.uniform(0.45, 0.7, 3) * (0.85 + 0.4 * progress), strict=True)
    ]
    ligaments = []
    for angle in rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))):
        length = radius * rng.uniform(0.3, 0.6) * (0.6 + 0.6 * progress)
        axes = np.array([length, 0.07 * radius + 0.5, 0.07 * radius + 0.5])
        centre = 1.05 * radius * np.array([np.cos(angle), np.sin(angle), 0])
        bend = angle + rng.normal(0, 0.35)
        ligaments.append(Ellipsoid(centre, axes, rotation_z(bend)))
    shell = Layer(material, (sphere(ZERO, radius),))
    return Body((shell, Layer(material, tuple(ligaments))), (sphere(ZERO, radius - wall), *cuts))


BUILDERS: dict[str, Callable[[np.random.Generator, Chemistry, float, float], Body]] = {
    "solid_particle": solid_particle,
    "molten_droplet": molten_droplet,
    "bubbling_droplet": bubbling_droplet,
    "hollow_shell": hollow_shell,
    "oxide_capped": oxide_capped,
    "fragment": fragment,
    "agglomerate": agglomerate,
    "residue": residue,
}
