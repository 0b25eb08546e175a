"""Everything that computes meets on the device of its network: tried on torch's `meta` device, which refuses tensors of
the CPU as a GPU would, and with a GPU that is only pretended."""

from contextlib import nullcontext

import pytest
import torch

from xpci_utils.diffusion import build_denoiser, hybrid_loss, respaced_timesteps, trajectory
from xpci_utils.diffusion.clamping import clamped_block
from xpci_utils.diffusion.diagnostics import probe
from xpci_utils.diffusion.sampling import SAMPLERS, sample_block
from xpci_utils.randomness import torch_generator
from xpci_utils.sam import add_adapters, build_sam, set_trainable
from xpci_utils.sam.model import calibrate_batch_norm
from xpci_utils.segmentation import BACKBONES, build_network
from xpci_utils.segmentation.training import loss_of
from xpci_utils.training import cross_entropy_and_dice
from xpci_utils.training.averaging import averaged_weights
from xpci_utils.training.loop import _pack, _unpack

DENOISER = {
    "height": 32, "width": 32, "widths": [16, 16], "blocks": 1, "attention_strides": [4], "head_dim": 8,
    "norm_groups": 8, "stem": 2,
}  # fmt: skip
KINDS = pytest.mark.parametrize(
    "change", [{}, {"rescale_timesteps": True}, {"prediction": "v", "wiener_skip": True, "standardise": True}]
)


@pytest.fixture
def no_autocast(monkeypatch):
    """`meta` has no autocast; what it would do to devices is nothing."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


def denoiser_on_meta(change):
    return build_denoiser(DENOISER | change).to("meta")


def test_meta_refuses_what_a_gpu_would_refuse():
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(2, device="meta") + torch.zeros(2)


@KINDS
def test_a_training_step_of_the_denoiser(change, no_autocast):
    denoiser = denoiser_on_meta(change).train()
    ema = averaged_weights(denoiser.parameters(), warmup=False)
    optimizer = torch.optim.AdamW(denoiser.parameters())
    x_0 = denoiser.encode(torch.zeros(2, 2, 32, 32, device="meta"))
    t, noise = torch.zeros(2, dtype=torch.long, device="meta"), torch.zeros_like(x_0)
    output = denoiser(denoiser.schedule.q_sample(x_0, t, noise), t)
    options = {"prediction": denoiser.config.prediction, "scale": denoiser.scale, "offset": denoiser.offset}
    hybrid_loss(output, x_0, t, noise, denoiser.schedule, **options).total.mean().backward()
    optimizer.step()
    ema.step(denoiser.parameters())
    ema.copy_to(denoiser.parameters())
    assert {p.device.type for p in (*ema.shadow_params, *(p.grad for p in denoiser.parameters()))} == {"meta"}


@KINDS
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampling(sampler, change, no_autocast):
    pairs = sample_block(denoiser_on_meta(change).eval(), [0, 1], sampler=sampler, steps=4, seed=0)
    assert (pairs.device.type, pairs.shape) == ("meta", (2, 2, 32, 32))


@KINDS
def test_a_trajectory_and_a_step_back_stay_on_the_device(change, no_autocast):
    denoiser = denoiser_on_meta(change).eval()
    for x_t, x_0 in trajectory(denoiser, steps=4, shown=2).values():
        assert (x_t.device.type, x_0.device.type, x_t.shape) == ("meta", "meta", (2, 32, 32))
    longer, t = (
        denoiser.schedule.respaced(respaced_timesteps(4000, 25)),
        torch.zeros(1, dtype=torch.long, device="meta"),
    )
    x_t = torch.zeros(1, 2, 32, 32, device="meta")
    x_0, v = denoiser.predict_x_0(x_t, t)
    step = longer.posterior_mean(x_0, x_t, t) + torch.exp(0.5 * longer.log_variance(v, t))
    assert denoiser.schedule.q_step(step, t, x_t).device.type == "meta"


@KINDS
def test_masks_for_known_images_and_probes(change, no_autocast):
    denoiser = denoiser_on_meta(change).eval()
    known = torch.zeros(2, 2, 32, 32)
    generators = [torch_generator("test", i) for i in range(2)]
    assert clamped_block(denoiser, known.to("meta"), generators, 4, 2, False).device.type == "meta"
    _, loss, errors = probe(denoiser, known, draws=2)
    assert (loss.total.device.type, errors.shape) == ("meta", (4,))


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("loss", ["published", "common"])
def test_a_training_step_of_a_segmentation_network(name, loss):
    network = build_network(name, 4, size="quick", image_size=64, reference_stem=True).to("meta")
    images, labels = torch.zeros(2, 1, 64, 64, device="meta"), torch.zeros(2, 64, 64, dtype=torch.uint8, device="meta")
    loss_of(network, images, labels, loss).backward()
    assert {p.grad.device.type for p in network.parameters() if p.grad is not None} == {"meta"}


@pytest.mark.parametrize("variant", ["vit_b", "vit_t"])
@pytest.mark.parametrize("prompted", [False, True])
def test_a_training_step_of_sam(variant, prompted):
    model = set_trainable(add_adapters(build_sam(variant, "reduced", 4)), "adapters+head").to("meta").train()
    images = torch.zeros(2, 64, 64, device="meta")
    logits = model(images, torch.zeros(2, 64, 64, dtype=torch.bool, device="meta") if prompted else None)
    labels = torch.zeros(2, 64, 64, dtype=torch.uint8, device="meta")
    sum(cross_entropy_and_dice(logits, labels, "dice")).backward()
    grads = {p.grad.device.type for p in model.parameters() if p.grad is not None}
    assert (logits.device.type, grads) == ("meta", {"meta"})


def test_shared_adapters_follow_their_owner():
    """One adapter serves two norms but belongs to one: the other must not keep it where it was."""
    model = add_adapters(build_sam("vit_b", "reduced")).to("meta")
    for block in model.mask_decoder.transformer.layers:
        assert block.norm4.adapter is block.norm2.adapter
        assert block.norm4.adapter.up.weight.device.type == "meta"


def test_batch_norm_is_calibrated_where_the_network_is(monkeypatch):
    """Frames come from the CPU. (The average itself needs values, which `meta` has not.)"""
    model, devices = build_sam("vit_t", "reduced").to("meta"), []
    monkeypatch.setattr(type(model), "preprocess", lambda _, images, __: devices.append(images.device.type))
    monkeypatch.setattr(type(model.image_encoder), "forward", lambda *_: None)
    calibrate_batch_norm(model, torch.zeros(2, 64, 64))
    assert devices == ["meta"]


def test_an_average_from_a_checkpoint_goes_where_the_average_lives():
    """diffusers takes tensors as they come, and a checkpoint is read on the CPU."""
    parameter = torch.nn.Parameter(torch.zeros(3))
    tensors, values = _pack(averaged_weights([parameter], warmup=False))
    on_device = averaged_weights([torch.nn.Parameter(parameter.detach().to("meta"))], warmup=False)
    _unpack(on_device, tensors, values)
    assert on_device.shadow_params[0].device.type == "meta"


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_network("emcad", 4, size="quick"),
        lambda: build_network("transunet", 4, size="quick", image_size=64),
        lambda: build_denoiser(DENOISER),
        lambda: add_adapters(build_sam("vit_t", "reduced")),
    ],
)
def test_building_leaves_the_random_state_of_gpus_alone(build, monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.random.get_rng_state()
    build()
    assert seeded == []
    assert torch.equal(torch.random.get_rng_state(), before)
