"""A random label map, written in every annotation format that is read, arrives equal."""

import base64
import io
import json
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.path import Path as Outline
from PIL import Image
from pycocotools import mask as coco_mask
from roifile import ROI_TYPE, ImagejRoi
from scipy import ndimage

from xpci_utils.frames.classes import FrameClass
from xpci_utils.importing.annotations import open_annotations
from xpci_utils.importing.base import How
from xpci_utils.importing.outlines import fill_even_odd, fill_like_coco, twice_area

LABELS = {1: "drop", 2: "hollow shell", 3: "void", 255: "__ignore__"}
CLASSES = [FrameClass(0, "background", "#000000"), *(FrameClass(i, LABELS[i], f"#cc331{i}") for i in (1, 2, 3))]
COLOURS = {1: (204, 51, 17), 2: (204, 51, 18), 3: (204, 51, 19), 255: (250, 250, 250)}
FRAMES = ("f_00", "f_01")
SHAPE = (9, 11)
LABEL_MAPS = arrays.arrays(np.uint8, (2, *SHAPE), elements=st.sampled_from([0, 0, 1, 2, 3, 255]))


def runs_of(plane):
    """(value, row, first column, column behind the last) of every run along a row."""
    for y, row in enumerate(plane):
        cuts = [0, *(np.flatnonzero(np.diff(row.astype(int))) + 1).tolist(), len(row)]
        yield from ((int(row[x]), y, x, end) for x, end in pairwise(cuts) if row[x])


def corners(y, x, end):
    return [[x, y], [end, y], [end, y + 1], [x, y + 1]]


def png(array):
    stored = io.BytesIO()
    Image.fromarray(array).save(stored, format="PNG")
    return stored.getvalue()


def pictures(folder, stack, suffix=".png", name="{}"):
    folder = folder / "masks"
    folder.mkdir(exist_ok=True)
    for frame, plane in zip(FRAMES, stack, strict=True):
        path = folder / (name.format(frame) + suffix)
        Image.fromarray(plane).save(path) if suffix == ".png" else tifffile.imwrite(
            path, plane, photometric="minisblack"
        )
    return folder


def stack_of(folder, stack):
    tifffile.imwrite(folder / "f.tif", stack, photometric="minisblack", metadata={"axes": "TYX"})
    return folder / "f.tif"


def exchange(folder, stack):
    with h5py.File(folder / "f.h5", "w") as file:
        file["exchange/labels"] = stack
    return folder / "f.h5"


def per_class(folder, stack):
    for value, label in LABELS.items():
        pictures(folder, (stack == value).astype(np.uint8) * 255, name="{}_" + label)
    return folder / "masks"


def instances(folder, stack):
    """Connected pieces numbered through, and the table of their classes."""
    numbers, rows = np.zeros(stack.shape, np.uint16), ["name,instance,class"]
    for frame, plane, own in zip(FRAMES, stack, numbers, strict=True):
        for value, label in LABELS.items():
            pieces, count = ndimage.label(plane == value)
            rows += [f"{frame},{own.max() + i},{label}" for i in range(1, count + 1)]
            own[pieces > 0] = pieces[pieces > 0] + own.max()
    (folder / "table.csv").write_text("\n".join(rows))
    return pictures(folder, numbers, ".tif")


def cvat(folder, stack):
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        lines = [f"{label}:{','.join(map(str, COLOURS[value]))}::" for value, label in LABELS.items()]
        archive.writestr("labelmap.txt", "\n".join(lines))
        for frame, plane in zip(FRAMES, stack, strict=True):
            table = np.zeros((256, 3), np.uint8)
            table[list(COLOURS)] = list(COLOURS.values())
            archive.writestr(f"SegmentationClass/{frame}.png", png(table[plane]))
    return folder / "a.zip"


def coco(folder, stack, form):
    images = [{"id": i, "file_name": f"{f}.jpg", "height": SHAPE[0], "width": SHAPE[1]} for i, f in enumerate(FRAMES)]
    drawn = []
    for i, plane in enumerate(stack):
        for value, y, x, end in runs_of(plane):
            points = [[float(v) for v in point] for point in corners(y, x, end)]
            flat = [v for point in points for v in point]
            mask = np.zeros(SHAPE, np.uint8, order="F")
            mask[y, x:end] = 1
            coded = coco_mask.encode(mask)
            shape = {"polygons": [flat], "flat": flat, "points": points, "lists of points": [points],
                     "run lengths": {"size": coded["size"], "counts": coded["counts"].decode()}}[form]  # fmt: skip
            drawn.append({"id": len(drawn), "image_id": i, "category_id": value, "segmentation": shape})
    categories = [{"id": value, "name": label} for value, label in LABELS.items()]
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": drawn, "categories": categories}))
    return folder / "a.json"


def labelme(folder, stack, form):
    """Boxes hold their last row and column in labelme, and masks have their PNG."""
    for frame, plane in zip(FRAMES, stack, strict=True):
        shapes = []
        for value, y, x, end in runs_of(plane):
            points = {
                "two corners": [[x, y], [end - 1, y]],
                "four corners": corners(y, x, end - 1),
                "masks": [[x, y]] * 2,
            }
            shape = {"label": LABELS[value], "shape_type": "mask" if form == "masks" else "rectangle"}
            if form == "four corners":
                points[form] = [[x, y], [end - 1, y], [end - 1, y], [x, y]]
            shape["mask"] = base64.b64encode(png(np.ones((1, end - x), np.uint8))).decode()
            shapes.append(shape | {"points": points[form]})
        size = {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]} if frame == FRAMES[0] else {}
        (folder / f"{frame}.json").write_text(json.dumps({"shapes": shapes, **size}))
    return folder


def cvat_images(folder, stack, form):
    text = "<annotations>"
    for frame, plane in zip(FRAMES, stack, strict=True):
        text += f'<image name="{frame}.png" width="{SHAPE[1]}" height="{SHAPE[0]}">'
        for value, y, x, end in runs_of(plane):
            points = ";".join(f"{a},{b}" for a, b in corners(y, x, end))
            shape = {"polygon": f'points="{points}"', "box": f'xtl="{x}" ytl="{y}" xbr="{end}" ybr="{y + 1}"',
                     "mask": f'rle="0, {end - x}" left="{x}" top="{y}" width="{end - x}" height="1"'}[form]  # fmt: skip
            text += f'<{form} label="{LABELS[value]}" {shape} z_order="0"/>'
        text += "</image>"
    (folder / "annotations.xml").write_text(text + "</annotations>")
    return folder / "annotations.xml"


def fiji(folder, stack, form):
    with zipfile.ZipFile(folder / "RoiSet.zip", "w") as archive:
        for i, plane in enumerate(stack):
            for k, (value, y, x, end) in enumerate(runs_of(plane)):
                roi = ImagejRoi(roitype=ROI_TYPE.RECT, left=x, top=y, right=end, bottom=y + 1)
                if form == "polygons":
                    roi = ImagejRoi.frompoints(np.array(corners(y, x, end), float))
                roi.name, roi.position = f"{LABELS[value]}-{k}", i + 1
                archive.writestr(f"{i}-{k:03d}.roi", roi.tobytes())
    return folder / "RoiSet.zip"


def qupath(folder, stack):
    for frame, plane in zip(FRAMES, stack, strict=True):
        features = []
        for value, label in LABELS.items():
            rings = [[corners(y, x, end)] for own, y, x, end in runs_of(plane) if own == value]
            geometry = {"type": "MultiPolygon", "coordinates": rings}
            features.append(
                {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": label}}}
            )
        (folder / f"{frame}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder


FORMATS = {
    "PNG": (lambda d, s: pictures(d, s), "indices"),
    "TIFF": (lambda d, s: pictures(d, s.astype(np.uint16), ".tif"), "indices"),
    "TIFF stack": (stack_of, "indices"),
    "HDF5": (exchange, "indices"),
    "one mask per class": (per_class, "auto"),
    "instances": (instances, "instances"),
    "labels from 1": (lambda d, s: pictures(d, np.where(s == 255, 0, s + 1).astype(np.uint8)), "from-one"),
    "CVAT masks": (cvat, "auto"),
    **{
        f"COCO {form}": (lambda d, s, form=form: coco(d, s, form), "auto")
        for form in ("polygons", "flat", "points", "lists of points", "run lengths")
    },
    **{
        f"labelme {form}": (lambda d, s, form=form: labelme(d, s, form), "auto")
        for form in ("two corners", "four corners", "masks")
    },
    **{
        f"CVAT {form}": (lambda d, s, form=form: cvat_images(d, s, form), "auto") for form in ("polygon", "box", "mask")
    },
    "Fiji boxes": (lambda d, s: fiji(d, s, "boxes"), "auto"),
    "Fiji polygons": (lambda d, s: fiji(d, s, "polygons"), "auto"),
    "QuPath": (qupath, "auto"),
}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12, deadline=None)
@given(stack=LABEL_MAPS)
def test_a_label_map_arrives_equal(name, stack):
    write, values = FORMATS[name]
    stack[:, 0, 0] = 1  # ROIs alone say which frames are annotated
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), stack)
        table = Path(folder) / "table.csv" if values == "instances" else None
        frames = ("f_00000", "f_00001") if name in ("TIFF stack", "HDF5") else FRAMES
        how = How(frames=frames, size=SHAPE, mask_values=values, instance_classes=table)
        annotations = open_annotations(path, CLASSES, how)
        assert sorted(annotations.names) == list(frames)
        for frame, plane in zip(frames, stack, strict=True):
            assert np.array_equal(annotations.read(frame), plane)


POINTS = arrays.arrays(np.float64, st.tuples(st.integers(3, 9), st.just(2)), elements=st.floats(-4, 15, width=32))


@settings(max_examples=60, deadline=None)
@given(points=POINTS)
def test_outlines_are_filled_where_the_middle_of_a_pixel_lies_inside(points):
    """Against matplotlib, whose paths wind; so that both mean the same, the outline goes round its middle once."""
    middle = points.mean(0)
    points = points[np.argsort(np.arctan2(*(points - middle).T))] + 0.013
    assume(twice_area(points) > 0.1)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    inside = [
        Outline(points).contains_points(np.stack([columns.ravel(), rows.ravel()], 1), radius=r) for r in (-1e-6, 1e-6)
    ]
    filled = fill_even_odd([points], SHAPE).ravel()
    decided = inside[0] == inside[1]  # on the outline itself either may be right
    assert np.array_equal(filled[decided], inside[0][decided])


@settings(max_examples=40, deadline=None)
@given(points=POINTS)
def test_outlines_over_the_border_are_cut_as_on_larger_paper(points):
    room = fill_like_coco([points + 8], (SHAPE[0] + 24, SHAPE[1] + 24))
    assert np.array_equal(fill_like_coco([points], SHAPE), room[8 : 8 + SHAPE[0], 8 : 8 + SHAPE[1]])
