"""The published network, its initialisation, the reduced one and its Wiener skip."""

from dataclasses import asdict

import pytest
import torch

from xpci_utils.diffusion import Wiener, build_denoiser, denoiser_config, load_denoiser, sample_pairs, save_denoiser
from xpci_utils.diffusion.diagnostics import wiener_eps_error
from xpci_utils.training import save_model

torch.set_num_threads(1)
SMALL = {
    "height": 32, "width": 32, "widths": [16, 16], "blocks": 1, "attention_strides": [4], "head_dim": 8,
    "norm_groups": 8, "stem": 2, "checkpointing": False,
}  # fmt: skip
SKIP = SMALL | {"prediction": "v", "wiener_skip": True}


def gaussian_pairs(count, seed=0, side=32):
    """Smooth correlated fields with small amplitude, mean -0.1 and 0.2."""
    noise = torch.randn(count, 2, side, side, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(noise, (3, 3, 3, 3), mode="reflect"), 7, 1)
    smooth[:, 1] = 0.7 * smooth[:, 0] + 0.5 * smooth[:, 1]
    return smooth + torch.tensor([-0.1, 0.2])[:, None, None]


def test_published_network_has_124_million_parameters():
    with torch.device("meta"):
        denoiser = build_denoiser()
    assert sum(p.numel() for p in denoiser.parameters()) == 124_053_252
    unet = denoiser.unet.config
    assert (unet.in_channels, unet.out_channels, tuple(unet.sample_size)) == (2, 4, (640, 640))
    assert list(unet.down_block_types) == ["DownBlock2D"] * 4 + ["AttnDownBlock2D"] * 2
    assert denoiser.unet.is_gradient_checkpointing
    attention = denoiser.unet.mid_block.attentions[0]
    assert (attention.heads, attention.group_norm.num_groups) == (4, 32)


@pytest.mark.parametrize("size", ["quick", "paper"])
@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_every_size_builds(size, prediction):
    with torch.device("meta"):
        config = denoiser_config(size, 624, 640, prediction=prediction)
        denoiser = build_denoiser(config)
    assert config.padded == (640, 640)
    assert (denoiser.wiener is not None) == (size != "paper" and prediction == "v")
    with pytest.raises(ValueError, match="choose one of quick, paper"):
        denoiser_config("huge", 64, 64)


def test_fresh_network_predicts_zero():
    denoiser = build_denoiser(SMALL)
    x_t, t = torch.randn(2, 2, 32, 32), torch.tensor([3, 3000])
    assert denoiser(x_t, t).abs().max() == 0
    for name, weight in denoiser.named_parameters():
        if "conv2.weight" in name or "to_out.0.weight" in name:
            assert weight.abs().max() == 0, name


def test_seed_decides_the_initial_weights():
    first, same, other = (build_denoiser(SMALL, seed=s).state_dict() for s in (0, 0, 1))
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_checkpointing_changes_no_gradient():
    x_t, t = torch.randn(2, 2, 32, 32), torch.tensor([3, 3000])
    gradients = []
    for checkpointing in (False, True):
        denoiser = build_denoiser(SMALL | {"checkpointing": checkpointing}).train()
        torch.nn.init.normal_(denoiser.unet.conv_out.weight, generator=torch.Generator().manual_seed(0))
        denoiser(x_t, t).square().sum().backward()
        gradients.append([p.grad for p in denoiser.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prediction": "x0"}, "eps, v"),
        ({"widhts": [16]}, "no setting 'widhts'"),
        ({"norm_groups": 7}, "multiple of norm_groups"),
        ({"attention_strides": [16]}, r"network's strides \[2, 4\]"),
        ({"wiener_skip": True}, 'needs prediction = "v"'),
        ({"stem": 4, "widths": [16] * 5, "attention_strides": []}, "halved down to stride 64"),
    ],
)
def test_settings_that_do_not_fit_are_explained(change, words):
    with pytest.raises(ValueError, match=words):
        build_denoiser(SMALL | change)


def test_saved_denoiser_brings_its_config(tmp_path):
    denoiser = build_denoiser(SKIP | {"standardise": True}).fit(gaussian_pairs(8)).eval()
    save_denoiser(tmp_path / "d.safetensors", denoiser, {"step": 3})
    loaded = load_denoiser(tmp_path / "d.safetensors")
    assert loaded.config == denoiser.config
    x_t, t = torch.randn(2, 2, 32, 32), torch.tensor([3, 3000])
    assert torch.equal(loaded(x_t, t), denoiser(x_t, t))


def test_standardised_channels_have_the_asked_spread_and_decode_back():
    pairs = gaussian_pairs(32)
    denoiser = build_denoiser(SMALL | {"standardise": True}).fit(pairs)
    encoded = denoiser.encode(pairs)
    torch.testing.assert_close(encoded.std((0, 2, 3)), torch.full((2,), 0.5), rtol=1e-4, atol=0)
    torch.testing.assert_close(denoiser.decode(encoded), pairs, rtol=1e-5, atol=1e-6)


def test_untrained_skip_network_is_the_wiener_denoiser_and_samples_its_field():
    pairs = gaussian_pairs(256)
    denoiser = build_denoiser(SKIP).fit(pairs).eval()
    x_t, t = torch.randn(3, 2, 32, 32), torch.tensor([0, 2000, 3999])
    v, _ = denoiser(x_t, t).chunk(2, dim=1)
    torch.testing.assert_close(v, denoiser.wiener.predict_v(x_t, t))
    images, masks = sample_pairs(denoiser, 64, sampler="dpmsolver++", steps=20, block=64)
    sampled = torch.from_numpy(images).float() / 127.5 - 1
    assert sampled.mean().item() == pytest.approx(pairs[:, 0].mean().item(), abs=0.02)
    assert sampled.std().item() == pytest.approx(pairs[:, 0].std().item(), rel=0.1)
    assert (masks > 0).mean() == pytest.approx((pairs[:, 1] > 0).float().mean().item(), abs=0.03)


def test_wiener_beats_ignoring_the_data_and_using_both_channels_beats_one():
    train, held_out = gaussian_pairs(128), gaussian_pairs(64, seed=1)
    denoiser = build_denoiser(SKIP)
    alone = wiener_eps_error(denoiser, train, held_out)
    assert all(0 < error < 1 for error in alone)
    schedule = denoiser.schedule
    noise = torch.randn(held_out.shape, generator=torch.Generator().manual_seed(2))
    t = torch.full((64,), 1500)
    x_t = schedule.q_sample(held_out, t, noise)
    errors = [
        (Wiener(schedule, 2, 32, 32).fit(train, joint=joint).predict_eps(x_t, t) - noise).square().mean().item()
        for joint in (False, True)
    ]
    assert errors[1] < errors[0]


def test_residual_scale_is_the_spread_of_what_wiener_leaves():
    pairs = gaussian_pairs(512)
    denoiser = build_denoiser(SKIP).fit(pairs)
    noise = torch.randn(pairs.shape, generator=torch.Generator().manual_seed(2))
    for time in (50, 1500, 3500):
        t = torch.full((512,), time)
        x_t = denoiser.schedule.q_sample(pairs, t, noise)
        left = denoiser.schedule.target("v", pairs, noise, t) - denoiser.wiener.predict_v(x_t, t)
        expected = denoiser.wiener.residual_scale(t[:1])[0, :, 0, 0]
        torch.testing.assert_close(left.square().mean((0, 2, 3)).sqrt(), expected, rtol=0.1, atol=0)


def fed_times(denoiser, t):
    """What the U-Net is given for the time steps `t`."""
    inputs_of_unet = []
    handle = denoiser.unet.time_proj.register_forward_pre_hook(lambda _, inputs: inputs_of_unet.append(inputs[0]))
    denoiser(torch.zeros(len(t), 2, 32, 32), t)
    handle.remove()
    return inputs_of_unet[0].tolist()


@pytest.mark.parametrize("base", [SMALL, SKIP])
def test_the_time_is_rescaled_where_asked_for(base):
    t = torch.tensor([0, 1, 3999])
    assert fed_times(build_denoiser(base), t) == [0, 1, 3999]
    assert fed_times(build_denoiser(base | {"rescale_timesteps": True}), t) == [0, 0.25, 999.75]
    assert fed_times(build_denoiser(base | {"rescale_timesteps": True, "timesteps": 500}), t[:2]) == [0, 2]


def test_the_scale_of_the_time_is_stored_with_the_weights(tmp_path):
    denoiser = build_denoiser(SMALL | {"rescale_timesteps": True})
    save_denoiser(tmp_path / "d.safetensors", denoiser)
    assert load_denoiser(tmp_path / "d.safetensors").config == denoiser.config


def test_weights_of_before_the_setting_load_as_they_were(tmp_path):
    denoiser = build_denoiser(SMALL).eval()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)
    facts = {"denoiser": {k: v for k, v in asdict(denoiser.config).items() if k != "rescale_timesteps"}}
    save_model(tmp_path / "old.safetensors", denoiser, facts)
    again = load_denoiser(tmp_path / "old.safetensors")
    assert again.config.rescale_timesteps is False
    x_t, t = torch.randn(1, 2, 32, 32), torch.tensor([1234])
    assert torch.equal(again(x_t, t), denoiser(x_t, t))
