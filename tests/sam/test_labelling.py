import csv

import numpy as np
import pandas as pd
import pytest
import torch

from xpci_utils.frames import binary_mask
from xpci_utils.frames.frameset import FrameSet, read_png, write_png
from xpci_utils.sam import (
    Naming,
    add_adapters,
    build_sam,
    evaluate_naming,
    label_pool,
    least_confident,
    most_frequent_class,
    naming_scores,
    particle_table,
    predict_frames,
    predict_scores,
    regions_of,
    save_labeller,
    score_pool,
    set_trainable,
    trivial_labels,
)
from xpci_utils.sam import labelling as module
from xpci_utils.sam.labelling import undo_dihedral
from xpci_utils.training import dihedral


@pytest.fixture(scope="module")
def model():
    model = set_trainable(add_adapters(build_sam("vit_t", "reduced", 4)), "all")
    model.config |= {"labeller": "vit_t", "mask_prompt": True, "steps": 0}
    return model.eval()


@pytest.fixture
def pool(tmp_path, model, disc_frames):
    """Five pairs, and a labeller in labeller/."""
    for index, frame in zip(range(5), disc_frames, strict=False):
        for kind, array in (("images", frame.image), ("masks", binary_mask(frame.labels) * np.uint8(255))):
            (tmp_path / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            write_png(tmp_path / "pairs" / kind / f"{index:06d}.png", array)
    save_labeller(tmp_path / "labeller" / "adapters.safetensors", model)
    return tmp_path


def table(folder):
    with open(folder / "labels.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_every_pair_gets_a_label_map_and_a_row(pool):
    path = label_pool(pool / "pairs", pool / "labeller", pool / "labels")
    rows = table(pool / "labels")
    assert path == pool / "labels" / "labels.csv"
    assert [row["name"] for row in rows] == [f"{index:06d}.png" for index in range(5)]
    for row in rows:
        labels, mask = read_png(pool / "labels" / row["name"]), read_png(pool / "pairs/masks" / row["name"]) > 0
        assert labels.dtype == np.uint8
        assert labels.shape == mask.shape
        assert labels.max() < 4
        assert 0.25 <= float(row["confidence"]) <= 1
        assert int(row["prompt_pixels"]) == mask.sum()
        assert float(row["named_background"]) == pytest.approx((labels[mask] == 0).mean(), abs=1e-4)
    assert sorted(path.name for path in (pool / "labels").glob("*")) == sorted(
        ["labels.csv", "particles.csv", *(row["name"] for row in rows)]
    )


def test_interrupted_labelling_goes_on_where_it_stopped(pool, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    label_pool(pool / "pairs", pool / "labeller", pool / "whole")
    calls, original = [], module._label_block

    def fail_at_second(model, pairs, names, *rest):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(names)
        return original(model, pairs, names, *rest)

    monkeypatch.setattr(module, "_label_block", fail_at_second)
    with pytest.raises(KeyboardInterrupt):
        label_pool(pool / "pairs", pool / "labeller", pool / "parts")
    assert not (pool / "parts" / "labels.csv").exists()
    monkeypatch.setattr(module, "_label_block", lambda *a: calls.append(a[2]) or original(*a))
    label_pool(pool / "pairs", pool / "labeller", pool / "parts")
    assert [name for block in calls for name in block] == [f"{index:06d}.png" for index in range(5)]  # none twice
    for path in (pool / "whole").glob("*"):
        assert path.read_bytes() == (pool / "parts" / path.name).read_bytes()


def test_labels_of_another_labeller_are_not_mixed_in(pool, monkeypatch):
    identity = module._identity(pool / "labeller" / "adapters.safetensors", Naming())
    progress = pool / "progress.jsonl"
    assert module._done(progress, identity) == {}
    module.files.append_jsonl(progress, {"name": "000000.png"})
    assert module._done(progress, identity) == {"000000.png": {"name": "000000.png"}}
    assert module._done(progress, identity + " symmetries") == {}
    assert len(module.files.read_jsonl(progress)) == 1


def test_every_particle_has_a_row_that_fits_its_pixels(pool):
    label_pool(pool / "pairs", pool / "labeller", pool / "labels", naming=Naming(vote="particle"))
    particles = pd.read_csv(pool / "labels" / "particles.csv")
    for name, rows in particles.groupby("name"):
        labels, mask = read_png(pool / "labels" / name), read_png(pool / "pairs/masks" / name) > 0
        regions = regions_of(mask)
        assert list(rows.region) == list(range(1, regions.max() + 1))
        assert list(rows.pixels) == list(np.bincount(regions.ravel())[1:])
        for row in rows.itertuples():
            assert set(labels[regions == row.region]) == {row[4]}  # one class per particle, that of the column "class"
            assert row.purity == 1
        np.testing.assert_allclose(rows.filter(regex="^p_").sum(axis=1), 1, atol=1e-4)
        assert (rows.filter(regex="^p_").to_numpy().argmax(1) + 1 == rows["class"]).all()


def test_an_empty_pool_or_missing_labeller_is_named(pool):
    with pytest.raises(FileNotFoundError, match="holds no pairs"):
        label_pool(pool / "labeller", pool / "labeller", pool / "labels")
    with pytest.raises(FileNotFoundError, match=r"adapters.safetensors is missing"):
        label_pool(pool / "pairs", pool / "pairs", pool / "labels")


@pytest.mark.parametrize("k", range(8))
def test_symmetries_are_undone(k):
    array = torch.arange(9).view(3, 3)
    assert torch.equal(undo_dihedral(dihedral(array, k), k), array)


def test_the_average_over_symmetries_turns_with_the_frame(model, disc_frames):
    image, mask = disc_frames[0].image[None], binary_mask(disc_frames[0].labels)[None]
    upright = predict_scores(model, image, mask, symmetries=True)
    turned = predict_scores(model, dihedral(image, 5).copy(), dihedral(mask, 5).copy(), symmetries=True)
    np.testing.assert_allclose(dihedral(upright, 5), turned, atol=1e-4)
    np.testing.assert_allclose(upright.sum(1), 1, atol=1e-5)


def test_the_prompt_is_needed_and_used(model, disc_frames):
    image, mask = disc_frames[0].image[None], binary_mask(disc_frames[0].labels)[None]
    with pytest.raises(ValueError, match="needs the masks"):
        predict_scores(model, image, None)
    assert np.abs(predict_scores(model, image, mask) - predict_scores(model, image, ~mask)).max() > 1e-6


def test_frames_that_need_padding_keep_their_size(model, disc_frames):
    image, mask = disc_frames[0].image[None, :30], binary_mask(disc_frames[0].labels)[None, :30]
    assert predict_scores(model, image, mask).shape == (1, 4, 30, 32)


def test_tiles_are_stitched(model, disc_frames):
    """With tiles of half a frame every quarter is predicted on its own."""
    tiled = FrameSet(disc_frames.folder, disc_frames.info | {"tile": 16}, disc_frames.rows[:1])
    frame, predicted = tiled[0], predict_frames(model, tiled)[tiled[0].name]
    corner = predict_scores(model, frame.image[None, :16, 16:], binary_mask(frame.labels)[None, :16, 16:])
    assert np.array_equal(predicted[:16, 16:], corner[0].argmax(0))


def test_particles_vote():
    mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)
    labels = np.array([[2, 2, 0, 0], [3, 0, 0, 1]], np.uint8)
    truth = np.array([[2, 2, 0, 3], [2, 0, 0, 3]], np.uint8)
    particles = particle_table(labels, mask, truth)
    assert particles["pixels"].tolist() == [3, 2]
    assert particles["class"].tolist() == [2, 0]
    assert particles["purity"] == pytest.approx([2 / 3, 1 / 2])
    assert particles["true_class"].tolist() == [2, 3]
    assert len(particle_table(labels, np.zeros_like(mask))["class"]) == 0


def test_the_trivial_labeller(disc_frames):
    frequent = most_frequent_class(disc_frames)
    pixels = sum(np.bincount(frame.labels.ravel(), minlength=4) for frame in disc_frames.split("train"))
    assert frequent == 1 + pixels[1:].argmax()
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    assert trivial_labels(labels, 3).tolist() == [[0, 3, 3, 0]]


def test_scores_of_names_by_hand():
    """Two true particles: one named right but for a pixel, one named wrong; one pixel beside them; two are ignored."""
    truth, named = np.zeros((2, 12, 12), np.uint8)
    truth[1:4, 1:4], truth[7:9, 7:9], truth[11, 10:] = 1, 2, 255
    named[1:4, 1:4], named[7:9, 7:9], named[0, 0], named[11, 11] = 1, 1, 1, 1
    named[3, 3] = 2
    scores = naming_scores(named, truth)
    assert scores == {"binary_dice": pytest.approx(2 * 13 / (13 + 14)), "particles_named_right": 0.5}
    assert np.isnan(naming_scores(named, np.zeros_like(truth))["particles_named_right"])
    table = evaluate_naming([named, truth], [truth, truth], 3)
    assert table["particles_named_right"].tolist() == [0.5, 1.0]
    assert table["dice"].tolist()[1] == 1.0


def test_labels_of_annotated_frames_are_scored_and_others_are_not(disc_frames, tmp_path):
    """The truth as labels scores 1, and half a frame of it less; without a split nothing is known or written."""
    assert score_pool(tmp_path, disc_frames, "") is None
    assert not list(tmp_path.iterdir())
    for index, (_, labels) in enumerate(disc_frames.examples("test")):
        write_png(tmp_path / f"{index:06d}.png", labels)
    scores = score_pool(tmp_path, disc_frames, "test")["test"]
    assert (scores["dice"], scores["particles_named_right"]) == (1.0, 1.0)
    assert len(pd.read_csv(tmp_path / "per_frame.csv")) == len(disc_frames.split("test"))
    half = disc_frames.examples("test")[0][1].copy()
    half[:16] = 0
    write_png(tmp_path / "000000.png", half)
    assert score_pool(tmp_path, disc_frames, "test")["test"]["dice"] < 1


def test_a_share_of_every_class_is_kept_over_the_whole_pool(pool):
    """Left out are whole particles, chosen by the probabilities of particles.csv; the tables describe what is left."""
    naming = Naming(vote="particle", kept_share=0.5)
    label_pool(pool / "pairs", pool / "labeller", pool / "whole", naming=Naming(vote="particle"))
    label_pool(pool / "pairs", pool / "labeller", pool / "kept", naming=naming)
    whole, kept = (pd.read_csv(pool / name / "particles.csv") for name in ("whole", "kept"))
    columns = [name for name in whole if name.startswith("p_")]
    assert list(kept) == list(whole)
    same = ["name", "region", "pixels", *columns]
    pd.testing.assert_frame_equal(whole[same], kept[same])
    left_out = least_confident(whole[columns].to_numpy(), 0.5)
    assert 0 < left_out.sum() < len(whole)
    assert (kept["class"] == np.where(left_out, 255, whole["class"])).all()
    for (_, row), out in zip(whole.iterrows(), left_out, strict=True):
        inside = regions_of(read_png(pool / "pairs/masks" / row["name"]) > 0, "particle") == row["region"]
        before, after = (read_png(pool / name / row["name"])[inside] for name in ("whole", "kept"))
        assert (after == 255).all() if out else (after == before).all()
    again = label_pool(pool / "pairs", pool / "labeller", pool / "kept", naming=naming)
    pd.testing.assert_frame_equal(pd.read_csv(again.parent / "particles.csv"), kept)
