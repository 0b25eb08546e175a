"""Sampling pairs from noise: the paper's strided ancestral sampler and fast solvers, same weights.

Pair i is a function of (seed, i) alone, and batches are fixed aligned blocks (PyTorch does not promise equal bits for
other batch shapes), so pairs can be made anywhere, in any order, and again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from xpci_utils.diffusion.denoiser import Denoiser
from xpci_utils.diffusion.schedule import NoiseSchedule, respaced_timesteps
from xpci_utils.frames.pad import crop
from xpci_utils.randomness import torch_generator

# ddpm: 250 evenly spaced steps with learned variance is the paper's setting (Sec. 3.1). The others use the mean alone:
# an SDE solver, which adds noise at every step too, and deterministic ODE solvers. DDIM is DPM-Solver++ of order 1 (Lu
# et al. 2022, Sec. 4.1), which avoids diffusers' DDIMScheduler, whose step to the previous time ignores the spacing.
MULTISTEP: dict[str, dict[str, Any]] = {
    "sde-dpmsolver++": {"algorithm_type": "sde-dpmsolver++", "solver_order": 2},
    "dpmsolver++": {"solver_order": 2},
    "ddim": {"solver_order": 1},
}
SAMPLERS = ("ddpm", *MULTISTEP)
STOCHASTIC = ("ddpm", "sde-dpmsolver++")
SIGMA_MAX, SIGMA_MIN, RHO = 80.0, 0.01, 7.0


def solver_timesteps(schedule: NoiseSchedule, steps: int) -> np.ndarray:
    """Time steps for the fast solvers, largest first: T - 1, then the noise levels of Karras et al. 2022 (Eq. 5).

    Even steps in t are too coarse at both ends. At the noisy one the composition of a frame (how many particles, how
    large, how dark) is decided within the first step: an average over the frame stands out of the noise 64 times
    earlier than a pixel does. At the other one the last step, which goes straight to the clean pair, takes the camera's
    noise for the sampler's and removes both; hence SIGMA_MIN, 0.5 grey levels where a frame's noise is 5.
    """
    log_sigma = 0.5 * np.log((1.0 - schedule.alphas_bar) / schedule.alphas_bar)
    ends = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    wanted = RHO * np.log(np.linspace(*ends, steps - 1))
    times = np.interp(wanted, log_sigma, np.arange(len(schedule))).round()
    return np.unique(np.append(times, len(schedule) - 1).astype(np.int64))[::-1]


def make_scheduler(sampler: str, schedule: NoiseSchedule, steps: int) -> DDPMScheduler | DPMSolverMultistepScheduler:
    """A diffusers scheduler on our betas that takes x_0 predictions, with its time steps set.

    Clipping is done by the denoiser (`predict_x_0`), because `clip_sample` knows no range per channel and
    DPM-Solver's learned variance assumes three channels.
    """
    common: dict[str, Any] = {"num_train_timesteps": len(schedule), "trained_betas": schedule.betas}
    common |= {"prediction_type": "sample"}
    scheduler: DDPMScheduler | DPMSolverMultistepScheduler
    if sampler == "ddpm":
        scheduler = DDPMScheduler(**common, variance_type="learned_range", clip_sample=False)
        scheduler.set_timesteps(timesteps=respaced_timesteps(len(schedule), steps).tolist())
    elif sampler in MULTISTEP:
        scheduler = DPMSolverMultistepScheduler(**common, **MULTISTEP[sampler])
        scheduler.set_timesteps(timesteps=solver_timesteps(schedule, steps).tolist())
    else:
        raise ValueError(f"sampler = {sampler!r} is unknown; choose one of {', '.join(SAMPLERS)}.")
    return scheduler


def pair_noise(generators: Sequence[torch.Generator], shape: tuple[int, ...]) -> Tensor:
    """One draw from every pair's own stream, [N, *shape]."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])


def states(
    denoiser: Denoiser, indices: Sequence[int] | np.ndarray, sampler: str, steps: int, seed: int, bf16: bool
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(t, x_t, predicted x_0) of the pairs `indices` from noise to clean pairs, [N, 2, H, W] in the network's units.

    t counts the steps of noise in x_t: T at first, 0 at last, where x_t is the clean pair itself.
    """
    scheduler = make_scheduler(sampler, denoiser.schedule, steps)
    generators = [torch_generator("pair", seed, int(i)) for i in indices]
    x_t = pair_noise(generators, (denoiser.scale.shape[0], *denoiser.config.padded)).to(denoiser.device)
    extra: dict[str, Any] = {"generator": generators} if sampler in STOCHASTIC else {}
    for time in scheduler.timesteps:
        t = torch.full((len(indices),), int(time), device=denoiser.device)
        with torch.autocast(denoiser.device.type, dtype=torch.bfloat16, enabled=bf16):
            x_0, v = denoiser.predict_x_0(x_t, t)
        yield int(time) + 1, x_t, x_0
        output = torch.cat([x_0, v], 1) if sampler == "ddpm" else x_0
        moved = scheduler.step(output, time, x_t, **extra)
        assert not isinstance(moved, tuple)  # as it is with return_dict=False
        x_t = moved.prev_sample
    yield 0, x_t, x_t


@torch.inference_mode()
def sample_block(
    denoiser: Denoiser, indices: Sequence[int] | np.ndarray, *, sampler: str, steps: int, seed: int, bf16: bool = False
) -> Tensor:
    """The pairs `indices` as one batch, float [N, 2, H, W] in [-1, 1], padding cropped."""
    ((_, x_0, _),) = deque(states(denoiser, indices, sampler, steps, seed, bf16), maxlen=1)
    return crop(denoiser.decode(x_0).clamp(-1, 1), denoiser.config.height, denoiser.config.width)


@torch.inference_mode()
def trajectory(
    denoiser: Denoiser, index: int = 0, *, sampler: str = "ddpm", steps: int = 250, seed: int = 0, shown: int = 8
) -> dict[int, tuple[Tensor, Tensor]]:
    """Pair `index` on its way from noise to the clean pair: number of noise steps t -> (x_t, predicted x_0).

    Both are float [2, H, W] in the units of pairs: signal within [-1, 1], noise beyond it. At most `shown` states are
    given, evenly spread over those that the sampler visits, the first (t = T) and the last (t = 0) among them. The
    denoiser is used as it is, in training or in evaluation mode.
    """
    visits = len(make_scheduler(sampler, denoiser.schedule, steps).timesteps) + 1
    chosen = set(np.linspace(0, visits - 1, shown).round().astype(int).tolist())
    height, width = denoiser.config.height, denoiser.config.width
    return {
        t: (crop(denoiser.decode(x_t), height, width)[0], crop(denoiser.decode(x_0), height, width)[0])
        for visit, (t, x_t, x_0) in enumerate(states(denoiser, [index], sampler, steps, seed, bf16=False))
        if visit in chosen
    }


def to_images_and_masks(pairs: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images [N, H, W] and masks [N, H, W] of 0 / 255, split at 0, the middle of the mask's range."""
    images = ((pairs[:, 0] + 1.0) * 127.5).round().to(torch.uint8).cpu().numpy()
    return images, np.where(pairs[:, 1].cpu().numpy() > 0, 255, 0).astype(np.uint8)


def blocks_of(indices: Sequence[int], block: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(all indices of an aligned block, positions in it that are wanted) for every block that `indices` touch."""
    wanted = np.asarray(indices, dtype=np.int64)
    for number in np.unique(wanted // block):
        members = np.arange(number * block, (number + 1) * block)
        yield members, np.flatnonzero(np.isin(members, wanted))


def sample_pairs(
    denoiser: Denoiser,
    indices: int | Sequence[int],
    *,
    sampler: str = "ddpm",
    steps: int = 250,
    seed: int = 0,
    block: int = 16,
    bf16: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Images and binary masks drawn from the denoiser, in ascending order of index.

    indices   a count n (pairs 0 .. n - 1) or the numbers of the pairs; pair i depends on (seed, i) alone
    sampler   "ddpm" (ancestral, learned variance: the paper's, 250 steps), or one of SAMPLERS that needs 10 to 50
    block     pairs computed together; pairs come in whole aligned blocks, of which the unwanted are dropped
    Returns uint8 images [N, H, W] and uint8 masks [N, H, W] of 0 / 255. Raises ValueError for an unknown sampler.
    """
    wanted = range(indices) if isinstance(indices, int) else indices
    images: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    was_training = denoiser.training
    denoiser.eval()
    for members, keep in blocks_of(wanted, block):
        pairs = sample_block(denoiser, members, sampler=sampler, steps=steps, seed=seed, bf16=bf16)[keep]
        for store, array in zip((images, masks), to_images_and_masks(pairs), strict=True):
            store.append(array)
    denoiser.train(was_training)
    return np.concatenate(images), np.concatenate(masks)
