"""What each training is told: one dataclass per network, which the parameter models make by ``settings()``.

The defaults are the published ones where the paper states them (Section 3.1). No module of torch is loaded here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Any, Literal, Self

Augmentation = Literal["none", "symmetries", "affine"]  # `training.augment`
PairAugmentation = Literal["none", "symmetries"]  # a denoiser would learn what resampling and reflection leave behind


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What all trainings have in common."""

    steps: int  # optimiser steps
    batch_size: int
    learning_rate: float
    evaluations: int = 10  # validation evaluations, evenly spaced, the last one after the last step
    bf16: bool = False  # bfloat16 autocast
    tf32: bool = False  # TF32 in the matrix products of a GPU; on a CPU it does nothing
    seed: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The settings among ``values`` by their names; others are left out."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})

    def with_steps(self, steps: int) -> Self:
        """The same settings for another number of steps."""
        return replace(self, steps=steps)

    def evaluate_at(self) -> list[int]:
        """Steps done at which a network is evaluated: after every 1 / ``evaluations`` of the training, rounded up."""
        return sorted({ceil(self.steps * part / self.evaluations) for part in range(1, self.evaluations + 1)})


@dataclass(frozen=True, kw_only=True)
class DenoiserTraining(TrainingSettings):
    """How the denoiser is trained; what the paper leaves open has improved-diffusion's defaults."""

    steps: int = 50_000
    batch_size: int = 1
    learning_rate: float = 1e-4
    lr_decay: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0  # linear rise of the learning rate
    weight_decay: float = 0.0
    gradient_clip: float = 0.0  # largest norm; 0 for none
    ema_decay: float = 0.9999
    ema_warmup: bool = True  # the decay rises as n / (9 + n); False: constant from the first step, as published
    keep: Literal["best", "last"] = "best"  # of the evaluated weights: the lowest validation loss, or the last ones
    augmentation: PairAugmentation = "none"  # symmetries: flips, and quarter turns where frames are square
    log_every: int = 50
    preview_pairs: int = 16  # sampled at every evaluation; 0 for none
    preview_sampler: str = "sde-dpmsolver++"
    preview_steps: int = 20
    probe_draws: int = 8  # noise levels per validation frame


@dataclass(frozen=True, kw_only=True)
class LabellerTraining(TrainingSettings):
    """How SAM is adapted (Sections 2.2 and 3.1).

    ``labeller`` is a SAM variant, "vit_b" or "vit_t", with "-noprompt" for training (and later labelling) without the
    mask prompt, and "-frozen" for a class head that keeps its start (only the adapters are trained then). ``beta1`` is
    printed as 0.99, perhaps for 0.9: it remembers a hundred steps, too many for a run of a few hundred. The first
    ``unprompted`` share of the steps shows no mask: a SAM with random weights that is shown from the start where the
    particles are learns their classes late. ``copy_paste`` adds particles of other annotated frames, ``close_up`` shows
    one particle at a time (with a mask prompt alone: without it the labeller has to find the particles), ``ema_decay``
    keeps the average of the weights.
    """

    labeller: str = "vit_b"
    size: Literal["reduced", "paper"] = "reduced"
    weights: Literal["pretrained", "random"] = "random"
    trainable: Literal["all", "adapters+head", "adapters"] = "all"  # "all" with random weights
    steps: int = 400
    epochs: int = 0  # > 0 overrides ``steps``
    batch_size: int = 4
    learning_rate: float = 1e-3
    evaluations: int = 4
    beta1: float = 0.99
    prompt_scale: float = 10.0  # the mask prompt is +-this, as signed logits
    unprompted: float = 0.0
    dice: Literal["dice", "generalised"] = "dice"
    label_smoothing: float = 0.0  # of the cross-entropy
    augmentation: Augmentation = "symmetries"
    copy_paste: bool = False
    close_up: int = 0  # side of the square at a particle that SAM sees [px]; 0: whole frames
    ema_decay: float = 0.0  # 0: the last weights
    adapter_blocks: Literal["all", "reference"] = "all"  # "reference": where finetune-SAM has them by default
    zero_init: bool = False  # adapters start as the identity
    knowledge_frames: int = 0  # of an informed labeller: newly simulated frames to learn from beside the annotated
    weights_folder: str = "data/weights"


@dataclass(frozen=True, kw_only=True)
class NetworkTraining(TrainingSettings):
    """How a segmentation network is trained: AdamW and the polynomial schedule of Section 3.1.

    ``loss`` is each network's "published" one, or "common", cross-entropy + Dice of the prediction: the paper does not
    say which it used, and with the common one the three networks differ in architecture alone. ``mixing``: see
    `segmentation.training.Batches`. ``pair_weight`` is w of `segmentation.losses.weighted_loss`, of the mixing "added".
    """

    epochs: int = 0  # > 0 overrides ``steps``
    batch_size: int = 4
    learning_rate: float = 1e-4
    evaluations: int = 20
    beta1: float = 0.99
    weight_decay: float = 0.1
    loss: Literal["published", "common"] = "published"
    mixing: Literal["half", "concat", "pretrain", "added"] = "half"
    pair_weight: float = 1.0
    augmentation: Augmentation = "symmetries"
    confidence: float = 0.95  # least probability of a label that the network gives to a frame without annotation


@dataclass(frozen=True, kw_only=True)
class SamPretraining(TrainingSettings):
    """How a small SAM is pre-trained on drawn pictures (notebook A1); ``held_out`` pictures judge it."""

    variant: Literal["vit_b", "vit_t"] = "vit_b"
    steps: int = 100
    batch_size: int = 16
    learning_rate: float = 1e-3
    evaluations: int = 4
    bf16: bool = True
    held_out: int = 64
