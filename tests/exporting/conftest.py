"""A small finished run: annotated frames, a pool of pairs and two labellers' labels."""

import json

import numpy as np
import pytest

from xpci_utils.frames import Frame, write_frames
from xpci_utils.frames.frameset import write_png

INFO = {
    "class_names": ["background", "drop", "shell"],
    "class_colours": ["#000000", "#cc3311", "#4477aa"],
    "pixel_size_um": 2.0,
    "tile": 0,
}


def label_map(rng, height, width, ignore=True):
    """Squares of both classes, some touching, and an ignored corner."""
    labels = np.zeros((height, width), np.uint8)
    for index in (1, 2, 2):
        y, x = rng.integers(0, height - 6), rng.integers(0, width - 6)
        labels[y : y + 5, x : x + 6] = index
    if ignore:
        labels[-3:, -3:] = 255
    return labels


def finished(folder):
    (folder / "run.json").write_text(json.dumps({"products": {}, "identity": "x"}))


@pytest.fixture
def run_root(tmp_path):
    """Six annotated frames of 24 x 30 and five pairs of 16 x 20, labelled by vit_b and vit_t."""
    rng, root = np.random.default_rng(0), tmp_path / "run"
    splits = ["train", "train", "train", "val", "test", "test"]
    shape = (24, 30)
    frames = [
        Frame(f"f{i}", f"s{i}", split, rng.integers(0, 256, shape, dtype=np.uint8), label_map(rng, *shape))
        for i, split in enumerate(splits)
    ]
    write_frames(root / "frames", frames, INFO)
    finished(root / "frames")
    pool = root / "pools/ddpm"
    for i in range(5):
        name = f"{i:06d}.png"
        write_png(pool / "pairs/images" / name, rng.integers(0, 256, (16, 20), dtype=np.uint8))
        for labeller in ("vit_b", "vit_t"):
            write_png(pool / f"labels/{labeller}__s0" / name, label_map(rng, 16, 20, ignore=False))
    for folder in (pool / "pairs", pool / "labels/vit_b__s0", pool / "labels/vit_t__s0"):
        finished(folder)
    return root
