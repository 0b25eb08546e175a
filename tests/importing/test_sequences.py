"""Frames of a film stay together, in whatever form it comes, and splits hold no near copies of each other."""

import csv
from itertools import pairwise

import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils.frames import FolderError, check_folder, read_classes
from xpci_utils.importing import check_up_folder, imported
from xpci_utils.importing.__main__ import main
from xpci_utils.importing.sequences import numbered_series

CLASSES = "classes:\n- {index: 1, name: drop, colour: '#cc3311'}\n"
COUNT, SIDE = 40, 48


def slow_film(count=COUNT, seed=0, still=False):
    """Two dark discs that drift by 0.8 pixels a frame: neighbours are near copies; and their masks."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    for i in range(count):
        place = 0 if still else 0.8 * i
        mask = ((x - 8 - place) ** 2 + (y - 14) ** 2 < 25) | ((x - 40 + place) ** 2 + (y - 34) ** 2 < 25)
        yield (170 - 90 * mask + rng.normal(0, 4, mask.shape)).clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture
def bring(tmp_path, capsys):
    """Write frames and masks in a form, import them, and give what was written: (folder, what was printed)."""

    def run(frames, form="pictures", options=(), names=None, out="out"):
        names = names or [f"film_{i:05d}" for i in range(len(frames))]
        (tmp_path / "classes.yaml").write_text(CLASSES)
        for kind, number in (("frames", 0), ("masks", 1)):
            (tmp_path / kind).mkdir(exist_ok=True)
            for name, pair in zip(names, frames, strict=True):
                Image.fromarray(pair[number]).save(tmp_path / kind / f"{name}.png")
        tifffile.imwrite(tmp_path / "film.tif", np.stack([f for f, _ in frames]), photometric="minisblack")
        images = tmp_path / ("frames" if form == "pictures" else "film.tif")
        arguments = [images, tmp_path / "masks", tmp_path / out, "--classes", tmp_path / "classes.yaml", *options]
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return tmp_path / out, printed.out

    return run


def dealt(folder):
    content = check_folder(folder, read_classes(folder / "classes.yaml"))
    return content.splits, content.sequences


def test_a_film_is_cut_alike_in_whatever_form_it_comes(bring):
    frames = list(slow_film())
    folders = [bring(frames, form, out=form)[0] for form in ("pictures", "stack")]
    splits, sequences = dealt(folders[0])
    assert (splits, sequences) == dealt(folders[1])
    assert set(splits.values()) == {"train", "val", "test"}
    order = [splits[name] for name in sorted(splits)]
    assert sum(a != b for a, b in pairwise(order)) == 2


@pytest.mark.parametrize("form", ["pictures", "stack"])
def test_no_near_copies_are_left_between_splits(bring, form):
    folder, printed = bring(list(slow_film()), form)
    assert not check_up_folder(folder).twins
    left = COUNT - len(dealt(folder)[0])
    assert f"{left} frames beside the cuts are left out: near copies of frames in another split (--gap)" in printed
    assert 0 < left <= COUNT / 3


def test_the_frames_beside_a_cut_can_be_chosen(bring):
    folder, printed = bring(list(slow_film()), options=["--gap", "0"])
    assert len(dealt(folder)[0]) == COUNT
    assert "are near copies" in printed
    folder, _ = bring(list(slow_film()), options=["--gap", "1"], out="one")
    assert len(dealt(folder)[0]) == COUNT - 4


def test_a_film_that_stands_still_keeps_its_frames_and_says_so(bring):
    folder, printed = bring(list(slow_film(still=True)))
    assert len(dealt(folder)[0]) == COUNT
    assert "pairs of frames in different splits are near copies" in printed


def test_few_frames_are_all_kept(bring):
    assert len(dealt(bring(list(slow_film(12)))[0])[0]) == 12


def test_the_advice_can_be_followed(bring, tmp_path):
    """All frames in one sequence, as a user who was told of near copies lists them."""
    rows = "".join(f"film_{i:05d},one\n" for i in range(COUNT))
    (tmp_path / "s.csv").write_text("name,sequence\n" + rows)
    folder, printed = bring(list(slow_film()), options=["--sequences", tmp_path / "s.csv"])
    assert not check_up_folder(folder).twins
    assert "s.csv: cut into 10 stretches in time" in printed


def test_three_films_in_one_folder_are_three_sequences(bring):
    frames = [pair for seed in range(3) for pair in slow_film(5, seed)]
    names = [f"{film}MPa_{i:06d}" for film in (2, 3, 4) for i in range(5)]
    folder, printed = bring(frames, names=names)
    assert set(dealt(folder)[1].values()) == {"2MPa", "3MPa", "4MPa"}
    assert "one sequence per film" in printed


def test_unrelated_pictures_stay_single(bring):
    """Numbers with gaps, as of micrographs, and contents that differ."""
    rng = np.random.default_rng(0)
    frames = [(rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8), m) for _, m in slow_film(10)]
    names = [f"uhcs{n:04d}" for n in (6, 7, 75, 124, 220, 235, 295, 312, 333, 357)]
    assert len(set(dealt(bring(frames, names=names)[0])[1].values())) == 10


def test_splits_of_the_user_are_left_alone(bring, tmp_path):
    (tmp_path / "splits").mkdir()
    for split, numbers in {"train": range(24), "val": range(24, 28), "test": range(28, 40)}.items():
        (tmp_path / f"splits/{split}.txt").write_text("".join(f"film_{i:05d}\n" for i in numbers))
    folder, _ = bring(list(slow_film()), options=["--splits", tmp_path / "splits"])
    assert dealt(folder)[0] == {
        f"film_{i:05d}": "train" if i < 24 else "val" if i < 28 else "test" for i in range(COUNT)
    }


def test_blank_frames_are_told_and_not_taught(bring):
    frames = list(slow_film())
    for i in (3, 4):
        frames[i] = (frames[i][0] * 0, frames[i][1])
    folder, printed = bring(frames)
    assert "2 frames of one single value are left out: they show nothing (first: film_00003)" in printed
    assert not (folder / "images/film_00003.png").exists()
    assert "one single value" in " ".join(imported(folder)["told"])


def test_blank_frames_in_a_hand_made_folder_are_told(bring):
    folder, _ = bring(list(slow_film()))
    blank = sorted((folder / "images").iterdir())[0]
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(blank)
    assert any(
        f"1 images hold one single value ({blank.stem})" in sentence for sentence in check_up_folder(folder).advice
    )


def test_frames_in_folders_are_read_with_their_masks(tmp_path, capsys):
    frames = list(slow_film(18))
    (tmp_path / "classes.yaml").write_text(CLASSES)
    for kind, number in (("frames", 0), ("masks", 1)):
        for i, pair in enumerate(frames):
            folder = tmp_path / kind / f"run{i // 6}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pair[number]).save(folder / f"shot_{i % 6}.png")
    arguments = [tmp_path / "frames", tmp_path / "masks", tmp_path / "out", "--classes", tmp_path / "classes.yaml"]
    assert main([str(a) for a in arguments]) == 0
    with open(tmp_path / "out/sequences.csv", newline="") as file:
        rows = {row["name"]: row["sequence"] for row in csv.DictReader(file)}
    assert rows == {f"run{i // 6}_shot_{i % 6}": f"run{i // 6}_shot" for i in range(18)}
    for i, (image, mask) in enumerate(frames):
        name = f"run{i // 6}_shot_{i % 6}.png"
        assert np.array_equal(np.array(Image.open(tmp_path / "out/images" / name)), image)
        assert np.array_equal(np.array(Image.open(tmp_path / "out/masks" / name)), mask)


def test_what_lies_among_the_frames_unread_is_named(tmp_path, capsys):
    frames = list(slow_film(12))
    (tmp_path / "classes.yaml").write_text(CLASSES)
    for kind in ("frames", "masks"):
        (tmp_path / kind).mkdir()
    for i, (image, mask) in enumerate(frames):
        Image.fromarray(image).save(tmp_path / f"frames/f{i:02d}.{'png' if i < 3 else 'bmp'}")
        Image.fromarray(mask).save(tmp_path / f"masks/f{i:02d}.png")
    arguments = [tmp_path / "frames", tmp_path / "masks", tmp_path / "out", "--classes", tmp_path / "classes.yaml"]
    assert main([str(a) for a in arguments]) == 2
    assert "also holds 9 .bmp files (f03.bmp, ...), which are not read" in capsys.readouterr().err
    for path in (tmp_path / "frames").glob("*.png"):
        path.unlink()
    assert main([str(a) for a in arguments]) == 2
    message = capsys.readouterr().err
    assert "it holds 9 .bmp files (f03.bmp, ...), which are not read: save them without loss as PNG or TIFF" in message


def test_a_gap_that_leaves_nothing_is_refused(bring):
    with pytest.raises(AssertionError, match="--gap 30 leaves no frame in one of the splits"):
        bring(list(slow_film()), options=["--gap", "30"])


@pytest.mark.parametrize(
    ("names", "series"),
    [
        (["f_2", "f_10", "f_1"], {"f_#": [(1, "f_1"), (2, "f_2"), (10, "f_10")]}),
        (["r1_f1", "r1_f2", "r2_f1"], {"r1_f#": [(1, "r1_f1"), (2, "r1_f2")], "r2_f#": [(1, "r2_f1")]}),
        (["c_1_0000", "c_2_0000"], {"c_#_0000": [(1, "c_1_0000"), (2, "c_2_0000")]}),
        (["a", "b"], {"a": [(0, "a")], "b": [(0, "b")]}),
    ],
)
def test_series_share_all_but_one_number(names, series):
    assert numbered_series(names) == series


def test_colour_frames_are_taken_as_chosen(tmp_path, capsys):
    """Refused with the options named; then by one channel, and by luminance."""
    frames = list(slow_film(12))
    (tmp_path / "classes.yaml").write_text(CLASSES)
    for kind in ("frames", "masks"):
        (tmp_path / kind).mkdir()
    for i, (image, mask) in enumerate(frames):
        Image.fromarray(np.stack([image, image // 2, image // 4], -1)).save(tmp_path / f"frames/f{i:02d}.png")
        Image.fromarray(mask).save(tmp_path / f"masks/f{i:02d}.png")
    arguments = [str(tmp_path / name) for name in ("frames", "masks", "out")] + [
        "--classes",
        str(tmp_path / "classes.yaml"),
    ]
    assert main(arguments) == 2
    assert "--grey luminance, red, green or blue" in capsys.readouterr().err
    for grey, weights in {"green": (0, 1, 0), "luminance": (0.299, 0.587, 0.114)}.items():
        assert main([*arguments[:2], str(tmp_path / grey), *arguments[3:], "--grey", grey]) == 0
        image = frames[5][0]
        expected = np.round(np.stack([image, image // 2, image // 4], -1) @ np.array(weights)).astype(np.uint8)
        assert np.array_equal(np.array(Image.open(tmp_path / grey / "images/f05.png")), expected)


def test_a_palette_of_colours_is_taken_as_stored_when_that_is_chosen(tmp_path):
    frames = list(slow_film(12))
    (tmp_path / "classes.yaml").write_text(CLASSES)
    (tmp_path / "masks").mkdir()
    for i, (_, mask) in enumerate(frames):
        Image.fromarray(mask).save(tmp_path / f"masks/film_{i:05d}.png")
    fire = np.stack([np.linspace(0, 65535, 256) ** p / 65535 ** (p - 1) for p in (0.5, 1, 3)]).astype(np.uint16)
    stack = np.stack([f for f, _ in frames])
    tifffile.imwrite(tmp_path / "film.tif", stack, photometric="palette", colormap=fire)
    arguments = [str(tmp_path / n) for n in ("film.tif", "masks", "out")] + [
        "--classes",
        str(tmp_path / "classes.yaml"),
    ]
    assert main(arguments) == 2
    assert main([*arguments, "--grey", "stored"]) == 0
    assert np.array_equal(np.array(Image.open(tmp_path / "out/images/film_00003.png")), stack[3])


def test_folders_with_different_classes_need_one_list(tmp_path):
    from xpci_utils.importing.layouts import open_masks

    for name in ("run0", "run1"):
        (tmp_path / "m" / name).mkdir(parents=True)
        shape = {"label": name, "shape_type": "polygon", "points": [[1, 1], [5, 1], [5, 5]]}
        text = f'{{"shapes": [{shape}], "imagePath": "f.png", "imageData": null, "imageHeight": 9, "imageWidth": 9}}'
        (tmp_path / "m" / name / "f0.json").write_text(text.replace("'", '"'))
    with pytest.raises(FolderError, match="have different classes; give one list as --classes"):
        open_masks(tmp_path / "m", None)
