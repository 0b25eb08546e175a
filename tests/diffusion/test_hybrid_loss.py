"""The hybrid loss against an independent float64 computation and the properties that define it."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from xpci_utils.diffusion import NoiseSchedule, hybrid_loss

T = 4000
SCHEDULE = NoiseSchedule.cosine(T)


def random_case(t, seed=0, channels=2, side=8):
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (1, channels, side, side), generator=generator)
    x_0 = levels.float() / 127.5 - 1.0
    noise = torch.randn(x_0.shape, generator=generator)
    output = torch.randn((1, 2 * channels, side, side), generator=generator)
    return output, x_0, torch.tensor([t]), noise


def reference_loss(output, x_0, t, noise, prediction):
    """Total, simple and vlb from the formulas of Nichol and Dhariwal 2021, scalar tables, numpy float64."""
    output, x_0, noise, t = output[0].double().numpy(), x_0[0].double().numpy(), noise[0].double().numpy(), int(t)
    alpha_bar = [math.cos((i / T + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(T + 1)]
    betas = [min(1 - alpha_bar[i + 1] / alpha_bar[i], 0.999) for i in range(T)]
    bar = np.cumprod(1 - np.array(betas))
    beta, ab, ab_previous = betas[t], bar[t], bar[t - 1] if t else 1.0
    a, s = math.sqrt(ab), math.sqrt(1 - ab)
    predicted, v = np.split(output, 2)
    x_t = a * x_0 + s * noise
    target = noise if prediction == "eps" else a * noise - s * x_0
    simple = np.mean((target - predicted) ** 2)
    x_0_hat = (x_t - s * predicted) / a if prediction == "eps" else a * x_t - s * predicted

    def posterior_mean(clean):
        return (
            math.sqrt(ab_previous) * beta / (1 - ab) * clean + math.sqrt(1 - beta) * (1 - ab_previous) / (1 - ab) * x_t
        )

    at_one = (1 - bar[0]) / (1 - bar[1]) * betas[1]
    tilde = (1 - ab_previous) / (1 - ab) * beta if t else at_one
    variance = np.exp((v + 1) / 2 * math.log(beta) + (1 - v) / 2 * math.log(tilde))
    mean = posterior_mean(x_0_hat)
    if t:
        kl = 0.5 * (np.log(variance / tilde) + (tilde + (posterior_mean(x_0) - mean) ** 2) / variance - 1)
        vlb = kl.mean() / math.log(2)
    else:
        sd, half = np.sqrt(variance), 1 / 255
        below = np.where(x_0 < -0.999, 0.0, 1.0)
        above = np.where(x_0 > 0.999, 0.0, 1.0)
        distance = np.abs(x_0 - mean)
        inner = norm.cdf((half - distance) / sd) - norm.cdf((-half - distance) / sd)
        mass = np.where(below == 0, norm.cdf((x_0 + half - mean) / sd), inner)
        mass = np.where(above == 0, norm.sf((x_0 - half - mean) / sd), mass)
        vlb = -np.log(np.maximum(mass, 1e-12)).mean() / math.log(2)
    return simple + T / 1000 * vlb, simple, vlb


@pytest.mark.parametrize("prediction", ["eps", "v"])
@pytest.mark.parametrize("t", [0, 1, 2000, 3999])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_independent_float64(t, seed, prediction):
    case = random_case(t, seed)
    loss = hybrid_loss(*case, SCHEDULE, prediction=prediction)
    for ours, theirs in zip(loss, reference_loss(*case, prediction), strict=True):
        assert ours.item() == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_batch_of_mixed_times_equals_single_examples(prediction):
    cases = [random_case(t, seed=t) for t in (0, 1, 2000, 3999)]
    output, x_0, t, noise = (torch.cat(parts) for parts in zip(*cases, strict=True))
    together = hybrid_loss(output, x_0, t, noise, SCHEDULE, prediction=prediction).total
    alone = [hybrid_loss(*case, SCHEDULE, prediction=prediction).total for case in cases]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-6, atol=0)


def test_true_noise_and_lower_variance_give_zero_kl():
    for t in (1, 2, 17, 500, 2000, 3998, 3999):
        _, x_0, time, noise = random_case(t)
        output = torch.cat([noise, -torch.ones_like(noise)], 1).double()
        loss = hybrid_loss(output, x_0.double(), time, noise.double(), SCHEDULE)
        assert loss.simple.item() == 0.0
        assert abs(loss.vlb.item()) < 1e-9, t


def test_variance_of_v_minus_and_plus_one():
    t = torch.tensor([1, 10, 2000, 3999])
    v = torch.ones(4, 2, 1, 1, dtype=torch.float64)
    lower, upper = SCHEDULE.log_variance(-v, t).exp(), SCHEDULE.log_variance(v, t).exp()
    np.testing.assert_allclose(lower[:, 0, 0, 0], SCHEDULE.posterior_variance[t], rtol=1e-12)
    np.testing.assert_allclose(upper[:, 0, 0, 0], SCHEDULE.betas[t], rtol=1e-12)


@pytest.mark.parametrize("prediction", ["eps", "v"])
@pytest.mark.parametrize("t", [0, 1, 2000, 3999])
def test_no_gradient_of_the_bound_reaches_the_mean(t, prediction):
    output, x_0, time, noise = random_case(t)
    output.requires_grad_()
    hybrid_loss(output, x_0, time, noise, SCHEDULE, prediction=prediction).vlb.sum().backward()
    assert output.grad[:, :2].abs().max() == 0
    assert output.grad[:, 2:].abs().max() > 0


def test_scaled_data_change_only_units():
    """Standardising channels must not change L_0: the bins of grey levels scale along."""
    _, x_0, t, noise = random_case(0)
    scale, offset = torch.tensor([2.0, 0.5])[:, None, None], torch.tensor([0.3, -0.2])[:, None, None]
    scaled = offset + scale * x_0
    exact = torch.cat([noise, torch.zeros_like(noise)], 1)
    loss = hybrid_loss(exact, scaled, t, noise, SCHEDULE, scale=scale, offset=offset)
    sd = math.sqrt(math.sqrt(SCHEDULE.betas[0] * SCHEDULE.posterior_variance[1]))
    expected = 0.0
    for channel, width in enumerate((2.0, 0.5)):
        at_border = (x_0[0, channel].abs() > 0.999).double().mean().item()
        inner, outer = norm.cdf(width / 255 / sd) - norm.cdf(-width / 255 / sd), norm.cdf(width / 255 / sd)
        expected -= 0.5 * (at_border * math.log2(outer) + (1 - at_border) * math.log2(inner))
    assert loss.vlb.item() == pytest.approx(expected, rel=1e-3)


def test_wrong_channels_and_target_are_explained():
    output, x_0, t, noise = random_case(5)
    with pytest.raises(ValueError, match="need 4"):
        hybrid_loss(output[:, :3], x_0, t, noise, SCHEDULE)
    with pytest.raises(ValueError, match="choose one of eps, v"):
        hybrid_loss(output, x_0, t, noise, SCHEDULE, prediction="x0")
