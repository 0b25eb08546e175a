"""The nine particle classes of data/classes.yaml."""

from dataclasses import dataclass
from functools import lru_cache

import yaml

from xpci_utils.paths import resolve

IGNORE = 255


@dataclass(frozen=True)
class ParticleClass:
    """One class: label index, name, hex colour, overlap priority (the higher wins) and a description."""

    index: int
    name: str
    colour: str
    priority: int
    description: str


@lru_cache
def load_classes() -> tuple[ParticleClass, ...]:
    """The particle classes in the order of their index (1 to 9; background, index 0, is not among them)."""
    path = resolve("data/classes.yaml")
    classes = tuple(ParticleClass(**entry) for entry in yaml.safe_load(path.read_text())["classes"])
    if [c.index for c in classes] != list(range(1, len(classes) + 1)):
        raise ValueError(f"{path}: the class indices must be 1, 2, 3, ... in this order")
    return classes


def class_index(name: str) -> int:
    """Label index of a class name."""
    return _indices()[name]


@lru_cache
def _indices() -> dict[str, int]:
    return {c.name: c.index for c in load_classes()}
