"""What annotation programs write, each in its own habit: the right label map arrives, and what was left out is said."""

import base64
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from xpci_utils.frames import unlabelled
from xpci_utils.importing import imported
from xpci_utils.importing.__main__ import main


def drawn(*boxes):
    """uint8 [12, 16] of (value, rows, columns)."""
    labels = np.zeros((12, 16), np.uint8)
    for value, rows, columns in boxes:
        labels[slice(*rows), slice(*columns)] = value
    return labels


# COCO


SQUARE = [3.0, 2.0, 8.0, 2.0, 8.0, 6.0, 3.0, 6.0]


@pytest.mark.parametrize(
    "segmentation",
    [
        [SQUARE],
        SQUARE,
        [SQUARE[i : i + 2] for i in range(0, 8, 2)],
        [[SQUARE[i : i + 2] for i in range(0, 8, 2)]],
        [SQUARE, [1.0, 1.0]],
        [SQUARE, [1.0, 1.0, 9.0, 9.0]],
        [SQUARE, [1.0, 1.0, 3.0, 3.0, 9.0, 9.0]],
    ],
    ids=["as COCO", "flat", "points", "lists of points", "and one point", "and two points", "and points on a line"],
)
def test_outlines_in_any_brackets(bench, taken, segmentation):
    bench.coco(segmentation=segmentation)
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert ("left out, outlines" in output) == (len(segmentation) == 2 and segmentation[1] != [8.0, 2.0])


def test_what_reaches_over_the_border_is_cut_there_and_said(bench, taken):
    bench.coco(segmentation=[[-3, -2, 5, -2, 5, 8, -3, 8]])
    mask, output = taken()
    assert np.array_equal(mask, drawn((1, (0, 8), (0, 5))))
    assert "cut at the border, outlines that reach beyond the picture: 1 (the first in " in output


def test_an_annotation_without_area_is_left_out_and_said(bench, taken):
    empty = {"id": 99, "image_id": 3, "category_id": 1, "segmentation": [], "area": 0, "bbox": [0, 0, 0, 0]}
    bench.coco(lambda content: content["annotations"].append(empty))
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert "left out, annotations without outline and without area: 1" in output


@pytest.mark.parametrize(("choice", "value"), [("ignore", 255), ("fill", 1)])
def test_boxes_without_outline_as_the_command_says(bench, taken, choice, value):
    bench.coco(lambda content: content["annotations"][3].update(segmentation=[], bbox=[3, 2, 5, 4]))
    mask, output = taken("--boxes", choice)
    assert np.array_equal(mask, bench.mask * value)
    assert "boxes without outline, whose pixels are" in output


@pytest.mark.parametrize(("choice", "value"), [("learn", 1), ("ignore", 255)])
def test_masks_of_cvats_brush_as_the_command_says(bench, taken, choice, value):
    runs = [12 * 3 + 2, *[4, 8] * 4, 4, 12 * 8 - 12 + 2 + 4]
    runs[-1] = 192 - sum(runs[:-1])
    bench.coco(
        lambda content: content["annotations"][3].update(iscrowd=1, segmentation={"size": [12, 16], "counts": runs})
    )
    mask, output = taken("--crowds", choice)
    assert np.array_equal(mask, bench.mask * value)
    assert "regions marked iscrowd" in output


@pytest.mark.parametrize("root", ["particles", "drop"])
@pytest.mark.parametrize("with_classes", [True, False])
def test_roboflows_root_category_is_no_class(bench, taken, root, with_classes):
    def change(content):
        content["categories"] = [
            {"id": 0, "name": root, "supercategory": "none"},
            {"id": 1, "name": "drop", "supercategory": root},
        ]

    bench.coco(change)
    if not with_classes:
        (bench / "classes.yaml").write_text("classes: [{index: 1, name: drop, colour: '#cc3311'}]")
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert f"left out, categories that only stand above others: 1 (the first in '{root}')" in output


def test_a_category_that_nothing_uses_need_not_be_a_class(bench, taken):
    bench.coco(lambda content: content["categories"].append({"id": 7, "name": "scale bar"}))
    assert "left out, categories that no annotation uses" in taken()[1]


def test_pictures_that_are_listed_but_not_annotated(bench, taken):
    bench.coco(lambda content: content["annotations"].pop())
    mask, output = taken("--empty", "annotated")
    assert "the file lists 1 of 10 pictures without any annotation (the first is f9): they are read as" in output
    assert len(list((bench.out / "masks").iterdir())) == 10
    shutil.rmtree(bench.out)
    del bench.options[-2:]
    mask, output = taken("--annotated-only")
    assert sorted(path.stem for path in (bench.out / "masks").iterdir()) == [f"f{i}" for i in range(9)]
    assert "1 of 10 pictures without any annotation (the first is f9): they count as not annotated" in output
    assert np.array_equal(mask, bench.mask)


def test_whether_empty_means_annotated_is_asked(bench, refused):
    """A list of pictures leaves it open whether the one without annotation is empty or not annotated."""
    refused(
        lambda b: b.coco(lambda content: content["annotations"].pop()),
        r"lists 1 of 10 pictures without any annotation .* say --empty annotated; .* say --empty unlabelled",
    )


def empty_some(bench):
    for i in (0, 1, 4, 5, 8, 9):
        bench.png(f"masks/f{i}.png", bench.mask * 0)


def test_masks_most_of_which_are_empty_are_asked_about(bench, refused):
    refused(empty_some, r"6 of 10 annotations are empty \(the first is f0\).* --empty annotated; .* --empty unlabelled")


@pytest.mark.parametrize(("meaning", "annotated"), [("annotated", 10), ("unlabelled", 4)])
def test_what_the_user_says_of_empty_masks_is_done(bench, taken, meaning, annotated):
    """Not annotated is kept apart, and no picture is lost."""
    empty_some(bench)
    (bench / "splits").mkdir()
    for split, names in (("train", "f2 f3"), ("val", "f6"), ("test", "f7")):
        (bench / f"splits/{split}.txt").write_text("\n".join(names.split()))
    (bench / "sequences.csv").write_text("name,sequence\n" + "".join(f"f{i},s{i}\n" for i in range(10)))
    own = ("--splits", bench / "splits", "--sequences", bench / "sequences.csv")
    _, output = taken("--empty", meaning, *own)
    assert len(list((bench.out / "masks").iterdir())) == annotated
    assert len(unlabelled(bench.out)) == 10 - annotated
    assert "6 of 10 annotations are empty (the first is f0)" in output


def test_one_file_for_the_frames_of_several_films(bench, taken):
    """COCO Annotator keeps the folder in ``path`` alone; frames of two films are called alike."""

    def change(content):
        for film, shift in (("film_a", 0), ("images", 100)):
            for image in content["images"][:10] if shift == 0 else [dict(i) for i in content["images"][:10]]:
                image |= {"id": image["id"] + shift, "path": f"/datasets/{film}/{image['file_name']}"}
                content["images"] += [image] if shift else []
        for entry in content["annotations"]:
            entry["image_id"] += 100
        other = {"id": 50, "image_id": 3, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]]}
        content["annotations"].append(other)

    bench.coco(change)
    mask, output = taken("--given-frames-only")
    assert np.array_equal(mask, bench.mask)
    assert "10 annotations of frames that were not given are left out (the first is film_a_f0)" in output


# labels


@pytest.mark.parametrize("label", ["Drop", " drop ", "DROP", "drop_", "drop"])
def test_a_label_that_differs_by_blanks_or_capitals_is_taken_and_said(bench, taken, label):
    bench.coco(lambda content: content["categories"][0].update(name=label))
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert (f"the label {label!r} is read as the class 'drop'" in output) == (label != "drop")


def test_labels_alike_but_for_capitals_are_asked_about_without_a_classes_file(bench, capsys):
    bench.labelme({"label": "Drop "})
    arguments = [argument for argument in bench.arguments if "classes" not in str(argument)]
    assert main(arguments) == 2
    assert "has the labels 'Drop ' and 'drop', which differ by blanks or capitals alone" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["coco", "labelme", "cvat"])
def test_void_is_a_class_like_others(bench, taken, tool):
    (bench / "classes.yaml").write_text("classes: [{index: 1, name: void, colour: '#cc3311'}]")
    if tool == "coco":
        bench.coco(lambda content: content["categories"][0].update(name="void"))
    elif tool == "cvat":
        bench.cvat(labelmap="void:204,51,17::\n")
    else:
        bench.labelme()
        for path in bench.masks.iterdir():
            path.write_text(path.read_text().replace("drop", "void"))
    assert np.array_equal(taken()[0], bench.mask)


@pytest.mark.parametrize("label", ["ignore", "__ignore__", "Ignored", "unclear"])
def test_labels_that_are_ignored_are_said(bench, taken, label):
    bench.labelme({"label": label})
    mask, output = taken("--ignore-label", "unclear")
    assert np.array_equal(mask, bench.mask * 255)
    assert f"pixels labelled {label!r} are ignored (255), not learnt" in output


# labelme and X-AnyLabeling


CORNERS = [[3, 2], [7, 2], [7, 5], [3, 5]]


@pytest.mark.parametrize(
    "shape",
    [
        {"shape_type": "rectangle", "points": CORNERS[::2]},
        {"shape_type": "rectangle", "points": CORNERS[1::2]},
        {"shape_type": "rectangle", "points": CORNERS},
        {"shape_type": "rotation", "points": CORNERS, "direction": 0.0},
        {"shape_type": "quadrilateral", "points": CORNERS},
        {"shape_type": None},
    ],
)
def test_boxes_of_labelme_and_xanylabeling_are_filled(bench, taken, shape):
    bench.labelme(shape)
    assert np.array_equal(taken()[0], bench.mask)


def test_a_turned_box_is_filled_between_its_corners(bench, taken):
    bench.labelme({"shape_type": "rotation", "points": [[8, 2], [12, 6], [8, 10], [4, 6]], "direction": 0.8})
    rows, columns = np.mgrid[:12, :16]
    assert np.array_equal(taken()[0], (abs(rows - 6) + abs(columns - 8) <= 4).astype(np.uint8))


@pytest.mark.parametrize("kind", ["point", "points", "line", "linestrip"])
def test_shapes_without_area_are_left_out_and_said_even_with_labels_of_no_class(bench, taken, kind):
    square = {"label": "drop", "shape_type": "polygon", "points": CORNERS}
    bench.labelme(shapes=[square, {"label": "scale bar", "shape_type": kind, "points": [[1, 1], [9, 1]]}])
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert f"left out, shapes without area ({kind}, scale bar): 1 (the first in " in output


def test_a_polygon_of_two_points_is_left_out_and_said(bench, taken):
    square = {"label": "drop", "shape_type": "polygon", "points": CORNERS}
    bench.labelme(shapes=[square, square | {"points": [[1, 1], [9, 1], [1, 1]]}])
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert "left out, outlines of fewer than three points: 1" in output


def test_files_of_labelme_3_tell_no_size_or_hold_the_picture(bench, taken):
    stored = io.BytesIO()
    Image.fromarray(bench.grey[0]).save(stored, format="PNG")
    bench.labelme()
    for i, path in enumerate(sorted(bench.masks.iterdir())):
        content = json.loads(path.read_text())
        del content["imageHeight"], content["imageWidth"]
        content["imageData"] = base64.b64encode(stored.getvalue()).decode() if i % 2 else None
        path.write_text(json.dumps(content))
    assert np.array_equal(taken()[0], bench.mask)


@pytest.mark.parametrize("name", ["annotations.json", "zz.json"])
def test_other_json_and_pictures_beside_labelmes_files_are_passed_over_and_said(bench, taken, name):
    bench.labelme()
    (bench.masks / name).write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    Image.fromarray(bench.grey[0]).save(bench.masks / "f0.png")
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert f"left out, JSON files in the folder that are not labelme's: 1 (the first in {name})" in output


def test_a_coco_file_beside_pictures_is_not_passed_over(bench, capsys):
    (bench.masks / "_annotations.coco.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    assert main(bench.arguments) == 2
    assert "holds _annotations.coco.json, a COCO file; give this file itself" in capsys.readouterr().err


def test_the_record_says_that_masks_hold_indices(bench, taken):
    taken()
    assert imported(bench.out)["mask_values"] == "class indices, 255 ignored"


def test_an_outline_that_covers_no_pixel_is_told(bench, taken):
    bench.coco(segmentation=[SQUARE, [5.0, 9.1, 5.2, 9.1, 5.2, 9.3]])
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert "vanishing, outlines so small that they cover no pixel: 1" in output


def test_files_of_labelme_in_subfolders_are_read(bench, taken):
    bench.labelme()
    for i, path in enumerate(sorted(bench.masks.iterdir())):
        (bench.masks / f"run{i % 2}").mkdir(exist_ok=True)
        path.rename(bench.masks / f"run{i % 2}" / path.name)
    assert np.array_equal(taken()[0], bench.mask)
