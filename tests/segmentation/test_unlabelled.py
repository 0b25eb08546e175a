"""The pool of frames without annotation: exactly the frames that nobody annotated, masks by a network, no labels."""

import csv
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from xpci_utils.frames import FolderError, FrameSet, unlabelled
from xpci_utils.frames.frameset import read_png, write_png
from xpci_utils.segmentation import build_network, make_unlabelled_pool, save_network
from xpci_utils.segmentation import unlabelled as module
from xpci_utils.segmentation.prediction import class_scores
from xpci_utils.simulation import ROLES, get_preset, relative_to_uint8, simulate_frames, write_simulated_frames
from xpci_utils.training import StoppedForTime

pytestmark = pytest.mark.usefixtures("one_thread")
COUNT = 5


def network_of(frames, folder):
    """An untrained network whose background is made likely enough to leave some of a frame to it, in ``folder``."""
    network = build_network("emcad", frames.num_classes, size="quick", image_size=frames.example_shape, seed=1).eval()
    with torch.no_grad():
        grey = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
        logits = network(grey)
        network.heads[-1].bias[0] += (logits[:, 1:].amax(1) - logits[:, 0]).median()
    save_network(folder / "model.safetensors", network, frames)
    return network


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated")
    counts = {"train": 4, "val": 2, "test": 2}
    frames = write_simulated_frames(root / "frames", counts, 64, 64, 0, "reduced")
    return [root / "frames", root / "network"], frames, network_of(frames, root / "network")


def pool_of(folder):
    names = pd.read_csv(folder / "pairs.csv")["name"]
    return tuple(np.stack([read_png(folder / kind / name) for name in names]) for kind in ("images", "masks"))


@pytest.mark.parametrize("sampling", ["natural", "curated"])
def test_simulated_frames_are_those_of_their_role_and_their_labels_stay_nowhere(simulated, tmp_path, sampling):
    """Bit for bit what the simulator gives for the seed and the indices of the table of roles."""
    inputs, frames, _ = simulated
    pool = make_unlabelled_pool(inputs, tmp_path / "pool", COUNT, seed=3, sampling=sampling)
    role, window = ROLES["unlabelled"], frames.info["window"]
    drawn = simulate_frames(
        0, 64, 64, role.simulator_seed(3), get_preset("reduced"), sampling, indices=role.indices(COUNT)
    )
    expected = [relative_to_uint8(frame.image, (window["low"], window["high"]), log=False) for frame in drawn]
    np.testing.assert_array_equal(pool_of(pool)[0], expected)
    assert sorted(path.name for path in pool.iterdir()) == ["images", "masks", "pairs.csv"]


def test_masks_are_the_foreground_of_the_network_without_specks(simulated, tmp_path):
    inputs, _, network = simulated
    pool = make_unlabelled_pool(inputs, tmp_path / "pool", COUNT, min_component_px=1)
    images, masks = pool_of(pool)
    np.testing.assert_array_equal(masks > 0, class_scores(network, images).argmax(1) > 0)
    assert 0 < (masks > 0).mean() < 1, "the network must leave something to compare"
    table = pd.read_csv(pool / "pairs.csv")
    np.testing.assert_allclose(table["foreground"], (masks > 0).mean((1, 2)), atol=1e-6)
    cleaned = pd.read_csv(make_unlabelled_pool(inputs, tmp_path / "cleaned", COUNT, min_component_px=9) / "pairs.csv")
    assert (cleaned["components"] + cleaned["specks_removed"] == table["components"]).all()
    assert cleaned["specks_removed"].sum() > 0


def test_a_stopped_run_goes_on_with_the_same_bytes(simulated, tmp_path, monkeypatch):
    inputs, *_ = simulated
    monkeypatch.setattr(module, "BLOCK", 2)  # of the frames of this test
    whole = make_unlabelled_pool(inputs, tmp_path / "whole", COUNT)
    answers = iter([False, True, False, False])
    monkeypatch.setattr(module, "time_is_over", lambda: next(answers))
    with pytest.raises(StoppedForTime, match="before frame 2 of 5"):
        make_unlabelled_pool(inputs, tmp_path / "parts", COUNT)
    parts = make_unlabelled_pool(inputs, tmp_path / "parts", COUNT)
    for one in sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file()):
        assert (whole / one).read_bytes() == (parts / one).read_bytes(), one


SPLITS = {"film_a": "train", "film_b": "val", "film_c": "test"}


@pytest.fixture
def own(tmp_path, simulated):
    """Frames of a user's folder of 40 x 70 pixels, cut into tiles of 32, and unlabelled/ as the import writes it."""
    rng = np.random.default_rng(0)
    _, frames, _ = simulated
    info = frames.info | {"height": 40, "width": 70, "tile": 32, "source": str(tmp_path / "mine")}
    info["window"] = {"kind": "linear", "low": 100.0, "high": 900.0}
    rows = [{"name": s, "sequence": s, "split": split, "simulated": "false"} for s, split in SPLITS.items()]
    mine = FrameSet(tmp_path / "frames", info, rows)
    shutil.copytree(frames.folder, mine.folder)
    with open(mine.folder / "frames.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["name", "sequence", "split", "simulated"])
        writer.writeheader()
        writer.writerows(rows)
    (mine.folder / "frames.json").write_text(pd.io.json.ujson_dumps(info))
    apart = tmp_path / "mine/unlabelled"
    apart.mkdir(parents=True)
    with open(apart / "frames.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "sequence", "film", "frame", "time_us"])
        for i, sequence in enumerate(["film_a", "film_b", "film_c", "film_a", "film_d"]):
            write_png(apart / f"f{i}.png", rng.integers(0, 1000, (40, 70)).astype(np.uint16))
            writer.writerow([f"f{i}", sequence, "film.tif", i, ""])
    network_of(mine, tmp_path / "network")
    return [mine.folder, tmp_path / "network"], tmp_path / "mine"


def test_frames_of_a_users_folder_are_tiled_and_windowed_like_the_annotated_ones(own, tmp_path):
    """Those of training sequences and of sequences that nobody annotated; never beside frames that test or validate."""
    inputs, mine = own
    images, masks = pool_of(make_unlabelled_pool(inputs, tmp_path / "pool", 18, source_folder=str(mine)))
    expected = []
    for name in ("f0", "f3", "f4"):
        grey = read_png(mine / f"unlabelled/{name}.png").astype(float)
        eight = np.clip(np.round((grey - 100) / 800 * 255), 0, 255).astype(np.uint8)
        expected += [eight[top : top + 32, left : left + 32] for top in (0, 8) for left in (0, 32, 38)]
    np.testing.assert_array_equal(images, expected)
    assert masks.shape == images.shape
    fewer, _ = pool_of(make_unlabelled_pool(inputs, tmp_path / "fewer", 3, source_folder=str(mine)))
    np.testing.assert_array_equal(fewer, [expected[0], expected[8], expected[17]])  # evenly spaced, both ends


def test_a_folder_without_such_frames_or_with_too_few_says_what_to_do(own, tmp_path):
    inputs, mine = own
    with pytest.raises(FolderError, match=r"3 frames without annotation .* 18 images of 32 x 32 pixels, and 19"):
        make_unlabelled_pool(inputs, tmp_path / "pool", 19, source_folder=str(mine))
    with pytest.raises(FolderError, match=r"names no folder, .* no frames without annotation .* --unlabelled 1000"):
        make_unlabelled_pool(inputs, tmp_path / "pool", 1)  # frames of a folder, and none is named
    shutil.rmtree(mine / "unlabelled")
    with pytest.raises(FolderError, match=r"holds no frames without annotation .* --unlabelled 1000"):
        make_unlabelled_pool(inputs, tmp_path / "pool", 1, source_folder=str(mine))


def test_a_frame_of_another_size_is_refused(own, tmp_path):
    inputs, mine = own
    write_png(mine / "unlabelled/f3.png", np.zeros((40, 64), np.uint16))
    with pytest.raises(FolderError, match=r"f3.png has 40 x 64 pixels, the annotated frames have 40 x 70"):
        make_unlabelled_pool(inputs, tmp_path / "pool", 18, source_folder=str(mine))
    assert len(unlabelled(mine)) == 5
