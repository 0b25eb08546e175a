"""What lies near a known format but is none: the right label map, or one sentence on what to export instead."""

import json

import numpy as np
import pytest
from PIL import Image

from xpci_utils.importing.__main__ import main


def folder_of(suffix, content):
    def make(bench):
        bench.masks = bench / "other"
        bench.masks.mkdir()
        for i in range(10):
            (bench.masks / f"f{i}{suffix}").write_bytes(content)

    return make


def single(name, content):
    def make(bench):
        bench.masks = bench / name
        bench.masks.write_bytes(content)

    return make


def one_folder(bench):
    for i in range(10):
        (bench / f"masks/f{i}.png").rename(bench / f"images/f{i}_mask.png")
    bench.masks = bench.images


def shares(bench):
    """A COCO file whose outlines count in shares of the picture, as YOLO does."""

    def change(content):
        size = np.tile([bench.width, bench.height], 4)
        for drawn in content["annotations"]:
            drawn["segmentation"] = [(np.array(bench.square) / size).tolist()]

    bench.coco(change)


FAULTS = {
    "YOLO": (folder_of(".txt", b"0 0.1 0.1 0.5 0.1 0.5 0.5"), r"holds no masks: .* 10 \.txt files .*YOLO.*export COCO"),
    "one file of YOLO": (single("f0.txt", b"0 0.1 0.1"), r"f0\.txt has no known format of masks; .*YOLO.*export COCO"),
    "NumPy": (
        folder_of("_seg.npy", b"\x93NUMPY"),
        r"10 \.npy files \(f0_seg\.npy, \.\.\.\); save masks as PNG or TIFF",
    ),
    "JPEG": (folder_of(".jpg", b"\xff\xd8"), r"10 \.jpg files .*JPEG changes the numbers of a mask: save PNG"),
    "Pascal VOC": (folder_of(".xml", b"<annotation/>"), r"10 \.xml files .*Pascal VOC.*SegmentationClass"),
    "one file of Pascal VOC": (single("f0.xml", b"<annotation/>"), r"begins with <annotation>; export COCO or masks"),
    "Supervisely": (folder_of(".json", b'{"objects": []}'), r"10 \.json files .*none is of labelme or QuPath"),
    "Label Studio": (single("a.json", b'[{"annotations": []}]'), r"holds a JSON list.* Label Studio export COCO"),
    "VIA": (single("a.json", b'{"f0.png1": {"regions": []}}'), r"is not a COCO file: .*; export COCO from the program"),
    "shares of the picture": (shares, r"a\.json has all points of its outlines between 0 and 1: shares of the picture"),
    "frames and masks in one folder": (one_folder, r"images is given for the frames and for the masks; put each into"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_read_is_named_with_what_to_export(refused, fault):
    refused(*FAULTS[fault])


def test_an_outline_of_the_first_pixel_is_no_share(bench, taken):
    """Whole numbers up to 1 are a small particle."""

    def change(content):
        for drawn in content["annotations"]:
            drawn["segmentation"] = [[0, 0, 1, 0, 1, 1, 0, 1]]

    bench.coco(change)
    expected = np.zeros_like(bench.mask)
    expected[0, 0] = 1
    assert np.array_equal(taken()[0], expected)


def test_a_file_of_labelme_that_names_another_picture_is_told(bench, taken):
    """Copied and renamed for the next frame; the file's own name counts, as labelme opens it."""
    bench.labelme(imagePath="../recording/f2.jpg")
    for i in range(10):
        path = bench.masks / f"f{i}.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content if i == 3 else content | {"imagePath": f"..\\f{i}.jpg"}))
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert "although imagePath gives another picture: 1 (the first in " in output
    assert "f3.json)" in output


@pytest.mark.parametrize("alpha", [False, True])
def test_masks_stored_as_grey_colours_arrive(bench, taken, alpha):
    for i in range(10):
        bench.png(f"masks/f{i}.png", np.stack([bench.mask] * 3 + [np.full_like(bench.mask, 255)] * alpha, -1))
    assert np.array_equal(taken()[0], bench.mask)


def test_labels_of_nnunet_are_indices_whatever_they_look_like(tmp_path, capsys):
    """Pieces numbered 1, 2, 3 in every picture are asked about elsewhere; nnU-Net's dataset.json leaves no doubt."""
    rng, labels = np.random.default_rng(0), {}
    for kind in ("imagesTr", "labelsTr"):
        (tmp_path / kind).mkdir()
    for i in range(8):
        labels[f"case_{i}"] = label = np.zeros((24, 32), np.uint8)
        for value in range(1, 2 + i % 3):
            label[7 * value - 5 : 7 * value, i : i + 9] = value
        Image.fromarray(label).save(tmp_path / f"labelsTr/case_{i}.png")
        grey = (150 - 40 * (label > 0) + rng.normal(0, 5, label.shape)).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / f"imagesTr/case_{i}_0000.png")
    arguments = [str(tmp_path / name) for name in ("imagesTr", "labelsTr", "out")]
    (tmp_path / "classes.yaml").write_text(
        "classes:\n" + "".join(f"- {{index: {i}, name: c{i}, colour: '#cc3311'}}\n" for i in (1, 2, 3))
    )
    assert main([*arguments, "--classes", str(tmp_path / "classes.yaml")]) == 2
    assert "counts its pieces 1, 2, 3" in capsys.readouterr().err
    dataset = {"labels": {"background": 0, "drop": 1, "shell": 2, "fragment": 3}, "file_ending": ".png"}
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    assert main(arguments) == 0
    for name, label in labels.items():
        assert np.array_equal(np.array(Image.open(tmp_path / f"out/masks/{name}_0000.png")), label)


def test_too_few_frames_are_told_with_their_folder(bench, refused):
    def damage(bench):
        for kind in ("images", "masks"):
            for i in range(2, 10):
                (bench / f"{kind}/f{i}.png").unlink()

    refused(damage, r"out has 2 frames in 2 sequences; train, val and test need one sequence each: add frames")


@pytest.mark.parametrize("inverted", [False, True])
def test_a_class_around_the_particles_is_told(bench, taken, inverted):
    """Programs that show particles black write 0 for them; nothing but their share of the picture tells it."""
    (bench / "classes.yaml").write_text("classes: [{index: 1, name: drop, colour: '#cc3311'}]")
    for i in range(10):
        bench.png(f"masks/f{i}.png", np.where((bench.mask == 1) != inverted, np.uint8(255), np.uint8(0)))
    mask, output = taken("--mask-values", "binary")
    assert np.array_equal(mask == 1, (bench.mask == 1) != inverted)
    assert ("drop covers 90 % of the median frame; if masks hold 0 for particles" in output) == inverted
