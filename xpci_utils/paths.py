"""Where the repository lies: relative paths mean the same from every working directory."""

import os
from pathlib import Path


def root() -> Path:
    """The repository root: ``XPCI_ROOT`` if set, else the folder above this package."""
    return Path(os.environ.get("XPCI_ROOT") or Path(__file__).resolve().parents[1])


def resolve(path: str | Path) -> Path:
    """``path`` as an absolute path; a relative one counts from the repository root, not from the kernel."""
    return root() / Path(path).expanduser()


def display(path: str | Path) -> str:
    """``path`` as a reader would type it: relative to the repository root where it lies below it."""
    path = Path(path)
    return str(path.relative_to(root())) if path.is_relative_to(root()) else str(path)
