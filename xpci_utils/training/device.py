"""Where networks run: the one choice of device, and of precision on it."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


def default_device() -> torch.device:
    """The first GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(device: torch.device, bf16: bool) -> AbstractContextManager:
    """bfloat16 autocast on ``device`` where it is asked for."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


@contextmanager
def tf32_matmuls(enabled: bool) -> Iterator[None]:
    """Matrix products of float32 in TF32 on a GPU where ``enabled``; what was set before comes back in the end.

    TF32 keeps 10 of the 23 bits of a mantissa. Convolutions have it by PyTorch's default, with ``enabled`` or without.
    Products on a CPU stay as they are, whatever processor it is.
    """
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    if enabled:
        products.fp32_precision = "tf32"
    try:
        yield
    finally:
        if enabled:
            products.fp32_precision = before


def adamw(
    parameters: Iterable[torch.nn.Parameter], learning_rate: float = 1e-3, **options: object
) -> torch.optim.AdamW:
    """AdamW of torch; on a GPU its fused kernel, which updates all parameters in few launches, equal up to rounding."""
    parameters = list(parameters)
    fused = True if any(parameter.is_cuda for parameter in parameters) else None
    return torch.optim.AdamW(parameters, lr=learning_rate, fused=fused, **options)  # type: ignore[arg-type]


def set_threads(threads: int) -> None:
    """Use ``threads`` CPU threads in torch; part of the parameters, since it changes last bits."""
    torch.set_num_threads(threads)
