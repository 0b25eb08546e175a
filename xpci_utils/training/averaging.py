"""The average of a network's weights over its training: of the denoiser, which samples with it, and of labellers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from diffusers.training_utils import EMAModel


def averaged_weights(parameters: Iterable[nn.Parameter], decay: float = 0.9999, warmup: bool = True) -> EMAModel:
    """An exponential moving average of `parameters`; `step` it after every optimiser step.

    Without `warmup` it is improved-diffusion's (`update_ema`): the same decay from the first step on, begun at the
    initial weights, of which decay^n are left after n steps (0.7 % after 50,000 at 0.9999, 90 % after 1,000). With it
    the decay after n steps is at most n / (9 + n), and the first step takes the weights as they are: a short run is not
    an average over its random start, and a long one gets near `decay` late (0.99982 after 50,000 steps).

    EMAModel warms up whatever its `use_ema_warmup` says, which only picks the curve. The constant decay needs
    `min_decay`, and `update_after_step=-1`, because otherwise the first step copies.
    """
    from diffusers.training_utils import EMAModel  # half of what a labeller would load, which seldom needs it

    if warmup:
        return EMAModel(parameters, decay=decay)
    return EMAModel(parameters, decay=decay, min_decay=decay, update_after_step=-1)


@contextmanager
def averaged(average: EMAModel | None, parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Inside, `parameters` hold their `average`, and afterwards their own values again; None: always their own."""
    if average is None:
        yield
        return
    parameters = list(parameters)
    average.store(parameters)
    average.copy_to(parameters)
    try:
        yield
    finally:
        average.restore(parameters)
