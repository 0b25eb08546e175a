"""More frames of one source: the fresh pool with true labels, and the shifted test frames."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.frames.frameset import read_png
from xpci_utils.simulation import (
    get_preset,
    shifted_preset,
    write_fresh_pool,
    write_shifted_frames,
    write_simulated_frames,
)
from xpci_utils.simulation.more import preset_of


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames") / "frames"
    return write_simulated_frames(folder, {"train": 8, "val": 4, "test": 4}, 64, 64, 0, "reduced")


@pytest.fixture(scope="module")
def pool(frames, tmp_path_factory):
    return write_fresh_pool(frames, tmp_path_factory.mktemp("pool") / "pairs", 10, seed=0)


def arrays(folder, kind, count=10):
    return [read_png(folder / kind / f"{index:06d}.png") for index in range(count)]


def test_the_frame_set_knows_its_preset(frames):
    assert preset_of(frames) == get_preset("reduced")


def test_fresh_frames_are_new_and_their_masks_follow_from_their_labels(frames, pool):
    known = {frame.image.tobytes() for frame in frames}
    images, labels, masks = (arrays(pool, kind) for kind in ("images", "labels", "masks"))
    assert len({image.tobytes() for image in images} | known) == len(known) + 10
    for label, mask in zip(labels, masks, strict=True):
        np.testing.assert_array_equal(mask > 0, binary_mask(label))
    table = pd.read_csv(pool / "pairs.csv")
    assert table["index"].tolist() == list(range(10))
    np.testing.assert_allclose(table["foreground"], [(mask > 0).mean() for mask in masks], atol=1e-6)


def test_fresh_frames_look_like_the_annotated_ones(frames, pool):
    """Same window and preset: means within 12 grey levels and a factor of 2.5 in foreground (10 frames are few)."""
    grey = [
        np.mean([image.mean() for image in images]) for images in (arrays(pool, "images"), [f.image for f in frames])
    ]
    assert abs(grey[0] - grey[1]) < 12
    share = [
        np.mean([binary_mask(label).mean() for label in x])
        for x in (arrays(pool, "labels"), [f.labels for f in frames])
    ]
    assert 0.4 < share[0] / share[1] < 2.5


def test_a_stopped_pool_goes_on_with_the_same_bytes(frames, pool, tmp_path):
    write_fresh_pool(frames, tmp_path / "pairs", 3, seed=0)
    (tmp_path / "pairs/pairs.csv").unlink()
    write_fresh_pool(frames, tmp_path / "pairs", 10, seed=0)
    for path in pool.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "pairs" / path.relative_to(pool)).read_bytes(), path.name


def test_the_shifted_preset_changes_the_instrument_and_not_the_particles():
    plain, shifted = (asdict(preset) for preset in (get_preset("reduced"), shifted_preset(get_preset("reduced"))))
    changed = {name for name in plain if plain[name] != shifted[name]}
    instrument = {"distance_m", "psf_core_sigma_um", "source_sigma_h_um", "quanta_per_pixel", "read_noise_e"}
    assert changed == instrument | {"name"}
    assert shifted["distance_m"] == get_preset("aps32id_shifted").distance_m


def test_shifted_frames_keep_window_and_classes_and_are_noisier(frames, tmp_path):
    shifted = write_shifted_frames(frames, tmp_path / "shifted", 8, seed=0)
    again = FrameSet.open(tmp_path / "shifted")
    assert (len(again), {row["split"] for row in again.rows}) == (8, {"test"})
    assert shifted.info["window"] == frames.info["window"]
    assert shifted.class_names == frames.class_names
    noise = [np.median([step for frame in part for step in background_steps(frame)]) for part in (shifted, frames)]
    assert noise[0] > 1.15 * noise[1]  # about half the photons: 1.3 times the noise of the open beam


def background_steps(frame):
    """Grey steps between neighbours of the background."""
    empty = frame.labels == 0
    return np.abs(np.diff(frame.image.astype(float), axis=1))[empty[:, 1:] & empty[:, :-1]]


def test_frames_of_another_source_have_no_more_of_their_kind(frames, tmp_path):
    rows = [{**row, "simulated": "false"} for row in frames.rows]
    with pytest.raises(ValueError, match="holds no simulated frames"):
        write_fresh_pool(FrameSet(frames.folder, frames.info, rows), tmp_path, 4, seed=0)
