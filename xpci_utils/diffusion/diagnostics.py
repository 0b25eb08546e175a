"""Looking at a denoiser: error per quartile of t beside the Wiener denoiser's, and composition of its samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from xpci_utils.diffusion.denoiser import Denoiser
from xpci_utils.diffusion.loss import HybridLoss, hybrid_loss
from xpci_utils.diffusion.wiener import Wiener
from xpci_utils.frames.sheet import contact_sheet
from xpci_utils.randomness import torch_generator

QUARTILES = 4


def fixed_probes(count: int, timesteps: int, shape: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    """The same `count` time steps (evenly spread over 0 .. T - 1) and noises [count, *shape] at every call."""
    t = ((torch.arange(count) + 0.5) * timesteps / count).long()
    return t, torch.randn((count, *shape), generator=torch_generator("probe", seed))


@torch.inference_mode()
def probe(
    denoiser: Denoiser, pairs: Tensor, *, draws: int = 8, seed: int = 0, bf16: bool = False
) -> tuple[Tensor, HybridLoss, Tensor]:
    """(t [M], hybrid loss [M], squared eps error [M]) on M = draws x N fixed noisy versions of pairs in [-1, 1]."""
    x_0 = denoiser.encode(pairs.repeat(draws, 1, 1, 1).to(denoiser.device))
    t, noise = fixed_probes(len(x_0), len(denoiser.schedule), x_0.shape[1:], seed)
    t = t[torch.randperm(len(t), generator=torch_generator("probe order", seed))]  # every frame meets every noise level
    losses, errors = [], []
    for part in torch.arange(len(x_0)).split(denoiser.comfortable_batch):
        clean, time, eps = x_0[part], t[part].to(x_0.device), noise[part].to(x_0.device)
        x_t = denoiser.schedule.q_sample(clean, time, eps)
        with torch.autocast(x_0.device.type, dtype=torch.bfloat16, enabled=bf16):
            output = denoiser(x_t, time)
        losses.append(objective(denoiser, output, clean, time, eps))
        predicted = denoiser.schedule.eps_from(denoiser.config.prediction, output[:, : clean.shape[1]], x_t, time)
        errors.append(((predicted - eps) ** 2).flatten(1).mean(1))
    return t, HybridLoss(*(torch.cat(parts) for parts in zip(*losses, strict=True))), torch.cat(errors)


def objective(denoiser: Denoiser, output: Tensor, x_0: Tensor, t: Tensor, noise: Tensor) -> HybridLoss:
    """The hybrid loss in this denoiser's units and target."""
    return hybrid_loss(
        output,
        x_0,
        t,
        noise,
        denoiser.schedule,
        prediction=denoiser.config.prediction,
        scale=denoiser.scale,
        offset=denoiser.offset,
    )


def by_quartile(values: Tensor, t: Tensor, timesteps: int) -> list[float]:
    """Mean of per-example values in each quarter of 0 .. T - 1, least noise first; NaN where there is none."""
    quarter = t.cpu() * QUARTILES // timesteps
    return [values.cpu()[quarter == q].mean().item() if (quarter == q).any() else math.nan for q in range(QUARTILES)]


@torch.inference_mode()
def wiener_eps_error(
    denoiser: Denoiser, train: Tensor, held_out: Tensor, *, draws: int = 8, seed: int = 0
) -> list[float]:
    """eps error per quartile of the Wiener denoiser with training mean and power spectrum, each channel by itself.

    The same noisy pairs as `probe` makes of the same arguments; both arguments are pairs [N, 2, H, W] in [-1, 1].
    """
    wiener = Wiener(denoiser.schedule, train.shape[1], *train.shape[2:]).to(denoiser.device)
    wiener.fit(denoiser.encode(train.to(denoiser.device)), joint=False)
    x_0 = denoiser.encode(held_out.repeat(draws, 1, 1, 1).to(denoiser.device))
    t, noise = (a.to(denoiser.device) for a in fixed_probes(len(x_0), len(denoiser.schedule), x_0.shape[1:], seed))
    t = t[torch.randperm(len(t), generator=torch_generator("probe order", seed))]
    predicted = wiener.predict_eps(denoiser.schedule.q_sample(x_0, t, noise), t)
    return by_quartile(((predicted - noise) ** 2).flatten(1).mean(1), t, len(denoiser.schedule))


def eps_error_by_quartile(
    denoiser: Denoiser, train: Tensor, held_out: Tensor, *, draws: int = 8, seed: int = 0, bf16: bool = False
) -> dict[str, list[float]]:
    """Mean squared eps error per quartile of t on held-out pairs, of the denoiser and of the Wiener baseline."""
    t, _, errors = probe(denoiser, held_out, draws=draws, seed=seed, bf16=bf16)
    return {
        "held_out": by_quartile(errors, t, len(denoiser.schedule)),
        "wiener": wiener_eps_error(denoiser, train, held_out, draws=draws, seed=seed),
    }


def foreground_share(masks: np.ndarray | Tensor) -> float:
    """Share of foreground pixels of masks, whatever marks them as positive: 255, True, or +1 of [-1, 1]."""
    return float((np.asarray(masks) > 0).mean())


def pair_grid(images: np.ndarray, masks: np.ndarray, columns: int = 8) -> np.ndarray:
    """uint8 contact sheet: rows of images, each with its masks (uint8 [N, H, W] both) below, a grey line between."""
    columns = min(columns, len(images))
    starts = range(0, len(images) - columns + 1, columns)
    return contact_sheet([list(source[start : start + columns]) for start in starts for source in (images, masks)])
