"""EMCAD's decoder and TransUNet's ResNet as their authors' code computes them, written out here once more."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from xpci_utils.segmentation import build_network, count_parameters
from xpci_utils.segmentation.emcad import AttentionGate, ChannelAttention, Decoder, MultiScaleConvolution, UpConvolution
from xpci_utils.segmentation.networks import rebuild_network
from xpci_utils.segmentation.transunet import resize_positions

CAPS = {"relu": np.inf, "relu6": 6.0}
ACTIVATIONS = pytest.mark.parametrize("activation", CAPS)


def lively(module, seed=0):
    """The module in float64 and evaluation mode, with weights and statistics that drive activations beyond 6."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            draw = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(draw.abs() + 0.5 if "var" in name else 2 * draw)
    return module


def some_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values(module):
    return [tensor.numpy() for name, tensor in module.state_dict().items() if "num_batches" not in name]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normed(x, weight, bias, mean, variance):
    """Batch norm with its running statistics, of a map [C, H, W]."""
    shaped = [a[:, None, None] for a in (weight, bias, mean, variance)]
    return (x - shaped[2]) / np.sqrt(shaped[3] + 1e-5) * shaped[0] + shaped[1]


def grouped(x, kernel, bias=0.0):
    """3 x 3 convolution of a map [C, H, W] by kernels [K, C / K, 3, 3]: each of the K groups makes one channel."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    groups = windows.reshape(len(kernel), -1, *windows.shape[1:])
    return np.einsum("kchwij,kcij->khw", groups, kernel) + np.reshape(bias, (-1, 1, 1))


@ACTIVATIONS
def test_channel_attention(activation):
    block = lively(Decoder([16, 32, 64, 128], activation)).channel_attention[0]
    x = some_map(1, 128, 4, 4)
    first, second = (w[:, :, 0, 0] for w in values(block))
    means, maxima = x[0].numpy().mean((1, 2)), x[0].numpy().max((1, 2))
    hidden = [first @ pooled for pooled in (means, maxima)]
    assert max(h.max() for h in hidden) > 6  # or the two activations would be one
    gate = sigmoid(sum(second @ h.clip(0, CAPS[activation]) for h in hidden))
    np.testing.assert_allclose(block(x)[0].detach().numpy(), x[0].numpy() * gate[:, None, None], rtol=1e-9, atol=1e-12)


@ACTIVATIONS
def test_up_convolution(activation):
    block = lively(Decoder([8, 16, 24, 32], activation)).up[0]
    x = some_map(1, 32, 4, 5)
    kernel, *norm, pointwise, bias = values(block)
    doubled = x[0].numpy().repeat(2, 1).repeat(2, 2)
    filtered = normed(grouped(doubled, kernel), *norm)
    assert filtered.max() > 6
    expected = np.tensordot(pointwise[:, :, 0, 0], filtered.clip(0, CAPS[activation]), 1) + bias[:, None, None]
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, rtol=1e-9, atol=1e-9)


@ACTIVATIONS
def test_attention_gate(activation):
    block = lively(Decoder([8, 16, 24, 32], activation)).gate[0]
    x, skip = some_map(1, 24, 4, 5), some_map(1, 24, 4, 5, seed=2)
    v = values(block)
    of_decoder = normed(grouped(x[0].numpy(), *v[:2]), *v[2:6])
    of_skip = normed(grouped(skip[0].numpy(), *v[6:8]), *v[8:12])
    assert (of_decoder + of_skip).max() > 6
    hidden = (of_decoder + of_skip).clip(0, CAPS[activation])
    gate = sigmoid(normed(np.tensordot(v[12][:, :, 0, 0], hidden, 1) + v[13][:, None, None], *v[14:18]))
    np.testing.assert_allclose(block(x, skip)[0].detach().numpy(), skip[0].numpy() * gate, rtol=1e-9, atol=1e-9)


def test_the_activation_reaches_every_block_but_the_multi_scale_convolution():
    blocks = {ChannelAttention: 4, UpConvolution: 3, AttentionGate: 3, MultiScaleConvolution: 4}
    for activation, expected in (("relu", torch.nn.ReLU), ("relu6", torch.nn.ReLU6)):
        decoder = Decoder([8, 16, 24, 32], activation)
        for kind, count in blocks.items():
            modules = [module for module in decoder.modules() if isinstance(module, kind)]
            assert len(modules) == count
            wanted = torch.nn.ReLU6 if kind is MultiScaleConvolution else expected
            for module in modules:
                kinds = {type(m) for m in module.modules() if isinstance(m, (torch.nn.ReLU, torch.nn.ReLU6))}
                assert kinds == {wanted}


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="'gelu'; choose one of relu, relu6"):
        build_network("emcad", 4, size="quick", activation="gelu")


def standardised(x, weight, stride=1):
    mean, variance = weight.mean((1, 2, 3), keepdim=True), weight.var((1, 2, 3), unbiased=False, keepdim=True)
    weight = (weight - mean) / torch.sqrt(variance + 1e-5)
    return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)


def reference_resnet(state, x, groups):
    """The ResNet of Beckschen/TransUNet, commit 02ef001, one unit per stage: (deepest map, skips from fine to deep)."""

    def norm(y, name, groups=groups, eps=1e-6):
        return F.group_norm(y, groups, state[f"{name}.weight"], state[f"{name}.bias"], eps)

    x = norm(standardised(x, state["stem.conv.weight"], 2), "stem.norm").relu()
    skips, side = [x], x.shape[-1] // 2
    x = F.max_pool2d(x, 3, 2)
    for stage, stride in enumerate((1, 2, 2)):
        unit = f"stages.{stage}.blocks.0"
        projected = standardised(x, state[f"{unit}.downsample.conv.weight"], stride)
        shortcut = norm(projected, f"{unit}.downsample.norm", projected.shape[1], 1e-5)
        y = norm(standardised(x, state[f"{unit}.conv1.weight"]), f"{unit}.norm1").relu()
        y = norm(standardised(y, state[f"{unit}.conv2.weight"], stride), f"{unit}.norm2").relu()
        x = (norm(standardised(y, state[f"{unit}.conv3.weight"]), f"{unit}.norm3") + shortcut).relu()
        filled = x.new_zeros(*x.shape[:2], side, side)
        filled[:, :, : x.shape[2], : x.shape[3]] = x
        skips.append(filled)
        side //= 2
    return x, skips[:3]


def encoded(reference_stem):
    """A lively quick TransUNet, an image, and (deepest map, skips from fine to deep) of its encoder."""
    network = lively(build_network("transunet", 4, size="quick", image_size=96, reference_stem=reference_stem))
    image, deep = some_map(2, 3, 96, 96), []
    network.encoder.patch_embed.proj.register_forward_pre_hook(lambda _, inputs: deep.append(inputs[0]))
    _, skips = network.encode(image)
    return network, image, deep[0], skips[::-1]


def test_the_reference_stem_equals_transunets():
    network, image, deep, skips = encoded(True)
    state = network.encoder.patch_embed.backbone.state_dict()
    expected, their_skips = reference_resnet(state, image, network.encoder.patch_embed.backbone.stem.norm.num_groups)
    torch.testing.assert_close(deep, expected, rtol=1e-10, atol=1e-10)
    for ours, theirs in zip(skips, their_skips, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    assert skips[1][..., -1].abs().max() == 0  # what the unpadded pooling loses
    assert skips[1].shape[-1] == 24


def test_the_default_stem_is_the_one_of_the_weights():
    _, _, deep, skips = encoded(False)
    _, _, reference, _ = encoded(True)
    assert skips[1][..., -1].abs().max() > 0
    assert (deep - reference).abs().max() > 0.1 * reference.abs().max()


def test_transunet_drops_nothing_after_the_attention():
    with torch.device("meta"):
        block = build_network("transunet", 10).encoder.blocks[0]
        position = build_network("transunet", 10).encoder.pos_drop
    rates = {name: m.p for name, m in block.named_modules() if isinstance(m, torch.nn.Dropout) and m.p}
    assert rates == {"mlp.drop1": 0.1, "mlp.drop2": 0.1}
    assert position.p == 0.1


@pytest.mark.parametrize("reference_stem", [False, True])
def test_published_totals(reference_stem):
    with torch.device("meta"):
        assert count_parameters(build_network("transunet", 10, reference_stem=reference_stem)) == 106_355_498
        assert count_parameters(build_network("emcad", 10)) == 26_773_663


def test_a_position_table_is_resized_as_scipy_zooms_it():
    """As the reference does: linear, first to first and last to last."""
    from scipy.ndimage import zoom

    network = build_network("transunet", 4, size="quick", image_size=64)
    table = network.encoder.pos_embed.detach().reshape(4, 4, -1).numpy()
    resize_positions(network.encoder, (64, 64), (96, 160))
    expected = zoom(table, (6 / 4, 10 / 4, 1), order=1)
    np.testing.assert_allclose(network.encoder.pos_embed.detach().reshape(6, 10, -1), expected, atol=1e-6)


def test_pretrained_reference_weights_keep_their_own_table_until_it_is_resized(monkeypatch):
    import timm

    create, sizes = timm.create_model, []

    def without_weights(name, pretrained=False, **options):
        sizes.append(options["img_size"])
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", without_weights)
    with torch.device("meta"):
        network = build_network("transunet", 10, pretrained=True, image_size=640, reference_stem=True)
    assert sizes == [(224, 224)]
    assert network.encoder.pos_embed.shape == (1, 1600, 768)


def test_a_network_is_rebuilt_with_the_settings_of_its_time():
    network = build_network("emcad", 4, size="quick")
    again = rebuild_network(network.config)
    assert again.config == network.config
    assert network.config["activation"] == "relu"
    old = {key: value for key, value in network.config.items() if key != "activation"}
    assert rebuild_network(old).config["activation"] == "relu6"
    old = {"name": "transunet", "num_classes": 4, "in_channels": 1, "size": "quick", "image_size": [64, 64]}
    assert rebuild_network(old).reference_stem is False
    assert rebuild_network(old | {"reference_stem": True}).reference_stem is True
