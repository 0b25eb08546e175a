"""Projected thickness of solids built from convex bodies: exact for unions, voids and layered materials.

Along every ray (parallel to z) a convex body fills one interval. The length of a union of intervals gives the
thickness of any union of bodies, and differences of such lengths give voids and layers (`layered_thickness`).
All lengths are in micrometres.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

NOTHING = np.float32(1e9)


@dataclass(frozen=True)
class Ellipsoid:
    """Points r with |S (r - centre)| <= 1, S = diag(1 / semi_axes) rotation^T."""

    centre: np.ndarray
    semi_axes: np.ndarray
    rotation: np.ndarray

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> "Ellipsoid":
        """The body rotated about the origin, then shifted."""
        return Ellipsoid(rotation @ self.centre + shift, self.semi_axes, rotation @ self.rotation)

    def half_extent(self) -> np.ndarray:
        """Half the size of the bounding box (x, y, z)."""
        return np.sqrt(((self.rotation * self.semi_axes) ** 2).sum(axis=1))

    def box(self) -> tuple[float, float, float, float]:
        """Bounding box in projection: x0, y0, x1, y1."""
        half = self.half_extent()
        return (
            self.centre[0] - half[0],
            self.centre[1] - half[1],
            self.centre[0] + half[0],
            self.centre[1] + half[1],
        )

    def interval(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays at (x, y) enter and leave; entry >= exit means a miss."""
        scaled = self.rotation / self.semi_axes
        a = (scaled @ scaled.T).astype(np.float32)
        u, v = x - np.float32(self.centre[0]), y - np.float32(self.centre[1])
        b = a[0, 2] * u + a[1, 2] * v
        c = a[0, 0] * u * u + (2 * a[0, 1] * u + a[1, 1] * v) * v - 1
        root = np.sqrt(np.maximum(b * b - a[2, 2] * c, 0)) / a[2, 2]
        middle = np.float32(self.centre[2]) - b / a[2, 2]
        return middle - root, middle + root


@dataclass(frozen=True)
class Polyhedron:
    """Points r with normals r <= offsets: a convex, faceted body."""

    normals: np.ndarray
    offsets: np.ndarray
    radius: float
    centre: np.ndarray

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> "Polyhedron":
        """The body rotated about the origin, then shifted."""
        normals = self.normals @ rotation.T
        return Polyhedron(normals, self.offsets + normals @ shift, self.radius, rotation @ self.centre + shift)

    def box(self) -> tuple[float, float, float, float]:
        """Bounding box in projection: x0, y0, x1, y1 (from the enclosing sphere)."""
        x, y = self.centre[:2]
        return x - self.radius, y - self.radius, x + self.radius, y + self.radius

    def interval(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays at (x, y) enter and leave; entry >= exit means a miss."""
        low = np.full(np.broadcast_shapes(x.shape, y.shape), -self.radius * 2 + self.centre[2], np.float32)
        high = np.full_like(low, self.radius * 2 + self.centre[2])
        for (nx, ny, nz), d in zip(self.normals.astype(np.float32), self.offsets.astype(np.float32), strict=True):
            rest = d - nx * x - ny * y
            if abs(nz) < 1e-4:
                high = np.where(rest < 0, low, high)
            elif nz > 0:
                np.minimum(high, rest / nz, out=high)
            else:
                np.maximum(low, rest / nz, out=low)
        return low, np.maximum(low, high)


Convex = Ellipsoid | Polyhedron


def sphere(centre: ArrayLike, radius: float) -> Ellipsoid:
    """A ball."""
    return Ellipsoid(np.asarray(centre, float), np.full(3, float(radius)), np.eye(3))


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation matrix drawn uniformly from all orientations."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def rotation_z(angle: float) -> np.ndarray:
    """Rotation by ``angle`` [rad] in the image plane."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def union_length(bodies: Sequence[Convex], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Length that the union of the bodies fills along every ray, float32 [len(y), len(x)]."""
    shape = (y.size, x.size)
    length = np.zeros(shape, np.float32)
    hits = np.zeros(shape, np.uint8)
    parts = []
    for body in bodies:
        window = _window(body.box(), x, y)
        low, high = body.interval(x[None, window[1]], y[window[0], None])
        parts.append((window, low, high))
        length[window] += high - low
        hits[window] += high > low
    shared = hits > 1
    if shared.any():
        length[shared] = _sweep(*_stacked(parts, shared))
    return length


def _window(box: tuple[float, ...], x: np.ndarray, y: np.ndarray) -> tuple[slice, slice]:
    x0, y0, x1, y1 = box
    columns, rows = np.searchsorted(x, (x0, x1)), np.searchsorted(y, (y0, y1))
    return slice(*rows), slice(*columns)


def _stacked(parts: list, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entries and exits of all bodies on the chosen rays, [bodies, rays]; misses are empty intervals far away."""
    number = np.full(rays.shape, -1, np.int32)
    number[rays] = np.arange(rays.sum())
    low = np.full((len(parts), rays.sum()), NOTHING, np.float32)
    high = low.copy()
    for i, (window, a, b) in enumerate(parts):
        inside = rays[window] & (b > a)
        columns = number[window][inside]
        low[i, columns], high[i, columns] = a[inside], b[inside]
    return low, high


def _sweep(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Length of the union of intervals per column."""
    order = np.argsort(low, axis=0)
    low, high = np.take_along_axis(low, order, 0), np.take_along_axis(high, order, 0)
    reached = np.full(low.shape[1], -NOTHING, np.float32)
    length = np.zeros(low.shape[1], np.float32)
    for a, b in zip(low, high, strict=True):
        length += np.maximum(b - np.maximum(a, reached), 0)
        np.maximum(reached, b, out=reached)
    return length


def layered_thickness(
    voids: Sequence[Convex], layers: Sequence[Sequence[Convex]], x: np.ndarray, y: np.ndarray
) -> list[np.ndarray]:
    """Thickness [um] of each layer on the grid x, y [um]: voids cut every layer, earlier layers displace later ones.

    layer_k = |V + S_1 + ... + S_k| - |V + S_1 + ... + S_(k-1)| with |.| the length of a union along the ray.
    """
    bodies = list(voids)
    before = union_length(bodies, x, y)
    result = []
    for solids in layers:
        bodies = bodies + list(solids)
        after = union_length(bodies, x, y)
        # Rounding of float32 leaves dust of 1e-5 um where the difference is zero.
        result.append(np.where(after - before > 1e-3, after - before, np.float32(0)))
        before = after
    return result
