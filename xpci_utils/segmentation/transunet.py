"""TransUNet (Chen et al. 2021): a ResNet and a vision transformer encode, a cascaded decoder with skips decodes.

Its ResNet exists in two forms with the same parameters. Google trained the ImageNet weights (R50+ViT-B_16.npz, timm's
vit_base_r50_s16_224) with TensorFlow's "SAME" padding and 32 groups in every GroupNorm: timm's form, the default here.
Beckschen/TransUNet, commit 02ef001, loads the same weights into a form that pads symmetrically, leaves the first
pooling unpadded, and normalises every channel of a shortcut alone; with ``reference_stem`` the network here equals that
one. docs/equality.md says how far the two are apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from timm.layers import GroupNormAct, StdConv2dSame
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import HybridEmbed
from torch import nn
from torch.nn import functional as F

from xpci_utils.segmentation.losses import transunet_loss
from xpci_utils.segmentation.pretrained import create_timm

PRETRAINED = "vit_base_r50_s16_224.orig_in21k"
PRETRAINED_SIDE = 224  # of the images that its position table belongs to


@dataclass(frozen=True)
class Settings:
    """Widths and depths; the defaults are the published R50 + ViT-B/16."""

    blocks: tuple[int, int, int] = (3, 4, 9)
    channels: tuple[int, int, int] = (256, 512, 1024)
    stem: int = 64
    norm_groups: int = 32
    embed_dim: int = 768
    depth: int = 12
    heads: int = 12
    dropout: float = 0.1
    bottleneck: int = 512
    decoder: tuple[int, int, int, int] = (256, 128, 64, 16)


SETTINGS = {
    "paper": Settings(),
    "laptop": Settings((2, 2, 2), (64, 128, 256), 32, 8, 128, 4, 4, 0.0, 96, (64, 48, 32, 16)),
    "quick": Settings((1, 1, 1), (32, 64, 128), 16, 4, 96, 2, 3, 0.0, 64, (48, 32, 24, 16)),
}


class TransUNet(nn.Module):
    """Logits [N, num_classes, H, W] of images [N, in_channels, H, W] in [-1, 1]; H x W is fixed at construction.

    The position table belongs to one frame size, so another size is refused. One grey channel is repeated three
    times, as in the reference implementation. ``reference_stem`` takes the reference implementation's ResNet, and its
    linear (not bicubic) resizing of a pretrained position table; the parameters, 106,355,498 at "paper" for 640 x 640
    pixels and ten classes, are the same.
    """

    config: dict[str, Any]  # what `build_network` made it of

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 1,
        size: str = "paper",
        pretrained: bool = False,
        image_size: tuple[int, int] = (640, 640),
        reference_stem: bool = False,
    ):
        super().__init__()
        settings = SETTINGS[size]
        height, width = image_size
        self.image_size, self.reference_stem = (height, width), reference_stem
        self.repeat = 3 if in_channels == 1 else 1
        with_weights = pretrained and size == "paper"
        table_size = (PRETRAINED_SIDE, PRETRAINED_SIDE) if with_weights and reference_stem else self.image_size
        self.encoder = _encoder(settings, in_channels * self.repeat, table_size, size == "paper", with_weights)
        if reference_stem:
            use_reference_stem(self.encoder.patch_embed.backbone)
            resize_positions(self.encoder, table_size, self.image_size)
        self.decoder = Decoder(settings)
        self.head = nn.Conv2d(settings.decoder[-1], num_classes, 3, padding=1)
        self.weights = f"timm {PRETRAINED}" if with_weights else "random"

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the token map [N, D, H/16, W/16] and the skips at 1/8, 1/4 and 1/2."""
        vit = self.encoder
        half, quarter, eighth, deep = vit.patch_embed.backbone.forward_intermediates(images, intermediates_only=True)
        if self.reference_stem:  # its unpadded pooling loses the last row and column: zeros, in the skip
            quarter = F.pad(quarter, (0, 1, 0, 1))
        grid = vit.patch_embed.proj(deep)
        tokens = vit.pos_drop(grid.flatten(2).transpose(1, 2) + vit.pos_embed)
        tokens = vit.norm(vit.blocks(tokens))
        return tokens.transpose(1, 2).reshape(grid.shape), [eighth, quarter, half]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if tuple(images.shape[-2:]) != self.image_size:
            raise ValueError(
                f"This TransUNet was built for frames of {self.image_size[0]} x {self.image_size[1]} pixels and got "
                f"{images.shape[-2]} x {images.shape[-1]}; pass image_size to build_network."
            )
        deep, skips = self.encode(images.repeat(1, self.repeat, 1, 1))
        return self.head(self.decoder(deep, skips))

    def training_outputs(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What the published loss judges: its prediction alone."""
        return [self(images)]

    def loss(self, outputs: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """The published training loss of ``training_outputs``; ``labels`` [N, H, W] with 255 = ignore."""
        return transunet_loss(outputs[0], labels)


class Decoder(nn.Module):
    """Cascaded upsampler: four times bilinear x2, the first three joined by a skip, two convolutions each."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.bottleneck = conv_bn_relu(settings.embed_dim, settings.bottleneck)
        self.upsample = nn.UpsamplingBilinear2d(scale_factor=2)
        inputs = (settings.bottleneck, *settings.decoder[:-1])
        skips = (settings.channels[1], settings.channels[0], settings.stem, 0)
        self.blocks = nn.ModuleList(
            nn.Sequential(conv_bn_relu(entry + skip, width), conv_bn_relu(width, width))
            for entry, skip, width in zip(inputs, skips, settings.decoder, strict=True)
        )

    def forward(self, x: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
        x = self.bottleneck(x)
        for index, block in enumerate(self.blocks):
            x = self.upsample(x)
            x = block(torch.cat([x, skips[index]], 1) if index < len(skips) else x)
        return x


def conv_bn_relu(entry: int, width: int) -> nn.Sequential:
    """3x3 convolution without bias, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(entry, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


def _encoder(
    settings: Settings, in_channels: int, image_size: tuple[int, int], published: bool, pretrained: bool
) -> VisionTransformer:
    """timm's hybrid of a ResNet (stages 1 to 3, GroupNorm, weight standardisation) and a ViT, without class token."""
    arguments: dict[str, Any] = {
        "img_size": image_size,
        "in_chans": in_channels,
        "num_classes": 0,
        "global_pool": "",
        "pos_drop_rate": settings.dropout,
        "proj_drop_rate": settings.dropout,
    }
    if published:
        encoder = create_timm(PRETRAINED, pretrained, **arguments)
        assert isinstance(encoder, VisionTransformer)
    else:
        backbone = ResNetV2(
            layers=list(settings.blocks),
            channels=settings.channels,
            stem_chs=settings.stem,
            stem_type="same",
            num_classes=0,
            in_chans=in_channels,
            global_pool="",
            preact=False,
            norm_layer=partial(GroupNormAct, num_groups=settings.norm_groups),
            conv_layer=partial(StdConv2dSame, eps=1e-8),
        )
        encoder = VisionTransformer(
            patch_size=1,
            embed_dim=settings.embed_dim,
            depth=settings.depth,
            num_heads=settings.heads,
            embed_layer=partial(HybridEmbed, backbone=backbone),
            **arguments,
        )
    block: Any  # whichever of timm's
    for block in encoder.blocks:
        block.attn.proj_drop = nn.Identity()  # as published: dropout after the embedding and in the MLP alone
    return _without_class_token(encoder)


def use_reference_stem(resnet: ResNetV2) -> None:
    """Change a ResNet of timm, in place, into that of Beckschen/TransUNet, commit 02ef001; its parameters stay.

    Symmetric padding, a first pooling without any, weight standardisation with 1e-5 under the root; GroupNorm with
    1e-6, and on shortcuts with as many groups as channels and 1e-5.
    """
    resnet.stem.pool = nn.MaxPool2d(3, stride=2)
    for name, module in resnet.named_modules():
        if isinstance(module, StdConv2dSame):
            module.same_pad, module.padding, module.eps = False, tuple(k // 2 for k in module.kernel_size), 1e-5
        elif isinstance(module, GroupNormAct):
            shortcut = "downsample" in name
            module.eps = 1e-5 if shortcut else 1e-6
            module.num_groups = module.num_channels if shortcut else module.num_groups


def resize_positions(vit: VisionTransformer, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Resize the position table of frames of ``before`` pixels, in place, linearly from corner to corner."""
    if before == after:
        return
    old, new = ([side // 16 for side in size] for size in (before, after))
    assert vit.pos_embed is not None
    table = vit.pos_embed.detach().reshape(1, *old, -1).permute(0, 3, 1, 2)
    table = F.interpolate(table, new, mode="bilinear", align_corners=True)
    vit.pos_embed = nn.Parameter(table.flatten(2).transpose(1, 2).contiguous())


def _without_class_token(vit: VisionTransformer) -> VisionTransformer:
    """TransUNet decodes patch tokens only; the checkpoint's class token and its position are dropped."""
    vit.cls_token, vit.num_prefix_tokens = None, 0
    assert vit.pos_embed is not None
    vit.pos_embed = nn.Parameter(vit.pos_embed.detach()[:, 1:].clone())
    return vit
