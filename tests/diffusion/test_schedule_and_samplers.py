"""Respacing, one ancestral step by hand, and samplers on data whose denoiser is known exactly."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from xpci_utils.diffusion import NoiseSchedule, build_denoiser, respaced_timesteps, trajectory
from xpci_utils.diffusion.sampling import SAMPLERS, make_scheduler, sample_block, solver_timesteps

torch.set_num_threads(1)


def improved_diffusion_steps(timesteps, count):
    """The fractional stride of improved-diffusion's `space_timesteps`, written out."""
    stride, position, steps = (timesteps - 1) / (count - 1), 0.0, []
    for _ in range(count):
        steps.append(round(position))
        position += stride
    return steps[::-1]


@pytest.mark.parametrize(
    ("timesteps", "count"), [(4000, 25), (4000, 50), (4000, 100), (4000, 250), (4000, 500), (1000, 250)]
)
def test_timesteps_equal_improved_diffusion(timesteps, count):
    expected = improved_diffusion_steps(timesteps, count)
    assert respaced_timesteps(timesteps, count).tolist() == expected
    scheduler = make_scheduler("ddpm", NoiseSchedule.cosine(timesteps), count)
    assert scheduler.timesteps.tolist() == expected
    assert (expected[0], expected[-1]) == (timesteps - 1, 0)


@pytest.mark.parametrize("timesteps", [1000, 4000])
def test_rounding_ties_fall_as_in_improved_diffusion(timesteps):
    """Every step count; diffusers' `linspace` differs by one in hundreds of them, first at 31 (4000) and 21 (1000)."""
    differing = []
    for count in range(2, timesteps + 1):
        expected = improved_diffusion_steps(timesteps, count)
        assert respaced_timesteps(timesteps, count).tolist() == expected, count
        if np.linspace(0, timesteps - 1, count).round()[::-1].tolist() != expected:
            differing.append(count)
    assert (len(differing), differing[0]) == {1000: (278, 21), 4000: (1263, 31)}[timesteps]
    assert not {8, 20, 40, 250} & set(differing)  # of the profiles: their samples are what they were
    assert respaced_timesteps(timesteps, 1).tolist() == [0]


def test_the_sampler_takes_these_time_steps():
    for count in (1, 2, 31, 250):
        scheduler = make_scheduler("ddpm", NoiseSchedule.cosine(4000), count)
        assert scheduler.timesteps.tolist() == respaced_timesteps(4000, count).tolist()
        assert scheduler.previous_timestep(scheduler.timesteps[-1]) == -1


def test_the_same_samples_as_with_diffusers_own_spacing():
    """Where the time steps agree, handing them over changes no bit."""
    schedule = NoiseSchedule.cosine(4000)
    ours = make_scheduler("ddpm", schedule, 20)
    theirs = DDPMScheduler(
        num_train_timesteps=4000, trained_betas=schedule.betas, prediction_type="sample",
        timestep_spacing="linspace", variance_type="learned_range", clip_sample=False,
    )  # fmt: skip
    theirs.set_timesteps(20)
    x_t, output = torch.randn(1, 2, 8, 8), torch.randn(1, 4, 8, 8)
    for t in ours.timesteps:
        steps = [s.step(output, t, x_t, generator=torch.Generator().manual_seed(int(t))) for s in (ours, theirs)]
        assert torch.equal(steps[0].prev_sample, steps[1].prev_sample)


def test_cosine_schedule_equals_diffusers():
    ours = NoiseSchedule.cosine(4000)
    theirs = DDPMScheduler(num_train_timesteps=4000, beta_schedule="squaredcos_cap_v2")
    np.testing.assert_allclose(ours.betas, theirs.betas.numpy(), rtol=2e-2)  # theirs are float32 differences near 1e-5
    np.testing.assert_allclose(ours.betas[100:], theirs.betas.numpy()[100:], rtol=1e-4)
    assert (ours.betas == 0.999).sum() == 1
    assert ours.alphas_bar[-1] == pytest.approx(1.5e-10, rel=0.05)


def test_a_shift_multiplies_the_signal_to_noise_ratio():
    plain, shifted = NoiseSchedule.cosine(1000), NoiseSchedule.cosine(1000, shift=0.5)
    snr = [s.alphas_bar[:999] / (1 - s.alphas_bar[:999]) for s in (plain, shifted)]
    np.testing.assert_allclose(snr[1], 0.25 * snr[0], rtol=1e-9)


@pytest.mark.parametrize("position", [1, 100, 248])
def test_one_ancestral_step_equals_the_posterior(position):
    schedule, generator = NoiseSchedule.cosine(4000), torch.Generator().manual_seed(1)
    scheduler = make_scheduler("ddpm", schedule, 250)
    steps = respaced_timesteps(4000, 250)
    t, previous = steps[position], steps[position + 1]
    x_t, x_0, v = (torch.randn(1, 2, 4, 4, generator=generator) for _ in range(3))
    new = scheduler.step(torch.cat([x_0, v], 1), int(t), x_t, generator=torch.Generator().manual_seed(2)).prev_sample
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(2))
    ab, ab_previous = schedule.alphas_bar[t], schedule.alphas_bar[previous]
    beta = 1 - ab / ab_previous
    mean = (np.sqrt(ab_previous) * beta * x_0 + np.sqrt(1 - beta) * (1 - ab_previous) * x_t) / (1 - ab)
    tilde = (1 - ab_previous) / (1 - ab) * beta
    sd = torch.exp(0.25 * ((v + 1) * np.log(beta) + (1 - v) * np.log(tilde)))
    torch.testing.assert_close(new, (mean + sd * noise).float(), rtol=2e-3, atol=2e-4)


class ExactGaussian:
    """The exact denoiser of data whose rows are independent pairs of pixels, every row N(mean, covariance)."""

    training, device = False, torch.device("cpu")
    config = SimpleNamespace(height=50, width=2, padded=(50, 2))
    scale = torch.ones(2, 1, 1)
    mean = torch.tensor([0.2, -0.3])
    covariance = torch.tensor([[0.09, 0.06], [0.06, 0.16]])

    def __init__(self):
        self.schedule = NoiseSchedule.cosine(4000)

    def predict_x_0(self, x_t, t):
        a, s = self.schedule.signal(t, x_t)[0].item(), self.schedule.noise(t, x_t)[0].item()
        gain = a * self.covariance @ torch.linalg.inv(a**2 * self.covariance + s**2 * torch.eye(2))
        return self.mean + (x_t - a * self.mean) @ gain.T, torch.zeros_like(x_t)

    def decode(self, x_0):
        return x_0


@pytest.mark.parametrize(
    ("sampler", "steps", "tolerance"),
    [
        ("ddpm", 250, 0.1),
        ("ddpm", 100, 0.12),
        ("ddpm", 50, 0.15),
        ("ddim", 50, 0.15),
        ("sde-dpmsolver++", 50, 0.15),
        ("dpmsolver++", 20, 0.12),
    ],
)
def test_two_pixel_gaussian_is_recovered(sampler, steps, tolerance):
    exact = ExactGaussian()
    pairs = sample_block(exact, range(80), sampler=sampler, steps=steps, seed=3).reshape(-1, 2)
    covariance = torch.cov(pairs.T)
    torch.testing.assert_close(pairs.mean(0), exact.mean, rtol=0, atol=0.02)
    torch.testing.assert_close(covariance, exact.covariance, rtol=tolerance, atol=0.002)


@pytest.mark.parametrize("steps", [10, 20, 50])
def test_solvers_start_at_the_top_and_take_the_noise_levels_of_karras(steps):
    """Against Eq. 5 as diffusers has it, within the 0.05 % to 6 % by which neighbouring time steps differ."""
    schedule = NoiseSchedule.cosine(4000)
    times = solver_timesteps(schedule, steps)
    assert times[0] == 3999
    assert all(np.diff(times) < 0)
    sigmas = np.sqrt(1 / schedule.alphas_bar[times] - 1)
    reference = DPMSolverMultistepScheduler(use_karras_sigmas=True)
    expected = reference._convert_to_karras(np.array([80.0, 0.01]), num_inference_steps=steps - 1)
    np.testing.assert_allclose(sigmas[1:], expected, rtol=0.06)


def test_unknown_sampler_and_too_many_steps_are_explained():
    with pytest.raises(ValueError, match=r"ddpm, sde-dpmsolver\+\+, dpmsolver\+\+, ddim"):
        make_scheduler("euler", NoiseSchedule.cosine(100), 10)
    with pytest.raises(ValueError, match="between 1 and the 100 steps"):
        respaced_timesteps(100, 101)
    assert SAMPLERS[0] == "ddpm"


def test_many_single_steps_are_one_jump():
    """Eq. 1 applied t times has the mean and the variance of q_sample; float64, so only rounding of 300 products."""
    schedule = NoiseSchedule.cosine(300)
    one, none = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    mean, variance = one, none
    for step in range(200):
        t = torch.tensor([step])
        mean = schedule.q_step(mean, t, none)
        variance = schedule.q_step(none, t, one) ** 2 + schedule.q_step(one, t, none) ** 2 * variance
    t = torch.tensor([199])
    torch.testing.assert_close(mean, schedule.q_sample(one, t, none), rtol=1e-10, atol=0)
    torch.testing.assert_close(variance, schedule.q_sample(none, t, one) ** 2, rtol=1e-10, atol=0)


@pytest.mark.parametrize("position", [1, 12, 23])
def test_a_step_of_the_respaced_schedule_is_the_step_of_the_sampler(position):
    """What notebook 02 takes apart: mean and variance of the longer step, against diffusers on the same numbers."""
    schedule, generator = NoiseSchedule.cosine(4000), torch.Generator().manual_seed(3)
    times = respaced_timesteps(4000, 25)
    longer = schedule.respaced(times)
    x_t, x_0, v = (torch.randn(1, 2, 4, 4, generator=generator) for _ in range(3))
    t = int(times[::-1][position])
    scheduler = make_scheduler("ddpm", schedule, 25)
    expected = scheduler.step(torch.cat([x_0, v], 1), t, x_t, generator=torch.Generator().manual_seed(2)).prev_sample
    step, noise = torch.tensor([position]), torch.randn(x_0.shape, generator=torch.Generator().manual_seed(2))
    mean, deviation = longer.posterior_mean(x_0, x_t, step), torch.exp(0.5 * longer.log_variance(v, step))
    torch.testing.assert_close(mean + deviation * noise, expected, rtol=0, atol=1e-4)  # diffusers' tables are float32
    np.testing.assert_allclose(longer.alphas_bar, schedule.alphas_bar[np.sort(times)], rtol=1e-7)


def test_a_trajectory_leads_from_noise_to_the_pair_that_is_sampled():
    denoiser = build_denoiser({"height": 40, "width": 32, "widths": [16], "blocks": 1, "attention_strides": [],
                               "norm_groups": 8, "head_dim": 8}).eval()  # fmt: skip
    for sampler in SAMPLERS:
        path = trajectory(denoiser, 3, sampler=sampler, steps=10, seed=5, shown=4)
        pair = sample_block(denoiser, [3], sampler=sampler, steps=10, seed=5)[0]
        times = list(path)
        assert (times[0], times[-1], len(times)) == (4000, 0, 4)
        assert times == sorted(times, reverse=True)
        assert torch.equal(path[0][0].clamp(-1, 1), pair)
        assert all(x_t.shape == x_0.shape == (2, 40, 32) for x_t, x_0 in path.values())
        assert path[4000][0].std() == pytest.approx(1, abs=0.1)  # pure noise
        assert path[4000][1].abs().max() <= 1  # a prediction is clipped to grey levels
