"""From bodies to the noise-free image: thickness, wave propagation and blur on patches around the particles.

Particles cover a few per cent of a frame, and 32 um beside them the beam is undisturbed. So only patches with that
margin are propagated, and only the surroundings of a fast particle are averaged over sub-exposures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from xpci_utils.simulation.detector import detect
from xpci_utils.simulation.materials import wavelength_m
from xpci_utils.simulation.optics import intensity_at_detector
from xpci_utils.simulation.particles import Body
from xpci_utils.simulation.presets import Preset

MOST_SUB_EXPOSURES = 12
SUB_EXPOSURE_UM = 1.0
Box = tuple[int, int, int, int]  # y0, x0, y1, x1


@dataclass(frozen=True)
class Piece:
    """A body's thickness [m] per material on the oversampled grid; ``box`` in oversampled pixels of the frame."""

    box: Box
    thickness: dict[str, np.ndarray]
    shift: tuple[float, float]  # y, x during the exposure, in oversampled pixels

    def silhouette(self) -> np.ndarray:
        """Where there is matter."""
        return np.asarray(sum(self.thickness.values()) > 0)


def make_piece(body: Body, height: int, width: int, preset: Preset) -> Piece | None:
    """Sample a body on the oversampled grid (at sub-pixel centres, at mid-exposure); None if it is out of the field."""
    n, fine = preset.oversampling, preset.pixel_um / preset.oversampling
    x0, y0, x1, y1 = body.box()
    margin = int(np.ceil(preset.margin_um / preset.pixel_um))
    box = (
        max(int(np.floor(y0 / preset.pixel_um)), -margin) * n,
        max(int(np.floor(x0 / preset.pixel_um)), -margin) * n,
        min(int(np.ceil(y1 / preset.pixel_um)), height + margin) * n,
        min(int(np.ceil(x1 / preset.pixel_um)), width + margin) * n,
    )
    if box[2] <= box[0] or box[3] <= box[1]:
        return None
    y = ((np.arange(box[0], box[2]) + 0.5) * fine).astype(np.float32)
    x = ((np.arange(box[1], box[3]) + 0.5) * fine).astype(np.float32)
    thickness = {name: t * np.float32(1e-6) for name, t in body.thickness(x, y).items()}
    vx, vy = body.velocity
    return Piece(box, thickness, (vy * preset.exposure_us / fine, vx * preset.exposure_us / fine))


def render(pieces: Sequence[Piece], height: int, width: int, preset: Preset) -> np.ndarray:
    """Noise-free detected intensity relative to the open beam, float32 H x W.

    First everything as it is at mid-exposure, then once more, over sub-exposures, around what moves.
    """
    image = np.ones((height, width), np.float32)
    margin = int(np.ceil(preset.margin_um / preset.pixel_um))
    for area, members in _clusters(pieces, margin, height, width, preset):
        _write(image, area, 0, _detected(area, members, 1, preset))
    moving = [p for p in pieces if _sub_exposures(p, preset) > 1]
    for area, fast in _clusters(moving, margin, height, width, preset):
        members = [p for p in pieces if _overlap(_coarse(p.box, preset.oversampling), area)]
        steps = max(_sub_exposures(p, preset) for p in fast)
        # Half of the margin is not written: there, neighbours may be cut by the patch's border.
        _write(image, area, margin // 2, _detected(area, members, steps, preset))
    return image


def _sub_exposures(piece: Piece, preset: Preset) -> int:
    """One per micrometre that the piece moves during the exposure, at most 12."""
    path_um = float(np.hypot(*piece.shift)) * preset.pixel_um / preset.oversampling
    return int(np.clip(np.ceil(path_um / SUB_EXPOSURE_UM), 1, MOST_SUB_EXPOSURES))


def _detected(area: Box, pieces: list[Piece], steps: int, preset: Preset) -> np.ndarray:
    """Detected intensity of a patch (or a little more to the right and below, for the sake of the FFT)."""
    y0, x0, y1, x1 = area
    n = preset.oversampling
    # The transfer function needs at least lambda z / pixel^2 samples (see fresnel_propagate).
    least = wavelength_m(preset.energy_kev) * preset.distance_m * n / (preset.pixel_um * 1e-6) ** 2
    size = tuple(fft.next_fast_len(max(m, int(least) + 1), real=True) * n for m in (y1 - y0, x1 - x0))
    return detect(_exposed(pieces, (y0 * n, x0 * n), size, steps, preset), preset)


def _write(image: np.ndarray, area: Box, border: int, patch: np.ndarray) -> None:
    """Copy the part of a patch that lies in the frame, but for a border."""
    y0, x0, y1, x1 = area
    top, left = max(y0 + border, 0), max(x0 + border, 0)
    bottom, right = min(y1 - border, image.shape[0]), min(x1 - border, image.shape[1])
    if bottom > top and right > left:
        image[top:bottom, left:right] = patch[top - y0 : bottom - y0, left - x0 : right - x0]


def _coarse(box: Box, n: int) -> Box:
    """A box of oversampled pixels in camera pixels."""
    y0, x0, y1, x1 = box
    return y0 // n, x0 // n, y1 // n, x1 // n


def _reach(piece: Piece, margin: int, height: int, width: int, n: int) -> Box:
    """Camera pixels that a piece may influence, within the frame and its margin."""
    extra = [margin + int(np.ceil(abs(s) / 2 / n)) for s in piece.shift]
    y0, x0, y1, x1 = _coarse(piece.box, n)
    return (
        max(y0 - extra[0], -margin),
        max(x0 - extra[1], -margin),
        min(y1 + extra[0], height + margin),
        min(x1 + extra[1], width + margin),
    )


def _clusters(
    pieces: Sequence[Piece], margin: int, height: int, width: int, preset: Preset
) -> list[tuple[Box, list[Piece]]]:
    """Merge pieces whose reaches overlap (into their bounding box) until none do."""
    clusters: list[tuple[Box, list[Piece]]] = []
    for piece in pieces:
        box, members = _reach(piece, margin, height, width, preset.oversampling), [piece]
        while touching := [c for c in clusters if _overlap(c[0], box)]:
            clusters = [c for c in clusters if not _overlap(c[0], box)]
            boxes = np.array([box, *(c[0] for c in touching)])
            (top, left), (bottom, right) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
            box = (int(top), int(left), int(bottom), int(right))
            members = [p for c in touching for p in c[1]] + members
        clusters.append((box, members))
    return clusters


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _exposed(
    pieces: list[Piece], origin: tuple[int, int], size: tuple[int, int], steps: int, preset: Preset
) -> np.ndarray:
    """Intensity on the oversampled patch, averaged over sub-exposures while the pieces move."""
    fine_um = preset.pixel_um / preset.oversampling
    total = np.zeros(size, np.float32)
    for moment in (np.arange(steps) + 0.5) / steps - 0.5:
        thickness: dict[str, np.ndarray] = {}
        for piece in pieces:
            dy, dx = (round(moment * s) for s in piece.shift)
            _add(thickness, piece, (piece.box[0] + dy - origin[0], piece.box[1] + dx - origin[1]), size)
        if thickness:
            spectrum = _spectrum(thickness, preset)
            total += intensity_at_detector(thickness, spectrum, preset.distance_m, fine_um * 1e-6)
        else:  # all of it has left the patch
            total += 1
    return total / np.float32(steps)


def _add(thickness: dict[str, np.ndarray], piece: Piece, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """Add a piece's thickness to the patch, cut at the patch's border."""
    h, w = piece.box[2] - piece.box[0], piece.box[3] - piece.box[1]
    y0, x0 = max(corner[0], 0), max(corner[1], 0)
    y1, x1 = min(corner[0] + h, size[0]), min(corner[1] + w, size[1])
    if y1 <= y0 or x1 <= x0:
        return
    for material, t in piece.thickness.items():
        patch = thickness.setdefault(material, np.zeros(size, np.float32))
        patch[y0:y1, x0:x1] += t[y0 - corner[0] : y1 - corner[0], x0 - corner[1] : x1 - corner[1]]


def _spectrum(thickness: dict[str, np.ndarray], preset: Preset) -> dict[float, float]:
    """The third harmonic shines through dense metal, where the first is nearly gone; elsewhere one energy will do."""
    share = preset.third_harmonic_share
    if share == 0 or not any(m.startswith(("Zr", "Hf")) for m in thickness):
        return {preset.energy_kev: 1.0}
    return {preset.energy_kev: 1.0 - share, round(3 * preset.energy_kev, 6): share}
