"""Procedurally made pictures for the pre-training of small SAMs: random shapes with random textures, nothing of XPCI.

SAM learnt what an object is from eleven million photographs. The small SAMs of the reduced profiles learn it from these
pictures: ellipses, blobs, polygons, stars, rods, rings and clusters, filled, hollow or with a core, which overlap on
textured ground. No particle, no fringe and no detector of the simulator has a part in them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

SIDE = 64
RADII = (2.5, 18.0)  # of the objects, in pixels, log-uniform
LEAST_PIXELS = 12  # what is hidden down to fewer is no object to be asked for
LEAST_VISIBLE = 0.4  # nor what is covered by more than the rest
# Cover of the inside of a hollow object; with none it would look like a ring, whose hole is not its own.
HOLLOW = (0.3, 0.6)
CONTRAST = (25.0, 120.0)  # grey levels between an object and the ground

Field = np.ndarray  # positive inside a shape, about the distance to its boundary in pixels
Rng = np.random.Generator


@dataclass(frozen=True)
class Picture:
    """``image`` uint8 [H, W] and the visible pixels of its objects, bool [K, H, W] with K >= 1."""

    image: np.ndarray
    objects: np.ndarray


def draw_picture(rng: Rng, textures: Sequence[str] | None = None, side: int = SIDE) -> Picture:
    """A picture of one to eight objects that hide each other; ``textures`` names the textures to choose from
    (by default those of ``TEXTURES`` that are not held out)."""
    names = sorted(textures or set(TEXTURES) - set(HELD_OUT))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    level = rng.uniform(40, 215)
    image = level + _texture(rng, names, y, x)
    whole: list[np.ndarray] = []
    visible: list[np.ndarray] = []
    for _ in range(min(8, 1 + rng.poisson(2.5))):
        field = _shape(rng, y, x, side)
        inside = field > 0
        image = _paint(rng, image, field, _level(rng, level) + _texture(rng, names, y, x))
        visible = [earlier & ~inside for earlier in visible] + [inside]
        whole.append(inside)
    kept = [
        part
        for part, full in zip(visible, whole, strict=True)
        if part.sum() >= max(LEAST_PIXELS, LEAST_VISIBLE * full.sum())
    ]
    if not kept:
        return draw_picture(rng, names, side)
    image = gaussian_filter(image, rng.uniform(0.2, 1.0)) + rng.normal(0, rng.uniform(1, 10), image.shape)
    return Picture(image.round().clip(0, 255).astype(np.uint8), np.stack(kept))


def _level(rng: Rng, ground: float) -> float:
    """A grey level that differs from the ground's and lies within 0..255."""
    difference = rng.uniform(*CONTRAST) * rng.choice([-1, 1])
    return ground + (difference if 0 <= ground + difference <= 255 else -difference)


def _paint(rng: Rng, image: np.ndarray, field: Field, inside: np.ndarray) -> np.ndarray:
    """Lay an object over the image: filled, hollow (thin behind its rim) or with a core of another grey level."""
    cover = np.clip(field + 0.5, 0, 1) * rng.uniform(0.7, 1)
    style = rng.random()
    if style < 0.2:
        cover *= np.clip(rng.uniform(1.5, 4) - field, rng.uniform(*HOLLOW), 1)
    elif style < 0.45:
        depth = rng.uniform(0.3, 0.7) * field.max()
        inside = inside + rng.uniform(-80, 80) * np.clip(field - depth, 0, 1)
    return image + cover * (inside - image)


def _shape(rng: Rng, y: np.ndarray, x: np.ndarray, side: int) -> Field:
    """One of the shapes below, somewhere in the picture, in any direction."""
    radius = np.exp(rng.uniform(*np.log(RADII)))
    row, column = rng.uniform(0, side, 2)
    angle = rng.uniform(0, 2 * np.pi)
    v, u = y - row, x - column
    v, u = v * np.cos(angle) - u * np.sin(angle), v * np.sin(angle) + u * np.cos(angle)
    return SHAPES[rng.integers(len(SHAPES))](rng, v, u, radius)


def ellipse(rng: Rng, v: np.ndarray, u: np.ndarray, radius: float) -> Field:
    """Axes up to 1 : 2.5."""
    aspect = rng.uniform(0.4, 1)
    return (radius - np.hypot(v / aspect, u)) * np.sqrt(aspect)


def blob(rng: Rng, v: np.ndarray, u: np.ndarray, radius: float) -> Field:
    """A circle whose radius wanders with the angle."""
    theta, boundary = np.arctan2(v, u), 1.0
    for order in (2, 3, 4, 5):
        boundary = boundary + rng.normal(0, 0.3 / order) * np.cos(order * theta + rng.uniform(0, 2 * np.pi))
    return radius * np.clip(boundary, 0.3, 2) - np.hypot(v, u)


def polygon(rng: Rng, v: np.ndarray, u: np.ndarray, radius: float) -> Field:
    """A convex polygon of three to six edges."""
    count = rng.integers(3, 7)
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    edges = [
        radius * rng.uniform(0.5, 1) - (np.sin(angle) * v + np.cos(angle) * u) for angle in angles
    ]  # distance to each edge
    return np.minimum.reduce(edges)


def star(rng: Rng, v: np.ndarray, u: np.ndarray, radius: float) -> Field:
    """Three to seven rays."""
    wave = np.cos(rng.integers(3, 8) * np.arctan2(v, u))
    return radius * (0.75 + rng.uniform(0.15, 0.35) * wave) - np.hypot(v, u)


def rod(rng: Rng, v: np.ndarray, u: np.ndarray, radius: float) -> Field:
    """A thick line with round ends."""
    beyond = np.maximum(np.abs(u) - radius, 0)
    return max(1.5, radius * rng.uniform(0.15, 0.4)) - np.hypot(v, beyond)


def ring(rng: Rng, v: np.ndarray, u: np.ndarray, radius: float) -> Field:
    """A blob or ellipse with a hole."""
    field = (blob, ellipse)[rng.integers(2)](rng, v, u, radius + 2)
    width = max(2.0, rng.uniform(0.2, 0.6) * radius)
    return np.minimum(field, width - field)


def cluster(rng: Rng, v: np.ndarray, u: np.ndarray, radius: float) -> Field:
    """Two to five discs that overlap."""
    discs = [
        radius * rng.uniform(0.3, 0.6) - np.hypot(v - row, u - column)
        for row, column in radius * rng.uniform(-0.5, 0.5, (rng.integers(2, 6), 2))
    ]
    return np.maximum.reduce(discs)


SHAPES: tuple[Callable[[Rng, np.ndarray, np.ndarray, float], Field], ...] = (
    ellipse,
    blob,
    polygon,
    star,
    rod,
    ring,
    cluster,
)


def _texture(rng: Rng, names: Sequence[str], y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A texture of mean 0 and a few grey levels."""
    pattern = TEXTURES[names[int(rng.integers(len(names)))]](rng, y, x)
    return rng.uniform(0, 15) * (pattern - pattern.mean()) / max(pattern.std(), 1e-6)


def plain(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.zeros_like(y)


def ramp(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return _along(rng, y, x)


def grain(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """White noise, blurred or not."""
    return gaussian_filter(rng.normal(size=y.shape), rng.uniform(0, 1.5))


def clouds(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Noise of all sizes: amplitude falls as a power of the frequency."""
    return _filtered_noise(rng, y.shape, lambda f: np.maximum(f, 1 / y.shape[0]) ** -rng.uniform(1, 2))


def stripes(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.sin(_along(rng, y, x) * 2 * np.pi / rng.uniform(4, 16))


def checks(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    period = rng.uniform(5, 16)
    return np.sign(np.sin(y * 2 * np.pi / period) * np.sin(x * 2 * np.pi / period))


def dots(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return gaussian_filter((rng.random(y.shape) < rng.uniform(0.005, 0.05)).astype(np.float32), rng.uniform(0.5, 1.5))


def worms(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Noise of one size, squeezed to two grey levels: a labyrinth."""
    centre = rng.uniform(0.08, 0.2)
    return np.tanh(_filtered_noise(rng, y.shape, lambda f: np.exp(-(((f - centre) / 0.02) ** 2))) * 5)


def cells(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Voronoi cells, each of its own grey level."""
    seeds = rng.uniform(0, y.shape[0], (rng.integers(10, 60), 2))
    distance = (y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2
    return rng.normal(size=len(seeds))[distance.argmin(-1)]


def waves(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Circular waves around a point."""
    row, column = rng.uniform(-0.5, 1.5, 2) * y.shape[0]
    return np.sin(np.hypot(y - row, x - column) * 2 * np.pi / rng.uniform(5, 14))


def bricks(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    height = rng.uniform(5, 10)
    shifted = x + (y // height % 2) * height
    return ((y % height < 1.5) | (shifted % (2 * height) < 1.5)).astype(np.float32)


TEXTURES: dict[str, Callable[[Rng, np.ndarray, np.ndarray], np.ndarray]] = {
    texture.__name__: texture
    for texture in (plain, ramp, grain, clouds, stripes, checks, dots, worms, cells, waves, bricks)
}
HELD_OUT = ("worms", "cells", "waves", "bricks")  # never seen in pre-training; what promptability is measured on


def _along(rng: Rng, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return y * np.sin(angle) + x * np.cos(angle)


def _filtered_noise(rng: Rng, shape: tuple[int, int], gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """White noise whose spectrum is multiplied by ``gain`` of the frequency (cycles per pixel), scaled to sd 1."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=shape)) * gain(frequency), s=shape)
    return noise / max(noise.std(), 1e-6)
