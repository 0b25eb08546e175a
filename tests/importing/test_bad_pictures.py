"""Pictures and folders that cannot be used: one clear sentence each, nothing written, no crash.

With test_bad_films.py and test_bad_annotations.py about 140 cases; each starts from ten good frames.
"""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils.importing.__main__ import main


def png(width, height, depth=8, colour=0, rows=b""):
    """A PNG whose header says what it wants."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + head + palette + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PALETTE_16 = png(16, 12, 16, 3, bytes(12 * 33))


def gigapixels(path):
    """A small TIFF whose tags are changed afterwards."""
    tifffile.imwrite(path, np.zeros((12, 16), np.uint8))
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(200_000)


def two_sizes(bench):
    bench.tiff("images/f3.tif", bench.grey[3])
    tifffile.imwrite(bench / "images/f3.tif", bench.grey[3][:, :9], append=True)


def channels(bench):
    bench.film(bench.grey)
    stack = np.zeros((3, 2, 12, 16), np.uint8)
    tifffile.imwrite(bench.images, stack, imagej=True, metadata={"axes": "TCYX"})


def colour(bench):
    return Image.fromarray(np.stack([bench.grey[1], bench.grey[2], bench.grey[3]], -1))


def loop(path):
    path.symlink_to(path)


def loop_of_folders(bench):
    bench.empty("masks")
    bench.masks.rmdir()
    bench.masks.symlink_to(bench.masks)


def both(bench, name, array):
    for kind in ("images", "masks"):
        bench.png(f"{kind}/{name}", array)


PICTURES = {
    "truncated TIFF": (
        lambda b: (b.tiff("images/f3.tif", b.grey[3], compression="zlib"), b.cut("images/f3.tif")),
        r"f3\.tif .*cannot be read|f3\.tif is cut off",
    ),
    "truncated TIFF stack": (
        lambda b: (b.film(b.grey), b.cut("f.tif")),
        r"f\.tif is cut off: \d+ bytes of \d+; copy it again",
    ),
    "TIFF of eight bytes": (
        lambda b: b.raw("f.tif", b"II*\0\x08\0\0\0"),
        r"f\.tif cannot be read as an image",
    ),
    "text named TIFF": (lambda b: b.raw("f.tif", b"hello"), r"f\.tif cannot be read as an image \(TiffFileError"),
    "gigapixel header, TIFF": (
        lambda b: b.swap("images/f3.tif", gigapixels),
        r"f3\.tif says it is 200000 x 200000 pixels; frames of more than 100 million",
    ),
    "gigapixel header, PNG": (
        lambda b: (b / "images/f3.png").write_bytes(png(60_000, 60_000)),
        r"f3\.png: Image size \(3600000000 pixels\) is far too much",
    ),
    "hundred-megapixel header, PNG": (
        lambda b: (b / "images/f3.png").write_bytes(png(11_000, 11_000)),
        r"f3\.png says it is 11000 x 11000",
    ),
    "16-bit palette PNG": (
        lambda b: (b / "images/f3.png").write_bytes(PALETTE_16),
        r"f3\.png.* cannot be read as frames",
    ),
    "16-bit palette PNG as mask": (
        lambda b: (b / "masks/f3.png").write_bytes(PALETTE_16),
        r"masks/f3\.png cannot be read as an image",
    ),
    "truncated PNG": (lambda b: b.cut("images/f3.png"), r"f3\.png.* cannot be read as frames"),
    "PNG without pixels": (
        lambda b: (b / "images/f3.png").write_bytes(png(16, 12)),
        r"f3\.png.* cannot be read as frames",
    ),
    "one-pixel image": (
        lambda b: b.png("images/f3.png", b.grey[3][:1, :1]),
        r"f3\.png is 1 x 1 pixels; a frame needs at least 8 x 8",
    ),
    "one-pixel TIFF": (
        lambda b: b.tiff("images/f3.tif", b.grey[3][:1, :1]),
        r"f3\.tif is 1 x 1 pixels; a frame needs",
    ),
    "NaN in a float TIFF": (
        lambda b: b.film(np.where(b.grey > 250, np.nan, b.grey).astype("f4")),
        r"f\.tif, frame 1 holds pixels that are no numbers",
    ),
    "infinity in a float TIFF": (
        lambda b: b.film(np.where(b.grey > 250, np.inf, b.grey).astype("f4")),
        r"holds pixels that are no numbers",
    ),
    "counts too large for floats": (
        lambda b: b.film(b.grey.astype(np.uint32) << 20),
        r"holds values of 2\.6\d?e\+08; scale them",
    ),
    "complex numbers": (lambda b: b.film(b.grey.astype(np.complex64)), r"holds complex64 values; frames are grey"),
    "one bit per pixel": (lambda b: b.film(b.grey > 99), r"holds bool values; frames are grey levels"),
    "colour image": (
        lambda b: colour(b).save(b / "images/f3.png"),
        r"f3\.png is a colour image; convert it to grey",
    ),
    "colour palette image": (
        lambda b: colour(b).quantize(16).save(b / "images/f3.png"),
        r"f3\.png is a colour image",
    ),
    "pages of different sizes": (two_sizes, r"f3\.tif holds pages of different sizes"),
    "channels": (channels, r"f\.tif has 2 channels"),
    "frames of two sizes": (
        lambda b: both(b, "f9.png", b.mask[:, :9]),
        r"frame f9 is 12 x 9, the first frame 12 x 16; all must be alike",
    ),
    "8 and 16 bit together": (
        lambda b: b.png("images/f3.png", b.grey[3].astype(np.uint16) * 9),
        r"frame f3 is uint16, the first frame uint8; save all with the same depth",
    ),
}

FOLDERS = {
    "empty folder": (lambda b: b.empty("images"), r"images holds no frames"),
    "empty folder of masks": (lambda b: b.empty("masks"), r"masks holds no masks"),
    "no such images": (lambda b: setattr(b, "images", b / "imagse"), r"imagse does not exist"),
    "no such masks": (lambda b: setattr(b, "masks", b / "maks"), r"maks does not exist"),
    "unknown format": (lambda b: b.raw("f.avi", b"RIFF"), r"f\.avi has no known format; known are \.png"),
    "unknown format of masks": (
        lambda b: (b.raw("m.svg", b"<svg/>"), setattr(b, "masks", b.images), setattr(b, "images", b / "images")),
        r"m\.svg has no known format of masks",
    ),
    "empty file": (lambda b: (b / "images/f3.png").write_bytes(b""), r"f3\.png is empty"),
    "folder named like an image": (lambda b: b.swap("images/f3.png", Path.mkdir), r"f3\.png is not a file"),
    "pipe named like an image": (lambda b: b.swap("images/f3.tif", os.mkfifo), r"f3\.tif is not a file"),
    "device behind an image": (
        lambda b: b.swap("images/f3.tif", lambda path: path.symlink_to("/dev/zero")),
        r"f3\.tif is not a file",
    ),
    "symlink loop": (lambda b: b.swap("images/f3.png", loop), r"f3\.png cannot be read"),
    "symlink to nothing": (
        lambda b: b.swap("images/f3.png", lambda path: path.symlink_to("lost.png")),
        r"f3\.png cannot be read .*FileNotFoundError",
    ),
    "symlink loop of folders": (loop_of_folders, r"masks does not exist|masks cannot be read"),
    "unreadable file": (lambda b: (b / "images/f3.png").chmod(0), r"f3\.png.* cannot be read .*PermissionError"),
    "the same name twice": (
        lambda b: tifffile.imwrite(b / "images/f3.tif", b.grey[3]),
        r"has the frame 'f3' twice; rename or remove one",
    ),
    "names that differ in capitals": (
        lambda b: both(b, "F3.png", b.mask),
        r"has the frame 'f3' twice \(as 'F3': many computers take these for one file\)",
    ),
    "name that cannot be printed": (lambda b: both(b, "a\nb.png", b.mask), r"has a frame named 'a\\nb'"),
    "mask without image": (
        lambda b: (b / "images/f3.png").unlink(),
        r"1 of 10 annotations have no frame \(first: f3; frames are named like f0\)",
    ),
    "target exists": (lambda b: b.out.mkdir(), r"out exists already; choose another name"),
    "target is a dead link": (lambda b: b.out.symlink_to("nowhere"), r"out exists already"),
}

MASKS = {
    "stray values in a mask": (
        lambda b: b.png("masks/f3.png", b.mask * 7),
        r"f3\.png holds class index 7 \(20 pixels, the first in row 2, column 3\), but the classes file ends at 2",
    ),
    "negative values in a mask": (
        lambda b: b.tiff("masks/f3.tif", -b.mask.astype(np.int16)),
        r"f3\.tif holds class index -1",
    ),
    "floats in a mask": (
        lambda b: b.tiff("masks/f3.tif", b.mask.astype("f4")),
        r"f3\.tif holds float32 values; a mask holds one class index",
    ),
    "colour mask": (
        lambda b: b.png("masks/f3.png", np.stack([b.mask, 0 * b.mask, b.mask], -1)),
        r"f3\.png is a colour image; masks hold one class index",
    ),
    "mask of another size": (
        lambda b: b.png("masks/f3.png", b.mask[:, :9]),
        r"the annotation of f3 is 12 x 9, its frame 12 x 16",
    ),
    "no particle at all": (
        lambda b: [b.png(f"masks/f{i}.png", b.mask * 0) for i in range(10)],
        r"no mask of the train split of .*/out holds a particle",
    ),
    "no classes file": (lambda b: (b / "classes.yaml").unlink(), r"there is no classes file .*classes\.yaml"),
    "damaged classes file": (
        lambda b: (b / "classes.yaml").write_text("classes: [{index: 1"),
        r"classes\.yaml is not a list of classes",
    ),
    "classes file of bytes": (
        lambda b: (b / "classes.yaml").write_bytes(b"\xff\xfe\x00"),
        r"classes\.yaml is not a list of classes",
    ),
}


@pytest.mark.parametrize("name", [*PICTURES, *FOLDERS, *MASKS])
def test_a_bad_picture_or_folder_is_one_sentence(refused, name):
    if name == "unreadable file" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    refused(*{**PICTURES, **FOLDERS, **MASKS}[name])


def test_numbers_without_names_are_refused(bench, capsys):
    assert main([str(bench.images), str(bench.masks), str(bench.out)]) == 2
    assert "hold numbers without names; name the classes in a file like data/classes.yaml" in capsys.readouterr().err


def test_without_damage_the_same_call_works(bench, capsys):
    assert main(bench.arguments) == 0
    assert "10 frames of 12 x 16 pixels" in capsys.readouterr().out
    assert sorted(path.name for path in bench.out.iterdir()) == [
        "classes.yaml", "images", "import.json", "masks", "sequences.csv", "splits",
    ]  # fmt: skip


def test_a_killed_import_leaves_nothing_in_the_way(bench, capsys):
    part = bench.out.with_name(".out.part")
    (part / "images").mkdir(parents=True)
    (part / "images/half.png").write_bytes(b"half")
    assert main(bench.arguments) == 0
    assert not part.exists()
    assert not (bench.out / "images/half.png").exists()
