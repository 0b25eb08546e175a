"""The task is neither trivial nor impossible, judged on particles of held-out sequences."""

import numpy as np
import pytest

from xpci_utils.simulation import simulate_frames
from xpci_utils.simulation.difficulty import LogisticClassifier, instance_features, recall_matrix


@pytest.fixture(scope="module")
def features():
    train = instance_features(simulate_frames(240, 64, 64, 0, "reduced"))
    held_out = instance_features(simulate_frames(160, 64, 64, 0, "reduced", start=240))
    return train, held_out


def recalls(features, kind):
    train, held_out = features
    classifier = LogisticClassifier().fit(train[kind], train["class"])
    return np.diag(recall_matrix(held_out["class"], classifier.predict(held_out[kind])))


def test_a_small_classifier_tells_the_classes_apart(features):
    by_class = recalls(features, "crop")
    print("recalls", by_class.round(2), "balanced accuracy", by_class.mean().round(3))
    assert by_class.mean() >= 0.70
    assert by_class.min() >= 0.4


def test_diameter_and_grey_alone_do_not(features):
    by_class = recalls(features, "blunt")
    print("diameter and mean grey: balanced accuracy", by_class.mean().round(3))
    assert by_class.mean() <= 0.5


def test_the_metal_tells_next_to_nothing(features):
    assert recalls(features, "metal").mean() <= 0.2
