import pytest


@pytest.fixture(autouse=True)
def every_test_on_one_thread(one_thread):
    """All tests of this folder compare bits, or numbers that were measured on one thread."""
