"""Which blocks of the encoder get adapters: all, those of finetune-SAM's default, or a choice."""

import pytest
import torch

from xpci_utils.sam import (
    Adapter,
    add_adapters,
    build_sam,
    count_parameters,
    load_labeller,
    save_labeller,
    set_trainable,
)
from xpci_utils.sam.adapters import adapted_blocks, encoder_blocks


def adapted(model):
    """Indices of the blocks that hold an adapter."""
    blocks = enumerate(encoder_blocks(model))
    return tuple(i for i, block in blocks if any(isinstance(module, Adapter) for module in block.modules()))


@pytest.mark.parametrize(
    ("variant", "blocks", "parameters", "indices"),
    [
        ("vit_b", "all", 7_100_928, tuple(range(12))),
        ("vit_b", "reference", 2_366_976, (0, 1, 10, 11)),
        ("vit_b", (2, 5), 2 * 2 * 295_872, (2, 5)),
        ("vit_t", "all", 395_808, tuple(range(10))),
        ("vit_t", "reference", 189_408, tuple(range(8))),
    ],
)
def test_counts_at_the_published_size(variant, blocks, parameters, indices):
    with torch.device("meta"):
        model = add_adapters(build_sam(variant, "paper"), blocks=blocks)
    counts = count_parameters(set_trainable(model, "adapters"))
    assert counts["encoder_adapters"] == parameters
    assert counts["decoder_adapters"] == 132_352
    assert counts["trainable"] == parameters + 132_352
    assert adapted(model) == indices


@pytest.mark.parametrize(("variant", "parameters"), [("vit_b", 93_735_472), ("vit_t", 10_130_092)])
def test_published_totals(variant, parameters):
    with torch.device("meta"):
        assert count_parameters(build_sam(variant, "paper"))["total"] == parameters


@pytest.mark.parametrize(("variant", "indices"), [("vit_b", (0, 1, 3, 4)), ("vit_t", (0, 1, 2))])
def test_the_reference_choice_in_a_reduced_sam(variant, indices):
    """The first two and the last two blocks; every stage but the last."""
    assert adapted_blocks(build_sam(variant, "reduced"), "reference") == indices


def test_all_is_the_default_and_gives_the_same_weights():
    plain, named = (add_adapters(build_sam("vit_b", "reduced"), **options) for options in ({}, {"blocks": "all"}))
    assert list(plain.state_dict()) == list(named.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), named.state_dict().values(), strict=True))


@pytest.mark.parametrize("blocks", ["first", (5,), [-1], [0.5]])
def test_unknown_blocks_are_refused(blocks):
    with pytest.raises(ValueError, match=r'choose "all", "reference" or indices from 0 to 4'):
        add_adapters(build_sam("vit_b", "reduced"), blocks=blocks)


@pytest.mark.parametrize("blocks", ["reference", (1, 0)])
def test_a_labeller_remembers_its_blocks(blocks, tmp_path):
    model = set_trainable(add_adapters(build_sam("vit_t", "reduced", 4), blocks=blocks), "all").eval()
    save_labeller(tmp_path / "adapters.safetensors", model)
    again = load_labeller(tmp_path / "adapters.safetensors")
    assert adapted(again) == adapted(model)
    frame = torch.randint(0, 256, (1, 64, 64), generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(frame, frame > 200), again(frame, frame > 200))


def test_a_labeller_of_before_this_choice_has_adapters_everywhere(tmp_path):
    model = set_trainable(add_adapters(build_sam("vit_t", "reduced", 4)), "all").eval()
    del model.config["adapters"]["blocks"]
    save_labeller(tmp_path / "adapters.safetensors", model)
    assert adapted(load_labeller(tmp_path / "adapters.safetensors")) == (0, 1, 2, 3)
