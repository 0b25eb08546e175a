"""The same 24 frames through every format give the same frame set, byte for byte.

Files are written by the tool or library they belong to: tifffile, ImageJ, imageio, Pillow, h5py, pyMRAW, pycocotools;
foreign/ holds what labelme and datumaro (CVAT's exporter) wrote. For Phantom films, which no library writes,
pycine's own structures are filled. HDF5 follows the documents of Data Exchange; its library is on no package index.
"""

import ctypes
import json
import shutil
import subprocess

import h5py
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils.importing import imported, open_film
from xpci_utils.importing.__main__ import main

SHAPE = (36, 40)


def numbered(folder, write, stack, suffix):
    folder.mkdir()
    for i, plane in enumerate(stack):
        write(folder / f"film_{i:05d}{suffix}", plane)
    return folder


def tiff(path, stack, **options):
    tifffile.imwrite(path, stack, photometric="minisblack", **options)
    return path


def exchange(path, stack, **others):
    with h5py.File(path, "w") as file:
        file.create_dataset("exchange/data", data=stack, chunks=(1, *SHAPE), compression="gzip")
        for name, data in others.items():
            file[f"exchange/{name}"] = data
        file["exchange/theta"] = np.zeros(len(stack))
    return path


def photron(path, stack, bits):
    import pyMRAW

    header = {"Record Rate(fps)": "50000"}
    if bits == 12:  # two pixels in three bytes, which pyMRAW reads but does not write
        pairs = stack.reshape(-1, 2).astype(np.uint32)
        packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1)
        pyMRAW.save_mraw(stack, str(path), 16, info_dict=header | {"Color Bit": 12})
        packed.astype(np.uint8).tofile(path)
    else:
        pyMRAW.save_mraw(stack, str(path), bits, info_dict=header)
    return path


def phantom(path, stack):
    """A film as the camera stores it: headers, offsets, and per frame an empty note and the picture, last row first."""
    from pycine import cine

    head, picture, setup = cine.CINEFILEHEADER(), cine.BITMAPINFOHEADER(), cine.SETUP()
    sizes = [ctypes.sizeof(part) for part in (head, picture, setup)]
    head.Type, head.Headersize, head.Version, head.ImageCount = 0x4943, sizes[0], 1, len(stack)
    head.OffImageHeader, head.OffSetup, head.OffImageOffsets = sizes[0], sum(sizes[:2]), sum(sizes)
    picture.biSize, picture.biWidth, picture.biHeight = sizes[1], stack.shape[2], stack.shape[1]
    picture.biPlanes, picture.biBitCount, picture.biSizeImage = 1, 16, stack[0].nbytes
    setup.Length, setup.RealBPP, setup.BlackLevel, setup.WhiteLevel, setup.FrameRate = sizes[2], 12, 0, 4095, 50000
    first = sum(sizes) + 8 * len(stack)
    offsets = first + (8 + stack[0].nbytes) * np.arange(len(stack), dtype=np.int64)
    with open(path, "wb") as file:
        for part in (head, picture, setup):
            file.write(part)
        file.write(offsets.tobytes())
        for plane in stack:
            file.write(np.array([8, plane.nbytes], np.uint32).tobytes() + plane[::-1].tobytes())
    return path


def imagej(path, source):
    """``source`` opened and saved again by ImageJ itself."""
    macro = path.with_suffix(".ijm")
    macro.write_text(f'open("{source}"); saveAs("Tiff", "{path}");')
    subprocess.run(["xvfb-run", "-a", "imagej", "-b", str(macro)], capture_output=True, timeout=120, check=False)
    return path


TWELVE_BIT = {
    "TIFF stack": lambda d, film: tiff(d / "film.tif", film),
    "TIFF stack, big-endian": lambda d, film: tiff(d / "film.tif", film, byteorder=">"),
    "TIFF stack, BigTIFF": lambda d, film: tiff(d / "film.tif", film, bigtiff=True),
    "TIFF stack, LZW": lambda d, film: tiff(d / "film.tif", film, compression="lzw", predictor=True),
    "TIFF stack, deflate": lambda d, film: tiff(d / "film.tif", film, compression="zlib", tile=(16, 16)),
    "TIFF stack, ImageJ's form": lambda d, film: tiff(d / "film.tif", film, imagej=True, metadata={"axes": "TYX"}),
    "TIFF stack by imageio": lambda d, film: iio.imwrite(d / "film.tiff", film) or d / "film.tiff",
    "TIFF stack, floats": lambda d, film: tiff(d / "film.tif", film.astype(np.float32)),
    "TIFF stack, 12 bit shifted to the left": lambda d, film: tiff(d / "film.tif", film << 4),
    "numbered TIFF": lambda d, film: numbered(d / "f", tifffile.imwrite, film, ".tif"),
    "numbered PNG by imageio": lambda d, film: numbered(d / "f", iio.imwrite, film, ".png"),
    "numbered PNG by Pillow": lambda d, film: numbered(d / "f", lambda p, a: Image.fromarray(a).save(p), film, ".PNG"),
    "numbered PNG, shifted": lambda d, film: numbered(d / "f", iio.imwrite, film << 4, ".png"),
    "HDF5 Data Exchange": lambda d, film: exchange(d / "film.h5", film),
    "HDF5 Data Exchange, shifted": lambda d, film: exchange(d / "film.hdf", film << 4),
    "Photron, 16 bit": lambda d, film: photron(d / "film.mraw", film, 16),
    "Photron, 12 bit": lambda d, film: photron(d / "film.mraw", film, 12),
    "Phantom": lambda d, film: phantom(d / "film.cine", film),
}
EIGHT_BIT = {
    "TIFF stack": lambda d, film: tiff(d / "film.tif", film),
    "numbered PNG": lambda d, film: numbered(d / "f", iio.imwrite, film, ".png"),
    "numbered PNG, three equal channels": lambda d, film: numbered(
        d / "f", iio.imwrite, np.repeat(film[..., None], 3, axis=-1), ".png"
    ),
    "numbered PNG, grey palette": lambda d, film: numbered(
        d / "f", lambda p, a: Image.fromarray(a).convert("P").save(p), film, ".png"
    ),
    "HDF5 Data Exchange": lambda d, film: exchange(d / "film.h5", film),
    "Photron, 8 bit": lambda d, film: photron(d / "film.mraw", film, 8),
}


def content(frames):
    rows = [(f.name, f.sequence, f.split, f.image.tobytes(), f.labels.tobytes()) for f in frames]
    info = {
        key: frames.info[key] for key in ("height", "width", "class_names", "class_colours", "window", "corrections")
    }
    return rows, info


@pytest.fixture
def expected(frame_set, foreign):
    return content(frame_set(foreign / "film.tif", foreign / "labels.tif"))


@pytest.mark.parametrize("name", TWELVE_BIT)
def test_twelve_bit_frames_arrive_alike(tmp_path, frame_set, foreign, film, expected, name):
    images = TWELVE_BIT[name](tmp_path, film)
    assert content(frame_set(images, foreign / "labels.tif")) == expected


def test_shifted_values_are_said_and_shifted_back(tmp_path, foreign, film, classes_file, capsys):
    arguments = [str(tiff(tmp_path / "film.tif", film << 4)), str(foreign / "labels.tif"), str(tmp_path / "out")]
    assert main([*arguments, "--classes", str(classes_file)]) == 0
    sentence = "12 bit, stored shifted to the left by 4 in 16 bit (all values are multiples of 16), shifted back"
    assert f"grey levels: {sentence}\n" in capsys.readouterr().out
    assert imported(tmp_path / "out")["grey_levels"] == sentence
    assert np.array_equal(np.array(Image.open(tmp_path / "out/images/film_00003.png")), film[3])


@pytest.mark.parametrize("name", EIGHT_BIT)
def test_eight_bit_frames_arrive_unchanged(tmp_path, frame_set, foreign, film, labels, name):
    bytes_ = (film >> 4).astype(np.uint8)
    frames = frame_set(EIGHT_BIT[name](tmp_path, bytes_), foreign / "labels.tif")
    assert frames.info["window"] == [0, 255]
    for i, frame in enumerate(frames):
        assert np.array_equal(frame.image, bytes_[i])
        assert np.array_equal(frame.labels, labels[i])


@pytest.mark.skipif(not (shutil.which("imagej") and shutil.which("xvfb-run")), reason="needs imagej and xvfb")
def test_a_stack_that_imagej_saved(tmp_path, frame_set, foreign, film, expected):
    saved = imagej(tmp_path / "film.tif", tiff(tmp_path / "plain.tif", film))
    assert saved.read_bytes() != (tmp_path / "plain.tif").read_bytes()
    assert content(frame_set(saved, foreign / "labels.tif")) == expected


def test_films_tell_scale_and_rate(tmp_path, film):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, film, imagej=True, resolution=(2, 2), metadata={"axes": "TYX", "unit": "um", "finterval": 2e-5}
    )
    stack = open_film(path)
    assert (stack.pixel_um, stack.interval_us) == (pytest.approx(0.5), pytest.approx(20))
    assert open_film(photron(tmp_path / "b.mraw", film, 16)).interval_us == pytest.approx(20)
    assert open_film(phantom(tmp_path / "c.cine", film)).interval_us == pytest.approx(20)


# Annotations


def coco(path, labels, form):
    """Every class of every frame as one annotation, coded by pycocotools; boxes also as polygons."""
    from pycocotools import mask as tool

    names = {1: "drop", 2: "shell", 3: "fragment", 255: "ignore"}
    images = [{"id": 100 + i, "file_name": f"frames/film_{i:05d}.png", "height": 36, "width": 40} for i in range(24)]
    drawn = []
    for i, plane in enumerate(labels):
        for index in np.setdiff1d(plane, [0]).tolist():
            for shape in shapes_of(plane == index, form, tool):
                entry = {"id": len(drawn) + 1, "image_id": 100 + i, "category_id": index, "segmentation": shape}
                drawn.append(entry | {"iscrowd": int(index == 255)})
    categories = [{"id": index, "name": name} for index, name in names.items()]
    path.write_text(json.dumps({"images": images, "annotations": drawn, "categories": categories}))
    return path


def shapes_of(mask, form, tool):
    coded = tool.encode(np.asfortranarray(mask, np.uint8))
    if form == "compressed":
        return [{"size": coded["size"], "counts": coded["counts"].decode()}]
    if form == "run lengths":
        edges = np.flatnonzero(np.diff(mask.ravel(order="F").astype(int))) + 1
        runs = np.diff([0, *edges, mask.size]).tolist()
        return [{"size": list(mask.shape), "counts": [0, *runs] if mask[0, 0] else runs}]
    rows = [(y, x) for y, x in zip(*np.nonzero(mask & ~np.roll(mask, 1, 1)), strict=True)]  # runs along rows, as boxes
    ends = [x + int(np.argmin(np.append(mask[y, x:], False))) for y, x in rows]
    return [[[float(v) for v in (x, y, e, y, e, y + 1, x, y + 1)]] for (y, x), e in zip(rows, ends, strict=True)]


MASKS = {
    "TIFF stack": lambda d, labels, foreign: tiff(d / "labels.tif", labels, compression="lzw"),
    "TIFF stack, 16 bit": lambda d, labels, foreign: tiff(d / "labels.tif", labels.astype(np.uint16)),
    "numbered PNG": lambda d, labels, foreign: numbered(d / "m", iio.imwrite, labels, ".png"),
    "numbered palette PNG": lambda d, labels, foreign: numbered(d / "m", save_palette, labels, ".png"),
    "numbered TIFF": lambda d, labels, foreign: numbered(d / "m", tifffile.imwrite, labels, ".tif"),
    "HDF5": lambda d, labels, foreign: exchange(d / "film.h5", labels, labels=labels),
    "CVAT": lambda d, labels, foreign: foreign / "segmentation_mask_1.1.zip",
    "CVAT, unpacked": lambda d, labels, foreign: unpacked(d / "cvat", foreign / "segmentation_mask_1.1.zip"),
    "labelme": lambda d, labels, foreign: foreign / "labelme",
    "COCO, compressed RLE": lambda d, labels, foreign: coco(d / "a.json", labels, "compressed"),
    "COCO, run lengths": lambda d, labels, foreign: coco(d / "a.json", labels, "run lengths"),
    "COCO, polygons": lambda d, labels, foreign: coco(d / "a.json", labels, "polygons"),
}


def save_palette(path, plane):
    picture = Image.fromarray(plane).convert("P")
    picture.putpalette([255, 0, 0] * 256)
    picture.save(path)


def unpacked(folder, archive):
    shutil.unpack_archive(archive, folder)
    return folder


@pytest.mark.parametrize("name", MASKS)
def test_annotations_arrive_alike(tmp_path, frame_set, foreign, labels, expected, name):
    assert content(frame_set(foreign / "film.tif", MASKS[name](tmp_path, labels, foreign))) == expected


@pytest.mark.parametrize("name", ["CVAT", "labelme", "COCO, compressed RLE"])
def test_the_tools_own_classes_serve_without_a_classes_file(tmp_path, frame_set, foreign, labels, name):
    frames = frame_set(foreign / "film.tif", MASKS[name](tmp_path, labels, foreign), classes=None)
    names = np.array([0, *(["drop", "shell", "fragment"].index(n) + 1 for n in frames.class_names[1:])], np.uint8)
    assert sorted(frames.class_names[1:]) == ["drop", "fragment", "shell"]
    for frame, plane in zip(frames, labels, strict=True):
        assert np.array_equal(np.where(frame.labels == 255, 255, names[np.minimum(frame.labels, 3)]), plane)
    if name == "CVAT":
        assert dict(zip(frames.class_names, frames.class_colours, strict=True))["shell"] == "#4477aa"
