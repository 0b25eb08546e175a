"""Files that want to run something or to fill the memory: each is refused in one sentence, and nothing in it runs."""

import dataclasses
import hashlib
import pickle
import re
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils import paths
from xpci_utils.frames.classes import read_classes
from xpci_utils.frames.folder import FolderError, check_folder

CLASSES = "classes:\n  - {index: 1, name: drop, colour: '#cc3311'}\n"


class Bomb:
    """Pickled, an order to make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def bomb(tmp_path):
    """(bytes of a pickle that makes a file when it is read, that file)."""
    made = tmp_path / "ran"
    data = pickle.dumps({"state": Bomb(made)})
    pickle.loads(data)["state"].close()
    assert made.exists(), "it works"
    made.unlink()
    return data, made


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


@pytest.mark.parametrize("kind", ["tensors", "denoiser", "labeller", "network"])
def test_a_pickle_in_place_of_weights_is_refused(bomb, tmp_path, kind):
    data, made = bomb
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    if kind == "tensors":
        from xpci_utils.training import load_tensors as load
    elif kind == "denoiser":
        from xpci_utils.diffusion import load_denoiser as load
    elif kind == "labeller":
        from xpci_utils.sam import load_labeller as load
    else:
        from xpci_utils.segmentation import load_network as load
    with pytest.raises(ValueError, match=r"model\.safetensors is not a readable safetensors file") as error:
        load(path)
    one_sentence(error)
    assert not made.exists()


def test_a_header_of_tensors_that_claims_everything_is_refused(tmp_path):
    """The first eight bytes of a safetensors file are the length of its header."""
    from xpci_utils.training import load_tensors

    claim = b'{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}'
    for name, content in {"long": struct.pack("<Q", 2**62), "large": struct.pack("<Q", len(claim)) + claim}.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}\.safetensors is not a readable safetensors file") as error:
            load_tensors(path)
        one_sentence(error)


@pytest.mark.parametrize("hash_fits", [False, True])
def test_a_pickle_in_place_of_official_weights_runs_in_no_case(bomb, tmp_path, monkeypatch, hash_fits):
    """The sha256 refuses it; and were the sha256 fooled, the reader of plain tensors refuses it."""
    import torch

    from xpci_utils.sam import build_sam, checkpoints

    _, made = bomb
    official = checkpoints.OFFICIAL["vit_t"]
    path = tmp_path / official.file
    torch.save({"state": Bomb(made)}, path)
    if hash_fits:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(checkpoints.OFFICIAL, "vit_t", dataclasses.replace(official, sha256=digest))
    with torch.device("meta"):
        model = build_sam("vit_t", "paper")
    expected = pickle.UnpicklingError if hash_fits else ValueError
    with pytest.raises(expected, match=r"weights_only|its sha256 is .* expected"):
        checkpoints.load_official_weights(model, tmp_path)
    assert not made.exists()


def test_an_array_of_pickled_objects_is_refused(bomb, tmp_path):
    """Blocks of a film are numpy archives."""
    from xpci_utils.video.blocks import read_blocks

    _, made = bomb
    path = tmp_path / "block_00000.npz"
    np.savez(path, frames=np.array([Bomb(made)], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        list(read_blocks([path]))
    assert not made.exists()


@pytest.mark.parametrize(
    "text",
    [
        "classes: !!python/object/apply:os.system ['touch {}']",
        "classes:\n  - !!python/object/new:pathlib.Path ['{}']",
        "background: !!python/name:os.system\nclasses: []",
        "classes: [!!python/object/apply:subprocess.Popen [[touch, '{}']]]",
    ],
)
def test_classes_with_tags_are_refused(tmp_path, text):
    path = tmp_path / "classes.yaml"
    path.write_text(text.format(tmp_path / "ran"))
    with pytest.raises(ValueError, match=r"classes\.yaml is not a list of classes.*could not determine") as error:
        read_classes(path)
    one_sentence(error)
    assert not (tmp_path / "ran").exists()


def png(width, height, rows=b"", large_text=False):
    """A PNG whose header says what it wants."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**27))) if large_text else b""
    return b"\x89PNG\r\n\x1a\n" + head + text + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def gigapixel_tiff(path):
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(200_000)


BOMBS = {
    "gigapixels, PNG": (".png", lambda path: path.write_bytes(png(60_000, 60_000)), "far too much"),
    "a hundred megapixels, PNG": (".png", lambda path: path.write_bytes(png(11_000, 11_000)), "says it is 11000 x"),
    "more rows than are there, PNG": (".png", lambda path: path.write_bytes(png(9_000, 9_000)), "cannot be read"),
    "a text that expands, PNG": (
        ".png",
        lambda path: path.write_bytes(png(16, 16, bytes(16 * 17), large_text=True)),
        "cannot be read",
    ),
    "gigapixels, TIFF": (".tif", gigapixel_tiff, "says it is 200000 x 200000"),
}


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_expands_is_refused_in_a_folder_of_frames(tmp_path, name, kind):
    """Notebook 01 on a folder of one's own; the converters have the same readers and tests of their own."""
    suffix, make, words = BOMBS[name]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for number in range(4):
            Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / folder / f"f{number}.png")
    (tmp_path / kind / "f2.png").unlink()
    make(tmp_path / kind / f"f2{suffix}")
    (tmp_path / "classes.yaml").write_text(CLASSES)
    classes = read_classes(tmp_path / "classes.yaml")
    tracemalloc.start()
    with pytest.raises(FolderError, match=words) as error:
        check_folder(tmp_path, classes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "f2" in one_sentence(error)
    assert peak < 2**28, "memory for what a header claims"


def test_no_reader_of_the_package_can_run_code():
    """torch.load is called with weights_only alone; no pickle, no unsafe YAML, no object arrays."""
    unsafe = re.compile(
        r"pickle\.load|joblib\.load|torch\.load\((?!.*weights_only=True)|yaml\.(unsafe|full)_load|"
        r"allow_pickle=True|weights_only=False|(?<![.\w])(eval|exec)\("
    )
    files = sorted((paths.root() / "xpci_utils").rglob("*.py"))
    assert len(files) > 100
    assert [
        f"{path.name}: {line}" for path in files for line in path.read_text().splitlines() if unsafe.search(line)
    ] == []
