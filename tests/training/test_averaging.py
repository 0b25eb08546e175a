"""The average of the weights: improved-diffusion's, written out here once more, and the one with warm-up."""

import pytest
import torch

from xpci_utils.training.averaging import averaged, averaged_weights

DECAY = 0.9999


def walk(steps, seed=0):
    """A parameter and the values that `steps` optimiser steps give it, in float64."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(steps + 1, 3, 4, generator=generator, dtype=torch.float64)
    return torch.nn.Parameter(values[0].clone()), values[1:]


def averages(parameter, values, **options):
    """The average after every step."""
    ema, history = averaged_weights([parameter], **options), []
    for value in values:
        parameter.data.copy_(value)
        ema.step([parameter])
        history.append(ema.shadow_params[0].clone())
    return history


@pytest.mark.parametrize("decay", [0.5, 0.99, DECAY])
def test_without_warmup_every_step_equals_update_ema(decay):
    parameter, values = walk(5)
    expected = parameter.detach().clone()
    for value, ours in zip(values, averages(parameter, values, decay=decay, warmup=False), strict=True):
        expected = decay * expected + (1 - decay) * value
        torch.testing.assert_close(ours, expected, rtol=1e-14, atol=1e-14)


def test_without_warmup_the_random_start_fades_as_decay_to_the_n():
    parameter = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    left = averages(parameter, torch.zeros(1000, 1), decay=DECAY, warmup=False)[-1].item()
    assert left == pytest.approx(DECAY**1000, rel=1e-9)
    assert left == pytest.approx(0.905, abs=1e-3)


def test_with_warmup_the_first_step_forgets_the_random_start():
    parameter, values = walk(5)
    history = averages(parameter, values, decay=DECAY)
    torch.testing.assert_close(history[0], values[0], rtol=1e-14, atol=1e-14)
    expected = values[0]
    for n in range(1, 5):
        decay = (1 + n) / (10 + n)
        expected = decay * expected + (1 - decay) * values[n]
    torch.testing.assert_close(history[-1], expected, rtol=1e-12, atol=1e-12)
    assert averaged_weights([parameter], DECAY).get_decay(50_000) == pytest.approx(0.99982, abs=1e-6)


@pytest.mark.parametrize("warmup", [False, True])
def test_a_resumed_average_goes_on_as_it_was(warmup):
    parameter, values = walk(6)
    whole = averages(parameter, values, decay=DECAY, warmup=warmup)[-1]
    parameter, _ = walk(6)
    ema = averaged_weights([parameter], DECAY, warmup)
    for value in values[:3]:
        parameter.data.copy_(value)
        ema.step([parameter])
    again = averaged_weights([parameter], DECAY, warmup)
    again.load_state_dict(ema.state_dict())
    for value in values[3:]:
        parameter.data.copy_(value)
        again.step([parameter])
    assert torch.equal(again.shadow_params[0], whole)


def test_parameters_hold_their_average_inside_and_their_own_values_afterwards():
    parameter, values = walk(3)
    own = parameter.detach().clone()
    ema = averaged_weights([parameter], DECAY)
    for value in values:
        ema.step([torch.nn.Parameter(value)])
    with averaged(ema, [parameter]):
        assert torch.equal(parameter, ema.shadow_params[0])
        assert not torch.equal(parameter, own)
    assert torch.equal(parameter, own)
    with averaged(None, [parameter]):
        assert torch.equal(parameter, own)
