"""The audit of a labeller: what it classifies right with the annotator's masks, and with masks of the denoiser."""

import numpy as np
import pandas as pd
import pytest

from xpci_utils.frames import binary_mask
from xpci_utils.sam import (
    add_adapters,
    audit_classification,
    build_sam,
    predict_scores,
    set_trainable,
    write_classification,
)
from xpci_utils.sam import audit as module

EXAMPLE = np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8)
EXAMPLE[1][4:10, 4:10], EXAMPLE[1][20:28, 20:28] = 1, 2


@pytest.fixture
def oracle(monkeypatch):
    """In place of SAM: every pixel of the prompt gets its true class, but class 2 is taken for 3."""
    truth = {image.tobytes(): labels for image, labels in [EXAMPLE]}

    def classify(model, images, masks):
        known = zip((truth[image.tobytes()] for image in images), masks, strict=True)
        return [np.where(mask, np.where(labels == 2, 3, labels), 0).astype(np.uint8) for labels, mask in known]

    monkeypatch.setattr(module, "classify_examples", classify)


def test_a_lost_particle_and_a_confused_one_are_told_apart(oracle):
    """With the annotator's masks one of two particles is right; the denoiser's mask misses that one as well."""
    drawn = np.where(EXAMPLE[1] == 2, 255, 0).astype(np.uint8)
    scores, particles = audit_classification(None, [EXAMPLE], [drawn], 4)
    assert list(scores.index) == ["annotated", "drawn"]
    assert scores["particles_named_right"].tolist() == [0.5, 0.0]
    assert scores["binary_dice"].tolist() == pytest.approx([1.0, 2 * 64 / (64 + 100)])
    classes = particles.set_index(["prompt", "true_class"])["class"].to_dict()
    assert classes == {("annotated", 1): 1, ("annotated", 2): 3, ("drawn", 1): 0, ("drawn", 2): 3}
    assert particles["pixels"].tolist() == [36, 64, 36, 64]


def test_the_labeller_is_prompted_by_each_mask(disc_frames):
    """Equal to its own probabilities, frame by frame; without mask prompt it makes no difference whose mask it is."""
    examples = [disc_frames.examples("train")[i] for i in range(2)]
    masks = [np.roll(binary_mask(labels), 3, axis=0) for _, labels in examples]
    model = set_trainable(add_adapters(build_sam("vit_t", "reduced", disc_frames.num_classes)), "all").eval()
    model.config |= {"labeller": "vit_t", "mask_prompt": True, "steps": 0}
    label_maps = module.classify_examples(model, [image for image, _ in examples], masks)
    for labels, (image, _), mask in zip(label_maps, examples, masks, strict=True):
        np.testing.assert_array_equal(labels, predict_scores(model, image[None], mask[None])[0].argmax(0))
    model.config["mask_prompt"] = False
    scores, _ = audit_classification(model, examples, [np.uint8(255) * mask for mask in masks], disc_frames.num_classes)
    pd.testing.assert_series_equal(scores.loc["annotated"], scores.loc["drawn"], check_names=False)


def test_what_is_found_is_written(oracle, tmp_path):
    write_classification(None, [EXAMPLE], [binary_mask(EXAMPLE[1])], 4, tmp_path)
    scores = pd.read_csv(tmp_path / "classification.csv", index_col="prompt")
    assert scores.loc["drawn", "particles_named_right"] == scores.loc["annotated", "particles_named_right"] == 0.5
    assert len(pd.read_csv(tmp_path / "particles.csv")) == 4
