"""The audit finds planted copies among simulated particles, and its distance is the one it says."""

from itertools import product

import numpy as np
import pytest

from xpci_utils import files
from xpci_utils.evaluation.memorisation import (
    MARGIN_PX,
    SIDE_PX,
    Crops,
    audit,
    nearest,
    particle_crops,
    plant,
    write_audit,
)
from xpci_utils.frames import binary_mask
from xpci_utils.frames.frameset import read_png
from xpci_utils.simulation import relative_to_uint8, simulate_frames
from xpci_utils.training.symmetries import dihedral


def simulated(count, seed):
    """Independent frames of the reduced preset: one from each sequence."""
    frames = simulate_frames(0, 64, 64, seed, "reduced", indices=range(0, 4 * count, 4))
    return [(relative_to_uint8(f.image, (0.4, 1.3)), binary_mask(f.labels)) for f in frames]


@pytest.fixture(scope="module")
def frames():
    return {"train": simulated(40, 1), "held_out": simulated(120, 2), "fresh": simulated(30, 3)}


def test_planted_copies_are_found_and_new_frames_are_not(frames, tmp_path):
    """At least 90 % of copies that are turned, shifted by fractions of a pixel and noisy, at a 5 % threshold.

    The shares come from about 100 particles each; three standard errors of 5 % are 6.5 %.
    """
    copies = plant(frames["train"][:15], noise=8.0, seed=9)
    result = audit([*copies, *frames["fresh"]], frames["train"], frames["held_out"])
    summary = result.summary()
    assert summary["planted_found"] >= 0.9
    assert summary["false_alarms"] <= 0.115
    in_copies = len(particle_crops(copies))
    scores = result.scores["pool"]
    assert (scores[:in_copies] <= result.threshold).mean() >= 0.85
    assert (scores[in_copies:] <= result.threshold).mean() <= 0.115
    write_audit(result, tmp_path)
    assert files.read_json(tmp_path / "memorisation.json")["pool_particles"] == len(scores)
    assert read_png(tmp_path / "memorisation.png").shape == (2 * (SIDE_PX + 2), 8 * (SIDE_PX + 2))


@pytest.mark.parametrize("symmetry", range(8))
def test_an_exact_copy_is_at_distance_zero_from_its_own_particle(frames, symmetry):
    pairs = frames["train"][:6]
    turned = [tuple(dihedral(a, symmetry) for a in pair) for pair in pairs]
    library, queries = particle_crops(pairs, MARGIN_PX), particle_crops(turned)
    matches = nearest(queries, library)
    # float32 leaves 0.1 grey levels of the square root of a difference; the nearest other particle is 5 and more away
    np.testing.assert_allclose(matches.distance, 0, atol=0.5)
    for query, (crop, way, row, column) in zip(queries.pixels[0], matches.place, strict=True):
        window = library.pixels[0, crop, row : row + SIDE_PX, column : column + SIDE_PX]
        np.testing.assert_allclose(dihedral(query, way), window, atol=0.05)


def test_the_distance_is_the_smallest_over_symmetries_and_shifts():
    """Against loops in float64; float32 sums of 16 squares keep four digits."""
    rng = np.random.default_rng(0)
    library = Crops(rng.uniform(0, 255, (1, 3, 6, 6)).astype(np.float32), np.ones((3, 6, 6), bool))
    visible = np.ones((5, 4, 4), bool)
    visible[:, 0] = False  # beyond the frame's upper border: must not count
    queries = Crops(rng.uniform(0, 255, (2, 5, 4, 4)).astype(np.float32), visible)
    expected = np.full(5, np.inf)
    for i in range(5):
        for crop, shifted, symmetry in product(library.pixels[0], queries.pixels[:, i], range(8)):
            query, counts = dihedral(shifted.astype(float), symmetry), dihedral(visible[i], symmetry)
            for row, column in product(range(3), range(3)):
                gap = (query - crop[row : row + 4, column : column + 4])[counts]
                expected[i] = min(expected[i], gap.std())
    np.testing.assert_allclose(nearest(queries, library).distance, expected, rtol=1e-4)


def test_large_particles_are_shrunk_to_the_crop(frames):
    def enlarged(pairs):
        return [tuple(np.kron(a, np.ones((3, 3), np.uint8)) for a in pair) for pair in pairs]

    groups = frames["fresh"][:12], frames["fresh"][:12], frames["held_out"][:24]
    small = audit(*groups).summary()
    large = audit(*map(enlarged, groups)).summary()
    assert large["pool_particles"] == small["pool_particles"]
    assert small["pool_flagged"] == large["pool_flagged"] == 1.0  # a pool of its own training frames


def test_nothing_to_audit_is_said_and_not_guessed(frames, tmp_path):
    empty = [(np.full((64, 64), 100, np.uint8), np.zeros((64, 64), bool))] * 4
    result = audit(empty, frames["train"], frames["held_out"][:40])
    assert result.summary()["pool_flagged"] is None
    assert result.summary()["planted_found"] >= 0.5
    write_audit(result, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["memorisation.json"]
    assert audit(frames["fresh"], empty, empty).summary()["threshold"] is None
