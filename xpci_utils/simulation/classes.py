"""The nine particle classes of data/classes.yaml."""

from functools import lru_cache

from xpci_utils.frames import IGNORE, read_classes
from xpci_utils.frames.classes import FrameClass

__all__ = ["IGNORE", "class_index", "load_classes"]


@lru_cache
def load_classes() -> tuple[FrameClass, ...]:
    """The particle classes in the order of their index (1 to 9; background, index 0, is not among them)."""
    return tuple(read_classes("data/classes.yaml")[1:])


def class_index(name: str) -> int:
    """Label index of a class name."""
    return _indices()[name]


@lru_cache
def _indices() -> dict[str, int]:
    return {c.name: c.index for c in load_classes()}
