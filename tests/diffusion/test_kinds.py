"""The four kinds of pools: which images are drawn and which are taken over, and from where."""

import numpy as np
import pandas as pd
import pytest
import torch

from xpci_utils.diffusion import PoolSettings, build_denoiser, make_pool, masks_for, sample_pairs, save_denoiser
from xpci_utils.frames import binary_mask
from xpci_utils.frames.frameset import read_png
from xpci_utils.simulation import write_simulated_frames

torch.set_num_threads(1)
CONFIG = {
    "height": 32, "width": 32, "widths": [16, 16], "blocks": 1, "attention_strides": [], "head_dim": 8,
    "norm_groups": 8, "stem": 2, "checkpointing": False, "prediction": "v",
}  # fmt: skip
SETTINGS = PoolSettings(sampler="dpmsolver++", steps=3, seed=5, block=25, min_component_px=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Simulated frames, an untrained denoiser, and what pools are made from: both, and a fresh pool of three pairs."""
    root = tmp_path_factory.mktemp("kinds")
    frames = write_simulated_frames(root / "frames", {"train": 2, "val": 1, "test": 4}, 32, 32, 3, "reduced")
    denoiser = build_denoiser(CONFIG).eval()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    (root / "ddpm").mkdir()
    save_denoiser(root / "ddpm/denoiser_ema.safetensors", denoiser)
    fresh = make_pool("fresh", [root / "frames"], root / "fresh", 3, SETTINGS)
    return frames, denoiser, [root / "frames", root / "ddpm", fresh]


def pairs_of(folder):
    names = pd.read_csv(folder / "pairs.csv")["name"]
    return tuple(np.stack([read_png(folder / kind / name) for name in names]) for kind in ("images", "masks"))


def test_the_papers_pool_is_sampled(made, tmp_path):
    _, denoiser, inputs = made
    images, masks = pairs_of(make_pool("ddpm", inputs[:2], tmp_path / "pool/pairs", 2, SETTINGS))
    expected = sample_pairs(denoiser, 2, sampler="dpmsolver++", steps=3, seed=5, block=25)
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(masks, expected[1])


def test_a_fresh_pool_has_true_masks_and_needs_no_denoiser(made):
    _, _, (*_, fresh) = made
    images, masks = pairs_of(fresh)
    labels = [read_png(fresh / f"labels/{index:06d}.png") for index in range(3)]
    assert len(images) == 3
    np.testing.assert_array_equal(masks > 0, [binary_mask(one) for one in labels])


@pytest.mark.parametrize(("kind", "count"), [("clamped", 3), ("heldout", 4)])
def test_masks_are_drawn_for_images_that_are_known(made, tmp_path, kind, count):
    """Those of the fresh pool as many as pairs are asked for, those of the test frames however many there are."""
    frames, denoiser, inputs = made
    known = pairs_of(inputs[2])[0] if kind == "clamped" else np.stack([i for i, _ in frames.examples("test")])
    images, masks = pairs_of(make_pool(kind, inputs, tmp_path / "pairs", 3, SETTINGS))
    assert len(images) == count
    np.testing.assert_array_equal(images, known)
    np.testing.assert_array_equal(masks, masks_for(denoiser, list(known), steps=3, seed=5))


def test_shares_beside_a_pool_are_taken_up_and_a_share_takes_none(made, tmp_path):
    _, _, inputs = made
    settings = PoolSettings(sampler="ddim", steps=2, seed=1, block=1, min_component_px=1)
    for shard in range(2):
        folder = tmp_path / f"pool/shards/{shard}_of_2"
        names = pd.read_csv(make_pool("ddpm", inputs, folder, 3, settings, shard=(shard, 2)) / "pairs.csv")["index"]
        assert names.tolist() == list(range(3))[shard::2]
    marked = tmp_path / "pool/shards/1_of_2/images/000001.png"
    marked.write_bytes((tmp_path / "pool/shards/0_of_2/images/000000.png").read_bytes())
    pool = make_pool("ddpm", inputs, tmp_path / "pool/pairs", 3, settings)
    assert (pool / "images/000001.png").read_bytes() == marked.read_bytes(), "it was copied, not sampled again"


def test_another_kind_is_refused(made, tmp_path):
    with pytest.raises(ValueError, match="there is no pool 'other'"):
        make_pool("other", made[2], tmp_path / "pairs", 1, SETTINGS)
    assert not (tmp_path / "pairs").exists()
