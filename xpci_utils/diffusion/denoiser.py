"""The denoiser: a `diffusers` U-Net that sees image and mask as two channels and predicts target and variance.

Two ways to build it. As published (profile `paper`): pixels in [-1, 1], eps predicted, nothing in between. Reduced:
a space-to-depth stem makes the U-Net four times cheaper, and a Wiener skip (module `wiener`) carries the coarse
content of the frame, which a short training gets wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional as F

from xpci_utils.diffusion.loss import PREDICTIONS
from xpci_utils.diffusion.schedule import NoiseSchedule
from xpci_utils.diffusion.wiener import Wiener
from xpci_utils.frames.pad import padding
from xpci_utils.randomness import seed_of
from xpci_utils.training import default_device, load_tensors, save_model


@dataclass(frozen=True)
class DenoiserConfig:
    """Everything that builds a denoiser; the defaults are the published one (profile `paper`)."""

    height: int = 624  # of a frame; padded to a multiple of 32 inside
    width: int = 640
    channels: int = 2  # image and binary mask (Eq. 3)
    widths: tuple[int, ...] = (128, 128, 256, 256, 512, 512)  # 128 x (1, 1, 2, 2, 4, 4)
    blocks: int = 2  # residual blocks per level
    attention_strides: tuple[int, ...] = (16, 32)  # in pixels of the frame
    head_dim: int = 128
    norm_groups: int = 32
    stem: int = 1  # space-to-depth factor
    dropout: float = 0.0
    checkpointing: bool = True  # recompute activations in the backward pass instead of storing them
    prediction: str = "eps"  # or "v"
    wiener_skip: bool = False
    standardise: bool = False  # channels to mean 0 and standard deviation `data_sd` of the training frames
    data_sd: float = 0.5
    timesteps: int = 4000
    schedule_shift: float = 1.0  # < 1: noisier (see NoiseSchedule)
    rescale_timesteps: bool = False  # feed t * 1000 / T, as improved-diffusion does, instead of t

    @classmethod
    def of(cls, config: DenoiserConfig | Mapping) -> DenoiserConfig:
        """Check a mapping's keys and values; ValueError names the first that does not fit."""
        if isinstance(config, DenoiserConfig):
            return config
        known = [field.name for field in fields(cls)]
        for key in config:
            if key not in known:
                raise ValueError(f"The denoiser has no setting {key!r}; it knows {', '.join(known)}.")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        made = cls(**settings)
        made.check()
        return made

    def check(self) -> None:
        """Raise ValueError if the parts do not fit each other."""
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"prediction = {self.prediction!r}; choose one of {', '.join(PREDICTIONS)}.")
        if self.wiener_skip and self.prediction != "v":
            raise ValueError('wiener_skip needs prediction = "v": at high noise, eps says nothing about the frame.')
        for width in self.widths:
            if width % self.norm_groups:
                raise ValueError(f"widths: {width} is no multiple of norm_groups = {self.norm_groups}.")
        strides = [self.stem * 2**level for level in range(len(self.widths))]
        for stride in self.attention_strides:
            if stride not in strides:
                raise ValueError(f"attention_strides: {stride} is none of the network's strides {strides}.")
        if any(side % strides[-1] for side in self.padded):
            raise ValueError(f"A padded frame of {self.padded} pixels cannot be halved down to stride {strides[-1]}.")

    @property
    def padded(self) -> tuple[int, int]:
        (top, bottom), (left, right) = padding(self.height, self.width)
        return self.height + top + bottom, self.width + left + right


def build_unet(config: DenoiserConfig) -> UNet2DModel:
    """The U-Net of Nichol and Dhariwal 2021 in `diffusers` terms."""
    attends = [config.stem * 2**level in config.attention_strides for level in range(len(config.widths))]
    inputs = config.channels * (2 if config.wiener_skip else 1)
    unet = UNet2DModel(
        sample_size=tuple(side // config.stem for side in config.padded),
        in_channels=inputs * config.stem**2,
        out_channels=2 * config.channels * config.stem**2,
        block_out_channels=config.widths,
        layers_per_block=config.blocks,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        attention_head_dim=config.head_dim,
        norm_num_groups=config.norm_groups,
        attn_norm_num_groups=config.norm_groups,  # without it, scale_shift removes the norm of the middle attention
        resnet_time_scale_shift="scale_shift",
        dropout=config.dropout,
    )
    zero_outputs(unet)
    if config.checkpointing:
        unet.enable_gradient_checkpointing()
    return unet


def zero_outputs(unet: UNet2DModel) -> None:
    """Zero the last layer of every residual branch and of the network, as improved-diffusion does (diffusers not)."""
    for name, module in unet.named_modules():
        if name == "conv_out" or name.endswith(("conv2", "to_out.0")):
            for parameter in (module.weight, module.bias):
                assert isinstance(parameter, Tensor)
                nn.init.zeros_(parameter)


class Denoiser(nn.Module):
    """x_t [N, 2, H, W] and t [N] (integers 0 .. T - 1) -> [N, 4, H, W].

    The U-Net is fed t as it is, or, with `config.rescale_timesteps`, 1000 t / T: a quarter of t at T = 4000, the scale
    of improved-diffusion (`rescale_timesteps`, on unless told otherwise). The two are different networks.
    The first two output channels predict the target (`config.prediction`), the last two are v of Eq. 15.
    Inside, pairs are `offset + scale * x` for image and mask x in [-1, 1]; `encode` and `decode` translate.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.config = config
        self.schedule = NoiseSchedule.cosine(config.timesteps, config.schedule_shift)
        self.unet: nn.Module = build_unet(config)  # a wrapper hides `to` of diffusers' class from type checkers
        self.wiener = Wiener(self.schedule, config.channels, *config.padded) if config.wiener_skip else None
        self.register_buffer("scale", torch.ones(config.channels, 1, 1))
        self.register_buffer("offset", torch.zeros(config.channels, 1, 1))

    @property
    def device(self) -> torch.device:
        return self.scale.device

    def encode(self, pairs: Tensor) -> Tensor:
        """Pairs in [-1, 1] to the network's units."""
        return self.offset + self.scale * pairs

    def decode(self, x_0: Tensor) -> Tensor:
        """The network's units to pairs in [-1, 1]."""
        return (x_0 - self.offset) / self.scale

    @property
    def measures_data(self) -> bool:
        """Whether `fit` has to see the training pairs before the first step."""
        return self.config.standardise or self.config.wiener_skip

    @property
    def comfortable_batch(self) -> int:
        """Frames per forward pass without gradients: 16 of 64 x 64 pixels, one of 256 x 256 or more."""
        height, width = self.config.padded
        return max(1, 2**16 // (height * width))

    @torch.no_grad()
    def fit(self, pairs: Tensor) -> Denoiser:
        """Measure, on training pairs [N, 2, H, W] in [-1, 1]: channel scaling and spectrum."""
        pairs = pairs.to(self.device)
        if self.config.standardise:
            sd = pairs.std((0, 2, 3)).clamp(min=1e-3)[:, None, None]
            self.scale.copy_(self.config.data_sd / sd)
            self.offset.copy_(-self.scale * pairs.mean((0, 2, 3))[:, None, None])
        if self.wiener is not None:
            self.wiener.fit(self.encode(pairs))
        return self

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        if self.wiener is None:
            return self.network(x_t, t)
        with torch.autocast(x_t.device.type, enabled=False):  # the linear part is cheap: keep its digits
            linear = self.wiener.predict_v(x_t, t)
            linear_x_0 = self.schedule.x_0_from("v", linear, x_t, t)
            scale = self.wiener.residual_scale(t)
        residual, v = self.network(torch.cat([x_t, linear_x_0], 1), t).chunk(2, dim=1)
        return torch.cat([linear + scale * residual, v], 1)

    def network(self, x: Tensor, t: Tensor) -> Tensor:
        """The U-Net behind its space-to-depth stem, float32 out."""
        stem = self.config.stem
        if self.config.rescale_timesteps:
            t = t.float() * (1000.0 / self.config.timesteps)
        return F.pixel_shuffle(self.unet(F.pixel_unshuffle(x, stem), t).sample, stem).float()

    def predict_x_0(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """(clean pair clipped to the range of grey levels, v), both [N, 2, H, W]: what every sampler starts from."""
        output, v = self(x_t, t).chunk(2, dim=1)
        x_0 = self.schedule.x_0_from(self.config.prediction, output, x_t, t)
        return x_0.clamp(self.offset - self.scale, self.offset + self.scale), v


def build_denoiser(config: DenoiserConfig | Mapping | None = None, seed: int = 0) -> Denoiser:
    """An untrained denoiser, weights drawn from `seed`; without a config the published one (124,053,252 parameters).

    `config` is a DenoiserConfig or a mapping of its fields. ValueError says which setting does not fit.
    """
    config = DenoiserConfig.of(config or {})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of("denoiser", seed))  # and no GPU's
        return Denoiser(config)


def save_denoiser(path: str | Path, denoiser: Denoiser, facts: Mapping | None = None) -> None:
    """Write weights as safetensors, with the config in the metadata, so that a sampler cannot be told another one."""
    save_model(path, denoiser, {"denoiser": asdict(denoiser.config), **(facts or {})})


def load_denoiser(path: str | Path) -> Denoiser:
    """Read a denoiser in eval mode, onto the GPU if there is one; ValueError if the file holds none."""
    tensors, facts = load_tensors(path)
    if "denoiser" not in facts:
        raise ValueError(f"{path} does not say which denoiser it holds; run notebook 02 to write a new one.")
    denoiser = build_denoiser(facts["denoiser"])
    denoiser.load_state_dict(tensors)
    return denoiser.to(default_device()).eval()
