"""The forward process of improved DDPM: noise schedule, posterior, respacing (Nichol and Dhariwal 2021).

Every table is computed in float64 and handed out in the dtype of the tensor it multiplies. Time steps are counted
from 0 to T - 1, so that the paper's x_1 is our t = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def alpha_bar_cosine(timesteps: int, shift: float = 1.0) -> np.ndarray:
    """Cosine schedule, alpha-bar at the T + 1 borders t/T (Eq. 17 of Nichol and Dhariwal 2021, offset 0.008).

    `shift` < 1 moves the schedule to noisier levels: the signal-to-noise ratio is multiplied by shift**2, the device
    of Hoogeboom et al. 2023 (simple diffusion) for frames whose coarse content outlives the noise.
    """
    t = np.linspace(0.0, 1.0, timesteps + 1)
    f = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    f = f / f[0]
    if shift == 1.0:
        return f
    return f * shift**2 / (f * shift**2 + 1.0 - f)


@dataclass(frozen=True)
class NoiseSchedule:
    """Tables of the forward process, float64 arrays of length T."""

    betas: np.ndarray
    alphas_bar: np.ndarray
    alphas_bar_previous: np.ndarray
    posterior_variance: np.ndarray  # beta tilde, Eq. 10
    posterior_log_variance: np.ndarray  # its logarithm, at t = 0 that of t = 1, because beta tilde_0 = 0

    @classmethod
    def cosine(cls, timesteps: int, shift: float = 1.0) -> NoiseSchedule:
        """The schedule of the paper, betas capped at 0.999 (Sec. 3.2 of Nichol and Dhariwal 2021)."""
        if timesteps < 2:
            raise ValueError(f"timesteps = {timesteps}: a diffusion process needs at least 2 steps.")
        borders = alpha_bar_cosine(timesteps, shift)
        return cls.from_betas(np.minimum(1.0 - borders[1:] / borders[:-1], 0.999))

    @classmethod
    def from_betas(cls, betas: np.ndarray) -> NoiseSchedule:
        betas = np.asarray(betas, dtype=np.float64)
        alphas_bar = np.cumprod(1.0 - betas)
        previous = np.append(1.0, alphas_bar[:-1])
        variance = betas * (1.0 - previous) / (1.0 - alphas_bar)
        log_variance = np.log(np.append(variance[1], variance[1:]))
        return cls(betas, alphas_bar, previous, variance, log_variance)

    def respaced(self, times: np.ndarray) -> NoiseSchedule:
        """The schedule of a sampler that visits the steps `times` alone (two or more): step k is the k-th smallest.

        Its alpha-bars are those of `times`, its betas what lies between them (Sec. 4 of Nichol and Dhariwal 2021).
        """
        alphas_bar = self.alphas_bar[np.sort(times)]
        return self.from_betas(1.0 - alphas_bar / np.append(1.0, alphas_bar[:-1]))

    def __len__(self) -> int:
        return len(self.betas)

    def at(self, table: np.ndarray, t: Tensor, like: Tensor) -> Tensor:
        """Values of a table at the time steps t [N], shaped to multiply `like` [N, C, H, W]."""
        values = torch.from_numpy(np.ascontiguousarray(table)).to(t.device)[t]
        return values.to(like.dtype).view(-1, *[1] * (like.ndim - 1))

    def signal(self, t: Tensor, like: Tensor) -> Tensor:
        """sqrt(alpha-bar_t)."""
        return self.at(np.sqrt(self.alphas_bar), t, like)

    def noise(self, t: Tensor, like: Tensor) -> Tensor:
        """sqrt(1 - alpha-bar_t)."""
        return self.at(np.sqrt(1.0 - self.alphas_bar), t, like)

    def q_step(self, x_previous: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = sqrt(alpha_t) x_{t-1} + sqrt(1 - alpha_t) eps: one step of the forward process (Eq. 1 of the paper)."""
        kept, added = np.sqrt(1.0 - self.betas), np.sqrt(self.betas)
        return self.at(kept, t, x_previous) * x_previous + self.at(added, t, x_previous) * noise

    def q_sample(self, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = sqrt(alpha-bar) x_0 + sqrt(1 - alpha-bar) eps (Eq. 9; the network's argument in Eq. 2 of the paper)."""
        return self.signal(t, x_0) * x_0 + self.noise(t, x_0) * noise

    def posterior_mean(self, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """mean of q(x_{t-1} | x_t, x_0) (Eq. 11)."""
        of_x_0 = np.sqrt(self.alphas_bar_previous) * self.betas / (1.0 - self.alphas_bar)
        of_x_t = np.sqrt(1.0 - self.betas) * (1.0 - self.alphas_bar_previous) / (1.0 - self.alphas_bar)
        return self.at(of_x_0, t, x_0) * x_0 + self.at(of_x_t, t, x_t) * x_t

    def log_variance(self, v: Tensor, t: Tensor) -> Tensor:
        """log Sigma = f log beta + (1 - f) log beta-tilde with f = (v + 1) / 2, v not bounded (Eq. 15)."""
        fraction = (v + 1.0) / 2.0
        upper = self.at(np.log(self.betas), t, v)
        lower = self.at(self.posterior_log_variance, t, v)
        return fraction * upper + (1.0 - fraction) * lower

    def target(self, prediction: str, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network predicts: eps (Eq. 2), or v = sqrt(ab) eps - sqrt(1 - ab) x_0 (Salimans and Ho 2022)."""
        if prediction == "eps":
            return noise
        return self.signal(t, x_0) * noise - self.noise(t, x_0) * x_0

    def x_0_from(self, prediction: str, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The clean pair that a predicted target implies."""
        if prediction == "eps":
            return (x_t - self.noise(t, x_t) * output) / self.signal(t, x_t)
        return self.signal(t, x_t) * x_t - self.noise(t, x_t) * output

    def eps_from(self, prediction: str, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The noise that a predicted target implies."""
        if prediction == "eps":
            return output
        return self.noise(t, x_t) * x_t + self.signal(t, x_t) * output


def respaced_timesteps(timesteps: int, steps: int) -> np.ndarray:
    """The `steps` time steps kept when sampling, largest first: 0 and T - 1 and a rounded even stride between them.

    The rule of improved-diffusion (`space_timesteps` of `respace.py` at commit 1bc7bbb, with one section): the stride
    (T - 1) / (steps - 1) is added up in float64 and each sum rounded, halves to even. Adding up matters where a sum is
    nearly a half: diffusers' `linspace` spacing, which multiplies, differs by one somewhere in 1,263 of the step counts
    2 .. 4000 at T = 4000, in none of 20, 40, 50, 100, 250, 500. ValueError if there are fewer than `steps` time steps.
    """
    if not 1 <= steps <= timesteps:
        raise ValueError(f"steps = {steps}: between 1 and the {timesteps} steps of the training schedule are possible.")
    strides = np.full(steps, (timesteps - 1) / max(steps - 1, 1))
    strides[0] = 0.0
    return np.cumsum(strides).round()[::-1].astype(np.int64)
