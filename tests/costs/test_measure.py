"""Measuring: FLOPs agree with formulas, parameters with the networks, and a dying process is told."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from xpci_utils.costs import View, measure_stage
from xpci_utils.costs.measure import FORMULAS, measure_here
from xpci_utils.costs.table import MeasurementError
from xpci_utils.params import AdaptSam, PrepareFrames, TrainDdpm, TrainSegmentation

SMALL = View(64, 64, 10)


def counted(call):
    with FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize("groups", [1, 4, 16])
@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
def test_gradients_of_a_convolution_cost_twice_its_forward_pass(layer, groups):
    """Each gradient is as many multiply-adds as the result; torch's own formula forgets the groups (16 times too
    many for a depth-wise convolution of 16 channels)."""
    convolution, images = layer(16, 32, 3, groups=groups), torch.rand(2, 16, 9, 7, requires_grad=True)
    forward = counted(lambda: convolution(images))
    side = 9 * 7 if layer is nn.ConvTranspose2d else 7 * 5
    assert forward == 2 * 2 * side * 16 * 32 * 9 // groups
    assert counted(lambda: convolution(images).sum().backward()) == 3 * forward


def test_attention_on_the_cpu_counts_as_its_matrix_products():
    query, key, value = (torch.rand(2, 3, 32, 16, requires_grad=True) for _ in range(3))

    def attend():
        scaled_dot_product_attention(query, key, value)

    with sdpa_kernel(SDPBackend.MATH):
        plain = counted(attend)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        fused = counted(attend)
        both = counted(lambda: scaled_dot_product_attention(query, key, value).sum().backward())
    assert fused == plain == 2 * 2 * 2 * 3 * 32 * 32 * 16
    assert both == fused + 5 * fused // 2  # five products backward, one of them computed again


@pytest.mark.parametrize(
    ("parameters", "network", "ratio"),
    [
        (TrainDdpm(batch_size=2), "denoiser", 3),
        (AdaptSam(labeller="vit_t", batch_size=1), "vit_t", 3),
        (TrainSegmentation(cell="emcad__r0040__none__n00000__mix__s0", batch_size=2), "emcad", 3),
    ],
)
def test_a_step_costs_three_forward_passes_per_frame(parameters, network, ratio):
    """Forward, gradient of the activations, gradient of the weights; the first layer needs no gradient of its input, a
    prompt encoder is frozen, losses have products of their own: 15 %. Gradients left out or counted twice are seen."""
    forward, step = measure_here(parameters, SMALL, 1)
    assert [(cost.network, cost.unit, cost.batch) for cost in (forward, step)] == [
        (network, "forward", 1),
        (network, "step", parameters.batch_size),
    ]
    assert step.gflop / parameters.batch_size == pytest.approx(ratio * forward.gflop, rel=0.15)
    assert step.state_gib >= forward.state_gib + 3 * 4 * step.trainable / 2**30  # gradients and two moments
    assert step.cpu_seconds > 0
    assert step.wall_seconds > 0
    assert step.peak_gib >= forward.peak_gib > forward.libraries_gib > 0


def test_checkpointing_costs_up_to_a_fourth_pass():
    """The first and last layers are not recomputed; without recomputation counted, both would be 3."""
    from xpci_utils.diffusion import build_denoiser

    config = {"height": 32, "width": 32, "widths": (32, 32), "blocks": 1, "attention_strides": (), "head_dim": 8}
    passes = {}
    for checkpointing in (False, True):
        denoiser = build_denoiser({**config, "checkpointing": checkpointing}).train()
        x_t, t = torch.rand(1, 2, 32, 32), torch.tensor([5])
        step = counted(lambda: denoiser(x_t, t).sum().backward())  # noqa: B023
        passes[checkpointing] = step / counted(lambda: denoiser(x_t, t))  # noqa: B023
    assert passes[False] == pytest.approx(3, abs=0.1)
    assert 3.5 < passes[True] <= 4


def test_measuring_in_a_process_of_its_own():
    (cost,) = measure_stage(PrepareFrames(), SMALL, 1)
    assert (cost.network, cost.unit, cost.parameters) == ("simulator", "frame", 0)
    assert 0 < cost.wall_seconds < 60
    assert 0.02 < cost.peak_gib < 4


def test_a_measuring_process_that_fails_is_told():
    with pytest.raises(MeasurementError, match=r"measuring sam/vit_b__s0 failed: .*prompt_scale"):
        measure_stage(AdaptSam.model_construct(labeller="vit_b", prompt_scale=-1.0), SMALL, 1)
