"""Pools: the same bytes in shards, in any order, after a kill; nothing mixed."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from xpci_utils.diffusion import (
    SAMPLERS,
    PoolSettings,
    build_denoiser,
    finished_shards,
    masks_for,
    sample_pairs,
    write_pool,
)
from xpci_utils.diffusion import pool as pool_module
from xpci_utils.frames import PairExamples, specks
from xpci_utils.frames.specks import remove_specks

torch.set_num_threads(1)
CONFIG = {
    "height": 30, "width": 32, "widths": [16, 16], "blocks": 1, "attention_strides": [], "head_dim": 8,
    "norm_groups": 8, "stem": 4, "checkpointing": False, "prediction": "v", "wiener_skip": True,
}  # fmt: skip
SETTINGS = PoolSettings(sampler="ddpm", steps=3, seed=7, block=4)


@pytest.fixture(scope="module")
def denoiser():
    denoiser = build_denoiser(CONFIG).fit(torch.randn(16, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.4)
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    return denoiser.eval()


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write_shard(denoiser, pool, shard, shards, count=18, settings=SETTINGS):
    """A share of a pool, in a folder of its own beside the pool's pairs."""
    folder = pool / f"shards/{shard}_of_{shards}"
    return write_pool(denoiser, folder, count, settings, shard=(shard, shards))


def test_shards_out_of_order_equal_one_run(denoiser, tmp_path, monkeypatch):
    """Byte for byte, every PNG and pairs.csv; and the run that gathers them samples nothing."""
    whole = write_pool(denoiser, tmp_path / "whole", 18, SETTINGS)
    shards = [write_shard(denoiser, tmp_path / "pool", shard, 3) for shard in (2, 0, 1)]
    assert finished_shards(tmp_path / "pool") == sorted(shards)
    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "sample_pairs", lambda *a, **k: pytest.fail("sampled again"))
        gathered = write_pool(denoiser, tmp_path / "pool/pairs", 18, SETTINGS, taken_from=shards)
    assert contents(whole) == contents(gathered)
    table = pd.read_csv(whole / "pairs.csv")
    assert table["index"].tolist() == list(range(18))
    with Image.open(whole / "masks" / "000017.png") as mask, Image.open(whole / "images" / "000017.png") as image:
        assert set(np.unique(mask)) <= {0, 255}
        assert np.asarray(image).shape == np.asarray(mask).shape == (30, 32)


def test_a_shard_holds_its_own_blocks_alone_and_lists_them(denoiser, tmp_path):
    """Blocks of 4 of 18 pairs: 0, 4, 8, 12 and a short one at 16; shard 1 of 3 has the second and the fifth."""
    shard = write_shard(denoiser, tmp_path, 1, 3)
    expected = [4, 5, 6, 7, 16, 17]
    assert pd.read_csv(shard / "pairs.csv")["index"].tolist() == expected
    for kind in ("images", "masks"):
        assert sorted(path.name for path in (shard / kind).iterdir()) == [f"{index:06d}.png" for index in expected]
    whole = write_pool(denoiser, tmp_path / "whole", 18, SETTINGS)
    lines = (whole / "pairs.csv").read_text().splitlines()
    assert (shard / "pairs.csv").read_text().splitlines() == [lines[0], *(lines[index + 1] for index in expected)]


@pytest.mark.parametrize("missing", ["a shard", "a block", "an interrupted shard"])
def test_what_shards_do_not_have_is_sampled(denoiser, tmp_path, missing):
    """A block counts when its table is there; pictures without one, as a killed run leaves them, do not."""
    whole = contents(write_pool(denoiser, tmp_path / "whole", 18, SETTINGS))
    shards = [write_shard(denoiser, tmp_path / "pool", shard, 2) for shard in range(2)]
    if missing == "a shard":
        shutil.rmtree(shards[1])
    elif missing == "a block":
        (shards[1] / "blocks/000004.csv").unlink()
    else:
        for path in (shards[0] / "blocks/000008.csv", shards[0] / "pairs.csv", shards[0] / "images/000010.png"):
            path.unlink()
        (shards[0] / "images/000009.png").write_bytes(b"half")
    pool = write_pool(denoiser, tmp_path / "pool/pairs", 18, SETTINGS, taken_from=finished_shards(tmp_path / "pool"))
    assert contents(pool) == whole


def test_a_pool_that_gathers_shards_leaves_what_it_has_and_goes_on_when_killed(denoiser, tmp_path, monkeypatch):
    whole = contents(write_pool(denoiser, tmp_path / "whole", 18, SETTINGS))
    shards = [write_shard(denoiser, tmp_path / "pool", shard, 2) for shard in range(2)]
    before = contents(tmp_path / "pool/shards")
    real, copied = shutil.copyfile, []

    def killed(source, target):
        copied.append(source)
        if len(copied) == 13:  # in the second block
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(pool_module.shutil, "copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        write_pool(denoiser, tmp_path / "pool/pairs", 18, SETTINGS, taken_from=shards)
    assert [path.name for path in (tmp_path / "pool/pairs/blocks").iterdir()] == ["000000.csv"]
    assert not (tmp_path / "pool/pairs/pairs.csv").exists()
    copied.clear()
    monkeypatch.setattr(pool_module.shutil, "copyfile", lambda *one: copied.append(one) or real(*one))
    write_pool(denoiser, tmp_path / "pool/pairs", 18, SETTINGS, taken_from=shards)
    assert len(copied) == 2 * 14 + 4, "the first block is there: 14 pairs of two pictures, and four tables"
    assert contents(tmp_path / "pool/pairs") == whole
    assert contents(tmp_path / "pool/shards") == before


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"seed": 8}, "seed: 8 -> 7"),
        ({"steps": 4}, "steps: 4 -> 3"),
        ({"block": 2}, "block: 2 -> 4"),
        ({}, "weights: "),
    ],
)
def test_a_shard_of_other_settings_or_weights_is_refused(denoiser, tmp_path, changed, sentence):
    """Nothing is mixed; and it is the shard that is named, which has to go."""
    other = denoiser if changed else build_denoiser(CONFIG).eval()
    shard = write_shard(other, tmp_path, 1, 2, settings=dataclasses.replace(SETTINGS, **changed))
    with pytest.raises(ValueError, match=rf"shards/1_of_2 holds pairs made otherwise \({sentence}.*Delete it"):
        write_pool(denoiser, tmp_path / "pairs", 18, SETTINGS, taken_from=[shard])
    assert not list((tmp_path / "pairs/images").iterdir())


def test_shards_of_a_shorter_pool_give_the_blocks_that_are_whole(denoiser, tmp_path):
    """The last block of 14 pairs is short: of a pool of 18 it is sampled."""
    whole = contents(write_pool(denoiser, tmp_path / "whole", 18, SETTINGS))
    for shard in range(2):
        write_shard(denoiser, tmp_path / "pool", shard, 2, count=14)
    pool = write_pool(denoiser, tmp_path / "pool/pairs", 18, SETTINGS, taken_from=finished_shards(tmp_path / "pool"))
    assert contents(pool) == whole


def test_a_pool_without_shards_has_none(tmp_path):
    assert finished_shards(tmp_path) == []
    (tmp_path / "shards/0_of_2").mkdir(parents=True)  # begun, and nothing is written yet
    assert finished_shards(tmp_path) == []


def test_killed_and_longer_pools_go_on(denoiser, tmp_path, monkeypatch):
    whole = contents(write_pool(denoiser, tmp_path / "whole", 14, SETTINGS))
    real, calls = specks.write_png, []

    def killed(path, array):
        calls.append(path)
        if len(calls) == 11:
            raise KeyboardInterrupt
        real(path, array)

    monkeypatch.setattr(specks, "write_png", killed)
    with pytest.raises(KeyboardInterrupt):
        write_pool(denoiser, tmp_path / "killed", 10, SETTINGS)
    assert len(list((tmp_path / "killed" / "blocks").iterdir())) == 1
    monkeypatch.setattr(specks, "write_png", real)
    write_pool(denoiser, tmp_path / "killed", 10, SETTINGS)
    write_pool(denoiser, tmp_path / "killed", 14, SETTINGS)
    assert contents(tmp_path / "killed") == whole


def test_finished_blocks_are_not_sampled_again(denoiser, tmp_path, monkeypatch):
    write_pool(denoiser, tmp_path, 8, SETTINGS)
    monkeypatch.setattr(pool_module, "sample_pairs", lambda *a, **k: pytest.fail("sampled again"))
    write_pool(denoiser, tmp_path, 8, SETTINGS)


def test_other_pairs_are_refused(denoiser, tmp_path):
    write_pool(denoiser, tmp_path, 4, SETTINGS)
    with pytest.raises(ValueError, match="seed: 7 -> 8"):
        write_pool(denoiser, tmp_path, 4, PoolSettings(sampler="ddpm", steps=3, seed=8, block=4))
    with pytest.raises(ValueError, match="numbered 0 to 1"):
        write_pool(denoiser, tmp_path, 4, SETTINGS, shard=(2, 2))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_pair_depends_on_seed_and_index_alone(denoiser, sampler):
    images, masks = sample_pairs(denoiser, 8, sampler=sampler, steps=4, seed=1, block=4)
    assert images.shape == masks.shape == (8, 30, 32)
    again = sample_pairs(denoiser, [6], sampler=sampler, steps=4, seed=1, block=4)
    assert np.array_equal(again[0][0], images[6])
    assert np.array_equal(again[1][0], masks[6])
    other, _ = sample_pairs(denoiser, 4, sampler=sampler, steps=4, seed=2, block=4)
    assert not np.array_equal(other, images[:4])


def test_specks_are_removed_and_counted():
    mask = np.zeros((10, 10), np.uint8)
    mask[0, 0], mask[2, 2], mask[3, 3], mask[6:9, 6:9] = 255, 255, 255, 255
    cleaned, components, removed = remove_specks(mask, 2)
    assert (components, removed) == (2, 1)
    assert cleaned[0, 0] == 0
    assert cleaned[3, 3] == 255


def test_masks_for_known_images_are_written_as_a_pool_of_its_own(denoiser, tmp_path):
    """Blocks of 4, stopped and resumed: the images as they were, the masks those of masks_for, specks aside."""
    pool = write_pool(denoiser, tmp_path / "known", 6, SETTINGS)
    known = PairExamples(pool, pool / "masks", range(6))
    write_pool(denoiser, tmp_path / "clamped", 4, SETTINGS, known=known)
    clamped = write_pool(denoiser, tmp_path / "clamped", 6, SETTINGS, known=known)
    images, masks = ([np.asarray(Image.open(p)) for p in sorted((clamped / k).iterdir())] for k in ("images", "masks"))
    assert [p.read_bytes() for p in sorted((pool / "images").iterdir())] == [
        p.read_bytes() for p in sorted((clamped / "images").iterdir())
    ]
    expected = masks_for(denoiser, images, steps=SETTINGS.steps, seed=SETTINGS.seed, block=SETTINGS.block)
    for mask, drawn in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask, remove_specks(drawn, SETTINGS.min_component_px)[0])
    assert len(pd.read_csv(clamped / "pairs.csv")) == 6
