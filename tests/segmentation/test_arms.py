"""Each arm of the controls changes what its name says and leaves the rest as it is."""

from math import ceil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from xpci_utils.frames import binary_mask
from xpci_utils.frames.frameset import write_png
from xpci_utils.params import TrainSegmentation
from xpci_utils.params.cells import Cell
from xpci_utils.segmentation import Batches, training_of
from xpci_utils.training import NetworkTraining, augment

SETTINGS = {"mixing": "half", "steps": 30, "batch_size": 4}


@pytest.fixture(scope="module")
def pool(tmp_path_factory, examples):
    """Twelve pairs and their labels, as a pool has them."""
    folder = tmp_path_factory.mktemp("pool")
    for index, (image, labels) in enumerate(examples):
        write_png(folder / "pairs" / "images" / f"{index:06d}.png", image)
        write_png(folder / "labels" / f"{index:06d}.png", labels)
    return folder / "pairs", folder / "labels"


def training(frames, pool, row, **changes):
    """(data, settings) of a row, as one namespace."""
    data, settings = training_of(Cell.parse(f"{row}__s0"), frames, pool, NetworkTraining(**SETTINGS | changes))
    return SimpleNamespace(**vars(data), **vars(settings))


def test_mix_is_the_papers_way(frames, pool):
    alone = training(frames, None, "emcad__r0004__none__n00000__mix")
    mixed = training(frames, pool, "emcad__r0004__vit_b__n00008__mix")
    assert (len(alone.annotated), len(alone.synthetic)) == (4, 0)
    assert (len(mixed.annotated), len(mixed.synthetic)) == (4, 8)
    assert alone.steps == mixed.steps == 30  # more data is not more training
    assert alone.mixing == mixed.mixing == "half"


def test_added_takes_no_annotated_frame_away_and_half_batches_are_those_of_mix(frames, pool):
    """Batch after batch: beside pairs every annotated frame of the cell without them, in its view; the half, alone."""
    rows = {"alone": "none__n00000__mix", "added": "vit_b__n00008__added-w050", "mix": "vit_b__n00008__mix"}
    rows |= {"half": "none__n00000__halfbatch", "noaug": "none__n00000__noaug", "bare": "vit_b__n00008__added-noaug"}
    plans = {
        name: training_of(
            Cell.parse(f"emcad__r0004__{row}__s3"), frames, pool, NetworkTraining(**SETTINGS | {"batch_size": 5})
        )
        for name, row in rows.items()
    }
    batches = {name: Batches(*plan) for name, plan in plans.items()}
    assert {settings.steps for _, settings in plans.values()} == {30}
    assert [plans[name][1].pair_weight for name in ("added", "bare", "mix")] == [0.5, 1.0, 1.0]
    for step in range(12):
        of = {name: make(step) for name, make in batches.items()}
        assert {name: len(labels) for name, (_, labels) in of.items()} == {
            name: Cell.parse(f"emcad__r0004__{row}__s3").frames_per_step(5) for name, row in rows.items()
        }
        for whole, part in (("added", "alone"), ("bare", "noaug"), ("mix", "half")):
            count = len(of[part][1])
            assert all(torch.equal(a[:count], b) for a, b in zip(of[whole], of[part], strict=True))
    assert len(of["half"][1]) == 3  # of five, two are pairs


def test_where_the_profile_counts_epochs_added_has_the_steps_of_the_cell_without_pairs(frames, pool):
    rows = [f"emcad__r0004__{row}" for row in ("none__n00000__mix", "vit_b__n00008__added", "none__n00000__halfbatch")]
    assert [training(frames, pool, row, epochs=5).steps for row in rows] == [5, 5, 5]


def test_epochs_give_a_larger_set_more_steps_and_longer_gives_them_without_it(frames, pool):
    epochs = training(frames, pool, "emcad__r0004__vit_b__n00008__epochs")
    longer = training(frames, None, "emcad__r0004__none__n00008__longer")
    assert (epochs.steps, epochs.mixing) == (90, "concat")  # 30 steps are the same number of epochs of a third as many
    assert (longer.steps, len(longer.synthetic)) == (90, 0)


def test_where_the_profile_counts_epochs_every_cell_has_them(frames, pool):
    rows = ("emcad__r0004__none__n00000__mix", "emcad__r0004__vit_b__n00008__mix", "emcad__r0004__none__n00008__longer")
    steps = [training(frames, pool, row, epochs=5).steps for row in rows]
    assert steps == [5, ceil(5 * 12 / 4), ceil(5 * 12 / 4)]


def test_synthetic_only_and_pretraining(frames, pool):
    only = training(frames, pool, "emcad__r0004__vit_b__n00008__synthonly")
    assert (len(only.annotated), len(only.synthetic), only.steps) == (0, 8, 30)
    first = training(frames, pool, "emcad__r0004__vit_b__n00008__pretrain")
    assert (first.mixing, first.steps) == ("pretrain", 30)


def test_augmentation_arms_change_the_view_and_nothing_else(frames, examples):
    image, labels = examples[0]
    views = {}
    for arm in ("mix", "noaug", "strongaug"):
        plan = training(frames, None, f"emcad__r0004__none__n00000__{arm}")
        views[arm] = [plan.view(image, labels, np.random.default_rng(seed))[0] for seed in range(6)]
        assert (len(plan.annotated), plan.steps, plan.mixing) == (4, 30, "half")
    assert all(np.array_equal(view, image) for view in views["noaug"])
    for seed, view in enumerate(views["mix"]):
        np.testing.assert_array_equal(view, augment(image, labels, np.random.default_rng(seed))[0])
    assert all(np.sort(view, None).tolist() != np.sort(image, None).tolist() for view in views["strongaug"])


def test_fewer_annotated_frames_are_the_first_ones_and_more_come_from_the_fresh_pool(frames, pool, examples):
    fewer = training(frames, None, "emcad__r0002__none__n00000__mix").annotated
    whole = training(frames, None, "emcad__r0004__none__n00000__mix").annotated
    more = training(frames, pool, "emcad__r0007__none__n00000__more").annotated
    assert [len(part) for part in (fewer, whole, more)] == [2, 4, 7]
    for index in range(4):
        np.testing.assert_array_equal(more[index][0], whole[index][0])
    known = {image.tobytes() for image, _ in examples}
    assert all(more[index][0].tobytes() in known for index in range(4, 7))
    with pytest.raises(ValueError, match="has 4 frames already"):
        training(frames, pool, "emcad__r0004__none__n00000__more")


def test_fewer_annotated_frames_than_the_denoiser_saw_are_refused_with_synthetic_pairs(frames, pool):
    with pytest.raises(ValueError, match="have seen all 4 annotated frames"):
        training(frames, pool, "emcad__r0002__vit_b__n00008__mix")
    assert len(training(frames, pool, "emcad__r0002__true__n00008__fresh").annotated) == 2  # no network saw anything


def test_what_the_arm_says_of_the_augmentation_holds_after_the_pasting(frames):
    """Without room nothing is pasted, and what is left is the augmentation alone."""
    full = np.full((64, 64), 2, np.uint8), np.full((64, 64), 2, np.uint8)
    full[0][:7] = 9
    views = {}
    for arm in ("copypaste", "copypaste-noaug"):
        plan = training(frames, None, f"emcad__r0004__none__n00000__{arm}")
        views[arm] = {plan.view(*full, np.random.default_rng(seed))[0].tobytes() for seed in range(9)}
    assert views["copypaste-noaug"] == {full[0].tobytes()}
    assert len(views["copypaste"]) > 1


@pytest.mark.parametrize(("arm", "version"), [("mix", 1), ("noaug", 1), ("copypaste", 1), ("copypaste-flips", 1),
                                              ("halfbatch-noaug", 1), ("copypaste-noaug", 3)])  # fmt: skip
def test_only_results_that_changed_have_another_version(arm, version):
    assert TrainSegmentation(cell=f"transunet__r0040__none__n00000__{arm}__s0").version == version


def test_the_arm_adds_particles_of_annotated_frames(frames):
    plan = training(frames, None, "emcad__r0004__none__n00000__copypaste")
    image, labels = plan.annotated[0]
    views = [plan.view(image, labels, np.random.default_rng(seed)) for seed in range(20)]
    areas = [binary_mask(view[1]).sum() for view in views]
    assert min(areas) >= 0.8 * binary_mask(labels).sum()  # at most a fifth of a pasted particle hides another
    assert np.mean(areas) > 1.1 * binary_mask(labels).sum()
    again = plan.view(image, labels, np.random.default_rng(3))
    assert all(np.array_equal(a, b) for a, b in zip(again, views[3], strict=True))
