"""The Wiener denoiser: what mean and power spectrum alone can tell about a noisy pair.

It is the best linear denoiser, exact if pairs were Gaussian random fields. It serves twice: as the baseline that a
trained network must beat, and, with the cross-spectrum of image and mask, as the skip connection of the reduced
profiles. There it generalises the preconditioning of Karras et al. 2022 (EDM, Sec. 5), whose c_skip is the Wiener
denoiser of a white spectrum. Coarse modes such as the share of foreground in a frame are then right from the first
training step, and the network learns what is not Gaussian: shapes, edges, fringes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from xpci_utils.diffusion.schedule import NoiseSchedule


def cosine_basis(size: int) -> Tensor:
    """Orthonormal DCT-II matrix [size, size]; rows are modes. Unlike the DFT it sees no jump at the frame's border."""
    k = torch.arange(size, dtype=torch.float64)
    basis = torch.cos(math.pi / size * (k[None] + 0.5) * k[:, None]) * math.sqrt(2.0 / size)
    basis[0] /= math.sqrt(2.0)
    return basis


def radial_bins(height: int, width: int) -> Tensor:
    """Integer wave number of every DCT mode [H, W], in units of the longer side."""
    size = max(height, width)
    rows, columns = (torch.arange(n, dtype=torch.float64) * size / n for n in (height, width))
    return torch.hypot(rows[:, None], columns[None]).round().long()


class Wiener(nn.Module):
    """Linear estimates from x_t, with `mean` [C, 1, 1], `power` [C, H, W] and `axes` [C, C, H, W] (one 2 x 2 rotation
    per mode, because image and mask are correlated) as buffers."""

    mean: Tensor
    power: Tensor
    axes: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, schedule: NoiseSchedule, channels: int, height: int, width: int):
        super().__init__()
        self.schedule = schedule
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("power", torch.ones(channels, height, width))
        self.register_buffer("axes", torch.eye(channels)[:, :, None, None].repeat(1, 1, height, width))
        self.register_buffer("rows", cosine_basis(height).float(), persistent=False)
        self.register_buffer("columns", cosine_basis(width).float(), persistent=False)

    def transform(self, x: Tensor) -> Tensor:
        """Pixels to modes, [N, C, H, W] both."""
        return self.rows @ x @ self.columns.T

    def inverse(self, modes: Tensor) -> Tensor:
        """Modes to pixels."""
        return self.rows.T @ modes @ self.columns

    @torch.no_grad()
    def fit(self, pairs: Tensor, joint: bool = True) -> Wiener:
        """Measure mean and isotropic (cross-)spectrum of pairs [N, C, H, W]; `joint=False` keeps the channels apart."""
        pairs = pairs.to(self.mean)
        self.mean.copy_(pairs.mean((0, 2, 3))[:, None, None])
        modes = self.transform(pairs - self.mean).double()
        products = torch.einsum("nchw,ndhw->cdhw", modes, modes) / len(pairs)
        bins = radial_bins(*pairs.shape[-2:]).to(self.mean.device)
        counts = torch.bincount(bins.flatten())
        channels = range(len(self.mean))
        spectrum = torch.stack(
            [torch.bincount(bins.flatten(), products[c, d].flatten()) / counts for c in channels for d in channels], -1
        ).view(-1, len(channels), len(channels))
        if not joint:
            spectrum = torch.diag_embed(torch.diagonal(spectrum, dim1=1, dim2=2))
        power, axes = torch.linalg.eigh(spectrum)
        self.power.copy_(power[bins].permute(2, 0, 1).clamp(min=1e-8))
        self.axes.copy_(axes[bins].permute(2, 3, 0, 1))
        return self

    def predict_v(self, x_t: Tensor, t: Tensor) -> Tensor:
        """E[v | x_t] of the Gaussian field; a, s = sqrt(ab), sqrt(1 - ab): a s (1 - P) / (a^2 P + s^2) per mode."""
        a, s = self.schedule.signal(t, x_t), self.schedule.noise(t, x_t)
        gain = a * s * (1.0 - self.power) / (a**2 * self.power + s**2)
        modes = torch.einsum("cehw,nchw->nehw", self.axes, self.transform(x_t - a * self.mean))
        return self.inverse(torch.einsum("cehw,nehw->nchw", self.axes, gain * modes)) - s * self.mean

    def residual_scale(self, t: Tensor) -> Tensor:
        """Standard deviation per channel [N, C, 1, 1] of v - E[v | x_t], from the spectrum: Var = P / (a^2 P + s^2)."""
        a, s = self.schedule.signal(t, self.power[None]), self.schedule.noise(t, self.power[None])
        variance = self.power / (a**2 * self.power + s**2)
        return (
            torch.einsum("cehw,nehw->nc", self.axes**2, variance).div(variance[0, 0].numel()).sqrt()[:, :, None, None]
        )

    def predict_eps(self, x_t: Tensor, t: Tensor) -> Tensor:
        """E[eps | x_t], the baseline."""
        return self.schedule.eps_from("v", self.predict_v(x_t, t), x_t, t)
