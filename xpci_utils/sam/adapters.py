"""Adapters added to SAM from outside, where finetune-SAM places them (Gu et al. 2024; the paper's section 2.2).

Modules of SAM are wrapped, none is rewritten. Per transformer block of the encoder: one adapter on the output of
the attention, one parallel to the MLP. Per two-way block of the decoder: one adapter before norm 2 and, the same
one again, before norm 4, and one parallel to the MLP of the tokens.

One difference to finetune-SAM is kept: its encoder blocks cut the frame into windows before norm 1, so that the padding
of the last windows, zeros, is normalised to the norm's bias and attended to as such; here, as in SAM itself and in the
official weights' training, norm 1 comes first and the padding stays zero.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from xpci_utils.sam.model import SemanticSam
from xpci_utils.sam.tiny_vit import TinyViT

TRAINABLE = ("adapters", "adapters+head", "all")
MLP_SCALE = 0.5  # of the parallel adapters, as in finetune-SAM


class Adapter(nn.Module):
    """Bottleneck MLP, tokens [..., dim] -> [..., dim]: down to ``ratio`` x dim, GELU, up again.

    ``skip`` adds the input to the result. ``zero_init`` starts the last layer at zero (AdaptFormer, Chen et al. 2022),
    which makes the adapted network equal to the plain one before training; finetune-SAM keeps torch's default.
    """

    def __init__(self, dim: int, skip: bool, ratio: float = 0.25, zero_init: bool = False):
        super().__init__()
        self.skip = skip
        self.down = nn.Linear(dim, int(dim * ratio))
        self.act = nn.GELU()
        self.up = nn.Linear(int(dim * ratio), dim)
        if zero_init:
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.up(self.act(self.down(x)))
        return x + y if self.skip else y


class AdaptedOutput(nn.Module):
    """A frozen module followed by an adapter: adapter(inner(x))."""

    def __init__(self, inner: nn.Module, adapter: Adapter):
        super().__init__()
        self.inner, self.adapter = inner, adapter

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.adapter(self.inner(x))


class AdaptedParallel(nn.Module):
    """A frozen module with an adapter beside it: inner(x) + 0.5 adapter(x)."""

    def __init__(self, inner: nn.Module, adapter: Adapter):
        super().__init__()
        self.inner, self.adapter = inner, adapter

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + MLP_SCALE * self.adapter(x)


class AdaptedInput(nn.Module):
    """A frozen module behind an adapter: inner(adapter(x)).

    ``owner=False`` uses an adapter that another module owns: it is then kept out of this module's parameters, so
    that every weight has one name and is stored once.
    """

    def __init__(self, inner: nn.Module, adapter: Adapter, owner: bool = True):
        super().__init__()
        self.inner = inner
        if owner:
            self.adapter = adapter
        else:
            object.__setattr__(self, "adapter", adapter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.adapter(x))


def add_adapters(
    model: SemanticSam,
    encoder: bool = True,
    decoder: bool = True,
    ratio: float = 0.25,
    zero_init: bool = False,
    seed: int = 0,
    blocks: str | Sequence[int] = "all",
) -> SemanticSam:
    """Put adapters into transformer blocks of encoder and decoder, in place; returns ``model``.

    ``blocks`` are those of the encoder: "all" (7,100,928 parameters at ``paper`` size in vit_b, 395,808 in vit_t),
    "reference" for finetune-SAM's default (2,366,976 and 189,408; see `adapted_blocks`), or their indices. The decoder
    has adapters in both of its blocks (132,352).
    Call it after weights are loaded: wrapping renames the wrapped modules. Raises ValueError if it was called before,
    or if there are no such blocks.
    """
    if any(isinstance(module, Adapter) for module in model.modules()):
        raise ValueError("this SAM has adapters already; build a new one to place them differently")
    options: dict[str, Any] = {"ratio": ratio, "zero_init": zero_init}
    chosen = adapted_blocks(model, blocks)
    block: Any  # of timm's TinyViT, or of SAM, which has no types
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # and no GPU's
        if encoder:
            for block in (encoder_blocks(model)[index] for index in chosen):
                dim = block.mlp.fc1.in_features if hasattr(block.mlp, "fc1") else block.mlp.lin1.in_features
                block.attn = AdaptedOutput(block.attn, Adapter(dim, skip=True, **options))
                block.mlp = AdaptedParallel(block.mlp, Adapter(dim, skip=False, **options))
        if decoder:
            for block in model.mask_decoder.transformer.layers:
                dim = model.mask_decoder.transformer_dim
                shared = Adapter(dim, skip=True, **options)
                block.norm2 = AdaptedInput(block.norm2, shared)
                block.norm4 = AdaptedInput(block.norm4, shared, owner=False)
                block.mlp = AdaptedParallel(block.mlp, Adapter(dim, skip=False, **options))
    where = {"encoder": encoder, "decoder": decoder, "blocks": blocks if isinstance(blocks, str) else list(chosen)}
    model.config |= {"adapters": where | {"ratio": ratio}}
    return model.train(model.training)


def encoder_blocks(model: SemanticSam) -> Sequence[nn.Module]:
    """The transformer blocks of either image encoder; convolutional stages have no tokens to adapt."""
    encoder = model.image_encoder
    return encoder.transformer_blocks if isinstance(encoder, TinyViT) else list(encoder.blocks)


def adapted_blocks(model: SemanticSam, blocks: str | Sequence[int] = "all") -> tuple[int, ...]:
    """Which of `encoder_blocks` are meant: "all", "reference", or their indices themselves; ascending.

    "reference" is finetune-SAM's default (``encoder_adapter_depths`` 0, 1, 10, 11 in its cfg.py): in ViT-B the first
    two and the last two blocks. MobileSAM counts depth by stage there, so that the same list means its first two
    transformer stages and leaves the last one out. Raises ValueError for other words and for absent indices.
    """
    count = len(encoder_blocks(model))
    if blocks == "all":
        return tuple(range(count))
    if blocks == "reference":
        if hasattr(model.image_encoder, "blocks"):
            return tuple(sorted({0, 1, count - 2, count - 1}))
        return tuple(range(count - len(model.image_encoder.stages[-1].blocks)))
    if isinstance(blocks, str) or not set(blocks) <= set(range(count)):
        raise ValueError(
            f'adapter blocks are {blocks!r}; choose "all", "reference" or indices from 0 to {count - 1} of this encoder'
        )
    return tuple(sorted(set(blocks)))


def set_trainable(model: SemanticSam, trainable: str) -> SemanticSam:
    """Freeze everything but "adapters", "adapters+head", or nothing ("all"), in place; returns ``model``.

    The head is the mask tokens and the hypernetwork of each class. finetune-SAM leaves it frozen, and random wherever
    the number of classes is not SAM's three. Parts that no class logit depends on (token 0's hypernetwork, the
    mask-quality head, the ImageNet classifier of TinyViT, point and box embeddings) are never trained.
    """
    if trainable not in TRAINABLE:
        raise ValueError(f"trainable is {trainable!r}; choose from {', '.join(TRAINABLE)}")
    for name, parameter in model.named_parameters():
        wanted = trainable == "all" or ".adapter." in name or (trainable == "adapters+head" and is_head(name))
        parameter.requires_grad_(wanted and not is_unused(name))
    model.config |= {"trainable": trainable}
    return model


def is_head(name: str) -> bool:
    """Whether a parameter belongs to the class head."""
    return "mask_decoder.mask_tokens" in name or "output_hypernetworks_mlps" in name


def is_unused(name: str) -> bool:
    """Whether no class logit depends on this parameter."""
    unused = ("output_hypernetworks_mlps.0.", "iou_prediction_head", "norm_head", "image_encoder.head.")
    return any(part in name for part in unused) or "point_embed" in name or "not_a_point" in name


def count_parameters(model: SemanticSam) -> dict[str, int]:
    """Parameters: total, trainable, encoder (without adapters), encoder_adapters, decoder_adapters, adapters, head."""
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    adapters = {name: size for name, size in sizes.items() if ".adapter." in name}
    in_encoder = sum(size for name, size in adapters.items() if name.startswith("image_encoder."))
    return {
        "total": sum(sizes.values()),
        "trainable": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "encoder": sum(size for name, size in sizes.items() if name.startswith("image_encoder.")) - in_encoder,
        "encoder_adapters": in_encoder,
        "decoder_adapters": sum(adapters.values()) - in_encoder,
        "adapters": sum(adapters.values()),
        "head": sum(size for name, size in sizes.items() if is_head(name) and not is_unused(name)),
    }


def count_by_part(model: SemanticSam, trained: bool = False) -> dict[str, int]:
    """Parameters of each part of SAM, or only those that are trained; every parameter is in exactly one part."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = part_of(name)
        counts[part] = counts.get(part, 0) + parameter.numel() * (parameter.requires_grad or not trained)
    return counts


def part_of(name: str) -> str:
    """The part of SAM that a parameter belongs to, in words."""
    module = name.split(".")[0].replace("_", " ")
    if ".adapter." in name:
        return f"adapters of the {module}"
    if is_unused(name):
        return "parts that no class depends on"
    return "class head" if is_head(name) else module
