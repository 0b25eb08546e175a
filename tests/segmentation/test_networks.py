"""Structure: published parameter counts, shapes of outputs and skips, sizes, weights."""

import subprocess
import sys

import pytest
import torch

from xpci_utils.segmentation import BACKBONES, SIZES, build_network, count_parameters, outline

BOTH = pytest.mark.parametrize("shape", [(64, 64), (64, 96)])


def on_meta(name, **options):
    """Structure without memory; MONAI computes drop-path rates on the way and needs a real device."""
    with torch.device("meta"):
        return build_network(name, 10, **options)


def test_transunet_has_the_published_number_of_parameters():
    assert count_parameters(on_meta("transunet", image_size=640)) == pytest.approx(106.4e6, rel=0.005)
    assert count_parameters(on_meta("transunet", image_size=224)) == pytest.approx(105.28e6, rel=0.005)


def test_emcad_has_the_published_number_of_parameters():
    network = on_meta("emcad")
    assert count_parameters(network.decoder) == 1_913_515
    assert count_parameters(network) == pytest.approx(26.77e6, rel=0.001)


@pytest.mark.parametrize(("size", "parameters"), [("paper", 25_138_372), ("laptop", 6_302_428)])
def test_swin_unetr_has_the_published_number_of_parameters(size, parameters):
    assert count_parameters(build_network("swin_unetr", 10, size=size)) == parameters


@pytest.mark.parametrize("name", BACKBONES)
@BOTH
def test_logits_have_the_size_of_the_image(name, shape):
    network = build_network(name, 4, size="quick", image_size=shape)
    images = torch.zeros(2, 1, *shape)
    assert network(images).shape == (2, 4, *shape)
    assert network.eval()(images).shape == (2, 4, *shape)


@pytest.mark.parametrize("size", SIZES)
@BOTH
def test_transunet_skips(size, shape):
    network = on_meta("transunet", size=size, image_size=shape)
    deep, skips = network.encode(torch.zeros(1, 3, *shape, device="meta"))
    height, width = shape
    assert deep.shape[2:] == (height // 16, width // 16)
    assert [tuple(skip.shape[2:]) for skip in skips] == [(height // k, width // k) for k in (8, 4, 2)]
    if size == "paper":
        assert [deep.shape[1]] + [skip.shape[1] for skip in skips] == [768, 512, 256, 64]


@pytest.mark.parametrize("size", SIZES)
@BOTH
def test_emcad_levels_and_side_outputs(size, shape):
    network = on_meta("emcad", size=size)
    images = torch.zeros(1, 1, *shape, device="meta")
    height, width = shape
    levels = network.decode(images)
    assert [tuple(level.shape[2:]) for level in levels] == [(height // k, width // k) for k in (32, 16, 8, 4)]
    if size == "paper":
        assert [level.shape[1] for level in levels] == [512, 320, 128, 64]
    assert [tuple(logits.shape) for logits in network.side_outputs(images)] == [(1, 10, *shape)] * 4


@BOTH
def test_swin_unetr_hidden_states(shape):
    network = build_network("swin_unetr", 4, size="quick")
    height, width = shape
    with torch.no_grad():
        hidden = network.swinViT(torch.zeros(1, 1, *shape), network.normalize)
    assert [tuple(h.shape[1:]) for h in hidden] == [
        (12 * 2**k, height // 2 ** (k + 1), width // 2 ** (k + 1)) for k in range(5)
    ]


def test_emcad_predicts_with_its_finest_output():
    network = build_network("emcad", 3, size="quick").eval()
    images = torch.randn(1, 1, 64, 64)
    torch.testing.assert_close(network(images), network.side_outputs(images)[-1])


@pytest.mark.parametrize("name", BACKBONES)
def test_a_size_that_cannot_work_is_refused_in_words(name):
    network = build_network(name, 4, size="quick", image_size=(64, 64))
    with pytest.raises(ValueError, match=r"\(62, 64\)|62 x 64|divisible by"):
        network(torch.zeros(1, 1, 62, 64))


def test_the_padding_rule_gives_transunet_its_size():
    assert build_network("transunet", 4, size="quick", image_size=(62, 64)).image_size == (64, 64)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="transunet, swin_unetr, emcad"):
        build_network("unet", 4)
    with pytest.raises(ValueError, match="paper, laptop, quick"):
        build_network("emcad", 4, size="huge")


@pytest.mark.parametrize("name", ["transunet", "emcad"])
def test_initial_weights_belong_to_the_seed_alone(name):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = build_network(name, 4, size="quick", image_size=64)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = (build_network(name, 4, size="quick", image_size=64, seed=seed) for seed in (0, 1))
    for mine, same in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(mine, same)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_other_channel_counts():
    for channels in (2, 3):
        for name in ("transunet", "emcad"):
            network = build_network(name, 4, in_channels=channels, size="quick", image_size=64)
            assert network(torch.zeros(2, channels, 64, 64)).shape == (2, 4, 64, 64)


def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do(monkeypatch):
    import timm

    from xpci_utils.segmentation import pretrained

    def unreachable(name, pretrained=False, **_):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(
        pretrained.WeightsUnavailable, match=r"pvt_v2_b2.in1k could not be fetched.*set pretrained to fal"
    ):
        build_network("emcad", 10, pretrained=True)


def test_the_network_says_what_it_started_from(monkeypatch):
    import timm

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained=False, **kw: create(name, pretrained=False, **kw))
    assert on_meta("transunet", pretrained=True).weights == "timm vit_base_r50_s16_224.orig_in21k"
    assert on_meta("emcad", pretrained=True).weights == "timm pvt_v2_b2.in1k"
    assert on_meta("emcad", pretrained=False).weights == "random"
    assert on_meta("emcad", size="quick", pretrained=True).weights == "random"  # too narrow for any published weights


def test_only_swin_unetr_loads_monai():
    code = (
        "import sys; from xpci_utils.segmentation import build_network, train_network, predict_folder;"
        "build_network('emcad', 4, size='quick'); build_network('transunet', 4, size='quick', image_size=64);"
        "sys.exit('monai' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", BACKBONES)
@BOTH
def test_an_outline_measures_every_stage_and_changes_nothing(name, shape):
    network = build_network(name, 4, size="quick", image_size=shape).train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    stages = outline(network)
    assert sum(stage.parameters for stage in stages) == count_parameters(network)
    assert all(stage.stride in (1, 2, 4, 8, 16, 32) and stage.parameters for stage in stages)
    assert (stages[-1].name, stages[-1].channels) == ("classes", 4)
    assert network.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
