"""SAM as a semantic segmenter: encoder, prompt encoder and mask decoder of SAM, one output mask per class.

Kirillov et al. 2023; the token per class is finetune-SAM's (Gu et al. 2024). Frames of any size go in, class logits
of the same size come out: SAM's logits (a quarter of its input) are interpolated *before* loss and argmax, since
labels of small particles do not survive the opposite order.
"""

from functools import partial
from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import nn
from torch.nn import functional

from xpci_utils.sam.prompts import MASK_SCALE, prompt_logits
from xpci_utils.sam.tiny_vit import TinyViT

VARIANTS = ("vit_b", "vit_t")
PIXEL_MEAN, PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet, of 0..255

# "paper" is the published network; "reduced" keeps its structure and nearly the ratio of the two encoders (11.4;
# published 14.8) for frames of 64 x 64 pixels, which it sees at 128 x 128 with one logit per frame pixel.
IMAGE_SIZE = {"paper": 1024, "reduced": 128}
VIT: dict[str, dict[str, Any]] = {
    "paper": {"patch_size": 16, "embed_dim": 768, "depth": 12, "num_heads": 12, "window_size": 14}
    | {"global_attn_indexes": (2, 5, 8, 11)},
    "reduced": {"patch_size": 8, "embed_dim": 128, "depth": 5, "num_heads": 4, "window_size": 8}
    | {"global_attn_indexes": (2, 4)},
}
TINY_VIT: dict[str, dict[str, Any]] = {
    "paper": {},
    "reduced": {"widths": (16, 24, 32, 32), "depths": (1, 1, 2, 1), "heads": (1, 2, 2), "windows": (8, 8, 8)}
    | {"merge_strides": (2, 1, 1), "classifier": 0},
}
DECODER = {
    "paper": {"dim": 256, "mlp_dim": 2048, "heads": 8, "mask_channels": 16},
    "reduced": {"dim": 64, "mlp_dim": 256, "heads": 4, "mask_channels": 16},
}


class SemanticSam(nn.Module):
    """SAM's three parts under their official names, with one mask token and hypernetwork per class.

    ``config`` records how ``build_sam`` made it. BatchNorm (only TinyViT has it) stays in evaluation mode whatever
    ``train`` says: with batches of one frame its statistics would drift away from the frozen weights.
    """

    pixel_mean: torch.Tensor
    pixel_std: torch.Tensor

    def __init__(
        self,
        image_encoder: ImageEncoderViT | TinyViT,
        prompt_encoder: PromptEncoder,
        mask_decoder: MaskDecoder,
        mask_scale: float,
        config: dict,
    ):
        super().__init__()
        self.image_encoder, self.prompt_encoder, self.mask_decoder = image_encoder, prompt_encoder, mask_decoder
        self.mask_scale, self.config = mask_scale, config
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD).view(-1, 1, 1), persistent=False)

    @property
    def num_classes(self) -> int:
        """Number of output masks, the background's among them."""
        return self.mask_decoder.num_multimask_outputs

    def train(self, mode: bool = True) -> "SemanticSam":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: torch.Tensor, masks: torch.Tensor | None = None) -> torch.Tensor:
        """Class logits [N, C, h, w] of grey frames [N, h, w] (0..255), prompted by masks [N, h, w] (bool or 0/1).

        Without masks SAM's learned "no mask" embedding takes their place.
        """
        shape = self.input_shape(images)
        embedding = self.image_encoder(self.preprocess(images, shape))
        sparse, dense = self.encode_prompt(masks, len(images), shape)
        logits, _ = self.decode(embedding + dense, sparse)
        return self.to_frame(logits[:, 1:], images)

    def input_shape(self, images: torch.Tensor) -> tuple[int, int]:
        """Height and width of frames [N, h, w] in SAM's square input."""
        size, longest = self.image_encoder.img_size, max(images.shape[-2:])
        height, width = (round(side * size / longest) for side in images.shape[-2:])
        return height, width

    def to_frame(self, logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Logits [N, K, g, g] without what SAM padded at the right and below, scaled to the frames [N, h, w]."""
        share = logits.shape[-1] / self.image_encoder.img_size
        rows, columns = (max(1, round(side * share)) for side in self.input_shape(images))
        return functional.interpolate(logits[..., :rows, :columns], images.shape[-2:], mode="bilinear")

    def preprocess(self, images: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        """Grey [N, h, w] to normalised RGB [N, 3, S, S]: longest side scaled to S, the rest zero (as in SAM)."""
        images = images[:, None].float().expand(-1, 3, -1, -1)
        images = functional.interpolate(images, shape, mode="bilinear")
        return self._pad((images - self.pixel_mean) / self.pixel_std, self.image_encoder.img_size)

    def encode_prompt(
        self, masks: torch.Tensor | None, count: int, shape: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sparse [N, 0, dim] and dense [N, dim, g, g] (or [1, dim, g, g]) prompt embeddings."""
        logits = None
        if masks is not None:
            grid = self.prompt_encoder.mask_input_size[0]
            height, width = (max(1, round(side * grid / self.image_encoder.img_size)) for side in shape)
            logits = self._pad(prompt_logits(masks, (height, width), self.mask_scale), grid, -self.mask_scale)
        sparse, dense = self.prompt_encoder(points=None, boxes=None, masks=logits)
        return sparse.expand(count, -1, -1), dense

    def decode(self, embedding: torch.Tensor, sparse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits [N, 1 + C, 4g, 4g], their expected IoU [N, 1 + C]) of embeddings [N, dim, g, g].

        The steps of ``MaskDecoder.predict_masks``, which takes one image and many prompts, for many images with one
        prompt each. Mask 0 is SAM's single answer; the classes are the others, and need no expected IoU.
        """
        decoder = self.mask_decoder
        count, dim, height, width = embedding.shape
        tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).expand(count, -1, -1)
        positions = self.prompt_encoder.get_dense_pe().expand(count, -1, -1, -1)
        queries, keys = decoder.transformer(embedding, positions, torch.cat([tokens, sparse], dim=1))
        pixels = decoder.output_upscaling(keys.transpose(1, 2).reshape(count, dim, height, width))
        networks = decoder.output_hypernetworks_mlps
        weights = torch.stack([network(queries[:, 1 + i]) for i, network in enumerate(networks)], dim=1)
        return torch.einsum("nkc,nchw->nkhw", weights, pixels), decoder.iou_prediction_head(queries[:, 0])

    @staticmethod
    def _pad(x: torch.Tensor, size: int, value: float = 0.0) -> torch.Tensor:
        return functional.pad(x, (0, size - x.shape[-1], 0, size - x.shape[-2]), value=value)


def build_sam(
    variant: str = "vit_b",
    size: str = "paper",
    num_classes: int = 3,
    *,
    mask_scale: float = MASK_SCALE,
    seed: int = 0,
) -> SemanticSam:
    """A SAM with ``num_classes`` output masks (background included) and random weights that belong to ``seed``.

    ``variant`` is "vit_b" (SAM ViT-B) or "vit_t" (MobileSAM). ``size`` is "paper" for the published networks
    (93,735,472 and 10,130,092 parameters with three masks, 1024-pixel input) or "reduced" for small ones of the same
    structure. Weights come from ``load_official_weights`` or ``load_pretrained``, adapters from ``add_adapters``.
    """
    if variant not in VARIANTS:
        raise ValueError(f"there is no SAM variant {variant!r}; choose from {', '.join(VARIANTS)}")
    if size not in IMAGE_SIZE:
        raise ValueError(f"there is no SAM size {size!r}; choose from {', '.join(IMAGE_SIZE)}")
    config = {"variant": variant, "size": size, "num_classes": num_classes, "mask_scale": mask_scale, "seed": seed}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # and no GPU's
        encoder, stride = build_encoder(variant, size)
        grid, dim = encoder.img_size // stride, DECODER[size]["dim"]
        prompt_encoder = PromptEncoder(
            embed_dim=dim,
            image_embedding_size=(grid, grid),
            input_image_size=(encoder.img_size, encoder.img_size),
            mask_in_chans=DECODER[size]["mask_channels"],
        )
        decoder = build_decoder(size, num_classes)
        for part in (encoder, decoder):
            part.apply(initialise)
        return SemanticSam(encoder, prompt_encoder, decoder, mask_scale, config).eval()


def initialise(module: nn.Module) -> None:
    """The usual start of a vision transformer; from torch's own, small SAMs take three times as long to tell classes
    apart."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def build_encoder(variant: str, size: str) -> tuple[ImageEncoderViT | TinyViT, int]:
    """The image encoder and its stride in input pixels."""
    image_size, dim = IMAGE_SIZE[size], DECODER[size]["dim"]
    if variant == "vit_t":
        encoder = TinyViT(image_size, out_channels=dim, **TINY_VIT[size])
        return encoder, encoder.stride
    layer_norm = partial(nn.LayerNorm, eps=1e-6)
    encoder = ImageEncoderViT(image_size, out_chans=dim, norm_layer=layer_norm, use_rel_pos=True, **VIT[size])
    return encoder, VIT[size]["patch_size"]


def build_decoder(size: str, num_classes: int) -> MaskDecoder:
    """SAM's two-way transformer decoder with one mask token per class beside SAM's own token 0."""
    settings = DECODER[size]
    transformer = TwoWayTransformer(
        depth=2, embedding_dim=settings["dim"], mlp_dim=settings["mlp_dim"], num_heads=settings["heads"]
    )
    return MaskDecoder(
        transformer_dim=settings["dim"],
        transformer=transformer,
        num_multimask_outputs=num_classes,
        iou_head_depth=3,
        iou_head_hidden_dim=settings["dim"],
    )


@torch.no_grad()
def calibrate_batch_norm(model: SemanticSam, images: torch.Tensor) -> None:
    """Give BatchNorm layers of a randomly started TinyViT the statistics of ``images`` [N, h, w] (0..255).

    Pre-trained networks bring their own; without either, pinned BatchNorm would be the identity and the signal
    would fade from layer to layer.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = None  # the plain average over the images
        layer.reset_running_stats()
        layer.train()
    size = model.image_encoder.img_size
    model.image_encoder(model.preprocess(images.to(model.pixel_mean.device), (size, size)))
    for layer in layers:
        layer.momentum = 0.1
        layer.eval()


def describe(config: dict) -> str:
    """How tables call a labeller, e.g. "SAM ViT-B" or "SAM-b (reduced, 1.2 M)"."""
    if config.get("weights") == "official":
        return {"vit_b": "SAM ViT-B", "vit_t": "MobileSAM (TinyViT)"}[config["variant"]]
    name = {"vit_b": "SAM-b", "vit_t": "SAM-t"}[config["variant"]]
    facts = [f"{config['parameters'] / 1e6:.2g} M"]
    if config["size"] != "paper":
        facts.insert(0, "reduced")
    if config.get("weights") != "pretrained":
        facts.append("from random weights")
    if known := config.get("knowledge_frames"):
        name = f"informed {name}"
        facts.append(f"{known:,} more frames in place of SAM's pre-training")
    return f"{name} ({', '.join(facts)})"
