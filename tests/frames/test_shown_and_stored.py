"""Frames as programs show them and masks as they are stored, for every depth and kind of PNG and TIFF.

What programs show is what Pillow decodes where it keeps all bits, else the numbers that were written.
"""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tifffile import PHOTOMETRIC

from xpci_utils.frames import FolderError
from xpci_utils.frames.pictures import read_grey, read_indices, read_png_pixels
from xpci_utils.frames.tiff import TiffStack
from xpci_utils.importing.films import open_films

RNG = np.random.default_rng(0)
EIGHT = RNG.integers(0, 256, (12, 16), dtype=np.uint8)
TWELVE = RNG.integers(0, 4096, (12, 16), dtype=np.uint16)
CLASSES = RNG.integers(0, 4, (12, 16), dtype=np.uint8)
FIRE = np.stack([np.linspace(0, 1, 256) ** p * 255 for p in (0.5, 1, 3)], 1).astype(np.uint8)


def packed_png(values, depth, colour=0, palette=b"", extra=b""):
    """A grey or palette PNG of 1, 2 or 4 bits, packed by hand."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bits = np.unpackbits(values[..., None], axis=-1)[..., 8 - depth :].reshape(len(values), -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head) + (chunk(b"PLTE", palette) if palette else b"") + extra
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def packed_tiff(values, depth, photometric=1):
    """An uncompressed grey TIFF of 2, 4 or 12 bits, packed by hand; no library here writes one."""
    wide = values.astype(">u2").view(np.uint8).reshape(*values.shape, 2)
    bits = np.unpackbits(wide, axis=-1)[..., 16 - depth :].reshape(len(values), -1)
    rows = b"".join(np.packbits(row).tobytes() for row in bits)
    height, width = values.shape
    tags = [(256, 4, width), (257, 4, height), (258, 3, depth), (259, 3, 1), (262, 3, photometric), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 4, height), (279, 4, len(rows))]
    head = struct.pack("<2sHI", b"II", 42, 8 + len(rows) + len(rows) % 2) + rows + b"\0" * (len(rows) % 2)
    return (
        head + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", n, k, 1, v) for n, k, v in tags) + bytes(4)
    )


def saved(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_masks_of_few_bits_keep_their_indices(tmp_path, depth):
    values = CLASSES % 2**depth
    grey = saved(tmp_path / "g.png", packed_png(values, depth))
    palette = saved(tmp_path / "p.png", packed_png(values, depth, 3, bytes(range(3 * 2**depth))))
    for path in (grey, palette):
        assert np.array_equal(read_indices(path), values)


def test_masks_of_few_bits_inside_an_archive_keep_their_indices():
    """A file that is no path, as in a zip of CVAT."""
    stream = io.BytesIO(packed_png(CLASSES, 4))
    assert np.array_equal(read_png_pixels(stream, "a.zip", grey=False), CLASSES)


@pytest.mark.parametrize("depth", [2, 4])
def test_frames_of_few_bits_are_spread_alike_in_png_and_tiff(tmp_path, depth):
    values = RNG.integers(0, 2**depth, (12, 16), dtype=np.uint8)
    png = saved(tmp_path / "a.png", packed_png(values, depth))
    saved(tmp_path / "a.tif", packed_tiff(values, depth))
    shown = values * (255 // (2**depth - 1))
    assert np.array_equal(np.array(Image.open(png).convert("L")), shown)
    assert np.array_equal(read_grey(png), shown)
    assert np.array_equal(read_grey(tmp_path / "a.tif"), shown)
    assert np.array_equal(read_indices(tmp_path / "a.tif"), values)


@pytest.mark.parametrize("channels", [3, 4, 2])
def test_sixteen_bits_of_colour_png_arrive_whole(tmp_path, channels):
    stored = np.repeat(TWELVE[..., None], channels, -1)
    if channels != 3:
        stored[..., -1] = 65535
    path = saved(tmp_path / "a.png", imagecodecs.png_encode(stored))
    assert read_grey(path).dtype == np.uint16
    assert np.array_equal(read_grey(path), TWELVE)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["u2", "u1", "i2", "f4"])
def test_byte_order_does_not_matter(tmp_path, order, compression, kind):
    stored = (EIGHT if kind == "u1" else TWELVE).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", stored, byteorder=order, compression=compression, photometric="minisblack")
    image = read_grey(tmp_path / "a.tif")
    assert image.dtype == {"u2": np.uint16, "u1": np.uint8}.get(kind, np.float32)
    assert np.array_equal(image, stored)
    assert image.dtype.isnative


@pytest.mark.parametrize(("stored", "top"), [(EIGHT, 255), (TWELVE, 65535)])
def test_white_as_zero_is_inverted_as_pillow_does(tmp_path, stored, top):
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite")
    assert np.array_equal(read_grey(tmp_path / "a.tif"), top - stored)
    if top == 255:
        assert np.array_equal(np.array(Image.open(tmp_path / "a.tif")), top - stored)
    assert any("inverted" in note for note in TiffStack(tmp_path / "a.tif").notes)


def test_twelve_packed_bits_are_inverted_within_twelve_bits(tmp_path):
    saved(tmp_path / "a.tif", packed_tiff(TWELVE, 12, photometric=0))
    assert np.array_equal(read_grey(tmp_path / "a.tif"), 4095 - TWELVE)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_one_bit_is_one_where_it_is_shown_white(tmp_path, photometric):
    particle = CLASSES == 1
    stored = particle if photometric == "minisblack" else ~particle
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric)
    assert np.array_equal(np.array(Image.open(tmp_path / "a.tif")), particle)
    assert np.array_equal(read_indices(tmp_path / "a.tif"), particle.astype(np.uint8))
    Image.fromarray(particle).save(tmp_path / "a.png")
    assert np.array_equal(read_indices(tmp_path / "a.png"), particle.astype(np.uint8))


def colour_map(lut):
    return np.ascontiguousarray(lut.T.astype(np.uint16) * 257)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_palettes_are_shown_and_colour_ones_are_a_sentence(tmp_path, suffix):
    """An inverting grey palette; one of colours says that --grey stored takes the numbers behind it."""
    inverse = np.repeat(np.arange(256)[::-1, None], 3, 1).astype(np.uint8)
    for name, lut in (("grey", inverse), ("fire", FIRE)):
        path = tmp_path / f"{name}.{suffix}"
        if suffix == "tif":
            tifffile.imwrite(path, EIGHT, photometric="palette", colormap=colour_map(lut))
        else:
            picture = Image.fromarray(EIGHT, "L").convert("P")
            picture.putdata(EIGHT.ravel())
            picture.putpalette(lut.ravel().tolist())
            picture.save(path)
        assert np.array_equal(read_indices(path), EIGHT)
    assert np.array_equal(read_grey(tmp_path / f"grey.{suffix}"), 255 - EIGHT)
    with pytest.raises(FolderError, match=r"fire\..* is a colour image; .*--grey stored"):
        read_grey(tmp_path / f"fire.{suffix}")


def bad_masks(folder):
    tifffile.imwrite(folder / "white.tif", CLASSES, photometric="miniswhite")
    yield "white.tif", r"shows 0 as white .* save the mask with 0 as black"
    colours = np.stack([CLASSES, 0 * CLASSES, CLASSES], -1)
    Image.fromarray(colours).save(folder / "colour.png")
    yield "colour.png", "is a colour image; masks hold one class index"
    tifffile.imwrite(folder / "colour.tif", colours, photometric="rgb")
    yield "colour.tif", "is a colour image; masks hold one class index"


def test_masks_that_programs_disagree_about_are_sentences(tmp_path):
    for name, sentence in bad_masks(tmp_path):
        with pytest.raises(FolderError, match=sentence):
            read_indices(tmp_path / name)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_indices_stored_as_grey_colours_arrive(tmp_path, suffix, alpha):
    """What a paint program writes: three equal channels, and an opaque fourth."""
    colours = np.stack([CLASSES] * 3 + [np.full_like(CLASSES, 255)] * alpha, -1)
    path = tmp_path / f"mask.{suffix}"
    if suffix == "png":
        Image.fromarray(colours).save(path)
    else:
        tifffile.imwrite(path, colours, photometric="rgb", extrasamples=["unassalpha"] * alpha)
    assert np.array_equal(read_indices(path), CLASSES)


def pages(path, *described):
    """A TIFF with a page for each (pixels, options)."""
    with tifffile.TiffWriter(path) as file:
        for pixels, options in described:
            file.write(pixels, metadata=None, contiguous=False, **options)


def test_every_page_is_shown_through_its_own_palette(tmp_path):
    ramp = np.arange(256, dtype=np.uint16)[None].repeat(3, 0) * 257
    plain, inverse = ({"photometric": "palette", "colormap": np.ascontiguousarray(c)} for c in (ramp, ramp[:, ::-1]))
    pages(tmp_path / "film.tif", (EIGHT, plain), (EIGHT, inverse), (EIGHT, plain))
    (film,) = open_films(tmp_path / "film.tif")
    assert all(np.array_equal(*pair) for pair in zip(film, (EIGHT, 255 - EIGHT, EIGHT), strict=True))


def test_a_later_page_that_is_turned_is_a_sentence(tmp_path):
    grey, turned = {"photometric": "minisblack"}, {"extratags": [(274, "H", 1, 6, True)]}
    pages(tmp_path / "film.tif", (EIGHT, grey), (EIGHT, grey | turned))
    (film,) = open_films(tmp_path / "film.tif")
    assert np.array_equal(film[0], EIGHT)
    with pytest.raises(FolderError, match=r"film\.tif, frame 1 is marked to be shown turned .*orientation 6"):
        film[1]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("plain", [True, False])
def test_a_palette_that_changes_the_levels_is_told(tmp_path, suffix, plain):
    lut = np.repeat(np.arange(256)[:: 1 if plain else -1, None], 3, 1).astype(np.uint8)
    path = tmp_path / f"film.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, EIGHT, photometric="palette", colormap=colour_map(lut))
    else:
        picture = Image.fromarray(EIGHT).convert("P")
        picture.putdata(EIGHT.ravel())
        picture.putpalette(lut.ravel().tolist())
        picture.save(path)
    (film,) = open_films(path)
    assert np.array_equal(film[0], EIGHT if plain else 255 - EIGHT)
    assert (not film.notes) if plain else "--grey stored takes the numbers" in film.notes[0]


def test_times_of_slices_are_told(tmp_path):
    stack = np.arange(6, dtype=np.uint8)[:, None, None] * 20 + EIGHT // 8
    tifffile.imwrite(tmp_path / "film.tif", stack.reshape(3, 2, *EIGHT.shape), imagej=True, metadata={"axes": "TZYX"})
    (film,) = open_films(tmp_path / "film.tif")
    assert np.array_equal(np.stack(list(film)), stack)
    assert film.notes == (
        "the file holds 3 times of 2 slices (Z) each; they are taken as 6 frames in the order of the file",
    )


def test_frames_that_are_stored_as_channels_have_a_cure(tmp_path):
    tifffile.imwrite(tmp_path / "film.tif", np.stack([EIGHT] * 9), imagej=True)
    with pytest.raises(FolderError, match=r"has 9 channels; .*channels 1 and frames 9; tifffile: axes 'TYX'"):
        open_films(tmp_path / "film.tif")


def turned_png(path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(EIGHT).save(path.with_suffix(".png"), exif=exif)
    return path.with_suffix(".png"), r"marked to be shown turned or mirrored \(orientation 6\)"


def turned_tiff(path):
    tifffile.imwrite(path, EIGHT, photometric="minisblack", extratags=[(274, "H", 1, 3, True)])
    return path, r"marked to be shown turned or mirrored \(orientation 3\)"


def see_through(path):
    stored = np.stack([EIGHT] * 4, -1)
    Image.fromarray(stored).save(path.with_suffix(".png"))
    return path.with_suffix(".png"), "has transparent pixels"


def white_floats(path):
    tifffile.imwrite(path, EIGHT.astype("f4"), photometric="miniswhite")
    return path, r"shows 0 as white .* nothing says what black is"


def printing_colours(path):
    tifffile.imwrite(path, np.stack([EIGHT] * 4, -1), photometric=PHOTOMETRIC.SEPARATED)
    return path, "stores its colours as SEPARATED; convert it to grey"


def planes_of_colour(path):
    """Not by tifffile, whose description would tell that these are frames."""
    stored = np.stack([EIGHT] * 3)
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig="separate", metadata=None)
    return path, "is a colour image, stored in 3 planes"


def curved(path):
    tifffile.imwrite(path, TWELVE, imagej=True, metadata={"axes": "YX", "cf": 3, "c0": 1.0, "c1": 2.0, "c2": 1.0})
    return path, r"carries a calibration of ImageJ \(function 3\)"


FAULTS = [turned_png, turned_tiff, see_through, white_floats, printing_colours, planes_of_colour, curved]


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_what_would_need_a_guess_is_a_sentence(tmp_path, make):
    path, sentence = make(tmp_path / "a.tif")
    with pytest.raises(FolderError, match=sentence):
        read_grey(path)


def test_imagejs_signed_frames_arrive_signed(tmp_path):
    """ImageJ keeps signed integers as unsigned ones with a straight line of -32768 and 1 as calibration."""
    signed = TWELVE.astype(np.int32) - 2000
    metadata = {"axes": "YX", "cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "gray value"}
    tifffile.imwrite(tmp_path / "a.tif", (signed + 32768).astype(np.uint16), imagej=True, metadata=metadata)
    assert np.array_equal(read_grey(tmp_path / "a.tif"), signed)
    assert "-32768 + 1 x stored value" in TiffStack(tmp_path / "a.tif").notes[0]


def test_a_calibration_that_changes_nothing_changes_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", TWELVE, imagej=True, metadata={"axes": "YX", "cf": 0, "c0": 0.0, "c1": 1.0})
    assert read_grey(tmp_path / "a.tif").dtype == np.uint16


@pytest.mark.parametrize("away", [0, 2, 7])
def test_nearly_equal_channels_are_grey(tmp_path, away):
    grey = np.clip(EIGHT, 8, 247)
    grey[0, 0] = 247
    colour = np.stack([grey - away // 2, grey, grey + away // 2], -1)
    Image.fromarray(colour).save(tmp_path / "a.png")
    assert np.array_equal(read_grey(tmp_path / "a.png"), grey)


def test_plainly_different_channels_are_not(tmp_path):
    Image.fromarray(np.stack([EIGHT, EIGHT, EIGHT // 2], -1)).save(tmp_path / "a.png")
    with pytest.raises(FolderError, match="is a colour image; convert it to grey"):
        read_grey(tmp_path / "a.png")


def test_frames_of_a_short_stack_are_no_channels(tmp_path):
    """tifffile stores three frames as planes of a colour picture, and says in its description that they are not."""
    tifffile.imwrite(tmp_path / "a.tif", np.stack([EIGHT, EIGHT // 2, EIGHT // 3]))
    stack = TiffStack(tmp_path / "a.tif")
    assert len(stack) == 3
    assert np.array_equal(stack.shown(1), EIGHT // 2)
