"""What the tests of the import share: 24 frames with their annotation, and a bench for damaging files."""

import io
import json
import os
import re
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils.frames import FrameSet, check_folder, read_classes, read_folder, write_frames
from xpci_utils.importing import Request, import_frames, imported
from xpci_utils.importing.__main__ import main

FOREIGN = Path(__file__).resolve().parent / "foreign"
CLASSES = """
classes:
  - {index: 1, name: drop, colour: "#cc3311"}
  - {index: 2, name: shell, colour: "#4477aa"}
  - {index: 3, name: fragment, colour: "#ee3377"}
"""


@pytest.fixture(scope="session")
def film():
    """uint16 [24, 36, 40], 12 bit."""
    return tifffile.imread(FOREIGN / "film.tif")


@pytest.fixture(scope="session")
def labels():
    """uint8 [24, 36, 40] of class indices 0 to 3, and 255."""
    return tifffile.imread(FOREIGN / "labels.tif")


@pytest.fixture
def foreign():
    return FOREIGN


@pytest.fixture
def classes_file(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(CLASSES)
    return path


@pytest.fixture
def frame_set(tmp_path, classes_file):
    """Import, then what notebook 01 does with the folder: (images, masks, options) -> FrameSet."""
    sequences = tmp_path / "sequences.csv"
    rows = "".join(f"film_{i:05d},stretch_{i // 3}\n" for i in range(24))
    sequences.write_text("name,sequence\n" + rows)

    def run(images: Path, masks: Path, **options) -> FrameSet:
        number = len(list(tmp_path.glob("imported_*")))
        out = tmp_path / f"imported_{number}"
        options = {"classes": classes_file, "sequences": sequences, **options}
        import_frames(Request(images, masks, out, **options))
        classes = read_classes(out / "classes.yaml")
        content = check_folder(out, classes)
        info = {
            "class_names": [c.name for c in classes],
            "class_colours": [c.colour for c in classes],
            "pixel_size_um": imported(out)["pixel_size_um"] or 1.0,
            "tile": 0,
            "window": content.window,
            "corrections": imported(out)["corrections"],
        }
        return write_frames(tmp_path / f"frames_{number}", read_folder(content), info)

    return run


class Bench:
    """Ten good frames of 12 x 16 pixels in a folder, ways to damage them, and the command's arguments then."""

    height, width = 12, 16
    grey = np.random.default_rng(0).integers(0, 256, (10, 12, 16), dtype=np.uint8)
    mask = np.pad(np.full((4, 5), 1, np.uint8), ((2, 6), (3, 8)))
    square = (3.0, 2.0, 8.0, 2.0, 8.0, 6.0, 3.0, 6.0)

    def __init__(self, folder):
        self.folder, self.options = folder, []
        self.images, self.masks, self.out = folder / "images", folder / "masks", folder.parent / "out"
        for kind, arrays in (("images", self.grey), ("masks", [self.mask] * 10)):
            (folder / kind).mkdir(parents=True)
            for i, array in enumerate(arrays):
                self.png(f"{kind}/f{i}.png", array)
        (folder / "classes.yaml").write_text(
            "classes:\n- {index: 1, name: drop, colour: '#cc3311'}\n- {index: 2, name: shell, colour: '#4477aa'}\n"
        )

    def __truediv__(self, name):
        return self.folder / name

    @property
    def arguments(self):
        return [str(p) for p in (self.images, self.masks, self.out, "--classes", self / "classes.yaml", *self.options)]

    def png(self, name, array):
        Image.fromarray(array).save(self / name)

    def tiff(self, name, array, **options):
        """A TIFF, in place of the PNG of that name."""
        (self / name).with_suffix(".png").unlink(missing_ok=True)
        tifffile.imwrite(self / name, array, photometric="minisblack", **options)

    def swap(self, name, make):
        """Something else in place of a PNG: ``make`` is called with its path."""
        (self / name).with_suffix(".png").unlink()
        make(self / name)

    def cut(self, name):
        path = self / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def empty(self, name):
        for path in (self / name).iterdir():
            path.unlink()

    def film(self, stack, **references):
        """A stack in place of the images, with flats and darks as options."""
        self.images = self / "f.tif"
        self.tiff("f.tif", stack)
        for kind, frames in references.items():
            self.tiff(f"{kind}.tif", frames)
            self.options += [f"--{kind}", self / f"{kind}.tif"]

    def raw(self, name, content):
        """A file of bytes in place of the images."""
        self.images = self / name
        self.images.write_bytes(content)

    def exchange(self, **data):
        """HDF5 with data sets below /exchange in place of the images."""
        self.images = self / "film.h5"
        with h5py.File(self.images, "w") as file:
            for name, content in data.items():
                file[f"exchange/{name}"] = content

    def photron(self, size=None, header=None, suffix=".cih"):
        entries = {"Total Frame": 10, "Image Height": 12, "Image Width": 16, "Color Bit": 8, "Record Rate(fps)": 1,
                "File Format": "MRaw", "EffectiveBit Depth": 8, "EffectiveBit Side": "Lower"}  # fmt: skip
        self.raw("f.mraw", self.grey.tobytes()[:size])
        header = "".join(f"{key} : {value}\n" for key, value in entries.items()) if header is None else header
        if header:
            (self / f"f{suffix}").write_text(header)

    def cvat(self, members=None, labelmap="drop:204,51,17::\n", mask=None):
        """A zip like CVAT's in place of the masks, with other members and label map."""
        self.masks, stored = self / "a.zip", io.BytesIO()
        colour = np.zeros((12, 16, 3), np.uint8)
        colour[self.mask == 1] = (204, 51, 17)
        Image.fromarray(colour if mask is None else mask).save(stored, format="PNG")
        files = {f"SegmentationClass/f{i}.png": stored.getvalue() for i in range(10)}
        files |= {"labelmap.txt": labelmap} if labelmap is not None else {}
        with warnings.catch_warnings(), zipfile.ZipFile(self.masks, "w", zipfile.ZIP_DEFLATED) as archive:
            warnings.simplefilter("ignore")  # zipfile warns of the same name twice
            for name, content in [*files.items(), *(members or {}).items()]:
                archive.writestr(name, content)

    def rewrite(self, change):
        """The file of masks, with its bytes changed."""
        self.masks.write_bytes(change(self.masks.read_bytes()))

    def coco(self, change=None, segmentation=None, text=None):
        """A COCO file in place of the masks; ``segmentation`` is that of annotation 3."""
        self.masks = self / "a.json"
        images = [{"id": i, "file_name": f"f{i}.png", "height": 12, "width": 16} for i in range(10)]
        drawn = [{"id": i, "image_id": i, "category_id": 1, "segmentation": [list(self.square)]} for i in range(10)]
        content = {"images": images, "annotations": drawn, "categories": [{"id": 1, "name": "drop"}]}
        if segmentation is not None:
            drawn[3]["segmentation"] = segmentation
        if change:
            change(content)
        self.masks.write_text(json.dumps(content) if text is None else text)

    def labelme(self, shape=None, text=None, **changes):
        """A folder like labelme's in place of the masks; file f3.json differs."""
        self.masks = self / "json"
        self.masks.mkdir()
        for i in range(10):
            square = {"label": "drop", "shape_type": "polygon", "points": [[3, 2], [7, 2], [7, 5], [3, 5]]}
            content = {"shapes": [square], "imagePath": "f.png", "imageData": None, "imageHeight": 12, "imageWidth": 16}
            if i == 3:
                square |= shape or {}
                content |= changes
            (self.masks / f"f{i}.json").write_text(json.dumps(content))
        if text is not None:
            (self.masks / "f3.json").write_text(text)

    def state(self):
        """Names and bytes of everything in the folder."""
        members = sorted(path for path in self.folder.rglob("*") if not path.is_symlink())
        return {path: path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else "other" for path in members}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "in")


@pytest.fixture
def refused(bench, capsys):
    """Damage, then run the command: one clear sentence, nothing written, nothing of the user's changed."""

    def check(damage, sentence):
        damage(bench)
        before, around = bench.state(), set(bench.folder.parent.iterdir())
        assert main(bench.arguments) == 2
        printed = capsys.readouterr().err.splitlines()
        assert [line.partition(":")[0] for line in printed] == ["error", "Nothing was written."], printed
        assert re.search(sentence, printed[0]), printed[0]
        assert len(printed[0]) < 600
        assert set(bench.folder.parent.iterdir()) == around
        assert bench.state() == before

    return check


@pytest.fixture
def taken(bench, capsys):
    """Import; returns (mask of frame 3, what was printed)."""

    def run(*options):
        bench.options += options
        assert main(bench.arguments) == 0, capsys.readouterr().err
        return np.array(Image.open(bench.out / "masks/f3.png")), capsys.readouterr().out

    return run
