"""Pre-training of the small SAMs: promptable, class-agnostic segmentation of procedural pictures.

The task of Kirillov et al. (2023): a prompt asks for an object, by points, a box or a rough mask, and SAM answers with
its mask; three further masks share the work where the prompt is ambiguous. Each picture passes the image encoder once
and answers several prompts. The result takes the place that official weights have at published size: adapters and class
head start from it.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from segment_anything.modeling.transformer import Attention
from torch import nn
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from xpci_utils.randomness import numpy_rng, torch_generator
from xpci_utils.sam.checkpoints import save_pretrained
from xpci_utils.sam.model import SemanticSam, build_sam
from xpci_utils.sam.pretraining.promptability import held_out_pictures, measure_prompts
from xpci_utils.sam.pretraining.prompting import answer, draw_prompts, encode, intersection_over_union
from xpci_utils.sam.pretraining.shapes import Picture, draw_picture
from xpci_utils.training import SamPretraining, StagePlace, cosine_lr, precision, run_steps, set_lr, warm_up

MASKS = 3  # SAM's masks beside the single one
PROMPTS = {"points": 1, "boxes": 2, "masks": 3}  # per picture
FOCAL = 10.0  # focal : Dice; SAM has 20 : 1 with a focal loss that counts objects less than ground (alpha 0.25)
ALL_MASKS = 0.1  # of the three masks' mean loss, beside the best one's: keeps each of them alive
BETAS, WARM_UP, WEIGHT_DECAY, CLIP = (0.9, 0.98), 99, 0.05, 1.0
NEARBY_GAIN, POINT_KIND = 2.0, 0.3  # at the start: scale of queries and keys, spread of what tells corners from points


def pretrain_sam(settings: SamPretraining, stage: StagePlace) -> SemanticSam:
    """Pre-train a reduced SAM and write it, in half precision, to the folder of ``stage``; resumes bit for bit.

    Every step draws ``batch_size`` new pictures, which follow from (seed, step). Warm-up and cosine decay of the two
    optimisers of ``optimizers``. The IoU on ``held_out`` pictures of textures that training never shows joins the
    history. Writes sam.safetensors, sam.sha256 and history.jsonl; returns the model in evaluation mode.
    """
    model = build_sam(settings.variant, "reduced", MASKS, seed=settings.seed)
    look_nearby(model, settings.seed)
    muon, adamw = optimizers(model, settings.learning_rate)
    train(model)

    def evaluate(step: int) -> dict[str, float]:
        table = measure_prompts(model.eval(), held_out_pictures(settings.held_out))
        train(model)
        return {f"held_out_{prompt}": iou for prompt, iou in zip(table["prompt"], table["iou"], strict=True)}

    run_steps(
        settings,
        update=make_update(model, (muon, adamw), settings),
        state={"model": model, "muon": muon, "adamw": adamw},
        stage=stage,
        evaluate=evaluate,
        log_every=max(1, min(25, settings.steps // 10)),
        description=f"pre-training {settings.variant}",
    )
    model.half().float()  # what is stored is what is returned
    save_pretrained(stage.folder, model, {"steps": settings.steps})
    return model.eval()


def make_update(
    model: SemanticSam, both: Sequence[torch.optim.Optimizer], settings: SamPretraining
) -> Callable[[int], dict[str, float]]:
    """The step of both optimisers as a function of the step number."""

    def update(step: int) -> dict[str, float]:
        rate = cosine_lr(settings.learning_rate * warm_up(step, WARM_UP), step, settings.steps)
        rng = numpy_rng("sam pre-training", settings.seed, step)
        pictures = [draw_picture(rng) for _ in range(settings.batch_size)]
        loss, parts = pretraining_loss(model, pictures, rng, settings.bf16)
        model.zero_grad(set_to_none=True)
        loss.backward()
        parts["gradient"] = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()
        for optimizer in both:
            set_lr(optimizer, rate)
            optimizer.step()
        return parts

    return update


def optimizers(model: SemanticSam, learning_rate: float) -> tuple[torch.optim.Muon, torch.optim.AdamW]:
    """Muon (Jordan et al. 2024) for the matrices of linear layers, AdamW for everything else.

    With updates scaled as AdamW's (Liu et al. 2025) one learning rate serves both. Small SAMs learn faster than by
    AdamW alone (docs/sam_experiments.md).
    """
    matrices = {module.weight for module in model.modules() if isinstance(module, nn.Linear)}
    others = [parameter for parameter in model.parameters() if parameter not in matrices]
    ordered = [parameter for parameter in model.parameters() if parameter in matrices]
    muon = torch.optim.Muon(ordered, learning_rate, WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw")
    return muon, torch.optim.AdamW(others, learning_rate, BETAS, weight_decay=WEIGHT_DECAY)


def look_nearby(model: SemanticSam, seed: int) -> None:
    """Start the decoder's attention with equal projections for queries and keys.

    Both carry the encoding of a position, so a point looks at its own surroundings from the first step on, if what
    tells points from corners is small beside the position. From unrelated projections small SAMs take three times as
    long until they answer points and boxes at all.
    """
    generator = torch_generator("sam decoder", seed)
    for module in model.mask_decoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
    for module in model.mask_decoder.modules():
        if isinstance(module, Attention):
            nn.init.xavier_uniform_(module.q_proj.weight, NEARBY_GAIN, generator=generator)
            module.k_proj.load_state_dict(module.q_proj.state_dict())
    for embedding in model.prompt_encoder.point_embeddings:
        nn.init.normal_(embedding.weight, std=POINT_KIND, generator=generator)


def train(model: SemanticSam) -> None:
    """Training mode, BatchNorm included: it has no statistics of its own to keep yet."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()


def pretraining_loss(
    model: SemanticSam, pictures: Sequence[Picture], rng: np.random.Generator, bf16: bool
) -> tuple[torch.Tensor, dict[str, float]]:
    """Mean loss of one batch over every kind of prompt for every picture, and what the history records of it."""
    images = torch.from_numpy(np.stack([picture.image for picture in pictures]))
    batches = {kind: draw_prompts(model, pictures, rng, kind, each) for kind, each in PROMPTS.items()}
    with precision(torch.device("cpu"), bf16):
        embedding = encode(model, images)
        answers = {kind: answer(model, embedding, prompts, images) for kind, prompts in batches.items()}
    total = torch.zeros(())
    parts: dict[str, float] = {}
    for kind, (logits, quality) in answers.items():
        loss, parts[f"iou_{kind}"] = mask_loss(logits.float(), quality.float(), batches[kind].wanted)
        total = total + loss * PROMPTS[kind] / sum(PROMPTS.values())
    return total, {"loss": total.item(), **parts}


def mask_loss(logits: torch.Tensor, quality: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Focal + Dice loss of the single mask and of the best of the three, plus the squared error of the expected IoU.

    ``logits`` [P, 4, h, w], ``quality`` [P, 4], ``wanted`` bool [P, h, w]. Also returns the single masks' mean IoU.
    """
    truth = wanted[:, None].expand_as(logits).float()
    probability = logits.sigmoid()
    dice = 1 - (2 * (probability * truth).sum((2, 3)) + 1) / ((probability + truth).sum((2, 3)) + 1)
    loss = FOCAL * sigmoid_focal_loss(logits, truth, alpha=-1).mean((2, 3)) + dice
    iou = intersection_over_union(logits.detach() > 0, wanted[:, None])
    three = loss[:, 1:].min(1).values.mean() + ALL_MASKS * loss[:, 1:].mean()
    return loss[:, 0].mean() + three + functional.mse_loss(quality, iou), iou[:, 0].mean().item()
