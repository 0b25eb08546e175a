"""The check-up: counts against a count by hand, near copies, and the sentences that follow."""

import numpy as np
import pytest
from PIL import Image

from xpci_utils.importing import check_up_folder, imported
from xpci_utils.importing.checkup import main
from xpci_utils.params.profiles import notebook_parameters, profiles_of_folders

CLASSES = """classes:
- {index: 1, name: drop, colour: '#cc3311'}
- {index: 2, name: shell, colour: '#4477aa'}
"""
SPLITS = {"train": range(12), "val": range(12, 15), "test": range(15, 20)}


@pytest.fixture
def folder(tmp_path):
    """Twenty noisy frames of 40 x 60 pixels with two squares of class 1 each, elsewhere in each, in given splits."""
    rng = np.random.default_rng(3)
    for name in ("images", "masks", "splits"):
        (tmp_path / name).mkdir()
    for i in range(20):
        mask = np.zeros((40, 60), np.uint8)
        y, x = 8 * (i % 4), 4 * (i // 4)
        mask[y : y + 6, x : x + 6] = mask[y : y + 6, x + 30 : x + 36] = 1
        write(tmp_path, i, (200 - 90 * mask + rng.normal(0, 9, mask.shape)).astype(np.uint8), mask)
    for split, numbers in SPLITS.items():
        (tmp_path / f"splits/{split}.txt").write_text("".join(f"f{i:02d}\n" for i in numbers))
    (tmp_path / "classes.yaml").write_text(CLASSES.splitlines(keepends=True)[0] + CLASSES.splitlines(keepends=True)[1])
    return tmp_path


def write(folder, number, image, mask):
    Image.fromarray(image).save(folder / f"images/f{number:02d}.png")
    Image.fromarray(mask).save(folder / f"masks/f{number:02d}.png")


def read(folder, number):
    return (np.array(Image.open(folder / f"{kind}/f{number:02d}.png")) for kind in ("images", "masks"))


def advice(folder, **options):
    return " | ".join(check_up_folder(folder, **options).advice)


def test_counts_are_those_of_a_count_by_hand(folder):
    table = check_up_folder(folder).classes.loc["drop"]
    assert [table[split, "particles"] for split in SPLITS] == [24, 6, 10]
    assert [table[split, "frames"] for split in SPLITS] == [12, 3, 5]
    assert table["train", "% area"] == pytest.approx(100 * 72 / 2400)
    assert table["median", "diameter [px]"] == pytest.approx(np.sqrt(4 / np.pi * 36), abs=0.05)


def test_good_frames_give_no_advice_but_on_the_unknown_pixel(folder):
    checkup = check_up_folder(folder)
    assert checkup.advice == [
        "the files do not tell the size of a pixel: give --pixel-um to the import, or set pixel_size_um"
    ]
    assert "20 frames of 40 x 60 pixels (12 train, 3 val, 5 test), 8 bit" in str(checkup)


def test_without_a_tile_it_tells_what_networks_see_in_each_profile(folder):
    """As the profiles' own parameters of notebook 01 say, and not whole frames where a profile cuts tiles."""
    lines = str(check_up_folder(folder)).splitlines()
    assert "profile own_frames, real_study: networks see tiles of 40 x 60 pixels, 1 of each frame" in lines
    gpu = "profile own_frames_gpu: networks see whole frames: their 40 x 60 pixels, padded, are no more than 640 x 640"
    assert gpu in lines
    assert not any(line.startswith("networks see") for line in lines)
    for profile in profiles_of_folders():
        frames = notebook_parameters(profile, "01_prepare_frames")
        alone = check_up_folder(folder, tile=frames.tile, largest_tile=frames.largest_tile).cut
        assert any(profile in line and line.endswith(f": {alone}") for line in lines)
    assert imported(folder) == {}


@pytest.mark.parametrize("copy", ["same bytes", "noisier", "moved by a pixel", "same mask on other noise"])
def test_near_copies_between_splits_are_found(folder, copy):
    image, mask = read(folder, 3)
    rng = np.random.default_rng(1)
    if copy == "noisier":
        image = (image + rng.integers(0, 9, image.shape)).astype(np.uint8)
    elif copy == "moved by a pixel":
        image, mask = np.roll(image, 1, 1), np.roll(mask, 1, 1)
    elif copy == "same mask on other noise":
        image = rng.integers(0, 256, image.shape).astype(np.uint8)
    write(folder, 17, image, mask)
    checkup = check_up_folder(folder)
    assert [(t.first, t.second, t.splits) for t in checkup.twins] == [("f03", "f17", ("train", "test"))]
    assert "1 pairs of frames in different splits are near copies (worst: f03 in train and f17 in test" in advice(
        folder
    )
    assert dict(list(checkup.worth_a_look().items())[:2]) == {"f03": "near copy (train)", "f17": "near copy (test)"}


def test_near_copies_within_a_split_are_nobodys_business(folder):
    write(folder, 4, *read(folder, 3))
    assert not check_up_folder(folder).twins


def test_neighbours_of_a_simulated_film_are_near_copies_and_strangers_are_not(tmp_path):
    """Frames of three films, and the next frame of each in another split."""
    from xpci_utils import simulation as sim

    films = [list(sim.simulate_sequence(2, 64, 64, 0, number=n, preset="reduced", start=8)) for n in (1, 4, 6)]
    for name in ("images", "masks", "splits"):
        (tmp_path / name).mkdir()
    for number, film in enumerate(films):
        for later, frame in enumerate(film):
            write(tmp_path, 2 * number + later, sim.relative_to_uint8(frame.image, (0.1, 1.25)), frame.labels)
    for split, numbers in {"train": (0, 2, 4), "val": (1,), "test": (3, 5)}.items():
        (tmp_path / f"splits/{split}.txt").write_text("".join(f"f{i:02d}\n" for i in numbers))
    from xpci_utils import paths

    checkup = check_up_folder(tmp_path, paths.root() / "data/classes.yaml")
    assert {(t.first, t.second) for t in checkup.twins} == {("f00", "f01"), ("f02", "f03"), ("f04", "f05")}


def test_classes_that_cannot_be_learnt_or_scored_are_named(folder):
    (folder / "classes.yaml").write_text(CLASSES)
    assert "no training frame shows shell: it cannot be learnt" in advice(folder)
    image, mask = read(folder, 0)
    mask[mask == 1] = 2
    write(folder, 0, image, mask)
    assert "shell is shown 2 times in training; expect it to be missed" in advice(folder)
    assert "no val or test frame shows shell: its score will be empty there" in advice(folder)


def test_odd_frames_are_named(folder):
    image, mask = read(folder, 5)
    write(folder, 5, image, mask * 0)
    image, mask = read(folder, 6)
    mask[20:] = 255
    image[:10] = 255
    write(folder, 6, image, mask)
    text = advice(folder)
    assert "1 masks are empty (f05)" in text
    assert "1 masks ignore more than 30 % of their pixels (f06)" in text
    assert "1 images have over 5 % of their pixels at the ends of their range (f06)" in text


def test_tiles_and_pixels_are_talked_about(folder):
    assert "half of drop fills more than half a tile of 10 pixels; raise tile" in advice(folder, tile=10)
    assert "tile is 64, the frames are 40 x 60; whole frames will be used" in advice(folder, tile=64)
    for i in range(20):
        image, mask = read(folder, i)
        mask[1::2] = 0
        mask[:, 1::2] = 0
        write(folder, i, image, mask)
    assert "half of drop is smaller than 4 pixels across" in advice(folder)


def test_the_command(folder, capsys):
    assert main([str(folder)]) == 0
    assert "near copies" not in capsys.readouterr().out
    (folder / "masks/f03.png").unlink()
    assert main([str(folder)]) == 2
    assert "f03.png has no mask" in capsys.readouterr().err
