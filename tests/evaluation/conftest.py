"""Toy frames whose every feature is chosen: discs with a bright fringe and a dark inside on a noisy background."""

import numpy as np
import pytest

from xpci_utils.evaluation.edges import signed_distance


def _toy(rng, *, fringe=20.0, dip=60.0, noise=5.0, level=190.0, size=64):
    """(image uint8, mask bool): 1 to 4 discs of radius 3 to 7 px; ``fringe`` is added 1 to 3 px outside their edge."""
    rows, columns = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for _ in range(rng.integers(1, 5)):
        y, x, radius = *rng.uniform(8, size - 8, 2), rng.uniform(3, 7)
        mask |= np.hypot(rows - y, columns - x) < radius
    distance = signed_distance(mask)
    clean = level + fringe * ((distance >= 1) & (distance < 3)) - dip * (distance < 0)
    return np.clip(np.rint(clean + rng.normal(0, noise, mask.shape)), 0, 255).astype(np.uint8), mask


@pytest.fixture(scope="session")
def toy():
    """The function that draws one toy frame from a generator."""
    return _toy


@pytest.fixture(scope="session")
def toys():
    """100 equal toy frames but for their particles and noise."""
    return [_toy(np.random.default_rng(k)) for k in range(100)]
