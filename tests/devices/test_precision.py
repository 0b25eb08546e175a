"""Lower precision and other kernels change results by rounding alone, and what is switched on is switched off again.

Tolerances: bfloat16 has 8 bits of mantissa (2^-9 = 0.2 % of rounding per operation), TF32 has 11.
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from xpci_utils.diffusion import build_denoiser, denoiser_config, hybrid_loss
from xpci_utils.sam import add_adapters, build_sam
from xpci_utils.sam.adaptation import loss_of as sam_loss
from xpci_utils.segmentation import BACKBONES, build_network
from xpci_utils.segmentation.training import loss_of
from xpci_utils.training import (
    LabellerTraining,
    TrainingFolder,
    TrainingSettings,
    adamw,
    loop,
    precision,
    run_steps,
    tf32_matmuls,
)
from xpci_utils.training.loop import _Saver
from xpci_utils.training.storage import _on_host

pytestmark = pytest.mark.usefixtures("one_thread")
BF16_LOSS, BF16_GRADIENT = 0.01, 0.9  # largest relative difference of losses, least cosine between gradients


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def labels_of(classes=10, side=64):
    return torch.from_numpy(np.random.default_rng(0).integers(0, classes, (2, side, side), np.uint8))


def denoiser_step(prediction):
    denoiser = build_denoiser(denoiser_config("quick", 64, 64, prediction=prediction)).train()
    if denoiser.measures_data:
        denoiser.fit(noise(8, 2, 64, 64).clamp(-1, 1))
    nn.init.normal_(
        denoiser.unet.conv_out.weight, std=0.02, generator=torch.Generator().manual_seed(1)
    )  # it starts as 0
    x_0, t = denoiser.encode(noise(2, 2, 64, 64).clamp(-1, 1)), torch.tensor([400, 3000])
    eps = noise(2, 2, 64, 64)
    options = {"prediction": prediction, "scale": denoiser.scale, "offset": denoiser.offset}

    def loss(bf16):
        with precision(torch.device("cpu"), bf16):
            output = denoiser(denoiser.schedule.q_sample(x_0, t, eps), t)
        return hybrid_loss(output, x_0, t, eps, denoiser.schedule, **options).total.mean()

    return denoiser, loss


def sam_step(variant):
    model = add_adapters(build_sam(variant, "reduced", 10)).train()
    images, labels = (127 + 40 * noise(2, 64, 64)).clamp(0, 255).byte(), labels_of()
    return model, lambda bf16: sam_loss(model, images, labels, LabellerTraining(bf16=bf16), True)[0]


def segmentation_step(name):
    network = build_network(name, 10, size="quick", image_size=64).train()

    def loss(bf16):
        torch.manual_seed(0)  # of dropout
        with precision(torch.device("cpu"), bf16):
            return loss_of(network, noise(2, 1, 64, 64), labels_of(), "published")

    return network, loss


STEPS = {
    "denoiser, eps": lambda: denoiser_step("eps"),
    "denoiser, v": lambda: denoiser_step("v"),
    "vit_b": lambda: sam_step("vit_b"),
    "vit_t": lambda: sam_step("vit_t"),
    **{name: (lambda name=name: segmentation_step(name)) for name in BACKBONES},
}


def gradient_of(network, loss):
    network.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", STEPS)
def test_a_step_in_bfloat16_is_that_in_float32_but_for_rounding(name):
    network, loss_in = STEPS[name]()
    plain, half = loss_in(False), loss_in(True)
    assert plain.dtype == half.dtype == torch.float32
    assert half.item() == pytest.approx(plain.item(), rel=BF16_LOSS)
    assert half.item() != plain.item(), "autocast did nothing"
    exact = gradient_of(network, loss_in(False))
    rounded = gradient_of(network, loss_in(True))
    assert torch.cosine_similarity(exact, rounded, dim=0) > BF16_GRADIENT


def test_tf32_is_set_and_restored_and_touches_nothing_on_a_cpu():
    products = torch.backends.cuda.matmul
    before, a, b = products.fp32_precision, noise(64, 64), noise(64, 64)
    exact = a @ b
    with tf32_matmuls(False):
        assert products.fp32_precision == before
    with tf32_matmuls(True):
        assert products.fp32_precision == "tf32"
        assert torch.backends.mkldnn.matmul.fp32_precision == "none"  # that of the CPU
        assert torch.equal(a @ b, exact)
    assert products.fp32_precision == before
    with pytest.raises(ZeroDivisionError), tf32_matmuls(True):
        raise ZeroDivisionError
    assert products.fp32_precision == before


@pytest.mark.parametrize("tf32", [False, True])
def test_a_training_computes_in_the_precision_of_its_settings(tf32, tmp_path):
    precisions = []

    def update(step):
        precisions.append(torch.backends.cuda.matmul.fp32_precision)
        return {"loss": 0.0}

    settings = TrainingSettings(steps=2, batch_size=1, learning_rate=1e-3, tf32=tf32)
    run_steps(settings, update, {}, TrainingFolder(tmp_path, tmp_path / "work", "a"))
    assert precisions == ["tf32" if tf32 else "none"] * 2
    assert torch.backends.cuda.matmul.fp32_precision == "none"


def test_the_fused_optimiser_of_gpus_steps_as_the_plain_one():
    """On a CPU `adamw` is torch's plain one; the fused kernel, which CPUs have too, agrees up to rounding and goes on
    from its checkpoint."""
    layers = [nn.Linear(16, 16) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    plain = adamw(layers[0].parameters(), 1e-2, weight_decay=0.1)
    fused = torch.optim.AdamW(layers[1].parameters(), 1e-2, weight_decay=0.1, fused=True)
    assert plain.defaults["fused"] is None
    for step in range(4):
        for layer, optimizer in zip(layers, (plain, fused), strict=True):
            optimizer.zero_grad()
            layer(noise(4, 16) + step).square().mean().backward()
            optimizer.step()
        if step == 1:
            tensors, values = loop._pack(fused)
            loop._unpack(fused, copy.deepcopy(tensors), values)
    torch.testing.assert_close(layers[0].weight, layers[1].weight, rtol=1e-5, atol=1e-6)


def test_what_is_written_shares_no_memory_with_what_is_trained():
    weight = noise(4, 3, 2, 2).to(memory_format=torch.channels_last)
    written = _on_host(weight)
    assert written.is_contiguous()
    assert torch.equal(written, weight)
    plain = noise(3)
    assert _on_host(plain).data_ptr() != plain.data_ptr()


def test_checkpoints_take_at_most_a_twentieth_of_the_time(tmp_path, monkeypatch):
    saver = _Saver({}, TrainingFolder(tmp_path, tmp_path, "a"))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 30.0)
    assert saver.pause() == 30
    saver.writing = 12.0
    assert saver.pause() == 240
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    assert saver.pause() == 0
