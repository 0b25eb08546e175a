"""The synthetic data set in four layouts, each read back by the library or the rules it is for."""

import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils.exporting import FORMATS, export, synthetic_set
from xpci_utils.exporting.__main__ import main
from xpci_utils.frames import check_folder, read_classes, read_folder
from xpci_utils.importing.annotations import open_annotations


@pytest.fixture
def both(run_root):
    """Five synthetic and six annotated frames."""
    return synthetic_set(run_root, "vit_b", annotated=True)


def test_the_set_names_what_it_holds(both, run_root):
    assert [item.name for item in both][:5] == [f"synthetic_{i:06d}" for i in range(5)]
    assert [item.split for item in both] == ["train"] * 8 + ["val", "test", "test"]
    assert both.description == f"5 synthetic frames of {run_root}, labelled by vit_b, with 6 annotated given frames"
    assert len(synthetic_set(run_root, "vit_t", count=2)) == 2


def test_pairs_can_be_read_again_as_frames_of_ones_own(both, tmp_path):
    out = export(both, "png", tmp_path / "set")
    classes = read_classes(out / "classes.yaml")
    assert [(c.name, c.colour) for c in classes] == list(zip(both.class_names, both.class_colours, strict=True))
    with open(out / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [item.name for item in both]
    assert [row["source"] for row in rows] == ["vit_b"] * 5 + ["annotated"] * 6
    for row, item in zip(rows, both, strict=True):
        assert np.array_equal(np.array(Image.open(out / row["image"])), item.image)
        assert np.array_equal(np.array(Image.open(out / row["mask"])), item.labels)


def test_pairs_of_one_size_pass_the_check_of_notebook_01(run_root, tmp_path):
    """With the annotated frames cut to the size of the synthetic ones."""
    for kind in ("images", "labels"):
        for path in (run_root / "frames" / kind).iterdir():
            Image.open(path).crop((0, 0, 20, 16)).save(path)
    both = synthetic_set(run_root, "vit_b", annotated=True)
    out = export(both, "png", tmp_path / "set")
    frames = {f.name: f for f in read_folder(check_folder(out, read_classes(out / "classes.yaml")))}
    assert {name: f.split for name, f in frames.items()} == {item.name: item.split for item in both}
    assert all(np.array_equal(frames[item.name].labels, item.labels) for item in both)


def test_nnunet_finds_its_layout(both, tmp_path):
    """The rules of nnU-Net v2: names, endings, consecutive labels, ignore as the last one, counted cases."""
    out = export(both, "nnunet", tmp_path / "Dataset501_particles")
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["labels"] == {"background": 0, "drop": 1, "shell": 2, "ignore": 3}
    assert (dataset["file_ending"], dataset["numTraining"]) == (".png", 9)
    assert dataset["channel_names"] == {"0": "X-ray phase contrast"}
    for part, count in {"Tr": 9, "Ts": 2}.items():
        cases = sorted(path.name for path in (out / f"labels{part}").iterdir())
        images = sorted(path.name for path in (out / f"images{part}").iterdir())
        assert len(cases) == count
        assert images == [name.replace(".png", "_0000.png") for name in cases]
    for item in both:
        part = "Ts" if item.split == "test" else "Tr"
        labels = np.array(Image.open(out / f"labels{part}/{item.name}.png"))
        assert np.array_equal(labels, np.where(item.labels == 255, 3, item.labels))
        assert np.array_equal(np.array(Image.open(out / f"images{part}/{item.name}_0000.png")), item.image)


def test_nnunet_gets_no_ignore_label_without_ignored_pixels(run_root, tmp_path):
    out = export(synthetic_set(run_root, "vit_b"), "nnunet", tmp_path / "Dataset007_x")
    assert "ignore" not in json.loads((out / "dataset.json").read_text())["labels"]
    assert not (out / "imagesTs").exists()


def test_coco_is_what_pycocotools_and_our_own_import_read(both, tmp_path, capsys):
    from pycocotools.coco import COCO

    out = export(both, "coco", tmp_path / "set")
    files = sorted(path.name for path in (out / "annotations").iterdir())
    assert files == ["instances_test.json", "instances_train.json", "instances_val.json"]
    items = {item.name: item for item in both}
    for path in (out / "annotations").iterdir():
        coco, again = COCO(str(path)), open_annotations(path, read_classes_of(both, tmp_path))
        assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["drop", "shell", "ignore"]
        for image in coco.loadImgs(coco.getImgIds()):
            item = items.pop(image["file_name"][:-4])
            labels = np.zeros(item.labels.shape, np.uint8)
            for one in coco.loadAnns(coco.getAnnIds(image["id"])):
                mask = coco.annToMask(one).astype(bool)
                assert not labels[mask].any()
                assert one["area"] == mask.sum()
                x, y, width, height = one["bbox"]
                assert (mask[int(y) : int(y + height), int(x) : int(x + width)].sum(), mask.any(0).sum()) == (
                    mask.sum(),
                    width,
                )
                labels[mask] = 255 if one["iscrowd"] else one["category_id"]
            assert np.array_equal(labels, item.labels)
            assert np.array_equal(again.read(item.name), item.labels)
    assert not items


def read_classes_of(items, folder):
    rows = zip(items.class_names[1:], items.class_colours[1:], strict=True)
    text = "".join(f"- {{index: {i}, name: {n}, colour: '{c}'}}\n" for i, (n, c) in enumerate(rows, 1))
    (folder / "classes.yaml").write_text("classes:\n" + text)
    return read_classes(folder / "classes.yaml")


def test_imagej_stacks_have_scale_names_and_colours(both, tmp_path):
    out = export(both, "imagej", tmp_path / "set")
    groups = {"synthetic": 5, "train": 3, "val": 1, "test": 2}
    assert {path.name for path in out.glob("*.tif")} == {f"{g}_{k}.tif" for g in groups for k in ("images", "labels")}
    for group, count in groups.items():
        own = [
            i for i in both if (i.name[:9] == "synthetic") == (group == "synthetic") and group in ("synthetic", i.split)
        ]
        assert len(own) == count
        for kind in ("images", "labels"):
            with tifffile.TiffFile(out / f"{group}_{kind}.tif") as file:
                stack = file.asarray().reshape(count, *own[0].labels.shape)
                stored = [item.image if kind == "images" else item.labels for item in own]
                assert np.array_equal(stack, stored)
                assert file.is_imagej
                assert file.imagej_metadata["unit"] == "um"
                numerator, denominator = file.pages[0].tags["XResolution"].value
                assert denominator / numerator == pytest.approx(2.0)
                if kind == "labels":
                    assert (file.pages[0].colormap[:, 1] // 257).tolist() == [0xCC, 0x33, 0x11]
                    assert (file.pages[0].colormap[:, 255] // 257).tolist() == [255, 255, 255]


MACRO = """
open(getArgument());
getDimensions(width, height, channels, slices, frames);
getVoxelSize(pixel, pixelHeight, depth, unit);
getLut(red, green, blue);
setSlice(2);
print(width, height, slices * frames, pixel, unit, getPixel(X, Y), red[1], green[1], blue[1]);
"""


@pytest.mark.skipif(not (shutil.which("imagej") and shutil.which("xvfb-run")), reason="needs imagej and xvfb")
def test_imagej_itself_opens_the_labels(both, tmp_path):
    out = export(both, "imagej", tmp_path / "set")
    labels = list(both)[1].labels
    y, x = np.argwhere(labels == 2)[0]
    (tmp_path / "look.ijm").write_text(MACRO.replace("X, Y", f"{x}, {y}"))
    command = ["xvfb-run", "-a", "imagej", "-b", str(tmp_path / "look.ijm"), str(out / "synthetic_labels.tif")]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    values = printed.strip().splitlines()[-1].split()
    assert [float(v) if v[0].isdigit() else v for v in values] == [20, 16, 5, 2, "µm", 2, 0xCC, 0x33, 0x11]


@pytest.mark.parametrize("layout", FORMATS)
def test_the_command_writes_each_layout_and_overwrites_none(run_root, tmp_path, capsys, layout):
    out = tmp_path / "Dataset001_a"
    assert main([str(run_root), layout, str(out), "--labeller", "vit_t"]) == 0
    assert "5 synthetic frames" in capsys.readouterr().out
    before = sorted(path.stat().st_mtime_ns for path in out.rglob("*"))
    assert main([str(run_root), layout, str(out), "--labeller", "vit_t"]) == 2
    assert "exists already; choose another name or remove it" in capsys.readouterr().err
    assert sorted(path.stat().st_mtime_ns for path in out.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "was labelled by vit_b, vit_t; choose one with --labeller"),
        (["--labeller", "vit_h"], "was not labelled by 'vit_h', but by vit_b, vit_t"),
        (["--pool", "fresh"], "holds no labels; adapt a labeller"),
        (["--labeller", "vit_b", "--count", "9"], "9 pairs are asked for, but .* holds 5"),
        (["--labeller", "vit_b", "--nnunet"], "nnU-Net finds data sets by names like Dataset501_particles"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(run_root, tmp_path, capsys, arguments, sentence):
    layout = "nnunet" if arguments[-1:] == ["--nnunet"] else "png"
    arguments = [a for a in arguments if a != "--nnunet"]
    assert main([str(run_root), layout, str(tmp_path / "set"), *arguments]) == 2
    assert re.search(sentence, capsys.readouterr().err)
    assert not (tmp_path / "set").exists()


def test_a_damaged_picture_leaves_nothing_behind(run_root, tmp_path, capsys):
    (run_root / "pools/ddpm/labels/vit_b__s0/000003.png").unlink()
    for layout in FORMATS:
        assert main([str(run_root), layout, str(tmp_path / "Dataset001_a"), "--labeller", "vit_b"]) == 2
        assert "Nothing was written." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_unfinished_run_is_named(run_root, tmp_path, capsys):
    (run_root / "pools/ddpm/pairs/run.json").unlink()
    assert main([str(run_root), "png", str(tmp_path / "set"), "--labeller", "vit_b"]) == 2
    assert "pairs is not finished; 'make reproduce' continues it" in capsys.readouterr().err
