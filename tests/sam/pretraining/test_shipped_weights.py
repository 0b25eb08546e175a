"""The weights in data/weights: promptable on textures they were never trained on, whole, small, and of known origin."""

import numpy as np
import pytest
import torch

from xpci_utils import files, paths, stages
from xpci_utils.params import PretrainSam
from xpci_utils.sam import build_sam, count_parameters, load_pretrained
from xpci_utils.sam.pretraining import held_out_pictures, measure_prompts

FOLDER = paths.root() / "data/weights"
VARIANTS = ["vit_b", "vit_t"]


@pytest.fixture(scope="module", params=VARIANTS)
def shipped(request):
    """A variant, its model with SAM's own three masks, and its answers on pictures that no choice was made on."""
    with torch.random.fork_rng(devices=[]):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        model = load_pretrained(build_sam(request.param, "reduced", 3))
        table = measure_prompts(model, held_out_pictures(160, seed=1)).set_index("prompt")
        torch.set_num_threads(threads)
    return request.param, model, table


@pytest.mark.parametrize("prompt", ["eroded", "dilated", "shifted", "box"])
def test_prompts_are_answered_with_the_object(shipped, prompt):
    """IoU at least 0.85 and 0.1 above the prompt's own: a SAM that gives back its prompt, or one whose boundaries are a
    pixel off (0.75 at these sizes), fails. Lowest measured here: SAM-t, eroded masks, 0.857."""
    row = shipped[2].loc[prompt]
    assert row.objects > 100
    assert row.iou >= 0.85
    assert row.iou >= row.prompt_iou + 0.1


def test_zeros_and_ones_are_no_mask_prompt(shipped):
    """The best-known failure shows here, too, so a pipeline that forgets the signed logits is caught.

    SAM-t loses more than half of its answers (0.35 instead of 0.86), SAM-b a fiftieth (0.87 instead of 0.89): it reads
    the shape of a prompt and hardly cares for its level.
    """
    variant, _, table = shipped
    row = table.loc["eroded"]
    assert row.iou_zero_one < row.iou - {"vit_t": 0.3, "vit_b": 0.005}[variant]


def test_what_is_written_beside_the_weights_is_true(shipped):
    """Same pictures, same answers: 1e-3 leaves room for another processor."""
    variant, model, _ = shipped
    metrics = files.read_json(FOLDER / variant / "metrics.json")
    assert metrics["parameters"]["total"] == count_parameters(model)["total"]
    pictures = held_out_pictures(files.read_json(FOLDER / variant / "run.json")["parameters"]["held_out"])
    table = measure_prompts(model, pictures).set_index("prompt")
    for prompt, values in metrics["held_out"].items():
        assert table.loc[prompt].iou == pytest.approx(values["iou"], abs=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_run_is_that_of_the_parameter_file(variant):
    run = files.read_json(FOLDER / variant / "run.json")
    expected = PretrainSam.from_yaml("params/weights/A1_pretrain_small_sam.yaml", {"variant": variant})
    assert stages.differences(run, stages.decisive(expected), expected) == []
    assert stages.version_of(run) == expected.version
    assert run["notebook"] == expected.notebook


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_weights_that_the_study_started_from_are_whole(variant):
    """They load strictly, with their sha256, and are not those of today."""
    started = FOLDER / "study" / variant
    load_pretrained(build_sam(variant, "reduced", 3), started)
    assert (started / "sam.sha256").read_text() != (FOLDER / variant / "sam.sha256").read_text()


def test_shipped_weights_are_small():
    """5 MB for each pair of pre-trained SAMs, 10 MB for what the laptop profile ships."""
    today, study, laptop = (
        sum(path.stat().st_size for name in names for path in (FOLDER / name).rglob("*"))
        for names in (VARIANTS, ["study"], ["laptop"])
    )
    assert 1e6 < today < 5e6
    assert 1e6 < study < 5e6
    assert laptop < 10e6


def test_ten_classes_start_alike_by_threes(shipped):
    """Class c starts as SAM's mask 1 + (c mod 3), so that adaptation has objects to tell apart from the first step."""
    variant, model, _ = shipped
    many = load_pretrained(build_sam(variant, "reduced", 10))
    picture = held_out_pictures(1)[0]
    image, mask = torch.from_numpy(picture.image[None]), torch.from_numpy(picture.objects.any(0)[None])
    with torch.no_grad():
        three, ten = model(image, mask), many(image, mask)
    for number in range(10):
        torch.testing.assert_close(ten[:, number], ten[:, number % 3])
    assert np.isfinite(three.numpy()).all()
