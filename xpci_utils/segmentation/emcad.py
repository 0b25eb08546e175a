"""EMCAD (Rahman et al. 2024): a PVTv2 encoder and an efficient multi-scale convolutional attention decoder.

The decoder is written from the paper's description; CAB, SAB, MSCB, EUCB and LGAG are its names for the blocks, and one
spatial attention block serves all levels. As at SLDGroup/EMCAD, commit e48f54e, MSCB has ReLU6, which the published
training script asks for, and CAB, EUCB and LGAG, which its option does not reach, have ReLU. Before 12 September 2024
EUCB and LGAG had ReLU6 there too, CAB never; ``activation="relu6"`` puts it into all three (docs/equality.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from timm.models import FeatureInfo
from torch import nn
from torch.nn import functional as F

from xpci_utils.segmentation.losses import mutation_loss
from xpci_utils.segmentation.pretrained import create_timm
from xpci_utils.segmentation.sizes import check_input


@dataclass(frozen=True)
class Settings:
    """The timm encoder; ``widths`` and ``depths`` override its own where no published one is small enough."""

    encoder: str
    drop_path: float = 0.0
    widths: tuple[int, int, int, int] | None = None
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)

    @property
    def arguments(self) -> dict:
        if self.widths is None:
            return {"drop_path_rate": self.drop_path}
        return {"drop_path_rate": self.drop_path, "embed_dims": self.widths, "depths": self.depths}


SETTINGS = {
    "paper": Settings("pvt_v2_b2.in1k", drop_path=0.1),
    "laptop": Settings("pvt_v2_b0.in1k"),
    "quick": Settings("pvt_v2_b0", widths=(24, 48, 80, 128), depths=(1, 1, 2, 1)),
}

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6}
"""Of CAB, EUCB and LGAG; MSCB keeps ReLU6."""


class EMCAD(nn.Module):
    """Logits [N, num_classes, H, W] of images [N, in_channels, H, W] in [-1, 1]; H and W multiples of 32.

    ``activation`` is one of ACTIVATIONS; ValueError says so for another. At "paper" with ten classes it has 26,773,663
    parameters, whatever the activation.
    """

    config: dict[str, Any]  # what `build_network` made it of

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 1,
        size: str = "paper",
        pretrained: bool = False,
        activation: str = "relu",
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"There is no activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}.")
        settings = SETTINGS[size]
        with_weights = pretrained and settings.widths is None
        self.to_rgb = nn.Identity() if in_channels == 3 else _to_three_channels(in_channels)
        self.encoder = create_timm(settings.encoder, with_weights, features_only=True, **settings.arguments)
        features = self.encoder.feature_info
        assert isinstance(features, FeatureInfo)
        channels = features.channels()
        self.decoder = Decoder(channels, activation)
        self.heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for width in reversed(channels))
        self.weights = f"timm {settings.encoder}" if with_weights else "random"

    def decode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Refined maps of the four decoder levels, at 1/32, 1/16, 1/8 and 1/4."""
        check_input(images)
        return self.decoder(self.encoder(self.to_rgb(images)))

    def side_outputs(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Full-resolution logits of the four decoder levels, coarsest first."""
        levels = self.decode(images)
        shape = images.shape[-2:]
        return [
            F.interpolate(head(level), size=shape, mode="bilinear")
            for head, level in zip(self.heads, levels, strict=True)
        ]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Only the finest output is the prediction, as in the published test script."""
        finest = self.decode(images)[-1]
        return F.interpolate(self.heads[-1](finest), size=images.shape[-2:], mode="bilinear")

    def training_outputs(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What the published loss judges: the logits of all four levels."""
        return self.side_outputs(images)

    def loss(self, outputs: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """The published training loss of ``training_outputs``; ``labels`` [N, H, W] with 255 = ignore."""
        return mutation_loss(outputs, labels)


def _to_three_channels(in_channels: int) -> nn.Sequential:
    """A learned mixture in front of the encoder, whose published weights expect colour."""
    return nn.Sequential(nn.Conv2d(in_channels, 3, 1), nn.BatchNorm2d(3), nn.ReLU(inplace=True))


class Decoder(nn.Module):
    """From features at 1/4, 1/8, 1/16, 1/32 to refined maps of the same sizes, coarsest first."""

    def __init__(self, channels: list[int], activation: str = "relu"):
        super().__init__()
        act, deep_to_fine = ACTIVATIONS[activation], list(reversed(channels))
        self.channel_attention = nn.ModuleList(ChannelAttention(width, act) for width in deep_to_fine)
        self.spatial_attention = SpatialAttention()
        self.convolution = nn.ModuleList(MultiScaleConvolution(width) for width in deep_to_fine)
        steps = list(pairwise(deep_to_fine))
        self.up = nn.ModuleList(UpConvolution(entry, width, act) for entry, width in steps)
        self.gate = nn.ModuleList(AttentionGate(width, act) for _, width in steps)
        self.apply(_initialise)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        *skips, x = features
        levels = [self._refine(0, x)]
        for index, skip in enumerate(reversed(skips)):
            x = self.up[index](levels[-1])
            levels.append(self._refine(index + 1, x + self.gate[index](x, skip)))
        return levels

    def _refine(self, level: int, x: torch.Tensor) -> torch.Tensor:
        """MSCAM: channel attention, spatial attention, multi-scale convolution."""
        return self.convolution[level](self.spatial_attention(self.channel_attention[level](x)))


class ChannelAttention(nn.Module):
    """CAB: weigh channels by a shared two-layer network of their mean and maximum."""

    def __init__(self, width: int, act: type[nn.Module] = nn.ReLU, reduction: int = 16):
        super().__init__()
        hidden = max(width // reduction, 1)
        self.mix = nn.Sequential(
            nn.Conv2d(width, hidden, 1, bias=False), act(), nn.Conv2d(hidden, width, 1, bias=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, maximum = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return x * torch.sigmoid(self.mix(mean) + self.mix(maximum))


class SpatialAttention(nn.Module):
    """SAB: weigh pixels by a 7x7 convolution of their mean and maximum over channels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.conv(summary))


class ChannelFactors(nn.Conv2d):
    """A depth-wise 1x1 convolution as what it is, one factor per channel; a quarter of a step faster on one CPU core,
    where the convolution is computed channel by channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight.view(1, -1, 1, 1)


class MultiScaleConvolution(nn.Module):
    """MSCB: expand, depth-wise 1x1, 3x3 and 5x5 in parallel, summed, shuffled, projected; residual."""

    def __init__(self, width: int, expansion: int = 2):
        super().__init__()
        inner = width * expansion
        self.groups = width
        self.expand = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6(inplace=True)
        )
        self.scales = nn.ModuleList(
            nn.Sequential(
                depth_wise(inner, inner, kernel, padding=kernel // 2, groups=inner, bias=False),
                nn.BatchNorm2d(inner),
                nn.ReLU6(inplace=True),
            )
            for kernel, depth_wise in {1: ChannelFactors, 3: nn.Conv2d, 5: nn.Conv2d}.items()
        )
        self.project = nn.Sequential(nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        expanded = self.expand(x)
        mixed = F.channel_shuffle(sum(scale(expanded) for scale in self.scales), self.groups)
        return x + self.project(mixed)


class UpConvolution(nn.Module):
    """EUCB: nearest x2, depth-wise 3x3, 1x1. (Its published shuffle, by as many groups as channels, moves nothing.)"""

    def __init__(self, entry: int, width: int, act: type[nn.Module] = nn.ReLU):
        super().__init__()
        self.depthwise = nn.Sequential(
            nn.Upsample(scale_factor=2),
            nn.Conv2d(entry, entry, 3, padding=1, groups=entry, bias=False),
            nn.BatchNorm2d(entry),
            act(inplace=True),
        )
        self.pointwise = nn.Conv2d(entry, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))


class AttentionGate(nn.Module):
    """LGAG: let the decoder's map decide, by grouped 3x3 convolutions, which pixels of the skip pass."""

    def __init__(self, width: int, act: type[nn.Module] = nn.ReLU):
        super().__init__()
        inner = width // 2
        self.of_decoder, self.of_skip = (
            nn.Sequential(nn.Conv2d(width, inner, 3, padding=1, groups=inner), nn.BatchNorm2d(inner)) for _ in range(2)
        )
        self.gate = nn.Sequential(act(), nn.Conv2d(inner, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return skip * self.gate(self.of_decoder(x) + self.of_skip(skip))


def _initialise(module: nn.Module) -> None:
    """Normal weights of deviation 0.02 and zero biases, the reference's setting."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
