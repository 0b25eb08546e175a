"""Training a denoiser: batches from (seed, step), hybrid loss, EMA with warm-up, choice on validation frames."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor

from xpci_utils.diffusion.denoiser import Denoiser, load_denoiser, save_denoiser
from xpci_utils.diffusion.diagnostics import (
    QUARTILES,
    by_quartile,
    eps_error_by_quartile,
    foreground_share,
    objective,
    pair_grid,
    probe,
)
from xpci_utils.diffusion.pairs import PairTensors
from xpci_utils.diffusion.sampling import sample_pairs
from xpci_utils.frames.frameset import write_png
from xpci_utils.randomness import numpy_rng, seed_of, stream_indices, torch_generator
from xpci_utils.training import (
    DenoiserTraining,
    StagePlace,
    adamw,
    cosine_lr,
    default_device,
    load_tensors,
    precision,
    run_steps,
    set_lr,
    warm_up,
)
from xpci_utils.training.averaging import averaged_weights

WEIGHTS = "denoiser_ema.safetensors"


def learning_rate(settings: DenoiserTraining, step: int) -> float:
    """Learning rate of a 0-based step: warm-up, then constant as published, or half a cosine down to 0."""
    rate = settings.learning_rate * warm_up(step, settings.warmup_steps)
    return rate if settings.lr_decay == "constant" else cosine_lr(rate, step, settings.steps)


def draw_batch(pairs: PairTensors, settings: DenoiserTraining, step: int) -> Tensor:
    """The pairs of a step, from (seed, step) alone."""
    indices = stream_indices(len(pairs), settings.batch_size, "ddpm order", settings.seed, step=step)
    kinds = pairs.symmetries if settings.augmentation == "symmetries" else 1
    return pairs.batch(indices, numpy_rng("ddpm symmetry", settings.seed, step).integers(kinds, size=len(indices)))


def draw_noise(x_0: Tensor, timesteps: int, settings: DenoiserTraining, step: int) -> tuple[Tensor, Tensor]:
    """(t [N], noise like x_0) of a step. Each t is uniform on 0 .. T - 1; within a batch they share one offset and are
    evenly spread (Kingma et al. 2021, App. I.1), which lowers the variance of the loss."""
    generator = torch_generator("ddpm noise", settings.seed, step)
    spread = (torch.rand(1, generator=generator) + torch.arange(len(x_0)) / len(x_0)) % 1.0
    t = (spread * timesteps).long().clamp(max=timesteps - 1)
    return t.to(x_0.device), torch.randn(x_0.shape, generator=generator).to(x_0.device)


def make_update(
    denoiser: Denoiser, optimizer: torch.optim.Optimizer, ema: EMAModel, pairs: PairTensors, settings: DenoiserTraining
) -> Callable[[int], dict[str, float]]:
    """The optimiser step as a function of the step number."""

    def update(step: int) -> dict[str, float]:
        x_0 = denoiser.encode(draw_batch(pairs, settings, step).to(denoiser.device))
        t, noise = draw_noise(x_0, len(denoiser.schedule), settings, step)
        with precision(x_0.device, settings.bf16):
            torch.manual_seed(seed_of("ddpm dropout", settings.seed, step))
            output = denoiser(denoiser.schedule.q_sample(x_0, t, noise), t)
        loss = objective(denoiser, output, x_0, t, noise)
        optimizer.zero_grad(set_to_none=True)
        loss.total.mean().backward()
        if settings.gradient_clip:
            torch.nn.utils.clip_grad_norm_(denoiser.parameters(), settings.gradient_clip)
        set_lr(optimizer, learning_rate(settings, step))
        optimizer.step()
        ema.step(denoiser.parameters())
        return {"loss": loss.total.mean().item(), "simple": loss.simple.mean().item(), "vlb": loss.vlb.mean().item()}

    return update


class Choice:
    """The best evaluation so far; part of the checkpoint."""

    def __init__(self):
        self.loss, self.step = math.inf, 0

    def state_dict(self) -> dict:
        return {"loss": self.loss, "step": self.step}

    def load_state_dict(self, state: dict) -> None:
        self.loss, self.step = state["loss"], state["step"]


def make_evaluate(
    averaged: Denoiser, ema: EMAModel, choice: Choice, validation: Tensor, settings: DenoiserTraining, stage: StagePlace
) -> Callable[[int], dict]:
    """Judge the EMA weights: hybrid loss and eps error on validation pairs, a sheet of samples, their foreground share.

    All judged weights are kept in the work folder of `stage` until it is finished.
    """

    def evaluate(step: int) -> dict:
        ema.copy_to(averaged.parameters())
        t, loss, errors = probe(averaged, validation, draws=settings.probe_draws, bf16=settings.bf16)
        record = {"val_loss": loss.total.mean().item(), "val_vlb": loss.vlb.mean().item()}
        quartiles = by_quartile(errors, t, len(averaged.schedule))
        record |= {f"val_eps_q{q + 1}": quartiles[q] for q in range(QUARTILES)}
        save_denoiser(judged(stage.work, step), averaged, {"loss": record["val_loss"], "step": step})
        if record["val_loss"] < choice.loss or (settings.keep == "last" and math.isfinite(record["val_loss"])):
            choice.loss, choice.step = record["val_loss"], step
        if settings.preview_pairs:
            record["foreground_share"] = preview(averaged, settings, stage.folder / "samples" / f"step_{step:06d}.png")
        return record

    return evaluate


def judged(work: Path, step: int) -> Path:
    """Where the EMA weights lie that were judged after `step` steps."""
    return work / "judged" / f"step_{step:06d}.safetensors"


def preview(denoiser: Denoiser, settings: DenoiserTraining, path: Path) -> float:
    """Write a sheet of samples and return their foreground share."""
    images, masks = sample_pairs(
        denoiser,
        settings.preview_pairs,
        sampler=settings.preview_sampler,
        steps=settings.preview_steps,
        seed=settings.seed,
        block=min(settings.preview_pairs, denoiser.comfortable_batch),
        bf16=settings.bf16,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, pair_grid(images, masks))
    return foreground_share(masks)


def train_denoiser(
    denoiser: Denoiser, train: PairTensors, validation: PairTensors, settings: DenoiserTraining, stage: StagePlace
) -> Denoiser:
    """Train, resumable bit for bit, and return the chosen EMA denoiser in eval mode.

    The folder of `stage` receives denoiser_ema.safetensors, history.jsonl and samples/step_*.png. The weights kept are
    those with the lowest hybrid loss on the validation pairs among the evaluations, or the last ones (`keep`).
    """
    stage.work.mkdir(parents=True, exist_ok=True)
    denoiser.to(default_device())
    denoiser.unet.to(memory_format=torch.channels_last)
    if denoiser.measures_data:
        denoiser.fit(train.batch(range(len(train))))
    averaged = copy.deepcopy(denoiser).eval().requires_grad_(False)
    optimizer = adamw(denoiser.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    ema, choice = averaged_weights(denoiser.parameters(), settings.ema_decay, settings.ema_warmup), Choice()
    run_steps(
        settings,
        update=make_update(denoiser.train(), optimizer, ema, train, settings),
        state={"denoiser": denoiser, "optimizer": optimizer, "ema": ema, "choice": choice},
        stage=stage,
        evaluate=make_evaluate(averaged, ema, choice, validation.first(64), settings, stage),
        log_every=settings.log_every,
        description="denoiser",
    )
    if not choice.step:
        raise RuntimeError("the denoiser diverged: no evaluation gave a finite loss; choose a lower learning_rate")
    chosen = load_denoiser(judged(stage.work, choice.step))
    save_denoiser(stage.folder / WEIGHTS, chosen, {**choice.state_dict(), "settings": asdict(settings)})
    return chosen


def describe_denoiser(
    folder: Path,
    train: Tensor,
    held_out: Tensor,
    *,
    samples: int = 64,
    steps: int = 20,
    draws: int = 8,
    seed: int = 0,
    bf16: bool = False,
) -> dict:
    """Measure the denoiser that `train_denoiser` left in `folder`; the content of metrics.json.

    `train` and `held_out` are pairs [N, 2, H, W] in [-1, 1]: the Wiener baseline learns from the first, the eps errors
    are those on the second, at `draws` noise levels per frame. The foreground share is that of `samples` pairs drawn
    with `steps` solver steps, beside the training frames'.
    """
    denoiser = load_denoiser(folder / WEIGHTS)
    _, facts = load_tensors(folder / WEIGHTS)
    block = denoiser.comfortable_batch
    _, masks = sample_pairs(
        denoiser, samples, sampler="sde-dpmsolver++", steps=steps, seed=seed, block=block, bf16=bf16
    )
    return {
        "parameters": sum(p.numel() for p in denoiser.parameters()),
        "steps": facts["settings"]["steps"],
        "chosen_step": facts["step"],
        "validation_loss": facts["loss"],
        "eps_error": eps_error_by_quartile(denoiser, train, held_out, draws=draws, bf16=bf16),
        "foreground_share": {"samples": foreground_share(masks), "frames": foreground_share(train[:, 1])},
    }
