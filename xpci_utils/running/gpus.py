"""One GPU for every stage that computes on one, on a computer with several: ``xpci reproduce --gpus 8``.

The command passes the cards on in ``XPCI_GPUS`` ("0,1,2"). A runner takes one before it starts its kernel, by the lock
of a file that stands for the card, and the kernel sees that card alone (``CUDA_VISIBLE_DEVICES``). The operating system
frees the lock when the runner ends, however it ends; a kernel whose runner was killed ends by itself within a second.
The files lie in the temporary folder of the computer, so that all runs of a user there share its cards.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from xpci_utils.params import ParameterError, PrepareFrames, SamplePairs, StageParameters, TablesAndFigures

CARDS = "XPCI_GPUS"  # names of the cards, as CUDA_VISIBLE_DEVICES has them
VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT_SECONDS = 0.5  # between two looks for a free card


def uses_gpu(parameters: StageParameters) -> bool:
    """Whether a stage computes on a GPU: all do but those that simulate frames, and the report."""
    simulates = isinstance(parameters, SamplePairs) and parameters.pool == "fresh"
    return not (isinstance(parameters, PrepareFrames | TablesAndFigures) or simulates)


def cards_of(count: int) -> list[str]:
    """The first ``count`` cards of this computer, or of those that CUDA_VISIBLE_DEVICES leaves.

    Raises ParameterError if there are fewer. A computer without NVIDIA's driver cannot be asked; then stages compute on
    the CPU, which is said.
    """
    given = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    present = given or installed()
    if present is None:
        print("no NVIDIA driver was found: without one, the stages compute on the CPU", file=sys.stderr)
        return [str(number) for number in range(count)]
    if count > len(present):
        where = f"{VISIBLE} names" if given else "this computer has"
        raise ParameterError(f"--gpus {count}: {where} {len(present)}")
    return present[:count]


def installed() -> list[str] | None:
    """Numbers of the GPUs of this computer as its driver lists them; None without a driver that can be asked."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return None
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
    if listed.returncode:
        return None
    return [str(number) for number, _ in enumerate(line for line in listed.stdout.splitlines() if line[:4] == "GPU ")]


@contextlib.contextmanager
def shared(cards: Sequence[str]) -> Iterator[None]:
    """Let every runner that is started meanwhile take one of ``cards``; nothing changes without any."""
    with _environment(CARDS, ",".join(cards) if cards else os.environ.get(CARDS)):
        yield


@contextlib.contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    """A variable of the environment with another value for a while; None: without it."""
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


@contextlib.contextmanager
def card_for(parameters: StageParameters) -> Iterator[str | None]:
    """A card of ``XPCI_GPUS`` as the only visible one, while a stage runs; None where there is nothing to share.

    Waits until one is free.
    """
    cards = [name for name in os.environ.get(CARDS, "").split(",") if name]
    if not cards or not uses_gpu(parameters):
        yield None
        return
    card, lock = _take_one(cards, parameters.place)
    with lock, _environment(VISIBLE, card):
        yield card


def _take_one(cards: list[str], label: str) -> tuple[str, IO[str]]:
    """The first free card and its lock; waits for one."""
    waiting = False
    while True:
        for card in cards:
            if lock := _lock_of(card):
                return card, lock
        if not waiting:
            print(f"[{label}] waits for one of {len(cards)} GPUs", flush=True)
        waiting = True
        time.sleep(WAIT_SECONDS)


def _lock_of(card: str) -> IO[str] | None:
    """The lock of a card if it is free. No child process inherits it."""
    place = _folder() / f"{card.replace('/', '_')}.lock"
    file = open(place, "a+")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _folder() -> Path:
    """Where the locks of this user lie on this computer."""
    folder = Path(os.environ.get("XPCI_GPU_LOCKS") or Path(tempfile.gettempdir(), f"xpci_gpus_{os.getuid()}"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
