"""Labels of a network, corrected by a person, and back: what the import makes of what CVAT and labelme save."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from xpci_utils.exporting import ExportSet, Item, export
from xpci_utils.exporting.__main__ import main as export_main
from xpci_utils.frames import check_folder, read_classes, unlabelled, write_frames
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.files import write_png
from xpci_utils.frames.folder import read_folder
from xpci_utils.frames.pictures import read_grey, read_indices
from xpci_utils.importing.__main__ import main as import_main
from xpci_utils.importing.annotations import open_annotations
from xpci_utils.importing.base import How
from xpci_utils.video import write_suggestions

NAMES, COLOURS = ["background", "drop", "shell"], ["#000000", "#cc3311", "#4477aa"]
CLASSES = [FrameClass(i, *one) for i, one in enumerate(zip(NAMES, COLOURS, strict=True))]
CELL = "emcad__r0000__none__n00000__mix__s0"
LAYOUTS = {"cvat": "annotations.xml", "labelme": "."}
COUNT, HEIGHT, WIDTH = 60, 40, 48


def set_of(folder, label_maps, checked=True):
    items = []
    for i, labels in enumerate(label_maps):
        places = [folder / f"{kind}_{i}.png" for kind in ("image", "labels")]
        write_png(places[0], np.zeros(labels.shape, np.uint8))
        write_png(places[1], labels)
        items.append(Item(f"f{i}", "next", "network", *places, checked=checked))
    return ExportSet(tuple(items), NAMES, COLOURS, None, "")


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(deadline=None, max_examples=40)
@given(labels=arrays.arrays(np.uint8, (9, 11), elements=st.sampled_from([0, 0, 1, 2, 255])))
def test_what_nobody_changes_comes_back_equal(layout, labels, tmp_path_factory):
    """Regions of one pixel, with holes, touching at corners, at the border: not one pixel differs."""
    folder = tmp_path_factory.mktemp("set")
    out = export(set_of(folder, [labels, labels.T[:9].copy()]), layout, folder / "out")
    annotations = open_annotations(out / LAYOUTS[layout], CLASSES, How())
    assert np.array_equal(annotations.read("f0"), labels)
    assert np.array_equal(annotations.read("f1"), labels.T[:9])


def squares(i):
    """Label map of frame i: two squares that move a pixel per frame."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    x = 4 + i % 30
    labels[6:14, x : x + 8] = 1
    labels[24:30, WIDTH - x - 8 : WIDTH - x] = 2
    return labels


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """uint16 [60, 40, 48] of the squares on noise, in a file of its own folder."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("beamline")
    frames = np.stack([(1000 + 300 * (squares(i) > 0) + rng.integers(0, 60, (HEIGHT, WIDTH))) for i in range(COUNT)])
    tifffile.imwrite(folder / "june.tif", frames.astype(np.uint16), photometric="minisblack", metadata={"axes": "TYX"})
    return folder / "june.tif"


@pytest.fixture
def earlier(film, tmp_path, capsys):
    """Every third frame annotated and imported: (command, folder)."""
    (tmp_path / "masks").mkdir()
    for i in range(0, COUNT, 3):
        Image.fromarray(squares(i)).save(tmp_path / f"masks/june_{i:05d}.png")
    entries = [{"index": one.index, "name": one.name, "colour": one.colour} for one in CLASSES[1:]]
    (tmp_path / "classes.yaml").write_text(yaml.safe_dump({"classes": entries}))
    command = [film, tmp_path / "masks", tmp_path / "frames", "--classes", tmp_path / "classes.yaml"]
    assert import_main([*map(str, command), "--pixel-um", "2"]) == 0, capsys.readouterr().err
    return tmp_path / "frames"


def state(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def splits_of(folder):
    content = check_folder(folder, read_classes(folder / "classes.yaml"))
    return content, {content.sequences[name]: split for name, split in content.splits.items()}


def test_frames_without_annotation_are_kept_apart(earlier, film, capsys):
    """As many as there are, with the film's grey levels, each in the sequence of the annotated frames around it."""
    content, dealt = splits_of(earlier)
    apart = unlabelled(earlier, content)
    frames = tifffile.imread(film)
    assert [one.frame for one in apart] == [i for i in range(COUNT) if i % 3]
    assert all(np.array_equal(one.grey, frames[one.frame]) for one in apart)
    assert all(one.name == f"june_{one.frame:05d}" and one.film.endswith("june.tif") for one in apart)
    window = content.window
    assert np.array_equal(
        apart[0].image(window), np.clip(np.round((frames[1] - window[0]) / np.ptp(window) * 255), 0, 255)
    )
    place = {int(name[-5:]): content.sequences[name] for name in content.splits}
    for one in apart:
        around = [
            max((i for i in place if i < one.frame), default=None),
            min((i for i in place if i > one.frame), default=None),
        ]
        beside = {place[i] for i in around if i is not None}
        assert one.sequence in beside
        guarded = sorted({dealt[own] for own in beside}, key=["test", "val", "train"].index)
        assert one.split == guarded[0]
    assert not {one.name for one in apart} & content.images.keys()


def test_so_many_of_them_evenly_spaced(earlier, film, tmp_path, capsys):
    command = [film, tmp_path / "masks", tmp_path / "few", "--classes", tmp_path / "classes.yaml", "--unlabelled", 5]
    assert import_main([*map(str, command)]) == 0
    printed = capsys.readouterr().out
    assert "40 frames have no annotation (the first is june_00001): 5 of them, evenly spaced, are kept apart" in printed
    assert [one.frame for one in unlabelled(tmp_path / "few")] == [1, 16, 31, 44, 59]
    command[2:3], command[-2:] = [tmp_path / "none"], ["--annotated-only"]
    assert import_main([*map(str, command)]) == 0
    assert "40 frames without annotation are left out" in capsys.readouterr().out
    assert unlabelled(tmp_path / "none") == []


def test_notebook_01_reads_the_same_frames_with_and_without_them(earlier):
    from xpci_utils.params import PrepareFrames
    from xpci_utils.stages import decisive

    parameters = PrepareFrames(run_root=str(earlier.parent / "run"), source="folder", source_folder=str(earlier))
    before = decisive(parameters), [frame.name for frame in read_folder(splits_of(earlier)[0])]
    for path in (earlier / "unlabelled").iterdir():
        path.unlink()
    assert (decisive(parameters), [frame.name for frame in read_folder(splits_of(earlier)[0])]) == before


@pytest.fixture
def proposed(earlier):
    """What notebook 07 leaves of the film: four frames with the network's labels, one square of them too small."""
    run, chosen = earlier.parent / "run", [4, 25, 40, 55]
    content, _ = splits_of(earlier)
    info = {"class_names": NAMES, "class_colours": COLOURS, "pixel_size_um": 2.0, "tile": 0}
    write_frames(run / "frames", read_folder(content), info)
    record(run / "frames", "x", {})
    video = run / "video/film"
    labels = [squares(i) for i in chosen]
    for one in labels:
        one[6:9] = 0
    names = [f"june_{i:05d}" for i in chosen]
    images = [np.zeros((HEIGHT, WIDTH), np.uint8)] * 4
    table = pd.DataFrame({"frame": chosen, "uncertainty": 0.1, "name": names})
    write_suggestions(video / "suggestions", zip(names, images, labels, strict=True), table, NAMES, COLOURS)
    (video / "metrics.json").write_text('{"pixel_size_um": 2.0}')
    record(run / f"segmentation/{CELL}", "network", {"frames": "x"})
    values = {"run_root": "elsewhere", "output_folder": "", "cell": CELL, "film_path": "june film.tif"}
    record(video, "film", {f"segmentation/{CELL}": "network"}, parameters=values)
    return video, names, labels


def record(folder, identity, inputs, **further):
    """What a finished stage leaves, as far as it matters here."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"products": {}, "identity": identity, "inputs": inputs, **further}
    (folder / "run.json").write_text(json.dumps(content))


def correct_cvat(out, expected):
    """One polygon moved, one deleted, one added, one of another class; the last frame is not looked at."""
    path = out / "annotations.xml"
    tree = ElementTree.parse(path)
    pictures = tree.getroot().findall("image")
    for picture in pictures[:3]:
        picture.remove(picture.find("tag"))
    first, second, third, _ = pictures
    next(one for one in first if one.get("label") == "drop").set("points", "2,2;9,2;9,5;2,5")
    second.remove(next(one for one in second if one.get("label") == "shell"))
    ElementTree.SubElement(second, "polygon", label="shell", points="40,30;44,30;44,38;40,38", z_order="1")
    next(one for one in third if one.get("label") == "drop").set("label", "shell")
    tree.write(path)
    return path


def correct_labelme(out, expected):
    """The same in labelme, whose points lie on the outermost pixels."""
    contents = [(path, json.loads(path.read_text())) for path in sorted(out.glob("*.json"))]
    for _, content in contents[:3]:
        content["flags"]["unchecked"] = False
    first, second, third = ([*content["shapes"]] for _, content in contents[:3])
    next(one for one in first if one["label"] == "drop")["points"] = [[2, 2], [8, 2], [8, 4], [2, 4]]
    shapes = contents[1][1]["shapes"]
    shapes.remove(next(one for one in second if one["label"] == "shell"))
    shapes.append({"label": "shell", "shape_type": "polygon", "points": [[40, 30], [43, 30], [43, 37], [40, 37]]})
    next(one for one in third if one["label"] == "drop")["label"] = "shell"
    for path, content in contents:
        path.write_text(json.dumps(content))
    return out


def corrected(labels):
    """The same corrections, pixel by pixel."""
    first, second, third = (one.copy() for one in labels[:3])
    first[first == 1] = 0
    first[2:5, 2:9] = 1
    second[second == 2] = 0
    second[30:38, 40:44] = 2
    third[third == 1] = 2
    return [first, second, third]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_corrected_proposals_come_back_onto_the_earlier_frames(layout, earlier, proposed, film, tmp_path, capsys):
    video, names, labels = proposed
    out, new, before = tmp_path / "to_correct", tmp_path / "frames_2", state(earlier)
    assert export_main([str(video), layout, str(out)]) == 0
    assert "'unchecked'" in capsys.readouterr().out
    masks = {"cvat": correct_cvat, "labelme": correct_labelme}[layout](out, labels)
    command = [film, masks, new, "--onto", earlier]
    assert import_main([*map(str, command)]) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert f"1 frames (the first is {names[3]}) still carry the mark 'unchecked'" in printed
    assert f"3 frames are added to the {len(before_images(before))} of {earlier}" in printed
    assert state(earlier) == before  # only read

    (old, dealt), (content, now) = splits_of(earlier), splits_of(new)
    frames = tifffile.imread(film)
    for name, expected in zip(names, corrected(labels), strict=False):
        assert np.array_equal(read_indices(content.masks[name]), expected)
        assert np.array_equal(read_grey(content.images[name]), frames[int(name[-5:])])
    assert content.images.keys() == old.images.keys() | set(names[:3])
    assert {name: content.splits[name] for name in old.splits} == old.splits
    assert {name: content.sequences[name] for name in old.sequences} == old.sequences
    assert now == dealt  # new frames are in sequences that there were, so with the frames beside them
    was = {one.name: (one.sequence, one.split) for one in unlabelled(earlier, old)}
    assert all((content.sequences[name], content.splits[name]) == was[name] for name in names[:3])
    assert {one.name for one in unlabelled(new)} == was.keys() - set(names[:3])
    record = json.loads((new / "import.json").read_text())
    assert record["pixel_size_um"] == 2.0


def before_images(before):
    return [path for path in before if path.parts[0] == "images"]


def test_labels_that_nobody_looked_at_can_be_taken(earlier, proposed, film, tmp_path, capsys):
    video, names, labels = proposed
    assert export_main([str(video), "cvat", str(tmp_path / "set")]) == 0
    command = [str(film), str(tmp_path / "set/annotations.xml"), str(tmp_path / "new"), "--onto", str(earlier)]
    assert import_main(command) == 2
    assert "annotates no frame; 4 frames (the first is june_00004) still carry the mark" in capsys.readouterr().err
    assert import_main([*command, "--take-unchecked"]) == 0
    content, _ = splits_of(tmp_path / "new")
    assert all(np.array_equal(read_indices(content.masks[n]), own) for n, own in zip(names, labels, strict=True))


@pytest.mark.parametrize(
    ("place", "identity", "inputs"),
    [
        (f"segmentation/{CELL}", "another network", {"frames": "y"}),  # trained again on other frames
        ("frames", "y", {}),  # other frames, and the network is not trained on them yet
    ],
)
def test_proposals_of_an_earlier_network_are_refused(place, identity, inputs, proposed, tmp_path, capsys):
    """The identities of results are compared; with --old-proposals the labels keep the names of their own classes."""
    video, names, labels = proposed
    run = video.parents[1]
    record(run / place, identity, inputs)
    info = json.loads((run / "frames/frames.json").read_text())
    (run / "frames/frames.json").write_text(json.dumps(info | {"class_names": ["background", "shell", "drop"]}))
    assert export_main([str(video), "labelme", str(tmp_path / "set")]) == 2
    message = capsys.readouterr().err
    assert f"{video} is of an earlier network: {run / place} changed since" in message
    assert "apply the network again (xpci video 'june film.tif' --force, with the other options as before)" in message
    assert "--old-proposals" in message
    assert not (tmp_path / "set").exists()
    assert export_main([str(video), "labelme", str(tmp_path / "set"), "--old-proposals"]) == 0
    annotations = open_annotations(tmp_path / "set", CLASSES, How(take_unchecked=True))
    assert all(np.array_equal(annotations.read(name), own) for name, own in zip(names, labels, strict=True))


def test_proposals_whose_network_is_being_trained_are_refused(proposed, tmp_path, capsys):
    video, *_ = proposed
    (video.parents[1] / f"segmentation/{CELL}/run.json").unlink()
    assert export_main([str(video), "cvat", str(tmp_path / "set")]) == 2
    assert f"{CELL} changed since; train again if you have not" in capsys.readouterr().err


def test_a_training_repeated_with_the_same_result_changes_nothing(proposed, tmp_path):
    """Also in a run that was moved: run.json names the place of then."""
    video, *_ = proposed
    record(video.parents[1] / f"segmentation/{CELL}", "network", {"frames": "x"}, finished="2099-01-01T00:00:00+00:00")
    moved = video.parents[1].rename(tmp_path / "moved")
    assert export_main([str(moved / "video/film"), "cvat", str(tmp_path / "set")]) == 0


def test_old_proposals_is_not_for_a_run(proposed, tmp_path, capsys):
    assert export_main([str(proposed[0].parents[1]), "png", str(tmp_path / "set"), "--old-proposals"]) == 2
    assert "--old-proposals is for the folder of a film" in capsys.readouterr().err


def test_proposals_without_their_classes_are_made_again(proposed, tmp_path, capsys):
    """Those of version 2."""
    (proposed[0] / "suggestions/classes.yaml").unlink()
    assert export_main([str(proposed[0]), "cvat", str(tmp_path / "set")]) == 2
    assert "was made by an earlier version; apply the network again (xpci video" in capsys.readouterr().err


def onto(film, earlier, tmp_path, masks, *options):
    command = [film, masks, tmp_path / "new", "--onto", earlier, *options]
    return import_main([*map(str, command)])


def test_a_frame_that_is_annotated_already_is_asked_about(earlier, film, tmp_path, capsys):
    """No annotation is replaced without being asked for."""
    masks = tmp_path / "again"
    masks.mkdir()
    other = np.zeros((HEIGHT, WIDTH), np.uint8)
    other[1:9, 1:9] = 2
    for i in (3, 4):
        Image.fromarray(other).save(masks / f"june_{i:05d}.png")
    assert onto(film, earlier, tmp_path, masks, "--pair-by", "name") == 2
    assert "1 frames are annotated in" in (message := capsys.readouterr().err)
    assert "--again new" in message
    for again, expected in (("new", other), ("old", squares(3))):
        folder = tmp_path / again
        folder.mkdir()
        assert onto(film, earlier, folder, masks, "--pair-by", "name", "--again", again) == 0
        content, _ = splits_of(folder / "new")
        assert np.array_equal(read_indices(content.masks["june_00003"]), expected)
        assert np.array_equal(read_indices(content.masks["june_00004"]), other)


def test_another_film_of_the_same_name_is_refused(earlier, film, tmp_path, capsys):
    masks, other = tmp_path / "one", tmp_path / "july/june.tif"
    masks.mkdir()
    other.parent.mkdir()
    Image.fromarray(squares(4)).save(masks / "june_00004.png")
    tifffile.imwrite(other, tifffile.imread(film)[::-1], photometric="minisblack", metadata={"axes": "TYX"})
    assert onto(other, earlier, tmp_path, masks, "--pair-by", "name") == 2
    assert "is not the frame of that name in" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_new_film_is_a_sequence_of_its_own_for_training(earlier, film, tmp_path, capsys):
    """The frames that scores are measured on stay the same."""
    masks, other = tmp_path / "one", tmp_path / "july.tif"
    masks.mkdir()
    Image.fromarray(squares(4)).save(masks / "july_00004.png")
    tifffile.imwrite(other, tifffile.imread(film)[:, ::-1], photometric="minisblack", metadata={"axes": "TYX"})
    assert onto(other, earlier, tmp_path, masks, "--pair-by", "name", "--unlabelled", 3) == 0
    (old, _), (content, _) = splits_of(earlier), splits_of(tmp_path / "new")
    assert (content.splits["july_00004"], content.sequences["july_00004"]) == ("train", "july")
    assert {name for name, split in content.splits.items() if split == "test"} == {
        name for name, split in old.splits.items() if split == "test"
    }
    apart = unlabelled(tmp_path / "new", content)
    assert [one.name for one in apart if one.sequence == "july"] == ["july_00000", "july_00030", "july_00059"]
    assert len(apart) == 3 + len(unlabelled(earlier))


def test_other_corrections_and_own_splits_are_refused(earlier, film, tmp_path, capsys):
    masks = tmp_path / "one"
    masks.mkdir()
    Image.fromarray(squares(4)).save(masks / "june_00004.png")
    assert onto(film, earlier, tmp_path, masks, "--gap", 1) == 2
    assert "--onto keeps the sequences and splits of" in capsys.readouterr().err
    assert onto(film, earlier, tmp_path, masks, "--pair-by", "name", "--correct", "median") == 2
    assert "is not the frame of that name" in capsys.readouterr().err or "were corrected by" in capsys.readouterr().err
    assert onto(film, earlier, tmp_path, masks, "--pair-by", "name", "--pixel-um", 3) == 2
    assert "pixels [um] of 2, the new frames of 3" in capsys.readouterr().err


def test_a_film_of_which_all_frames_are_annotated_has_nothing_to_export(proposed, tmp_path, capsys):
    video, *_ = proposed
    table = pd.read_csv(video / "suggestions/next_frames.csv")
    table[:0].to_csv(video / "suggestions/next_frames.csv", index=False)
    assert export_main([str(video), "cvat", str(tmp_path / "set")]) == 2
    assert f"{video} proposes no frame: all frames of the film are annotated" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
