"""A user's folder: read faithfully, or refused with one sentence before anything is written."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils.frames import FolderError, check_folder, read_classes, read_folder
from xpci_utils.frames.pictures import read_grey

CLASSES = """
classes:
  - {index: 1, name: drop, colour: "#cc3311"}
  - {index: 2, name: shell, colour: "#4477aa"}
"""


@pytest.fixture
def classes(tmp_path):
    (tmp_path / "classes.yaml").write_text(CLASSES)
    return read_classes(tmp_path / "classes.yaml")


@pytest.fixture
def folder(tmp_path):
    """Ten frames of 12 x 16 with two classes and an ignored pixel."""
    rng = np.random.default_rng(0)
    place = tmp_path / "mine"
    for kind in ("images", "masks"):
        (place / kind).mkdir(parents=True)
    for i in range(10):
        Image.fromarray(rng.integers(0, 256, (12, 16), dtype=np.uint8)).save(place / f"images/f{i}.png")
        mask = rng.integers(0, 3, (12, 16), dtype=np.uint8)
        mask[0, 0] = 255
        Image.fromarray(mask).save(place / f"masks/f{i}.png")
    return place


def save(path, array):
    Image.fromarray(array).save(path)


def test_pixels_arrive_unchanged(folder, classes):
    frames = list(read_folder(check_folder(folder, classes)))
    assert {frame.split for frame in frames} == {"train", "val", "test"}
    for frame in frames:
        assert np.array_equal(frame.image, np.array(Image.open(folder / f"images/{frame.name}.png")))
        assert np.array_equal(frame.labels, np.array(Image.open(folder / f"masks/{frame.name}.png")))


def test_given_splits_are_kept(folder, classes):
    (folder / "splits").mkdir()
    for split, names in {"train": "f0 f1 f2.png", "val": "f3", "test": "f4"}.items():
        (folder / f"splits/{split}.txt").write_text(names.replace(" ", "\n"))
    content = check_folder(folder, classes)
    assert content.splits == {"f0": "train", "f1": "train", "f2": "train", "f3": "val", "f4": "test"}


def test_frames_of_a_sequence_stay_together(folder, classes):
    rows = "\n".join(f"f{i},video{i // 2}" for i in range(10))
    (folder / "sequences.csv").write_text(f"name,sequence\n{rows}\n")
    content = check_folder(folder, classes)
    assert all(content.splits[f"f{i}"] == content.splits[f"f{i + 1}"] for i in range(0, 10, 2))


@pytest.mark.parametrize(("folds", "videos"), [(2, 4), (3, 5), (5, 5), (4, 10)])
def test_folds_test_every_frame_once_and_part_no_sequence(folder, classes, folds, videos):
    """Crops of one image are one sequence: none of it is trained on while another part of it is tested."""
    rows = "\n".join(f"f{i},video{i % videos}" for i in range(10))
    (folder / "sequences.csv").write_text(f"name,sequence\n{rows}\n")
    tested, validated = [], []
    for fold in range(folds):
        content = check_folder(folder, classes, folds=folds, fold=fold)
        assert set(content.splits) == {f"f{i}" for i in range(10)}
        of = {content.sequences[name]: split for name, split in content.splits.items()}
        assert all(of[content.sequences[name]] == split for name, split in content.splits.items())
        tested += [name for name, split in content.splits.items() if split == "test"]
        validated.append({name for name, split in content.splits.items() if split == "val"})
    assert sorted(tested) == sorted(content.images)
    assert len(set(map(frozenset, validated))) == folds


def test_folds_leave_the_listed_splits_aside_and_follow_the_seed(folder, classes):
    (folder / "splits").mkdir()
    for split, name in {"train": "f0", "val": "f1", "test": "f2"}.items():
        (folder / f"splits/{split}.txt").write_text(name)
    first, again, other = (check_folder(folder, classes, seed, folds=3, fold=1).splits for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == 10


def test_too_few_sequences_for_the_folds_are_refused(folder, classes):
    (folder / "sequences.csv").write_text("name,sequence\n" + "\n".join(f"f{i},video{i % 3}" for i in range(10)))
    assert check_folder(folder, classes, folds=3, fold=2)
    for folds in (2, 4):
        with pytest.raises(FolderError, match=f"there are 3 sequences; {folds} folds need one each"):
            check_folder(folder, classes, folds=folds)


def test_sixteen_bits_use_the_window_of_the_training_frames(folder, classes):
    for i in range(10):
        grey = np.linspace(400, 3600, 192).reshape(12, 16).astype(np.uint16)
        tifffile.imwrite(folder / f"images/f{i}.tif", grey)
        (folder / f"images/f{i}.png").unlink()
    content = check_folder(folder, classes)
    frame = next(read_folder(content))
    assert 395 <= content.window[0] < 500
    assert 3500 < content.window[1] <= 3600
    assert (frame.image.min(), frame.image.max()) == (0, 255)
    assert abs(int(frame.image[6, 0]) - 128) < 4


def test_floats_keep_their_grey_levels(folder, classes):
    for i in range(10):
        grey = np.linspace(0.8, 1.1, 192, dtype=np.float32).reshape(12, 16)
        (folder / f"images/f{i}.png").unlink()
        tifffile.imwrite(folder / f"images/f{i}.tif", grey)
    frame = next(read_folder(check_folder(folder, classes)))
    assert (frame.image.min(), frame.image.max()) == (0, 255)


def test_grey_with_transparency_and_packed_twelve_bits_are_read(folder, classes):
    """Layouts that cameras and editors write: grey with an alpha channel, and 12 bits per sample."""
    grey = np.arange(192, dtype=np.uint8).reshape(12, 16)
    Image.merge("LA", [Image.fromarray(grey), Image.new("L", (16, 12), 255)]).save(folder / "images/f3.png")
    frames = {frame.name: frame for frame in read_folder(check_folder(folder, classes))}
    assert np.array_equal(frames["f3"].image, grey)
    packed = folder / "twelve.tif"
    tifffile.imwrite(packed, grey.astype(np.uint16) * 16, bitspersample=12, compression=None)
    assert np.array_equal(read_grey(packed), grey.astype(np.uint16) * 16)


def replace_f3(folder, pages):
    (folder / "images/f3.png").unlink()
    tifffile.imwrite(folder / "images/f3.tif", pages)


FAULTS = {
    "mask of another size": (
        lambda f: save(f / "masks/f3.png", np.zeros((12, 15), np.uint8)),
        r"f3\.png is 12 x 15, its image 12 x 16; export the mask",
    ),
    "unknown class": (
        lambda f: save(f / "masks/f3.png", np.full((12, 16), 7, np.uint8)),
        r"f3\.png holds class index 7 \(192 pixels, the first in row 0, column 0\), but the classes file ends at 2",
    ),
    "image without mask": (lambda f: (f / "masks/f3.png").unlink(), r"f3\.png has no mask; add .*masks/f3\.png"),
    "mask without image": (lambda f: (f / "images/f3.png").unlink(), r"masks/f3\.png has no image"),
    "frames of two sizes": (
        lambda f: [save(f / f"{k}/f9.png", np.zeros((9, 9), np.uint8)) for k in ("images", "masks")],
        r"f9\.png is 9 x 9, the first image 12 x 16",
    ),
    "colour image": (
        lambda f: save(f / "images/f3.png", np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)),
        r"f3\.png is a colour image; convert it to grey",
    ),
    "colour mask": (
        lambda f: save(f / "masks/f3.png", np.eye(12, 16, dtype=np.uint8)[..., None] * np.uint8([1, 0, 0])),
        r"masks/f3\.png is a colour image; masks hold one class index",
    ),
    "not an image": (lambda f: (f / "images/f3.png").write_bytes(b"hello"), r"f3\.png cannot be read as an image"),
    "cut file": (
        lambda f: (f / "images/f3.png").write_bytes((f / "images/f3.png").read_bytes()[:90]),
        r"f3\.png cannot be read as an image",
    ),
    "the same frame twice": (
        lambda f: tifffile.imwrite(f / "images/f3.tif", np.zeros((12, 16), np.uint8)),
        r"images has the frame 'f3' twice; rename or remove one",
    ),
    "no masks folder": (lambda f: (f / "masks").rename(f / "labels"), r"masks does not exist; data/README\.md"),
    "split lists a stranger": (
        lambda f: [(f / "splits").mkdir(), (f / "splits/train.txt").write_text("f0\nzebra\n")],
        r"train\.txt lists zebra, which is not among the images",
    ),
    "split file missing": (
        lambda f: [(f / "splits").mkdir(), (f / "splits/train.txt").write_text("f0\n")],
        r"val\.txt is missing",
    ),
    "empty split": (
        lambda f: [(f / "splits").mkdir()]
        + [(f / f"splits/{s}.txt").write_text(t) for s, t in {"train": "f0", "val": "f1", "test": ""}.items()],
        r"the test split of .* is empty",
    ),
    "frame in two splits": (
        lambda f: [(f / "splits").mkdir()]
        + [(f / f"splits/{s}.txt").write_text(t) for s, t in {"train": "f0", "val": "f1", "test": "f0"}.items()],
        r"lists f0, which is in the train split already",
    ),
    "sequence in two splits": (
        lambda f: [(f / "splits").mkdir(), (f / "sequences.csv").write_text(
            "name,sequence\n" + "\n".join(f"f{i},one" for i in range(10)))]
        + [(f / f"splits/{s}.txt").write_text(t) for s, t in {"train": "f0", "val": "f1", "test": "f2"}.items()],
        r"sequence one is in two splits",
    ),
    "stack of pages": (
        lambda f: replace_f3(f, np.zeros((4, 12, 16), np.uint8)),
        r"f3\.tif is a stack of 4 pages; save one file per frame",
    ),
    "not a number": (
        lambda f: replace_f3(f, np.full((12, 16), np.nan, "f4")),
        r"f3\.tif holds pixels that are no numbers",
    ),
    "no particle in a split": (
        lambda f: [save(f / f"masks/f{i}.png", np.zeros((12, 16), np.uint8)) for i in range(10)],
        r"no mask of the train split of .* holds a particle",
    ),
    "colour behind transparency": (
        lambda f: save(f / "images/f3.png", np.random.default_rng(0).integers(0, 255, (12, 16, 4), dtype=np.uint8)),
        r"f3\.png is a colour image",
    ),
    "one pixel": (lambda f: save(f / "images/f3.png", np.zeros((1, 1), np.uint8)), r"f3\.png is 1 x 1 pixels"),
    "8 and 16 bit": (
        lambda f: save(f / "images/f3.png", np.zeros((12, 16), np.uint16)),
        r"f3\.png is uint16, the first image uint8; save all with the same depth",
    ),
    "pipe": (lambda f: [(f / "images/f3.png").unlink(), os.mkfifo(f / "images/f3.png")], r"f3\.png is not a file"),
    "names that differ in capitals": (
        lambda f: [save(f / f"{k}/F3.png", np.zeros((12, 16), np.uint8)) for k in ("images", "masks")],
        r"has the frame 'f3' twice \(as 'F3'",
    ),
    "splits of bytes": (
        lambda f: [(f / "splits").mkdir(), (f / "splits/train.txt").write_bytes(b"\xff\xfe")],
        r"train\.txt cannot be read as a list of names",
    ),
    "sequence missing": (
        lambda f: (f / "sequences.csv").write_text("name,sequence\nf0,a\n"),
        r"sequences\.csv gives no sequence for f1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence(folder, classes, fault):
    damage, sentence = FAULTS[fault]
    damage(folder)
    with pytest.raises(FolderError, match=sentence) as error:
        check_folder(folder, classes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("classes: [{index: 2, name: a, colour: '#000000'}]", "indices must be 1, 2, 3"),
        ("classes: [{index: 1, name: a, colour: red}]", "colour of a is 'red'"),
        ("classes: [{index: 1, name: background, colour: '#ffffff'}]", "same name"),
        ("classes: [{index: 1, nom: a}]", "not a list of classes"),
        ("- 1", "not a list of classes"),
        ("a: !!python/object/apply:os.getcwd []", "not a list of classes"),
    ],
)
def test_a_wrong_classes_file(tmp_path, text, sentence):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_classes(tmp_path / "c.yaml")
