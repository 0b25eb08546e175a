"""The hybrid objective L_simple + lambda L_vlb of improved DDPM (Nichol and Dhariwal 2021, Eq. 4-6 and 14-16).

diffusers samples networks with learned variance but has no loss to train them; this module is that loss. At t > 0 it
is improved-diffusion's. At t = 0 one difference is kept: the mass of a grey level's bin is taken from the normal CDF
itself, where improved-diffusion takes a tanh formula near it and clamps. The loss at t = 0 is then 0.2 % apart where
eps is predicted well, and 4.4 % where it is wrong by three standard deviations (docs/equality.md).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from xpci_utils.diffusion.schedule import NoiseSchedule

PREDICTIONS = ("eps", "v")


class HybridLoss(NamedTuple):
    """Per-example losses, each a tensor [N]."""

    total: Tensor  # L_simple + T/1000 L_vlb
    simple: Tensor  # mean squared error of the target
    vlb: Tensor  # L_{t-1}, or L_0 at t = 0, in bits per pixel and channel


def mean_over_pixels(x: Tensor) -> Tensor:
    return x.flatten(1).mean(1)


def normal_kl(mean_difference: Tensor, log_variance_1: Tensor, log_variance_2: Tensor) -> Tensor:
    """KL(N_1 || N_2) in nats, elementwise, written so that nearly equal Gaussians keep their digits in float32."""
    log_ratio = log_variance_1 - log_variance_2
    return 0.5 * (torch.expm1(log_ratio) - log_ratio + mean_difference**2 * torch.exp(-log_variance_2))


def discretised_gaussian_log_likelihood(
    x: Tensor, mean: Tensor, log_variance: Tensor, lower: Tensor, upper: Tensor, half_bin: Tensor
) -> Tensor:
    """log of the Gaussian's mass in a grey level's bin; the outermost bins reach to infinity (Ho et al. 2020, Eq. 13).

    `lower` and `upper` are the values of grey level 0 and 255, `half_bin` half a grey level, all [C, 1, 1].
    """
    inverse_sd = torch.exp(-0.5 * log_variance)
    below = torch.special.log_ndtr((x - mean + half_bin) * inverse_sd)
    above = torch.special.log_ndtr((mean - x + half_bin) * inverse_sd)
    # a difference of two masses near 0 keeps its digits, one of two masses near 1 does not: mirror to the lower tail
    distance = (x - mean).abs()
    near = torch.special.log_ndtr((half_bin - distance) * inverse_sd)
    far = torch.special.log_ndtr((-half_bin - distance) * inverse_sd)
    within = near + torch.log1p(-torch.exp((far - near).clamp(max=-1e-7)))
    log_mass = torch.where(x < lower + half_bin, below, torch.where(x > upper - half_bin, above, within))
    return log_mass.clamp(min=math.log(1e-12))


def grey_levels(scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values of grey level 0 and 255 and half a grey level, for data offset + scale * x with x in [-1, 1]."""
    return offset - scale, offset + scale, scale / 255.0


def l_vlb(
    x_0: Tensor,
    x_t: Tensor,
    t: Tensor,
    predicted_x_0: Tensor,
    v: Tensor,
    schedule: NoiseSchedule,
    scale: Tensor,
    offset: Tensor,
) -> Tensor:
    """One term of the variational bound, [N], in bits: L_{t-1} (Eq. 6) for t > 0, L_0 (Eq. 5) for t = 0.

    No gradient reaches the mean: `predicted_x_0` is detached, so that only the variance learns here (Sec. 3.1).
    x_0 is not clipped.
    """
    predicted_x_0 = predicted_x_0.detach()
    log_variance = schedule.log_variance(v, t)
    true_log_variance = schedule.at(schedule.posterior_log_variance, t, x_t)
    mean_difference = schedule.posterior_mean(x_0 - predicted_x_0, torch.zeros_like(x_t), t)
    kl = mean_over_pixels(normal_kl(mean_difference, true_log_variance, log_variance))
    mean = schedule.posterior_mean(predicted_x_0, x_t, t)
    nll = -discretised_gaussian_log_likelihood(x_0, mean, log_variance, *grey_levels(scale, offset))
    return torch.where(t == 0, mean_over_pixels(nll), kl) / math.log(2.0)


def hybrid_loss(
    output: Tensor,
    x_0: Tensor,
    t: Tensor,
    noise: Tensor,
    schedule: NoiseSchedule,
    *,
    prediction: str = "eps",
    scale: Tensor | float = 1.0,
    offset: Tensor | float = 0.0,
) -> HybridLoss:
    """L_hybrid = L_simple + lambda sum_t L_t with lambda = 0.001 (Eq. 16), estimated at one t per example.

    With t drawn uniformly, the sum over T terms is T times the sampled one, so the weight is T/1000.

    output  [N, 2C, H, W]: the predicted target, then v, which interpolates the log-variance (Eq. 15)
    x_0     [N, C, H, W]: clean pairs, offset + scale * x with x in [-1, 1] (scale and offset [C, 1, 1] or numbers)
    t       [N]: integer time steps, 0 .. T - 1
    noise   [N, C, H, W]: the eps of Eq. 9
    Returns the per-example `total`, `simple` and `vlb`; their mean is the objective.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction = {prediction!r} is unknown; choose one of {', '.join(PREDICTIONS)}.")
    channels = x_0.shape[1]
    if output.shape[1] != 2 * channels:
        raise ValueError(
            f"The network gives {output.shape[1]} channels; data of {channels} channels with learned variance need "
            f"{2 * channels}: the target and v, one each per data channel."
        )
    predicted, v = output.chunk(2, dim=1)
    x_t = schedule.q_sample(x_0, t, noise)
    simple = mean_over_pixels((schedule.target(prediction, x_0, noise, t) - predicted) ** 2)  # Eq. 14
    predicted_x_0 = schedule.x_0_from(prediction, predicted, x_t, t)
    scale, offset = (torch.as_tensor(a, dtype=x_0.dtype, device=x_0.device) for a in (scale, offset))
    vlb = l_vlb(x_0, x_t, t, predicted_x_0, v, schedule, scale, offset)
    return HybridLoss(simple + len(schedule) / 1000.0 * vlb, simple, vlb)
