"""MobileSAM's image encoder: TinyViT (Wu et al. 2022) with a stride-1 last merge and SAM's neck (Zhang et al. 2023).

timm's ``tiny_vit_5m`` is another network: its last merge has stride 2 and its merges open a stage where MobileSAM's
close one. The blocks are the same, so they come from timm, and the modules are named as in MobileSAM; what still
differs (timm's "conv" is MobileSAM's "c") is left to ``from_official_key``.
"""

import re
from collections.abc import Sequence

import torch
from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import ConvNorm, MBConv, PatchEmbed, PatchMerging, TinyVitBlock
from torch import nn


class TinyViT(nn.Module):
    """Image [N, 3, S, S] -> embedding [N, out_channels, S / stride, S / stride].

    Args:
        img_size: side S of the input in pixels.
        widths: channels of the four stages; the first is convolutional, the others are windowed transformers.
        depths: blocks per stage.
        heads: attention heads of the three transformer stages.
        windows: window sides, in tokens, of the three transformer stages.
        merge_strides: stride of the merge that closes each of the first three stages.
        out_channels: channels of the embedding, SAM's transformer dimension.
        classifier: outputs of the ImageNet classifier that MobileSAM's checkpoint carries but never uses
            (321,640 parameters); 0 leaves it out.
    """

    def __init__(
        self,
        img_size: int = 1024,
        widths: Sequence[int] = (64, 128, 160, 320),
        depths: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (4, 5, 10),
        windows: Sequence[int] = (7, 14, 7),
        merge_strides: Sequence[int] = (2, 2, 1),
        out_channels: int = 256,
        classifier: int = 1000,
    ):
        super().__init__()
        self.img_size = img_size
        self.stride = 4 * merge_strides[0] * merge_strides[1] * merge_strides[2]
        self.patch_embed = PatchEmbed(3, widths[0], nn.GELU)
        merges = [
            merge(width, following, stride)
            for width, following, stride in zip(widths[:-1], widths[1:], merge_strides, strict=True)
        ]
        convolutions = [MBConv(widths[0], widths[0], 4.0, nn.GELU, drop_path=0.0) for _ in range(depths[0])]
        stages = [Stage(convolutions, merges[0], tokens=False)]
        for i, downsample in enumerate([*merges[1:], None]):
            blocks = [TinyVitBlock(widths[i + 1], heads[i], windows[i]) for _ in range(depths[i + 1])]
            stages.append(Stage(blocks, downsample, tokens=True))
        self.layers = nn.ModuleList(stages)
        if classifier:
            self.norm_head = nn.LayerNorm(widths[-1])
            self.head = nn.Linear(widths[-1], classifier)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], out_channels, kernel_size=1, bias=False),
            LayerNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out_channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.neck(x)

    @property
    def transformer_blocks(self) -> list[TinyVitBlock]:
        """Every block with attention, from input to output."""
        return [block for stage in self.stages for block in stage.blocks if isinstance(block, TinyVitBlock)]

    @property
    def stages(self) -> list["Stage"]:
        """The four stages, from input to output."""
        return [layer for layer in self.layers if isinstance(layer, Stage)]


class Stage(nn.Module):
    """Blocks of one width, then the merge (if any) that leads to the next; images in and out are [N, C, H, W]."""

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module | None, tokens: bool):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.tokens = tokens
        if downsample is not None:
            self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.tokens:  # timm's transformer blocks keep channels last
            x = x.permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        if self.tokens:
            x = x.permute(0, 3, 1, 2)
        return self.downsample(x) if hasattr(self, "downsample") else x


def merge(width: int, out_width: int, stride: int) -> PatchMerging:
    """timm's patch merging, whose stride is fixed to 2, with the stride MobileSAM needs."""
    merging = PatchMerging(width, out_width, nn.GELU)
    if stride != 2:
        merging.conv2 = ConvNorm(out_width, out_width, 3, stride, 1, groups=out_width)
    return merging


def from_official_key(key: str) -> str:
    """The name here of a tensor of MobileSAM's official state dict; other names come back unchanged."""
    if not key.startswith("image_encoder."):
        return key
    key = re.sub(r"patch_embed\.seq\.([02])\.", lambda match: f"patch_embed.conv{1 + int(match[1]) // 2}.", key)
    return key.replace(".c.weight", ".conv.weight")
