"""Randomness as a function of a key, so that any step or sample can be drawn again on its own.

Every draw names what it is for, ``numpy_rng("augment", seed, step)``; a resumed run, a shard or another order
of work then sees the same numbers as an uninterrupted one. Generators live on the CPU, where their streams
do not depend on the device.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_of(*key: int | str) -> int:
    """A 63-bit seed from integers and strings, equal in every process and Python version."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (_plain(part) for part in key))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numpy_rng(*key: int | str) -> np.random.Generator:
    """A NumPy generator that belongs to ``key`` alone."""
    return np.random.default_rng(seed_of(*key))


def torch_generator(*key: int | str) -> "torch.Generator":
    """A CPU torch generator that belongs to ``key`` alone."""
    import torch

    return torch.Generator().manual_seed(seed_of(*key))


def stream_indices(count: int, batch_size: int, *key: int | str, step: int) -> np.ndarray:
    """The ``step``-th batch of an endless stream that visits 0..count-1 once per epoch, each in a fresh order.

    Returns int64 [batch_size]. Batches may straddle two epochs; nothing depends on earlier calls.
    """
    if count < 1:
        raise ValueError("there is nothing to draw batches from: the training set is empty")
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    orders = {epoch: numpy_rng(*key, int(epoch)).permutation(count) for epoch in np.unique(positions // count)}
    return np.array([orders[p // count][p % count] for p in positions])


def _plain(part: int | str) -> int | str:
    if isinstance(part, str):
        return part
    return int(part)
