"""Parameters of the notebooks that train: denoiser (02), labellers (03), networks (05) and small SAMs (A1)."""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from xpci_utils import paths
from xpci_utils.params.base import (
    CellName,
    Change,
    Content,
    Former,
    LabellerName,
    SeededParameters,
    ShippableParameters,
    StageParameters,
)
from xpci_utils.params.cells import Cell, knowledge_of, parse_labeller
from xpci_utils.params.places import DENOISER, FRAMES, cell_place, labeller_place, pretraining_place, sources
from xpci_utils.training.settings import (
    Augmentation,
    DenoiserTraining,
    LabellerTraining,
    NetworkTraining,
    PairAugmentation,
    SamPretraining,
)


class TrainDdpm(ShippableParameters):
    """02: the denoiser of Section 2.1."""

    notebook = "02_train_ddpm"
    weights_file = "denoiser_ema.safetensors"
    judged_frames: ClassVar[int] = 64  # test frames at most on which the noise error is measured in the end
    products = ("denoiser_ema.safetensors", "history.jsonl", "metrics.json", "samples")
    former = {"augment": Former("augmentation", {True: "symmetries", False: "none"})}

    size: Literal["quick", "paper"] = Field(
        "quick", description="size of the denoiser; the profile laptop trains size quick for longer"
    )
    prediction: Literal["eps", "v"] = Field(
        "v", description="prediction target; the paper: eps; v: with a Wiener skip, for reduced sizes"
    )
    diffusion_steps: int = Field(4000, ge=2, description="T, forward steps of the cosine schedule")
    steps: int = Field(450, ge=1, description="optimiser steps")
    batch_size: int = Field(16, ge=1, description="frames per optimiser step")
    learning_rate: float = Field(1e-3, gt=0, description="AdamW learning rate")
    lr_decay: Literal["constant", "cosine"] = Field("cosine", description="constant as published, or cosine decay to 0")
    warmup_steps: int = Field(50, ge=0, description="first steps, in which the learning rate rises")
    gradient_clip: float = Field(1.0, ge=0, description="largest gradient norm; 0: no limit, as published")
    rescale_timesteps: bool = Field(False, description="the U-Net sees 1000 t / T instead of t, as published")
    ema_decay: float = Field(0.9999, ge=0, lt=1, description="decay of the averaged weights")
    ema_warmup: bool = Field(
        True, description="decay at step n is at most n / (9 + n); false: constant decay, as published"
    )
    keep: Literal["best", "last"] = Field(
        "best", description="weights to keep: the best on validation frames, or the last"
    )
    augmentation: PairAugmentation = Field(
        "symmetries", description="none, as printed in the paper, or flips and quarter turns"
    )
    bf16: bool = Field(True, description="bfloat16 autocast")
    tf32: bool = Field(False, description="TF32 in matrix products on a GPU; no effect on a CPU")
    evaluations: int = Field(4, ge=1, description="validation evaluations, evenly spaced")
    preview_pairs: int = Field(16, ge=1, description="pairs sampled at each validation evaluation")
    preview_steps: int = Field(20, ge=2, description="solver steps for each of these pairs")
    probe_draws: int = Field(
        8, ge=1, description="noise levels per held-out frame at which the noise error is measured"
    )

    @property
    def network_settings(self) -> dict[str, Any]:
        """Settings of the network, as `denoiser_config` takes them."""
        return {
            "prediction": self.prediction,
            "timesteps": self.diffusion_steps,
            "rescale_timesteps": self.rescale_timesteps,
        }

    @property
    def judged_pairs(self) -> int:
        """Pairs sampled in the end, whose foreground share goes to metrics.json."""
        return 4 * self.preview_pairs

    def settings(self) -> DenoiserTraining:
        """How to train, as the training is told."""
        return DenoiserTraining.of(self.model_dump())

    @property
    def place(self) -> str:
        return DENOISER.folder

    @property
    def inputs(self) -> list[Path]:
        return [self.root / FRAMES.folder]


class AdaptSam(ShippableParameters):
    """03: the labeller of Section 2.2."""

    notebook = "03_adapt_sam"
    weights_file = "adapters.safetensors"
    products = ("adapters.safetensors", "history.jsonl", "metrics.json", "per_frame.csv", "namings.csv", "predictions")

    labeller: LabellerName = Field(
        "vit_b", description="vit_b or vit_t; '-noprompt': no mask prompt; '-frozen': only adapters are trained"
    )
    size: Literal["reduced", "paper"] = Field("reduced", description="size of both SAM variants")
    weights: Literal["pretrained", "random"] = Field(
        "pretrained", description="initial weights: pre-trained (official, or from notebook A1), or random"
    )
    trainable: Literal["all", "adapters+head", "adapters"] = Field("all", description="parameters that are trained")
    knowledge_frames: int = Field(
        0, ge=0, description="newly simulated frames that an informed labeller learns from, too; 0: as its name says"
    )
    prompt_scale: float = Field(10.0, gt=0, description="absolute value of the signed logits of the mask prompt")
    unprompted: float = Field(
        0.0, ge=0, le=1, description="share of the steps, at the start, without mask prompt; the paper: 0"
    )
    steps: int = Field(220, ge=1, description="optimiser steps; ignored when epochs > 0")
    epochs: int = Field(0, ge=0, description="passes over the annotated frames; 0: use steps")
    batch_size: int = Field(8, ge=1, description="frames per optimiser step")
    learning_rate: float = Field(1e-3, gt=0, description="AdamW learning rate, decayed by (1 - t/n)^0.9")
    beta1: float = Field(0.9, ge=0, lt=1, description="first beta of AdamW; the paper prints 0.99")
    dice: Literal["dice", "generalised"] = Field("dice", description="Dice term beside the cross-entropy")
    augmentation: Augmentation = Field(
        "affine", description="none, as printed in the paper, flips and quarter turns, or any rotation"
    )
    copy_paste: bool = Field(False, description="paste particles of other annotated frames into each frame")
    close_up: int = Field(
        0, ge=0, multiple_of=8, description="side of the square at each particle that SAM sees [px]; 0: whole frames"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of the target that the cross-entropy spreads over all classes"
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights; 0: the last weights")
    adapter_blocks: Literal["all", "reference"] = Field(
        "all", description="encoder blocks with adapters; reference: default of finetune-SAM (0, 1, 10, 11 of ViT-B)"
    )
    bf16: bool = Field(True, description="bfloat16 autocast")
    tf32: bool = Field(False, description="TF32 in matrix products on a GPU; no effect on a CPU")
    weights_folder: str = Field("data/weights", description="folder that SAM's weights are read from or downloaded to")
    tolerance_px: float = Field(2.0, gt=0, description="tolerance of the normalised surface Dice [px]")

    @model_validator(mode="after")
    def _knowledge_in_the_name(self) -> Self:
        """What a labeller knew is in its name, and so in every table; it is never a setting of a profile alone."""
        if self.knowledge_frames not in (0, knowledge_of(self.labeller)):
            raise ValueError(
                f"knowledge_frames is {self.knowledge_frames}, but the labeller is {self.labeller!r}; an informed "
                f"labeller, which stands in for SAM's pre-training, says so in its name: its labeller ends in "
                f"'-informed{self.knowledge_frames}'"
            )
        return self

    @property
    def contents(self) -> dict[str, Content]:
        """Of reduced weights the content counts, not where they lie; a labeller of size paper remembers where."""
        if self.weights != "pretrained" or self.size != "reduced":
            return super().contents
        note = paths.resolve(self.weights_folder) / parse_labeller(self.labeller).variant / "sam.sha256"
        return super().contents | {"weights_sha256": Content("sha256", (note,))}

    def decisive(self) -> dict[str, Any]:
        values = super().decisive()
        del values["knowledge_frames"]  # the labeller's name has them
        if self.size == "reduced":
            del values["weights_folder"]
        return values

    def settings(self) -> LabellerTraining:
        """How to adapt, as the training is told; what the labeller's name says goes before the profile's settings."""
        return LabellerTraining.of(self.model_dump() | parse_labeller(self.labeller).changes)

    @property
    def place(self) -> str:
        return labeller_place(self.labeller, self.seed).folder

    @property
    def inputs(self) -> list[Path]:
        return [self.root / FRAMES.folder]


def networks_changed_with_version_2(parameters: "TrainSegmentation") -> bool:
    """EMCAD with ReLU6 is the old one; TransUNet had dropout after its attention at published size alone."""
    backbone = Cell.parse(parameters.cell).backbone
    emcad = backbone == "emcad" and parameters.activation == "relu"
    return emcad or (backbone == "transunet" and parameters.size == "paper")


def is_emcad(parameters: "TrainSegmentation") -> bool:
    return Cell.parse(parameters.cell).backbone == "emcad"


def pasted_with_an_augmentation(parameters: "TrainSegmentation") -> bool:
    """Copy-paste flipped and turned whatever else the arm's name said."""
    cell = Cell.parse(parameters.cell)
    return cell.trains_on == "copypaste" and cell.augmentation not in ("", "symmetries")


class TrainSegmentation(StageParameters):
    """05: one cell of the grid of Section 3.2."""

    notebook = "05_train_segmentation"
    changes = {
        2: Change("EMCAD's decoder and TransUNet's attention as published", networks_changed_with_version_2),
        3: Change("copy-paste is followed by the augmentation in the arm's name", pasted_with_an_augmentation),
        4: Change("EMCAD's depth-wise 1x1 convolutions are products, which rounds otherwise", is_emcad),
    }
    products = ("model.safetensors", "history.jsonl", "metrics.json", "per_frame.csv")

    cell: CellName = Field(
        "emcad__r0040__vit_b__n00200__mix__s0", description="name of the cell of the grid; it includes the seed"
    )
    size: Literal["quick", "laptop", "paper"] = Field("quick", description="size of the network")
    pretrained: bool = Field(False, description="start from ImageNet weights where timm provides them")
    loss: Literal["published", "common"] = Field(
        "published", description="the published loss of each network, or cross-entropy + Dice for all"
    )
    activation: Literal["relu", "relu6"] = Field("relu", description="activation in EMCAD's decoder; published: relu")
    reference_stem: bool = Field(
        False, description="TransUNet's stem as in its public code; false: as its ImageNet weights were trained"
    )
    mixing: Literal["half", "concat"] = Field(
        "half", description="half: half of each batch is synthetic; concat: one shuffled set"
    )
    augmentation: Augmentation = Field(
        "symmetries", description="none, as printed in the paper, flips and quarter turns, or any rotation"
    )
    steps: int = Field(260, ge=1, description="optimiser steps; ignored when epochs > 0")
    epochs: int = Field(0, ge=0, description="passes over the training set; 0: use steps")
    batch_size: int = Field(8, ge=1, description="frames per optimiser step")
    learning_rate: float = Field(6e-3, gt=0, description="AdamW learning rate, decayed by (1 - t/n)^0.9")
    beta1: float = Field(0.9, ge=0, lt=1, description="first beta of AdamW; the paper prints 0.99")
    evaluations: int = Field(20, ge=1, description="validation evaluations, evenly spaced")
    confidence: float = Field(
        0.95, gt=0, lt=1, description="least probability of a label that the arm 'fixmatch' learns from, 0 to 1"
    )
    bf16: bool = Field(False, description="bfloat16 autocast")
    tf32: bool = Field(False, description="TF32 in matrix products on a GPU; no effect on a CPU")
    tolerance_px: float = Field(2.0, gt=0, description="tolerance of the normalised surface Dice [px]")

    @property
    def network_settings(self) -> dict[str, Any]:
        """Settings that concern one network each, as `build_network` takes them."""
        return {"activation": self.activation, "reference_stem": self.reference_stem}

    def settings(self) -> NetworkTraining:
        """How to train, as the training is told; the seed is the cell's."""
        return NetworkTraining.of(self.model_dump() | {"seed": Cell.parse(self.cell).seed})

    def decisive(self) -> dict[str, Any]:
        """What concerns one arm changes no other cell."""
        values = super().decisive()
        if Cell.parse(self.cell).trains_on != "fixmatch":
            del values["confidence"]
        return values

    @property
    def place(self) -> str:
        return cell_place(Cell.parse(self.cell)).folder

    @property
    def inputs(self) -> list[Path]:
        return [self.root / place.folder for place in (FRAMES, *sources(Cell.parse(self.cell)))]

    @property
    def pool(self) -> tuple[Path, Path] | None:
        """Folders of the pairs that the cell trains on and of their labels; None without any."""
        places = sources(Cell.parse(self.cell))
        if not places:
            return None
        pairs = self.root / places[0].folder
        return pairs, self.root / places[1].folder if len(places) > 1 else pairs / "labels"


class PretrainSam(SeededParameters):
    """A1: the weights from which a small SAM is adapted; their place in data/weights is given as output_folder."""

    notebook = "A1_pretrain_small_sam"
    products = ("sam.safetensors", "history.jsonl", "metrics.json")

    variant: Literal["vit_b", "vit_t"] = Field("vit_t", description="SAM-b or SAM-t, both of reduced size")
    steps: int = Field(60, ge=1, description="optimiser steps; the shipped weights: see params/weights")
    batch_size: int = Field(8, ge=1, description="new pictures per optimiser step")
    learning_rate: float = Field(2e-3, gt=0, description="learning rate after warm-up, with cosine decay")
    bf16: bool = Field(True, description="bfloat16 autocast")
    evaluations: int = Field(4, ge=1, description="evaluations on pictures with held-out textures, evenly spaced")
    held_out: int = Field(128, ge=1, description="pictures with held-out textures in each evaluation and at the end")

    def settings(self) -> SamPretraining:
        """How to pre-train, as the training is told."""
        return SamPretraining.of(self.model_dump())

    @property
    def place(self) -> str:
        return pretraining_place(self.variant, self.seed).folder
