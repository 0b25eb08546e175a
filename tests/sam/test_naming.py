"""Who votes on the class of a particle, on probabilities made by hand."""

import numpy as np
import pytest

from xpci_utils.evaluation import dice_per_class, score_labels
from xpci_utils.frames import IGNORE, Frame, write_frames
from xpci_utils.sam import Naming, labels_of, least_confident
from xpci_utils.sam.naming import particle_probabilities, regions_of, split_touching


def discs(*centres, radius=6, shape=(32, 48)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.any([(y - cy) ** 2 + (x - cx) ** 2 <= radius**2 for cy, cx in centres], axis=0)


def scores_from(classes, certainty=0.7, num_classes=4):
    """Probabilities that give each pixel's class ``certainty`` and share the rest evenly."""
    rest = (1 - certainty) / (num_classes - 1)
    return np.where(np.arange(num_classes)[:, None, None] == classes, certainty, rest)


def test_argmax_is_the_default_and_masked_only_clears_outside():
    classes = np.random.default_rng(0).integers(0, 4, (32, 48))
    scores, mask = scores_from(classes), discs((16, 16))
    assert np.array_equal(labels_of(scores, mask, Naming()), classes)
    assert np.array_equal(labels_of(scores, mask, Naming(vote="masked")), np.where(mask, classes, 0))


def test_a_particle_gets_the_class_of_its_average_and_never_background():
    mask = discs((16, 12), (16, 36))
    classes = np.where(np.arange(48) < 24, 1, 3) * mask
    classes[:16] = 0  # the upper halves are called background
    labels = labels_of(scores_from(classes), mask, Naming(vote="particle"))
    assert set(labels[mask & (np.arange(48) < 24)]) == {1}
    assert set(labels[mask & (np.arange(48) >= 24)]) == {3}
    assert not labels[~mask].any()


def test_average_probabilities_equal_a_plain_loop():
    rng = np.random.default_rng(1)
    scores, regions = rng.dirichlet(np.ones(4), (20, 20)).transpose(2, 0, 1), regions_of(rng.random((20, 20)) < 0.2)
    averages = particle_probabilities(scores, regions)
    for index in range(regions.max()):
        mean = scores[1:, regions == index + 1].mean(1)
        np.testing.assert_allclose(averages[index], [0, *mean / mean.sum()], atol=1e-12)
    assert particle_probabilities(scores, np.zeros((20, 20), int)).shape == (0, 4)


@pytest.mark.parametrize("turned", [False, True])
def test_touching_discs_are_cut_at_the_neck_and_single_ones_stay_whole(turned):
    """Two discs that overlap by a seventh of their width: every pixel 2 px off the cut belongs to its own disc."""
    mask, single = discs((16, 14), (16, 25)), discs((16, 14))
    halves = np.broadcast_to(np.arange(48) <= 19, mask.shape)
    if turned:
        mask, single, halves = mask.T, single.T, halves.T
    regions = split_touching(mask)
    assert regions.max() == 2
    assert (regions > 0).sum() == mask.sum()
    assert (regions[mask & halves] == regions[mask & halves][0]).mean() > 0.97
    assert (regions[mask & ~halves] == regions[mask & ~halves][0]).mean() > 0.97
    assert split_touching(single).max() == 1
    assert split_touching(np.zeros((5, 5), bool)).max() == 0


def test_splitting_lets_two_touching_particles_differ():
    mask = discs((16, 14), (16, 25))
    classes = np.where(np.arange(48) <= 19, 1, 2) * mask
    assert set(np.unique(labels_of(scores_from(classes), mask, Naming(vote="particle")))) < {0, 1, 2}
    split = labels_of(scores_from(classes), mask, Naming(vote="split"))
    assert (split == classes).mean() > 0.99


@pytest.mark.parametrize("vote", ["pixel", "particle"])
def test_unsure_particles_are_ignored_and_scored_as_left_out(vote, tmp_path):
    mask, left = discs((16, 12), (16, 36)), np.arange(48) < 24
    truth = np.where(left, 1, 3) * mask
    scores = np.where(left, scores_from(1 * mask, 0.9), scores_from(2 * mask, 0.4))
    labels = labels_of(scores, mask, Naming(vote=vote, min_confidence=0.6))
    assert set(labels[mask & left]) == {1}
    assert set(labels[mask & ~left]) == {IGNORE}
    info = {"class_names": list("abcd"), "class_colours": ["#000000"] * 4, "pixel_size_um": 1.0, "tile": 0}
    frame = Frame("a", "a", "val", np.zeros(mask.shape, np.uint8), truth.astype(np.uint8))
    result = score_labels(write_frames(tmp_path, [frame], info), {"a": labels})
    assert result == {"dice_foreground": 1.0, "micro_f1": 1.0, "kept": pytest.approx(0.5)}
    everything = labels_of(scores, mask, Naming(vote=vote))
    unfiltered = score_labels(write_frames(tmp_path / "again", [frame], info), {"a": everything})
    assert unfiltered["kept"] == 1
    assert unfiltered["dice_foreground"] == np.nanmean(dice_per_class(everything, truth, 4)[[1, 3]])


def test_an_unknown_vote_is_named():
    with pytest.raises(ValueError, match="choose from pixel, masked, particle, split"):
        Naming(vote="majority")


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_of_every_class_the_same_share_is_kept(share):
    """Class by class with a sorted list; a class whose particles are all unsure keeps its best ones, too."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.5] * 4, 60)
    unsure = probabilities.argmax(1) == 2
    probabilities[unsure] = 0.75 * probabilities[unsure] + 0.25 / 4
    left_out = least_confident(probabilities, share)
    for c in range(4):
        members = np.flatnonzero(probabilities.argmax(1) == c)
        best = sorted(members, key=lambda i: -probabilities[i].max())[: int(np.ceil(share * len(members)))]
        assert sorted(members[~left_out[members]]) == sorted(best)
    assert not least_confident(np.full((5, 3), 1 / 3), 0.2).any(), "equal ones are kept alike"
