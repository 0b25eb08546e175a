"""What tests of several rooms share."""

import pytest


@pytest.fixture
def one_thread():
    """One torch thread: bits depend on the number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
