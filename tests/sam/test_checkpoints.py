import dataclasses
import hashlib
import itertools
from pathlib import Path

import pytest
import torch
from segment_anything import build_sam_vit_b

from xpci_utils.sam import (
    add_adapters,
    build_sam,
    fetch_official_weights,
    load_labeller,
    load_official_weights,
    save_labeller,
    set_trainable,
)
from xpci_utils.sam import checkpoints as module
from xpci_utils.sam.checkpoints import OFFICIAL, load_official_state, spread_head
from xpci_utils.sam.tiny_vit import from_official_key

KEYS = Path(__file__).parent / "mobile_sam_keys.tsv"  # names and shapes of MobileSAM's official state dict


def mobile_sam_state(fill=torch.empty):
    state = {}
    for line in KEYS.read_text().splitlines()[1:]:
        name, shape, dtype = line.split("\t")
        sides = () if shape == "scalar" else tuple(int(side) for side in shape.split("x"))
        state[name] = fill(sides, dtype=getattr(torch, dtype))
    return state


def numbered():
    """A ``fill`` that gives every tensor another constant."""
    counter = itertools.count()
    return lambda shape, dtype: torch.full(shape, next(counter), dtype=dtype)


def test_official_mobile_sam_names_and_shapes_are_ours():
    with torch.device("meta"):
        state = {from_official_key(name): tensor for name, tensor in mobile_sam_state().items()}
        ours = build_sam("vit_t", "paper", num_classes=3).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {name: t.shape for name, t in state.items()}


def test_official_mobile_sam_loads_strictly_for_ten_classes():
    state, model = mobile_sam_state(numbered()), build_sam("vit_t", "paper", num_classes=10)
    load_official_state(model, state)
    loaded = model.state_dict()
    for name, tensor in state.items():
        if "mask_tokens" not in name and "hypernetworks" not in name and "iou_prediction_head.layers.2" not in name:
            assert torch.equal(loaded[from_official_key(name)], tensor), name
    for new, old in enumerate([0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1]):
        name = "mask_decoder.output_hypernetworks_mlps.{}.layers.1.weight"
        assert torch.equal(loaded[name.format(new)], state[name.format(old)])


def test_official_sam_loads_strictly_for_ten_classes():
    with torch.device("meta"):
        load_official_state(build_sam("vit_b", "paper", num_classes=10), build_sam_vit_b().state_dict())


def test_three_classes_are_sam_itself():
    with torch.device("meta"):
        state = build_sam_vit_b().state_dict()
    assert spread_head(state, 3).keys() == state.keys()


@pytest.mark.parametrize("fault", ["missing", "extra", "shape"])
def test_a_state_that_does_not_fit_is_refused(fault):
    with torch.device("meta"):
        state, model = mobile_sam_state(), build_sam("vit_t", "paper")
        name = "image_encoder.neck.0.weight"
        if fault == "missing":
            del state[name]
        elif fault == "extra":
            state["image_encoder.surprise"] = torch.zeros(1)
        else:
            state[name] = torch.empty(1, 2)
        with pytest.raises(RuntimeError, match=r"neck\.0\.weight|surprise"):
            load_official_state(model, state)


@pytest.fixture
def pretend_official(tmp_path, monkeypatch):
    """A checkpoint file in a local folder that passes for MobileSAM's official one."""
    path = tmp_path / OFFICIAL["vit_t"].file
    torch.save(mobile_sam_state(numbered()), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(module.OFFICIAL, "vit_t", dataclasses.replace(OFFICIAL["vit_t"], sha256=digest))
    return tmp_path


def test_a_local_folder_is_accepted_without_network(pretend_official):
    model = load_official_weights(build_sam("vit_t", "paper"), pretend_official)
    assert model.config["weights"] == "official"


def test_adapters_alone_are_stored_beside_official_weights(pretend_official, tmp_path):
    model = load_official_weights(build_sam("vit_t", "paper", num_classes=5), pretend_official)
    set_trainable(add_adapters(model), "adapters")
    save_labeller(tmp_path / "adapters.safetensors", model)
    assert (tmp_path / "adapters.safetensors").stat().st_size < 4 * 540_000
    again = load_labeller(tmp_path / "adapters.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_stand_in_is_stored_whole(tmp_path):
    model = set_trainable(add_adapters(build_sam("vit_t", "reduced", 4, seed=5)), "adapters+head").eval()
    save_labeller(tmp_path / "adapters.safetensors", model)
    again = load_labeller(tmp_path / "adapters.safetensors")
    frame = torch.randint(0, 256, (1, 64, 64))
    assert torch.equal(model(frame, frame > 200), again(frame, frame > 200))
    assert again.config == model.config


def test_a_file_with_another_sha256_is_refused(tmp_path):
    (tmp_path / "sam_vit_b_01ec64.pth").write_bytes(b"not the weights")
    with pytest.raises(ValueError, match=r"sam_vit_b_01ec64\.pth: its sha256 is .* expected ec2df627"):
        fetch_official_weights("vit_b", tmp_path)


@pytest.mark.parametrize("variant", ["vit_b", "vit_t"])
def test_absent_weights_name_file_address_and_folder(variant, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        fetch_official_weights(variant, tmp_path, download=False)
    official = OFFICIAL[variant]
    for part in (official.file, official.url, str(tmp_path)):
        assert part in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_failed_download_says_the_same_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(
        module.OFFICIAL, "vit_t", dataclasses.replace(OFFICIAL["vit_t"], url="http://localhost:9/mobile_sam.pt")
    )
    folder = tmp_path / "weights"
    with pytest.raises(FileNotFoundError, match="put the file into that folder"):
        fetch_official_weights("vit_t", folder)
    assert not list(folder.glob("*"))


def test_weights_are_fetched_only_for_the_published_size(tmp_path):
    with pytest.raises(ValueError, match='size="paper" only'):
        load_official_weights(build_sam("vit_b", "reduced"), tmp_path)
