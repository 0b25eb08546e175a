"""Learning rates as functions of the 0-based optimiser step."""

import math

import torch


def poly_lr(base_lr: float, step: int, steps: int, power: float = 0.9) -> float:
    """Polynomial decay, base_lr (1 - step / steps)^power, per optimiser step (Section 3.1)."""
    return base_lr * (1 - step / steps) ** power


def cosine_lr(base_lr: float, step: int, steps: int) -> float:
    """Half a cosine from ``base_lr`` down to 0 (Loshchilov and Hutter 2017)."""
    return base_lr * 0.5 * (1.0 + math.cos(math.pi * step / steps))


def warm_up(step: int, warmup_steps: int) -> float:
    """Linear rise to 1 over the first ``warmup_steps`` steps: 1 / (warmup_steps + 1) at step 0."""
    return min(1.0, (step + 1) / (warmup_steps + 1))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group the learning rate of this step."""
    for group in optimizer.param_groups:
        group["lr"] = lr
