"""One process at a time in the folder of a stage."""

import contextlib
import fcntl
from pathlib import Path
from typing import IO

from xpci_utils import paths

LOCK_FILE = ".lock"
_HELD: dict[Path, IO[str]] = {}  # locks of this process, by folder


class StageError(RuntimeError):
    """A stage cannot start or finish; the message says what to do."""


def lock(folder: Path) -> IO[str]:
    """The lock of a folder, held until the stage ends or the process dies; a process may ask for its own again.

    Raises StageError if another process holds it. The kernel frees it when a process is killed.
    """
    held = _HELD.get(folder)
    if held and not held.closed:
        return held
    file = open(folder / LOCK_FILE, "a+")  # noqa: SIM115
    _take(file, folder)
    _HELD[folder] = file
    return file


def refuse_if_locked(folder: Path) -> None:
    """StageError if another process works in ``folder``; so no kernel is started to find that out."""
    with contextlib.suppress(OSError), open(folder / LOCK_FILE) as file:
        _take(file, folder)


def is_locked(folder: Path) -> bool:
    """Whether a process works in ``folder``."""
    try:
        refuse_if_locked(folder)
    except StageError:
        return True
    return False


def _take(file: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StageError(f"another process is working in {paths.display(folder)}; wait for it or stop it") from None
