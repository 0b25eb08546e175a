"""Pre-training: losses by hand, resume bit for bit, and a first step in the right direction."""

import os

import numpy as np
import pytest
import torch

from xpci_utils import files
from xpci_utils.sam import build_sam, load_pretrained
from xpci_utils.sam.checkpoints import spread_head
from xpci_utils.sam.pretraining import draw_picture, pretrain_sam
from xpci_utils.sam.pretraining.promptability import ask
from xpci_utils.sam.pretraining.prompting import point_prompt
from xpci_utils.sam.pretraining.training import FOCAL, look_nearby, mask_loss, optimizers
from xpci_utils.training import SamPretraining, StoppedForTime, TrainingFolder

SHORT = {"steps": 6, "batch_size": 2, "evaluations": 2, "held_out": 8}


def pretrain(folder, **options):
    settings = SamPretraining(**{**SHORT, **options})
    return pretrain_sam(settings, TrainingFolder(folder, folder / "work", "one"))


@pytest.mark.parametrize("variant", ["vit_t"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, variant):
    whole = pretrain(tmp_path / "whole", variant=variant)
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "XPCI_DEADLINE", "0")  # stop at the first record
        with pytest.raises(StoppedForTime):
            pretrain(tmp_path / "halves", variant=variant)
    halves = pretrain(tmp_path / "halves", variant=variant)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, halves.state_dict()[name]), name
    records = files.read_jsonl(tmp_path / "whole" / "history.jsonl")
    assert [record["step"] for record in records if "held_out_box" in record] == [3, 6]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return folder, pretrain(folder, variant="vit_t")


def test_what_is_stored_is_what_was_trained(pretrained):
    folder, model = pretrained
    loaded = load_pretrained(build_sam("vit_t", "reduced", 3), folder)
    assert loaded.config["weights"] == "pretrained"
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_batch_norm_has_learnt_statistics(pretrained):
    fresh = build_sam("vit_t", "reduced", 3).state_dict()
    moved = [name for name, tensor in pretrained[1].state_dict().items() if not torch.equal(tensor, fresh[name])]
    assert any("running_var" in name for name in moved)


def test_classes_start_from_the_three_masks(pretrained):
    folder, model = pretrained
    many = load_pretrained(build_sam("vit_t", "reduced", 10), folder).state_dict()
    expected = spread_head(model.state_dict(), 10)
    assert many.keys() == expected.keys()
    assert all(torch.equal(many[name], expected[name]) for name in many)


@pytest.mark.parametrize("fault", ["absent", "no sha256", "damaged", "other variant", "paper"])
def test_weights_that_cannot_be_used_are_refused_in_a_sentence(pretrained, tmp_path, fault):
    for file in pretrained[0].glob("sam.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    variant, size, expected = "vit_t", "reduced", (FileNotFoundError, "make weights")
    if fault == "absent":
        (tmp_path / "sam.safetensors").unlink()
    elif fault == "no sha256":
        (tmp_path / "sam.sha256").unlink()
    elif fault == "damaged":
        content = bytearray((tmp_path / "sam.safetensors").read_bytes())
        content[-1] ^= 1
        (tmp_path / "sam.safetensors").write_bytes(content)
        expected = ValueError, "damaged or of another run"
    elif fault == "other variant":
        variant, expected = "vit_b", (ValueError, "weights of vit_t, this SAM is vit_b")
    else:
        size, expected = "paper", (ValueError, 'size="reduced" only')
    with torch.device("meta" if size == "paper" else "cpu"):
        model = build_sam(variant, size)
    with pytest.raises(expected[0], match=expected[1]) as caught:
        load_pretrained(model, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variant", ["vit_t", "vit_b"])
def test_every_weight_has_one_optimiser(variant):
    """Muon takes the matrices of linear layers and nothing else; what both or neither moved would not learn."""
    model = build_sam(variant, "reduced", 3)
    muon, adamw = (
        {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        for optimizer in optimizers(model, 1e-3)
    )
    matrices = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Linear)}
    assert muon == matrices
    assert muon | adamw == {id(parameter) for parameter in model.parameters()}
    assert not muon & adamw


def answers():
    """Logits [2, 4, 8, 8] that are right in mask 0 and mask 2 and empty in the others, and what is wanted."""
    wanted = torch.zeros(2, 8, 8, dtype=torch.bool)
    wanted[0, 2:5, 2:5] = wanted[1, 4:, :] = True
    logits = torch.full((2, 4, 8, 8), -20.0)
    for number in (0, 2):
        logits[:, number][wanted] = 20.0
    return logits, wanted


def test_one_right_mask_of_three_is_enough():
    logits, wanted = answers()
    quality = torch.tensor([[1.0, 0, 1, 0]] * 2)
    loss, iou = mask_loss(logits, quality, wanted)
    assert iou == 1
    # What is left is a tenth of the mean loss of the three: two empty ones, by hand.
    areas = wanted.sum((1, 2)).float()
    empty = FOCAL * 20 * areas / 64 + 1 - 1 / (areas + 1)
    assert loss.item() == pytest.approx((0.1 * 2 / 3 * empty).mean().item(), rel=1e-4)
    swapped, _ = mask_loss(logits[:, [0, 3, 1, 2]], quality[:, [0, 3, 1, 2]], wanted)
    assert swapped.item() == pytest.approx(loss.item())


def test_a_wrong_expectation_costs_its_square():
    logits, wanted = answers()
    right = torch.tensor([[1.0, 0, 1, 0]] * 2)
    worse = mask_loss(logits, right + 0.5, wanted)[0] - mask_loss(logits, right, wanted)[0]
    assert worse.item() == pytest.approx(0.25, rel=1e-4)


def test_a_point_looks_at_its_surroundings_from_the_start():
    """The last attention of a point's token to the picture, before any training: the nine cells around the point get
    several times their share of the 256, on average over eight points."""
    model = build_sam("vit_b", "reduced", 3)
    images = torch.from_numpy(np.stack([draw_picture(np.random.default_rng(seed)).image for seed in range(8)]))
    cells = np.random.default_rng(0).integers(1, 15, (8, 2))  # row and column; their middles lie at 4 x + 1.5 pixels
    points = point_prompt(model, 4 * cells[:, None, ::-1] + 1.5, np.ones((8, 1), int), images)
    shares = []

    def keep(attention, _, inputs, __):
        queries, keys = (
            attention._separate_heads(project(inputs[name]), attention.num_heads)
            for project, name in ((attention.q_proj, "q"), (attention.k_proj, "k"))
        )
        weights = (queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5).softmax(-1).mean(1)
        maps = weights[:, 5].view(8, 16, 16)  # tokens: quality, four masks, the point
        nearby = [m[r - 1 : r + 2, c - 1 : c + 2].sum() for m, (r, c) in zip(maps, cells, strict=True)]
        shares.append(np.mean(nearby) * 256 / 9)

    model.mask_decoder.transformer.final_attn_token_to_image.register_forward_hook(keep, with_kwargs=True)
    with torch.no_grad():
        ask(model, images, points=points)
        look_nearby(model, 0)
        ask(model, images, points=points)
    assert 0.8 < shares[0] < 1.2
    assert shares[1] > 3


def test_a_minute_of_training_finds_out_that_masks_are_about_objects(tmp_path):
    pretrain(tmp_path, variant="vit_t", steps=60, batch_size=4, learning_rate=4e-3, evaluations=1)
    records = files.read_jsonl(tmp_path / "history.jsonl")
    assert records[-1]["loss"] < 0.7 * records[0]["loss"]
