"""ROIs of Fiji and GeoJSON of QuPath: which frame, which class, which pixels."""

import json
import zipfile

import numpy as np
import pytest
import roifile
import tifffile
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi

from xpci_utils.frames import FolderError, read_classes
from xpci_utils.importing.__main__ import main
from xpci_utils.importing.annotations import open_annotations
from xpci_utils.importing.base import How

BOX = [[3, 2], [8, 2], [8, 6], [3, 6]]  # corners of the bench's particle


def rectangle(name="drop-1", position=4, **more):
    return ImagejRoi(roitype=ROI_TYPE.RECT, left=3, top=2, right=8, bottom=6, name=name, position=position, **more)


def polygon(points, name="drop-1", position=4, **more):
    roi = ImagejRoi.frompoints(np.array(points), name=name)
    roi.position, roi.roitype = position, ROI_TYPE.POLYGON
    return roi


def composite(*paths, name="drop-1", position=4):
    """A ShapeRoi of closed paths, as Fiji stores a region with a hole."""
    coordinates = []
    for points in paths:
        for step, (x, y) in enumerate(points):
            coordinates += [0.0 if step == 0 else 1.0, x, y]
        coordinates.append(4.0)
    return ImagejRoi(roitype=ROI_TYPE.RECT, left=3, top=2, right=8, bottom=6, name=name, position=position,
                     shape_roi_size=len(coordinates), multi_coordinates=np.array(coordinates, np.float32))  # fmt: skip


def save(path, rois):
    with zipfile.ZipFile(path, "w") as archive:
        for i, roi in enumerate(rois):
            archive.writestr(f"{i:04d}.roi", roi.tobytes())


@pytest.fixture
def taken(bench, capsys):
    """Import a film with ROIs in slice 4, and one in each other slice; returns (mask of that frame, what was said)."""

    def run(*rois, film=True, **options):
        bench.masks = bench / "RoiSet.zip"
        save(bench.masks, [*(rectangle(position=i) for i in range(1, 11) if i != 4), *rois])
        if film:
            bench.film(bench.grey)
        assert main(bench.arguments) == 0, capsys.readouterr().err
        name = "f_00003.png" if film else "f3.png"
        return np.array(Image.open(bench.out / "masks" / name)), capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    "roi",
    [
        rectangle(),
        rectangle(name="0004-0004-0005", group=1),
        rectangle(position=0, t_position=4),
        rectangle(position=0, z_position=4, t_position=1),
        rectangle(name="0004-0004-0005", position=0, group=1),
        polygon(BOX),
        polygon(np.array(BOX, float)),
        composite(BOX),
    ],
    ids=["by name", "by group", "by time", "by z", "slice in its name", "polygon", "subpixel polygon", "composite"],
)
def test_a_roi_lies_in_its_slice_with_its_class(bench, taken, roi):
    assert np.array_equal(taken(roi)[0], bench.mask)


def test_slices_count_from_the_first_picture_whatever_its_number(bench, taken):
    bench.empty("images")
    for i in range(10):
        bench.png(f"images/f{i + 1:02d}.png", bench.grey[i])
    bench.masks = bench / "RoiSet.zip"
    save(bench.masks, [rectangle(position=i) for i in range(1, 11) if i != 1])
    bench.options.append("--annotated-only")
    assert main(bench.arguments) == 0
    assert sorted(path.stem for path in (bench.out / "masks").iterdir())[0] == "f02"


def test_holes_stay_open_and_later_rois_lie_on_top(bench, taken):
    hole = [[4, 3], [6, 3], [6, 5], [4, 5]]
    small = ImagejRoi(roitype=ROI_TYPE.RECT, left=0, top=0, right=2, bottom=1, name="shell", position=4)
    mask, _ = taken(composite(BOX, hole), small)
    expected = bench.mask.copy()
    expected[3:5, 4:6] = 0
    expected[0, :2] = 2
    assert np.array_equal(mask, expected)


def test_an_oval_holds_the_pixels_whose_middle_lies_in_it(bench, taken):
    mask, _ = taken(ImagejRoi(roitype=ROI_TYPE.OVAL, left=2, top=1, right=13, bottom=10, name="drop", position=4))
    rows, columns = np.mgrid[:12, :16] + 0.5
    assert np.array_equal(mask, (((columns - 7.5) / 5.5) ** 2 + ((rows - 5.5) / 4.5) ** 2 <= 1).astype(np.uint8))


def test_points_and_lines_are_left_out_and_said(bench, taken):
    line = ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=1, x2=9, y2=9, name="scale", position=4)
    mask, output = taken(rectangle(), line)
    assert np.array_equal(mask, bench.mask)
    assert "left out, ROIs without area (line): 1" in output


def test_a_set_of_rois_may_be_called_like_its_frame(bench, tmp_path):
    save(tmp_path / "f3_RoiSet.zip", [rectangle(position=0)])
    how = How(frames=tuple(f"f{i}" for i in range(10)), size=(12, 16))
    annotations = open_annotations(tmp_path / "f3_RoiSet.zip", read_classes(bench / "classes.yaml"), how)
    assert annotations.names == ("f3",)
    assert np.array_equal(annotations.read("f3"), bench.mask)


def test_one_set_of_rois_per_frame(bench, capsys):
    bench.masks = bench / "rois"
    bench.masks.mkdir()
    for i in range(10):
        if i % 2:
            save(bench.masks / f"f{i}_RoiSet.zip", [rectangle(position=0)])
        else:
            rectangle(position=1).tofile(bench.masks / f"f{i}.roi")
    assert main(bench.arguments) == 0, capsys.readouterr().err
    for i in (3, 4):
        assert np.array_equal(np.array(Image.open(bench.out / f"masks/f{i}.png")), bench.mask)


def with_rois(*rois):
    def damage(bench):
        tifffile.imwrite(bench / "f.tif", bench.grey, photometric="minisblack")
        bench.images = bench / "f.tif"
        bench.masks = bench / "RoiSet.zip"
        save(bench.masks, rois)

    return damage


ROIS = {
    "without a slice": (with_rois(rectangle(position=0)), r"0000\.roi does not contain its slice; .* 'Associate ROIs"),
    "beyond the film": (with_rois(rectangle(position=11)), r"lies in slice 11, the film has 10"),
    "in slices of two axes": (
        with_rois(rectangle(position=0, z_position=2, t_position=3)),
        r"lies in slice 2 of time 3; a film has one of both",
    ),
    "of no class": (with_rois(rectangle(name="bubble")), r"gives no class: it is called 'bubble' and has the group 0"),
    "of two classes": (with_rois(rectangle(group=2)), r"is called 'drop-1', but its group 2 is class 'shell'"),
    "outside": (
        with_rois(ImagejRoi(roitype=ROI_TYPE.RECT, left=30, top=2, right=38, bottom=6, name="drop", position=4)),
        r"leaves the picture of 12 x 16 pixels altogether",
    ),
    "none with an outline": (
        with_rois(ImagejRoi(roitype=ROI_TYPE.POLYGON, name="drop", position=4)),
        r"\(ROIs of Fiji\) annotates no frame; left out, outlines of fewer than three points: 1",
    ),
}


@pytest.mark.parametrize("name", ROIS)
def test_rois_that_cannot_be_placed_are_one_sentence(refused, name):
    refused(*ROIS[name])


def test_slices_of_pictures_that_sort_otherwise_than_their_numbers_are_refused(bench, tmp_path):
    save(tmp_path / "RoiSet.zip", [rectangle(position=2)])
    how = How(frames=("f0", "f10", "f9"), size=(12, 16))
    with pytest.raises(FolderError, match="counts the pictures in the order of their numbers"):
        open_annotations(tmp_path / "RoiSet.zip", read_classes(bench / "classes.yaml"), how)


def test_a_damaged_roi_is_one_sentence(refused):
    def damage(bench):
        bench.masks = bench / "f3.roi"
        bench.masks.write_bytes(b"Iout" + bytes(20))

    refused(damage, r"f3\.roi cannot be read as a ROI of Fiji")


def test_roifile_is_the_version_that_was_tried():
    assert roifile.__version__ >= "2026.2"


# QuPath


def feature(rings, label="drop", kind="Polygon", **geometry):
    properties = {"objectType": "annotation"} | ({"classification": {"name": label}} if label else {})
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": rings, **geometry}, "properties": properties}


CLOSED = [*BOX, BOX[0]]


def write(bench, change=None, suffix=".geojson", wrap=True):
    """One file per frame in a folder; ``change`` makes the features of frame 3."""
    bench.masks = bench / "qupath"
    bench.masks.mkdir()
    for i in range(10):
        features = change if change is not None and i == 3 else [feature([CLOSED])]
        content = {"type": "FeatureCollection", "features": features} if wrap else features
        (bench.masks / f"f{i}{suffix}").write_text(json.dumps(content))


@pytest.mark.parametrize("suffix", [".geojson", ".json", ".png.geojson", "_annotations.geojson"])
@pytest.mark.parametrize("wrap", [True, False])
def test_outlines_of_qupath(bench, suffix, wrap):
    write(bench, suffix=suffix, wrap=wrap)
    assert main(bench.arguments) == 0
    assert np.array_equal(np.array(Image.open(bench.out / "masks/f3.png")), bench.mask)


def test_holes_several_polygons_and_ignored_regions_of_qupath(bench, capsys):
    hole = [[4, 3], [6, 3], [6, 5], [4, 5], [4, 3]]
    other = [[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]
    far = [[10, 8], [12, 8], [12, 9], [10, 9], [10, 8]]
    many = feature([[CLOSED, hole], [other]], kind="MultiPolygon")
    write(bench, [many, feature([far], "Ignore*"), feature([1, 1], "shell", "Point")])
    assert main(bench.arguments) == 0
    expected = bench.mask.copy()
    expected[3:5, 4:6], expected[0, :2], expected[8, 10:12] = 0, 1, 255
    assert np.array_equal(np.array(Image.open(bench.out / "masks/f3.png")), expected)
    output = capsys.readouterr().out
    assert "left out, features without area (Point): 1" in output
    assert "pixels labelled 'Ignore*' are ignored" in output


@pytest.mark.parametrize("axis", ["z", "t"])
def test_one_file_for_the_planes_of_a_film(bench, axis):
    bench.film(bench.grey)
    bench.masks = bench / "film.geojson"
    features = [feature([CLOSED], plane={"c": -1, axis: i}) for i in range(1, 10)]
    bench.masks.write_text(json.dumps({"type": "FeatureCollection", "features": [feature([CLOSED]), *features]}))
    assert main(bench.arguments) == 0
    assert len(list((bench.out / "masks").iterdir())) == 10
    assert np.array_equal(np.array(Image.open(bench.out / "masks/f_00003.png")), bench.mask)


QUPATH = {
    "no class": ([feature([CLOSED], None)], r"f3\.geojson, feature 0 has no class; set it in QuPath, or to 'Ignore\*'"),
    "an unknown class": ([feature([CLOSED], "Tumor")], r"has the class 'Tumor', which the classes file does not list"),
    "an unknown geometry": ([feature([CLOSED], kind="Circle")], r"feature 0 is a Circle, which is not known"),
    "text for points": ([feature([["a", "b", "c"]])], r"feature 0 has an outline"),
    "no geometry": ([{"type": "Feature", "properties": {}}], r"feature 0 has no geometry"),
    "an outline outside": (
        [feature([[[30, 1], [40, 1], [40, 9]]])],
        r"feature 0 .*leaves the picture of 12 x 16 pixels",
    ),
}


@pytest.mark.parametrize("name", QUPATH)
def test_bad_geojson_is_one_sentence(refused, name):
    refused(lambda bench: write(bench, QUPATH[name][0]), QUPATH[name][1])
