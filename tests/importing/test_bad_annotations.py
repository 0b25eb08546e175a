"""Annotations of CVAT, COCO and labelme that cannot be used: one clear sentence each, nothing written."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from xpci_utils.importing.__main__ import main


def patch(side):
    """A mask as labelme keeps it: a PNG as text."""
    stored = io.BytesIO()
    Image.fromarray(np.ones((side, side), np.uint8)).save(stored, format="PNG")
    return base64.b64encode(stored.getvalue()).decode()


def encrypted(content):
    """The flag that says a member is encrypted, in the zip's table of contents."""
    place = content.index(b"PK\x01\x02") + 8
    return content[:place] + bytes([content[place] | 1]) + content[place + 1 :]


def flipped(content):
    """A bit of the first member's data, behind its name."""
    place = content.index(b".png") + 40
    return content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :]


CVAT = {
    "label map with an unknown name": (
        lambda b: b.cvat(labelmap="dropp:204,51,17::\n"),
        r"a\.zip has the class 'dropp', which the classes file does not list \(did you mean 'drop'\?\)",
    ),
    "path out of the zip": (
        lambda b: b.cvat({"SegmentationClass/../../evil.png": b"x"}),
        r"holds 'SegmentationClass/\.\./\.\./evil\.png', which leads out of it",
    ),
    "absolute path in the zip": (
        lambda b: b.cvat({"/etc/evil.png": b"x"}),
        r"holds '/etc/evil\.png', which leads out of it",
    ),
    "path of another system in the zip": (
        lambda b: b.cvat({"SegmentationClass\\..\\..\\evil.png": b"x"}),
        r"which leads out of it",
    ),
    "zip bomb": (
        lambda b: b.cvat({"SegmentationClass/f0b.png": bytes(2**26 + 1)}),
        r"bytes that would unpack to 67108865; no mask is so large; export it again",
    ),
    "zip without label map": (lambda b: b.cvat(labelmap=None), r"holds no labelmap\.txt or no SegmentationClass/"),
    "zip with an empty label map": (lambda b: b.cvat(labelmap="# label\n"), r"labelmap\.txt names no class"),
    "label map line without colour": (
        lambda b: b.cvat(labelmap="drop\n"),
        r"line 1 of labelmap\.txt is not like 'drop:204,51,17::'",
    ),
    "label map colour beyond 255": (lambda b: b.cvat(labelmap="drop:999,0,0::\n"), r"line 1 of labelmap\.txt is not"),
    "two labels of one colour": (
        lambda b: b.cvat(labelmap="drop:204,51,17::\nshell:204,51,17::\n"),
        r"labelmap\.txt gives drop and shell",
    ),
    "colour that the label map lacks": (
        lambda b: b.cvat(mask=np.full((12, 16, 3), 9, np.uint8)),
        r"f0\.png has the colour 9,9,9 in row 0, column 0, which labelmap\.txt does not name",
    ),
    "the same member twice": (
        lambda b: b.cvat({"SegmentationClass/f0.png": b"x"}),
        r"holds 'SegmentationClass/f0\.png' twice",
    ),
    "not a zip": (lambda b: (b.cvat(), b.rewrite(lambda _: b"hello")), r"a\.zip cannot be read as a zip archive"),
    "truncated zip": (
        lambda b: (b.cvat(), b.rewrite(lambda content: content[: len(content) // 2])),
        r"a\.zip cannot be read as a zip archive",
    ),
    "encrypted zip": (lambda b: (b.cvat(), b.rewrite(encrypted)), r"a\.zip is encrypted"),
    "zip with a damaged member": (lambda b: (b.cvat(), b.rewrite(flipped)), r"f0\.png cannot be read as a mask"),
}


def update(table, number, **values):
    return lambda content: content[table][number].update(values)


def add(table, entry):
    return lambda content: content[table].append(entry)


PICTURE = {"id": 77, "file_name": "f77.png", "height": 12, "width": 16}

COCO = {
    "bad JSON": (lambda b: b.coco(text='{"images": ['), r"a\.json cannot be read as JSON"),
    "JSON list": (lambda b: b.coco(text="[1, 2]"), r"a\.json holds a JSON list, not an object"),
    "JSON nested without end": (lambda b: b.coco(text="[" * 100_000), r"a\.json cannot be read as JSON"),
    "JSON that is not COCO": (lambda b: b.coco(text='{"a": 1}'), r"a\.json is not a COCO file: it needs the lists"),
    "labelme file in place of COCO": (
        lambda b: b.coco(text='{"shapes": []}'),
        r"a\.json is a labelme file; give the folder",
    ),
    "category that is no class": (
        lambda b: b.coco(update("categories", 0, name="bubble")),
        r"has the class 'bubble', which the classes file does not list \(it lists drop, shell\)",
    ),
    "category twice": (
        lambda b: b.coco(add("categories", {"id": 2, "name": "drop"})),
        r"has two classes named 'drop'",
    ),
    "annotation of no category": (
        lambda b: b.coco(update("annotations", 3, category_id=9)),
        r"annotation 3 has the category 9, which the file does not list",
    ),
    "annotation of no image": (
        lambda b: b.coco(update("annotations", 3, image_id=99)),
        r"annotation 3 belongs to image 99, which the file does not list",
    ),
    "annotation without image": (
        lambda b: b.coco(lambda content: content["annotations"][3].pop("image_id")),
        r"annotation 3 lacks 'image_id'",
    ),
    "image twice": (
        lambda b: b.coco(add("images", PICTURE | {"file_name": "f3.png"})),
        r"has the frame 'f3' twice",
    ),
    "image id twice": (lambda b: b.coco(add("images", PICTURE | {"id": 3})), r"two images have the id 3"),
    "image name that leads up": (
        lambda b: b.coco(update("images", 3, file_name="../..")),
        r"names a picture '\.\./\.\.'; that is no usable name",
    ),
    "image of another size": (
        lambda b: b.coco(update("images", 3, width=17)),
        r"the annotation of f3 is 12 x 17, its frame 12 x 16",
    ),
    "image of endless size": (lambda b: b.coco(update("images", 3, width=10**30)), r"image 3 says it is 12 x 10{30}"),
    "image of text size": (
        lambda b: b.coco(update("images", 3, width="16")),
        r"image 3 is 12 x '16' pixels; sizes are whole numbers",
    ),
    "polygon outside the picture": (
        lambda b: b.coco(segmentation=[[30, 2, 40, 2, 40, 9]]),
        r"annotation 3 has an outline that leaves the picture of 12 x 16",
    ),
    "polygon of another picture": (
        lambda b: b.coco(segmentation=[[3, 2, 80, 2, 80, 90]]),
        r"annotation 3 has an outline that leaves the picture of 12 x 16 pixels by 78; it seems to belong to a picture",
    ),
    "polygon of half a point": (
        lambda b: b.coco(segmentation=[[3, 2, 8, 2, 8, 6, 3]]),
        r"annotation 3 has an outline that ends in half a point",
    ),
    "mask painted with CVAT's brush": (
        lambda b: b.coco(update("annotations", 3, iscrowd=1, segmentation={"size": [12, 16], "counts": [9, 183]})),
        r"annotation 3 is a mask marked iscrowd: CVAT .* say --crowds learn if these are particles, --crowds ignore",
    ),
    "annotations of frames that are not there": (
        lambda b: (b.coco(add("images", PICTURE)), b.options.extend(["--empty", "annotated"])),
        r"1 of 11 annotations have no frame \(first: f77; ",
    ),
    "polygon of text": (
        lambda b: b.coco(segmentation=[["a"] * 6]),
        r"annotation 3 has an outline with entries that are no numbers",
    ),
    "polygon of NaN": (lambda b: b.coco(segmentation=[[float("nan")] * 6]), r"entries that are no numbers"),
    "box without outline": (
        lambda b: b.coco(update("annotations", 3, segmentation=[], bbox=[3, 2, 5, 4])),
        r"annotation 3 has no outline \(segmentation\); boxes alone are no masks: outline it, or say --boxes ignore",
    ),
    "RLE of another size": (
        lambda b: b.coco(segmentation={"size": [16, 12], "counts": [192]}),
        r"annotation 3 has a run-length code for \[16, 12\]",
    ),
    "RLE that runs over": (
        lambda b: b.coco(segmentation={"size": [12, 16], "counts": [10, 10**6]}),
        r"has a run-length code for 1000010 pixels, its image has 192",
    ),
    "RLE with negative runs": (
        lambda b: b.coco(segmentation={"size": [12, 16], "counts": [200, -8]}),
        r"run-length code that cannot be read",
    ),
    "compressed RLE of nonsense": (
        lambda b: b.coco(segmentation={"size": [12, 16], "counts": "~~~~"}),
        r"run-length code that cannot be read",
    ),
    "compressed RLE that runs over": (
        lambda b: b.coco(segmentation={"size": [12, 16], "counts": "PPP1PPP1PPP1"}),
        r"run-length code",
    ),
    "crowd with a damaged RLE": (
        lambda b: b.coco(update("annotations", 3, iscrowd=1, segmentation={"size": [12, 16], "counts": [5]})),
        r"has a run-length code for 5 pixels, its image has 192",
    ),
}

LABELME = {
    "bad JSON": (lambda b: b.labelme(text="{"), r"f3\.json cannot be read as JSON"),
    "file without shapes": (lambda b: b.labelme(shapes=None), r"f3\.json is not a labelme file: it needs the list"),
    "file with half a size": (
        lambda b: b.labelme(imageHeight=None),
        r"f3\.json is None x 16 pixels \(imageHeight, imageWidth\); sizes are whole numbers",
    ),
    "file for another size": (
        lambda b: b.labelme(imageHeight=13),
        r"the annotation of f3 is 13 x 16, its frame 12 x 16",
    ),
    "label that is no class": (
        lambda b: b.labelme({"label": "shel"}),
        r"has the class 'shel', .*did you mean 'shell'",
    ),
    "shape of the future": (
        lambda b: b.labelme({"shape_type": "cuboid"}),
        r"f3\.json: shape 0 \(drop\) is a cuboid, which is not known; outline it",
    ),
    "rectangle of three points": (
        lambda b: b.labelme({"shape_type": "rectangle", "points": [[3, 2], [7, 2], [7, 5]]}),
        r"shape 0 \(drop\) has 3 points; a rectangle has 2 or 4",
    ),
    "shape without label": (lambda b: b.labelme({"label": None}), r"f3\.json: shape 0 has no label"),
    "polygon outside": (
        lambda b: b.labelme({"points": [[30, 2], [40, 2], [40, 9]]}),
        r"shape 0 \(drop\) lies outside the picture of 12 x 16",
    ),
    "polygon of another picture": (
        lambda b: b.labelme({"points": [[3, 2], [90, 2], [90, 9]]}),
        r"shape 0 \(drop\) leaves the picture of 12 x 16 by 74; it seems to belong to another picture",
    ),
    "polygon of text": (
        lambda b: b.labelme({"points": ["a", "b", "c"]}),
        r"has too few points, or points without numbers",
    ),
    "mask that is no PNG": (
        lambda b: b.labelme({"shape_type": "mask", "points": [[0, 0], [1, 1]], "mask": "AAAA"}),
        r"f3\.json: shape 0 \(drop\) cannot be read as a mask of labelme",
    ),
    "mask larger than its picture": (
        lambda b: b.labelme({"shape_type": "mask", "points": [[0, 0], [19, 19]], "mask": patch(20)}),
        r"f3\.json: shape 0 \(drop\) has a mask of \(20, 20\) in a picture of 12 x 16",
    ),
}


@pytest.mark.parametrize("name", CVAT)
def test_a_bad_export_of_cvat_is_one_sentence(refused, name):
    refused(*CVAT[name])


@pytest.mark.parametrize("name", COCO)
def test_a_bad_coco_file_is_one_sentence(refused, name):
    refused(*COCO[name])


@pytest.mark.parametrize("name", LABELME)
def test_a_bad_labelme_file_is_one_sentence(refused, name):
    refused(*LABELME[name])


@pytest.mark.parametrize("tool", ["cvat", "coco", "labelme"])
def test_without_damage_each_annotation_works(bench, tool):
    getattr(bench, tool)()
    assert main(bench.arguments) == 0
    assert np.array_equal(np.array(Image.open(bench.out / "masks/f3.png")), bench.mask)


def test_crowds_are_ignored_and_said(bench, capsys):
    bench.coco(lambda content: content["annotations"][3].update(iscrowd=1))
    assert main(bench.arguments) == 0
    assert "regions marked iscrowd are ignored, not learnt: 1 (the first in " in capsys.readouterr().out
    assert np.array_equal(np.array(Image.open(bench.out / "masks/f3.png")), bench.mask * 255)
