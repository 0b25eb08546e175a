"""Where networks run: the one choice of device, and of precision on it."""

from contextlib import AbstractContextManager

import torch


def default_device() -> torch.device:
    """The first GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(device: torch.device, bf16: bool) -> AbstractContextManager:
    """bfloat16 autocast on ``device`` where it is asked for."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def set_threads(threads: int) -> None:
    """Use ``threads`` CPU threads in torch; part of the parameters, since it changes last bits."""
    torch.set_num_threads(threads)
