"""Training the adapters on annotated frames with their binary masks as prompts (sections 2.2 and 3.1)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from xpci_utils import paths
from xpci_utils.frames import IGNORE, FrameSet, binary_mask, pad_image, pad_labels
from xpci_utils.params.cells import parse_labeller
from xpci_utils.randomness import numpy_rng, stream_indices
from xpci_utils.sam.adapters import add_adapters, set_trainable
from xpci_utils.sam.checkpoints import load_official_weights, load_pretrained, save_labeller
from xpci_utils.sam.close_up import CloseUp
from xpci_utils.sam.model import SemanticSam, build_sam, calibrate_batch_norm
from xpci_utils.simulation.more import write_role_frames
from xpci_utils.training import (
    LabellerTraining,
    StagePlace,
    adamw,
    augment,
    cross_entropy_and_dice,
    default_device,
    poly_lr,
    precision,
    run_steps,
    set_lr,
)
from xpci_utils.training.augmentation import View
from xpci_utils.training.averaging import averaged, averaged_weights
from xpci_utils.training.copy_paste import ParticlePaste

if TYPE_CHECKING:
    from diffusers.training_utils import EMAModel

WEIGHT_DECAY, BETA2 = 0.1, 0.999  # section 3.1
LABELLER_FILE = "adapters.safetensors"
CALIBRATION_FRAMES = 32

Example = tuple[np.ndarray, np.ndarray]


def adapt_sam(frames: FrameSet, settings: LabellerTraining, stage: StagePlace) -> SemanticSam:
    """Adapt SAM to the train split of ``frames``; resumes bit for bit.

    AdamW with the paper's weight decay and betas, polynomial decay (power 0.9) per step; see `LabellerTraining`. An
    informed labeller learns from `knowledge_examples`, too, in as many steps: its name changes what it sees, and not
    for how long. The validation split, if the set has one, is only watched. The folder of ``stage`` receives
    adapters.safetensors and history.jsonl; returns the adapted model in evaluation mode.
    """
    examples = frames.examples("train")
    settings = replace(settings, **parse_labeller(settings.labeller).changes)  # type: ignore[arg-type]
    settings = settings.with_steps(settings.epochs * -(-len(examples) // settings.batch_size) or settings.steps)
    if settings.knowledge_frames:
        examples = [*examples, *knowledge_examples(frames, settings, stage)]
    model = build_labeller(frames, examples, settings)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    betas = (settings.beta1, BETA2)
    optimizer = adamw(parameters, settings.learning_rate, betas=betas, weight_decay=WEIGHT_DECAY)
    average = averaged_weights(parameters, settings.ema_decay) if settings.ema_decay else None
    view = view_of(settings, examples, frames.info.get("window"))
    batches = partial(draw_batch, examples, settings.batch_size, settings.seed, view=view)
    validation = frames.examples("val") if any(row["split"] == "val" for row in frames.rows) else []

    def evaluate(step: int) -> dict[str, float]:
        with averaged(average, parameters):
            return watch(model, validation, settings)

    run_steps(
        settings,
        update=make_update(model, optimizer, batches, settings, average),
        state={"model": TrainableState(model), "optimizer": optimizer} | ({"average": average} if average else {}),
        stage=stage,
        evaluate=evaluate if validation else None,
        log_every=max(1, min(25, settings.steps // 10)),
        description=f"adapting {settings.labeller}",
    )
    if average:
        average.copy_to(parameters)
    save_labeller(stage.folder / LABELLER_FILE, model)
    return model.eval()


def knowledge_examples(frames: FrameSet, settings: LabellerTraining, stage: StagePlace) -> Sequence[Example]:
    """What an informed labeller knows beside the annotated frames: new ones of the role "knowledge" and its seed.

    They are simulated into the work folder of ``stage``, one from each sequence. ValueError if no simulator made
    ``frames``: nobody has such frames of another source.
    """
    if not frames.simulated:
        raise ValueError(
            f"{settings.labeller} is an informed labeller, which learns from newly simulated frames; "
            f"{paths.display(frames.folder)} holds frames of your own, so choose a labeller without '-informed'"
        )
    folder = stage.work / "knowledge"
    return write_role_frames(frames, folder, settings.knowledge_frames, settings.seed, "knowledge").examples("test")


def build_labeller(frames: FrameSet, examples: Sequence[Example], settings: LabellerTraining) -> SemanticSam:
    """SAM with its first weights, adapters and frozen parts, in training mode on the default device."""
    named = parse_labeller(settings.labeller)
    scale, seed = settings.prompt_scale, settings.seed
    model = build_sam(named.variant, settings.size, frames.num_classes, mask_scale=scale, seed=seed)
    start_from(model, settings.weights, examples, settings.weights_folder)
    add_adapters(model, zero_init=settings.zero_init, seed=seed, blocks=settings.adapter_blocks)
    set_trainable(model, settings.trainable)
    model.config |= {"labeller": settings.labeller, "mask_prompt": named.prompted, "steps": settings.steps}
    model.config |= {"knowledge_frames": named.knowledge_frames} if named.knowledge_frames else {}
    model.config |= {"close_up": settings.close_up} if close_up_of(settings) else {}
    return model.to(default_device()).train()


def make_update(
    model: SemanticSam,
    optimizer: torch.optim.Optimizer,
    batches: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    settings: LabellerTraining,
    average: "EMAModel | None" = None,
) -> Callable[[int], dict[str, float]]:
    """The optimiser step as a function of the step number; ``batches`` makes images and labels of it."""
    prompted_from = settings.unprompted * settings.steps if model.config["mask_prompt"] else math.inf

    def update(step: int) -> dict[str, float]:
        set_lr(optimizer, poly_lr(settings.learning_rate, step, settings.steps))
        loss, parts = loss_of(model, *batches(step), settings, step >= prompted_from)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if average:
            average.step(p for p in model.parameters() if p.requires_grad)
        return parts

    return update


def start_from(model: SemanticSam, weights: str, examples: Sequence[Example], weights_folder: str | Path) -> None:
    """Give SAM the weights that it has before adaptation: "pretrained" (the official ones at size ``paper``, those of
    notebook A1 at size ``reduced``), or "random" with calibrated BatchNorm."""
    if weights == "pretrained" and model.config["size"] == "paper":
        load_official_weights(model, paths.resolve(weights_folder))
    elif weights == "pretrained":
        load_pretrained(model, paths.resolve(weights_folder) / model.config["variant"])
    elif weights == "random":
        images = [pad_image(examples[i][0]) for i in range(min(len(examples), CALIBRATION_FRAMES))]
        calibrate_batch_norm(model, torch.from_numpy(np.stack(images)))
    else:
        raise ValueError(f'weights is {weights!r}; choose "pretrained" or "random"')


class TrainableState:
    """The trainable parameters of a model, as what a checkpoint has to hold; the rest is rebuilt at the start."""

    def __init__(self, model: SemanticSam):
        self.parameters: dict[str, torch.Tensor] = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self.parameters

    @torch.no_grad()
    def load_state_dict(self, tensors: dict[str, torch.Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])


def close_up_of(settings: LabellerTraining) -> int:
    """Side of the close-ups that a labeller sees; 0 for whole frames, which one without a prompt always sees."""
    return settings.close_up if parse_labeller(settings.labeller).prompted else 0


def view_of(settings: LabellerTraining, donors: Sequence[Example], window: dict | None = None) -> View:
    """What a labeller is shown of an example while it learns; ``donors`` and their 8-bit ``window`` for copy-paste."""
    view: View = partial(augment, kind=settings.augmentation)
    if settings.copy_paste:
        view = ParticlePaste(donors, window, settings.augmentation)
    return CloseUp(view, close_up_of(settings)) if close_up_of(settings) else view


def draw_batch(
    examples: Sequence[Example], batch_size: int, seed: int, step: int, view: View = augment
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels, both uint8 [batch, H, W], of one step: padded, each in a random ``view``."""
    choices = numpy_rng("sam augmentation", seed, step)
    batch = [
        view(pad_image(image), pad_labels(labels), choices)
        for image, labels in (
            examples[index] for index in stream_indices(len(examples), batch_size, "sam batches", seed, step=step)
        )
    ]
    images, labels = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*batch, strict=True))
    return images, labels


def loss_of(
    model: SemanticSam, images: torch.Tensor, labels: torch.Tensor, settings: LabellerTraining, prompted: bool
) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross-entropy + Dice of one batch, and what the history records of it."""
    device = model.pixel_mean.device
    masks = torch.from_numpy(binary_mask(labels.cpu().numpy())).to(device) if prompted else None  # before labels move
    images, labels = images.to(device), labels.to(device)
    with precision(device, settings.bf16):
        logits = model(images, masks)
    smoothing = settings.label_smoothing
    cross_entropy, dice_loss = cross_entropy_and_dice(logits.float(), labels, settings.dice, smoothing=smoothing)
    loss = cross_entropy + dice_loss
    parts = {"loss": loss.item(), "cross_entropy": cross_entropy.item(), "dice_loss": dice_loss.item()}
    return loss, parts | foreground(logits.detach(), labels)


def foreground(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Predicted over true particle pixels (a network that learns to say nothing goes to 0), and the share of true
    particle pixels that got the right class."""
    predicted, known = logits.argmax(1), labels != IGNORE
    particle = known & (labels != 0)
    count = particle.sum().clamp(min=1)
    ratio = ((predicted != 0) & known).sum() / count
    return {
        "foreground_ratio": ratio.item(),
        "right_class": ((predicted == labels) & particle).sum().item() / count.item(),
    }


@torch.no_grad()
def watch(model: SemanticSam, examples: Sequence[Example], settings: LabellerTraining) -> dict[str, float]:
    """Means over the validation examples, for the history."""
    model.eval()
    records = []
    view = view_of(replace(settings, augmentation="none", copy_paste=False), examples)
    for index, (image, labels) in enumerate(examples):
        shown = view(pad_image(image), pad_labels(labels), numpy_rng("sam watch", index))
        one, true = (torch.from_numpy(array[None]) for array in shown)
        records.append(loss_of(model, one, true, settings, model.config["mask_prompt"])[1])
    model.train()
    return {f"val_{name}": float(np.mean([record[name] for record in records])) for name in records[0]}
