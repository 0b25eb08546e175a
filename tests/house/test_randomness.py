"""Randomness is a function of its key, in any order and any process."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils.randomness import numpy_rng, seed_of, stream_indices, torch_generator


def test_a_seed_is_the_same_in_another_process():
    code = "from xpci_utils.randomness import seed_of; print(seed_of('augment', 3, 7))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) == seed_of("augment", 3, 7)


def test_keys_do_not_run_into_each_other():
    keys = [("a", 1, 23), ("a", 12, 3), ("a1", 23), ("a", "1", 23), ("a", 123)]
    assert len({seed_of(*key) for key in keys}) == len(keys)
    assert seed_of("a", np.int64(3)) == seed_of("a", 3)


def test_generators_repeat():
    import torch

    assert np.array_equal(numpy_rng("x", 1).normal(size=5), numpy_rng("x", 1).normal(size=5))
    draws = [torch.randn(5, generator=torch_generator("x", 1)) for _ in range(2)]
    assert torch.equal(*draws)


@given(st.integers(1, 40), st.integers(1, 17), st.integers(0, 3))
def test_the_stream_visits_everything_once_per_epoch(count, batch_size, epoch):
    """Steps drawn alone equal the stream read in order; each epoch is a permutation."""
    steps = (epoch + 1) * count // batch_size + 1
    stream = np.concatenate([stream_indices(count, batch_size, "s", step=step) for step in range(steps)])
    assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="training set is empty"):
        stream_indices(0, 4, "s", step=0)
