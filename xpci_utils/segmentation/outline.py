"""The structure of a segmentation network at a glance: size, channels and parameters of every stage."""

import copy
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from xpci_utils.segmentation.networks import Network


class Stage(NamedTuple):
    """One stage of a network; ``stride`` is frame pixels per pixel of its map (4: a quarter of the height)."""

    name: str
    part: str  # "encoder" or "decoder"
    stride: int
    channels: int
    parameters: int


# Network -> stage -> the module whose output is the stage's map, then further modules whose parameters belong to it.
Parts = dict[str, dict[str, tuple[str, ...]]]
RESNET = "encoder.patch_embed.backbone"
ENCODERS: Parts = {
    "transunet": {
        "ResNet stem": (f"{RESNET}.stem.norm", f"{RESNET}.stem"),
        **{f"ResNet {i + 1}": (f"{RESNET}.stages.{i}",) for i in range(3)},
        "transformer": ("encoder.blocks", "encoder"),
    },
    "swin_unetr": {
        "convolution": ("encoder1",),
        "patches": ("swinViT.patch_embed", "encoder2"),
        "Swin 1": ("swinViT.layers1.0", "encoder3"),
        "Swin 2": ("swinViT.layers2.0", "encoder4"),
        "Swin 3": ("swinViT.layers3.0",),
        "Swin 4": ("swinViT.layers4.0", "encoder10"),
    },
    "emcad": {
        "PVT 1": ("encoder.stages_0", "encoder.patch_embed", "to_rgb"),
        **{f"PVT {i + 1}": (f"encoder.stages_{i}",) for i in range(1, 4)},
    },
}
DECODERS: Parts = {
    "transunet": {
        **{f"decoder {i + 1}": (f"decoder.blocks.{i}",) for i in range(4)},
        "decoder 1": ("decoder.blocks.0", "decoder.bottleneck"),
        "classes": ("head",),
    },
    "swin_unetr": {
        **{f"decoder {6 - i}": (f"decoder{i}",) for i in range(5, 0, -1)},
        "classes": ("out",),
    },
    "emcad": {
        "decoder 1": ("decoder.convolution.0", "decoder.channel_attention.0", "decoder.spatial_attention"),
        **{
            f"decoder {i + 1}": (
                f"decoder.convolution.{i}", f"decoder.channel_attention.{i}",
                f"decoder.up.{i - 1}", f"decoder.gate.{i - 1}",
            )
            for i in range(1, 4)
        },
        "classes": ("heads.3", "heads"),
    },
}  # fmt: skip


def outline(network: "Network") -> list[Stage]:
    """The stages of a network of `build_network`, from the frame to the classes; the network is left as it is.

    Sizes are measured on one empty frame of the network's ``image_size``, on torch's meta device, where nothing is
    computed. Every parameter is counted in exactly one stage.
    """
    model = copy.deepcopy(network).to("meta").eval()
    height, width = model.config["image_size"]
    encoder, decoder = ENCODERS[model.config["name"]], DECODERS[model.config["name"]]
    maps: dict[str, tuple[int, int]] = {}  # stage -> stride, channels
    for name, (module, *_) in (encoder | decoder).items():
        model.get_submodule(module).register_forward_hook(_noting(maps, name, height * width))
    with torch.no_grad():
        model(torch.zeros(1, model.config["in_channels"], height, width, device="meta"))
    counts = _parameters(model, encoder | decoder)
    return [
        Stage(name, "encoder" if name in encoder else "decoder", *maps[name], counts[name])
        for name in encoder | decoder
    ]


def _noting(maps: dict[str, tuple[int, int]], stage: str, pixels: int):
    """A forward hook that notes stride and channels of a map [N, C, h, w], or of tokens [N, L, C]."""

    def note(_module: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        tokens = output.ndim == 3
        area, channels = (output.shape[1], output.shape[2]) if tokens else (output[0, 0].numel(), output.shape[1])
        maps[stage] = round(sqrt(pixels / area)), channels

    return note


def _parameters(model: nn.Module, stages: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Parameters of each stage: each belongs to the stage that knows the most of its name."""
    prefixes = {f"{module}.": stage for stage, modules in stages.items() for module in modules}
    counts = dict.fromkeys(stages, 0)
    for name, parameter in model.named_parameters():
        counts[prefixes[max((p for p in prefixes if name.startswith(p)), key=len)]] += parameter.numel()
    return counts
