"""The eight symmetries of the square, which particles in a free beam do not care about."""


def dihedral(array, k: int):
    """Symmetry ``k`` in 0..7 of the last two axes of a NumPy array or a tensor; 0 is the identity.

    Bit 0 flips rows, bit 1 flips columns, bit 2 swaps the axes, so for k < 4 any frame keeps its shape, and
    each symmetry acts equally on an image and its labels.
    """
    if k & 1:
        array = _flip(array, -2)
    if k & 2:
        array = _flip(array, -1)
    return array.swapaxes(-2, -1) if k & 4 else array


def symmetries_of(height: int, width: int) -> int:
    """How many of the eight keep the shape: 8 for square frames, else 4."""
    return 8 if height == width else 4


def _flip(array, axis: int):
    if hasattr(array, "flip"):
        return array.flip(axis)
    import numpy as np

    return np.flip(array, axis)
