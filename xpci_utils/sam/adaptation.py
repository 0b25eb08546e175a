"""Training the adapters on annotated frames with their binary masks as prompts (sections 2.2 and 3.1)."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch

from xpci_utils.frames import IGNORE, FrameSet, binary_mask, pad_image, pad_labels
from xpci_utils.params.cells import parse_labeller
from xpci_utils.randomness import numpy_rng, stream_indices
from xpci_utils.sam.adapters import add_adapters, set_trainable
from xpci_utils.sam.checkpoints import WEIGHTS_FOLDER, load_official_weights, load_pretrained, save_labeller
from xpci_utils.sam.losses import segmentation_loss
from xpci_utils.sam.model import SemanticSam, build_sam, calibrate_batch_norm
from xpci_utils.training import augment, poly_lr, run_steps
from xpci_utils.training.loop import set_lr

WEIGHT_DECAY, BETA2 = 0.1, 0.999  # section 3.1
LABELLER_FILE = "adapters.safetensors"
CALIBRATION_FRAMES = 32

Example = tuple[np.ndarray, np.ndarray]


def adapt_sam(
    frames: FrameSet,
    folder: str | Path,
    *,
    work: Path,
    identity: str,
    labeller: str = "vit_b",
    size: str = "reduced",
    weights: str = "random",
    trainable: str = "all",
    steps: int = 400,
    epochs: int = 0,
    batch_size: int = 4,
    learning_rate: float = 1e-3,
    beta1: float = 0.99,
    prompt_scale: float = 10.0,
    unprompted: float = 0.0,
    dice: str = "dice",
    augmentation: str = "symmetries",
    zero_init: bool = False,
    bf16: bool = False,
    seed: int = 0,
    weights_folder: str | Path = WEIGHTS_FOLDER,
    evaluations: int = 4,
) -> SemanticSam:
    """Adapt SAM to the train split of ``frames`` and write it to ``folder``; resumes from ``work``.

    ``labeller`` is a SAM variant, "vit_b" or "vit_t", with "-noprompt" for training (and later labelling) without the
    mask prompt, and "-frozen" for a class head that keeps its start (only the adapters are trained then).
    AdamW with the paper's weight decay and betas, polynomial decay (power 0.9) per step. ``beta1`` is
    printed as 0.99, perhaps for 0.9: it remembers a hundred steps, too many for a run of a few hundred.
    The first ``unprompted`` share of the steps shows no mask: a SAM with random weights that is told from the start
    where the particles are learns their classes late. ``augmentation``: see ``augmentation.augment``. ``epochs`` > 0
    overrides ``steps``. ``weights``: see ``start_from``; use ``trainable="all"`` with random ones.
    The validation split, if the set has one, is only watched.
    Writes adapters.safetensors and history.jsonl; returns the adapted model in evaluation mode.
    """
    examples = frames.examples("train")
    steps = epochs * -(-len(examples) // batch_size) or steps
    variant, prompted, head_frozen = parse_labeller(labeller)
    model = build_sam(variant, size, frames.num_classes, mask_scale=prompt_scale, seed=seed)
    start_from(model, weights, examples, weights_folder)
    add_adapters(model, zero_init=zero_init, seed=seed)
    set_trainable(model, "adapters" if head_frozen else trainable)
    model.config |= {"labeller": labeller, "mask_prompt": prompted, "steps": steps}
    model.to("cuda" if torch.cuda.is_available() else "cpu").train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, betas=(beta1, BETA2), weight_decay=WEIGHT_DECAY)

    def update(step: int) -> dict[str, float]:
        set_lr(optimizer, poly_lr(learning_rate, step, steps))
        images, labels = draw_batch(examples, batch_size, seed, step, augmentation)
        loss, parts = loss_of(model, images, labels, dice, bf16, prompted and step >= unprompted * steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return parts

    validation = frames.examples("val") if any(row["split"] == "val" for row in frames.rows) else []
    run_steps(
        steps=steps,
        update=update,
        state={"model": TrainableState(model), "optimizer": optimizer},
        work=Path(work),
        identity=identity,
        history=Path(folder) / "history.jsonl",
        log_every=max(1, min(25, steps // 10)),
        evaluate=lambda step: watch(model, validation, dice, bf16),
        evaluate_at=[steps * part // evaluations for part in range(1, evaluations + 1)] if validation else (),
        description=f"adapting {labeller}",
    )
    save_labeller(Path(folder) / LABELLER_FILE, model)
    return model.eval()


def start_from(model: SemanticSam, weights: str, examples: Sequence[Example], weights_folder: str | Path) -> None:
    """Give SAM the weights that it has before adaptation: "pretrained" (the official ones at size ``paper``, those of
    notebook A1 at size ``reduced``), or "random" with calibrated BatchNorm."""
    if weights == "pretrained" and model.config["size"] == "paper":
        load_official_weights(model, weights_folder)
    elif weights == "pretrained":
        load_pretrained(model, Path(weights_folder) / model.config["variant"])
    elif weights == "random":
        images = [pad_image(examples[i][0]) for i in range(min(len(examples), CALIBRATION_FRAMES))]
        calibrate_batch_norm(model, torch.from_numpy(np.stack(images)))
    else:
        raise ValueError(f'weights is {weights!r}; choose "pretrained" or "random"')


class TrainableState:
    """The trainable parameters of a model, as what a checkpoint has to hold; the rest is rebuilt at the start."""

    def __init__(self, model: SemanticSam):
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self.parameters

    @torch.no_grad()
    def load_state_dict(self, tensors: dict[str, torch.Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])


def draw_batch(
    examples: Sequence[Example], batch_size: int, seed: int, step: int, augmentation: str = "symmetries"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels, both uint8 [batch, H, W], of one step: padded, each in a random view."""
    choices = numpy_rng("sam augmentation", seed, step)
    batch = [
        augment(pad_image(image), pad_labels(labels), choices, augmentation)
        for image, labels in (
            examples[index] for index in stream_indices(len(examples), batch_size, "sam batches", seed, step=step)
        )
    ]
    images, labels = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*batch, strict=True))
    return images, labels


def loss_of(
    model: SemanticSam, images: torch.Tensor, labels: torch.Tensor, dice: str, bf16: bool, prompted: bool
) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross-entropy + Dice of one batch, and what the history records of it."""
    device = model.pixel_mean.device
    images, labels = images.to(device), labels.to(device)
    masks = torch.from_numpy(binary_mask(labels.cpu().numpy())).to(device) if prompted else None
    with precision(device, bf16):
        logits = model(images, masks)
    cross_entropy, dice_loss = segmentation_loss(logits.float(), labels, dice)
    loss = cross_entropy + dice_loss
    parts = {"loss": loss.item(), "cross_entropy": cross_entropy.item(), "dice_loss": dice_loss.item()}
    return loss, parts | foreground(logits.detach(), labels)


def foreground(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Predicted over true particle pixels (a network that learns to say nothing goes to 0), and the share of true
    particle pixels that got the right class."""
    predicted, known = logits.argmax(1), labels != IGNORE
    particle = known & (labels != 0)
    count = particle.sum().clamp(min=1)
    found = ((predicted != 0) & known).sum() / count
    return {
        "foreground_ratio": found.item(),
        "right_class": ((predicted == labels) & particle).sum().item() / count.item(),
    }


@torch.no_grad()
def watch(model: SemanticSam, examples: Sequence[Example], dice: str, bf16: bool) -> dict[str, float]:
    """Means over the validation examples, for the history."""
    model.eval()
    records = []
    for image, labels in examples:
        batch = (torch.from_numpy(pad(array)[None]) for pad, array in ((pad_image, image), (pad_labels, labels)))
        records.append(loss_of(model, *batch, dice, bf16, model.config["mask_prompt"])[1])
    model.train()
    return {f"val_{name}": float(np.mean([record[name] for record in records])) for name in records[0]}


def precision(device: torch.device, bf16: bool) -> AbstractContextManager:
    """bfloat16 autocast where it is asked for."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)
