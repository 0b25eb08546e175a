"""Exports of CVAT as they come from other systems, and its XML: the right label map arrives, or one clear sentence."""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from xpci_utils.importing.__main__ import main


def repacked(path, change):
    """The zip with other names for its members; ``change`` gives None for members to drop."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)


HABITS = {
    "pictures in a folder": lambda m: {n.replace("Class/", "Class/run1/"): c for n, c in m.items()},
    "a folder on top": lambda m: {f"export/{n}": c for n, c in m.items()},
    "zipped by macOS": lambda m: {
        **{f"export/{n}": c for n, c in m.items()},
        "__MACOSX/export/SegmentationClass/._f0.png": b"x",
        "export/SegmentationClass/.DS_Store": b"x",
        "export/SegmentationClass/._f0.png": b"x",
        "export/._labelmap.txt": b"x",
    },
    "zipped by Windows": lambda m: {n.replace("/", "\\"): c for n, c in m.items()},
}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("zipped", [True, False])
def test_exports_of_cvat_as_they_come_from_other_systems(bench, taken, habit, zipped):
    bench.cvat()
    repacked(bench.masks, HABITS[habit])
    if not zipped and "Windows" not in habit:
        shutil.unpack_archive(bench.masks, bench / "unpacked")
        bench.masks = bench / "unpacked"
    assert np.array_equal(taken()[0], bench.mask)


def test_two_exports_in_one_zip_are_asked_about(bench, capsys):
    bench.cvat()
    repacked(bench.masks, lambda m: {f"task_{i}/{n}": c for i in (1, 2) for n, c in m.items()})
    assert main(bench.arguments) == 2
    assert "holds 2 exports of CVAT (task_1/, task_2/, ...); give one at a time" in capsys.readouterr().err


def test_pictures_of_one_name_in_two_folders_keep_the_folder_in_their_names(bench, capsys):
    bench.cvat()
    repacked(bench.masks, lambda m: {n.replace("Class/", f"Class/run{i}/"): c for i in (1, 2) for n, c in m.items()})
    for kind in ("images", "masks"):
        bench.empty(kind) if kind == "images" else None
    for i in (1, 2):
        for k in range(10):
            bench.png(f"images/run{i}_f{k}.png", bench.grey[k])
    assert main(bench.arguments) == 0
    assert np.array_equal(np.array(Image.open(bench.out / "masks/run2_f3.png")), bench.mask)


def test_coco_in_cvats_zip_is_read(bench, taken):
    bench.coco()
    with zipfile.ZipFile(bench / "a.zip", "w") as archive:
        archive.write(bench.masks, "annotations/instances_default.json")
    bench.masks = bench / "a.zip"
    assert np.array_equal(taken()[0], bench.mask)


def cvat_xml(shapes, name="f3.png"):
    """annotations.xml with ``shapes`` in frame f3, a square in the others."""
    square = '<polygon label="drop" points="3,2;8,2;8,6;3,6"/>'
    images = "".join(
        f'<image id="{i}" name="f{i}.png" width="16" height="12">{shapes if i == 3 else square}</image>'
        for i in range(10)
    )
    label = "<labels><label><name>drop</name><color>#cc3311</color></label></labels>"
    return f"<annotations><version>1.1</version><meta><task>{label}</task></meta>{images}</annotations>"


@pytest.mark.parametrize(
    "shape",
    [
        '<polygon label="drop" points="3.00,2.00;8.00,2.00;8.00,6.00;3.00,6.00" z_order="0"/>',
        '<box label="drop" xtl="3" ytl="2" xbr="8" ybr="6"/>',
        '<box label="drop" xtl="3.5" ytl="1.5" xbr="7.5" ybr="6.5" rotation="90"/>',
        '<mask label="drop" rle="0,20" left="3" top="2" width="5" height="4"/>',
        '<mask label="drop" rle="1,5,1,5,1,5,1,5" left="2" top="2" width="6" height="4" z_order="1"/>',
        '<box label="shell" xtl="3" ytl="2" xbr="8" ybr="6" z_order="0"/>'
        '<box label="drop" xtl="3" ytl="2" xbr="8" ybr="6" z_order="2"/>'
        '<box label="shell" xtl="3" ytl="2" xbr="8" ybr="6" z_order="1"/>',
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_shapes_of_cvat_for_images(bench, taken, shape, zipped):
    bench.masks = bench / "annotations.xml"
    bench.masks.write_text(cvat_xml(shape + '<points label="drop" points="1,1"/>'))
    if zipped:
        with zipfile.ZipFile(bench / "cvat.zip", "w") as archive:
            archive.write(bench.masks, "annotations.xml")
        bench.masks = bench / "cvat.zip"
    mask, output = taken()
    assert np.array_equal(mask, bench.mask)
    assert "left out, shapes without area (points): 1" in output


def test_an_ellipse_of_cvat_is_as_large_as_told(bench, taken):
    bench.masks = bench / "annotations.xml"
    bench.masks.write_text(cvat_xml('<ellipse label="drop" cx="8" cy="6" rx="5" ry="3" rotation="90"/>'))
    mask = taken()[0]
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 10, 5, 10)
    assert mask.sum() == pytest.approx(np.pi * 15, rel=0.06)


XML = {
    "video": ("<annotations><track/></annotations>", r"is 'CVAT for video'; export 'CVAT for images 1\.1'"),
    "other XML": ("<html/>", r"is not an export of CVAT: it begins with <html>"),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', r"defines entities"),
    "damaged": ("<annotations>", r"cannot be read as annotations\.xml of CVAT"),
    "no picture": ("<annotations/>", r"\(CVAT for images 1\.1\) annotates no frame"),
    "a cuboid": (cvat_xml('<cuboid label="drop"/>'), r"f3, cuboid 'drop' is of a kind that is not known"),
    "a mask that is too short": (
        cvat_xml('<mask label="drop" rle="0,9" left="3" top="2" width="5" height="4"/>'),
        r"f3, mask 'drop' has a run-length code for 9 pixels, its box has 20",
    ),
    "a mask outside": (
        cvat_xml('<mask label="drop" rle="0,20" left="13" top="2" width="5" height="4"/>'),
        r"f3, mask 'drop' leaves the picture of 12 x 16 pixels",
    ),
    "text for numbers": (cvat_xml('<box label="drop" xtl="a" ytl="2" xbr="8" ybr="6"/>'), r"has xtl = 'a'"),
    "an unknown label": (cvat_xml('<box label="bubble" xtl="1" ytl="2" xbr="8" ybr="6"/>'), r"has the class 'bubble'"),
}


@pytest.mark.parametrize("name", XML)
def test_a_bad_xml_of_cvat_is_one_sentence(refused, name):
    def damage(bench):
        bench.masks = bench / "annotations.xml"
        bench.masks.write_text(XML[name][0])

    refused(damage, XML[name][1])
