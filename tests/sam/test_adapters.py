import copy

import pytest
import torch

from xpci_utils.sam import Adapter, add_adapters, build_sam, count_by_part, count_parameters, set_trainable
from xpci_utils.training import cross_entropy_and_dice

VARIANTS = ["vit_b", "vit_t"]


def some_frames(seed=0, side=64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, side, side), generator=generator), torch.rand(
        2, side, side, generator=generator
    ) > 0.9


@pytest.mark.parametrize(("variant", "encoder"), [("vit_b", 7_100_928), ("vit_t", 395_808)])
def test_published_counts(variant, encoder):
    """All blocks of the encoder, both two-way blocks of the decoder (Gu et al. 2024)."""
    with torch.device("meta"):
        model = add_adapters(build_sam(variant, "paper", num_classes=10))
    counts = count_parameters(set_trainable(model, "adapters"))
    assert counts["encoder_adapters"] == encoder
    assert counts["decoder_adapters"] == 132_352
    assert counts["adapters"] == counts["trainable"] == encoder + 132_352
    # Eleven tokens and ten class hypernetworks; token 0's hypernetwork feeds no class and stays frozen.
    assert counts["head"] == 11 * 256 + 10 * 139_808
    assert count_parameters(set_trainable(model, "adapters+head"))["trainable"] == counts["adapters"] + counts["head"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("trainable", ["adapters", "adapters+head", "all"])
def test_every_parameter_is_in_one_part(variant, trainable):
    """The table of notebook 03: parts add up to the whole, and agree with `count_parameters`."""
    model = set_trainable(add_adapters(build_sam(variant, "reduced", num_classes=4)), trainable)
    every, trained, counts = count_by_part(model), count_by_part(model, trained=True), count_parameters(model)
    assert sum(every.values()) == counts["total"]
    assert sum(trained.values()) == counts["trainable"]
    assert every.keys() == trained.keys()
    assert every["adapters of the image encoder"] == counts["encoder_adapters"]
    assert every["adapters of the mask decoder"] == counts["decoder_adapters"]
    assert every["class head"] == counts["head"]
    assert trained["parts that no class depends on"] == 0
    frozen = {part for part, count in trained.items() if not count}
    assert ("image encoder" in frozen) == (trainable != "all")
    assert ("class head" in frozen) == (trainable == "adapters")


@pytest.mark.parametrize("variant", VARIANTS)
def test_zero_adapters_change_nothing(variant):
    plain = build_sam(variant, "reduced", num_classes=4)
    adapted = add_adapters(copy.deepcopy(plain), zero_init=True)
    images, masks = some_frames()
    with torch.no_grad():
        torch.testing.assert_close(adapted(images, masks), plain(images, masks), atol=1e-6, rtol=0)
        started = add_adapters(copy.deepcopy(plain))  # torch's default, as in finetune-SAM
        assert (started(images, masks) - plain(images, masks)).abs().max() > 1e-3


def test_every_adapter_counts_and_the_shared_one_acts_twice():
    model = add_adapters(build_sam("vit_b", "reduced"), zero_init=True)
    for block in model.mask_decoder.transformer.layers:
        assert block.norm2.adapter is block.norm4.adapter
    assert not any("norm4.adapter" in name for name in model.state_dict())
    calls = []
    for module in model.modules():
        if isinstance(module, Adapter):
            module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        model(*some_frames())
    assert len(calls) == 5 * 2 + 2 * 3  # five encoder blocks; two decoder blocks, whose first adapter is used twice


def test_copies_have_adapters_of_their_own():
    model = add_adapters(build_sam("vit_b", "reduced"))
    other = copy.deepcopy(model)
    block = other.mask_decoder.transformer.layers[0]
    assert block.norm2.adapter is block.norm4.adapter
    assert block.norm2.adapter is not model.mask_decoder.transformer.layers[0].norm2.adapter


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("trainable", ["adapters", "adapters+head", "all"])
def test_one_step_moves_what_is_trainable_and_nothing_else(variant, trainable):
    model = set_trainable(add_adapters(build_sam(variant, "reduced", num_classes=4)), trainable).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    chosen = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    images, masks = some_frames()
    for prompt in (masks, None):  # the "no mask" embedding moves only without a prompt
        model.zero_grad()
        sum(cross_entropy_and_dice(model(images, prompt), masks.long() * 3)).backward()
        optimizer.step()
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved <= chosen
    assert not any("running" in name or "num_batches" in name for name in moved)
    # A key bias shifts all attention scores of a query alike, so softmax ignores it: its gradient is rounding.
    assert {name for name in chosen - moved if "k_proj.bias" not in name} == set()


def test_batch_norm_stays_in_evaluation_mode():
    model = add_adapters(build_sam("vit_t", "reduced")).train()
    kinds = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert kinds
    assert not any(module.training for module in kinds)
    assert model.mask_decoder.training


def test_adapters_go_in_once():
    model = add_adapters(build_sam("vit_b", "reduced"))
    with pytest.raises(ValueError, match="has adapters already"):
        add_adapters(model)


def test_unknown_choice_is_named():
    with pytest.raises(ValueError, match=r"adapter.*adapters, adapters\+head, all"):
        set_trainable(build_sam("vit_b", "reduced"), "adapter")
