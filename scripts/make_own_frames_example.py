"""A small simulated film with 30 annotated frames, to try docs/own_frames.md with, and the pictures of that page.

    python scripts/make_own_frames_example.py film EXAMPLE         EXAMPLE/film.h5, EXAMPLE/annotations (for CVAT)
    python scripts/make_own_frames_example.py correct TO_CORRECT EXAMPLE   corrects an export for CVAT by the film's truth
    python scripts/make_own_frames_example.py pictures EXAMPLE FRAMES RUN  docs/own_frames/*.png from what the commands made

The film is simulated, so a person's annotation and corrections are its truth.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tifffile

from xpci_utils import files, paths
from xpci_utils.exporting import ExportSet, Item
from xpci_utils.exporting.correcting import write_cvat
from xpci_utils.frames import check_folder, read_classes, unlabelled
from xpci_utils.frames.files import read_png, write_png
from xpci_utils.frames.pictures import read_indices
from xpci_utils.importing import open_film
from xpci_utils.report.style import TEXT_WIDTH, class_legend, overlay, show_image, use_style
from xpci_utils.simulation import make_film
from xpci_utils.video import simulate_film

FRAMES, SIDE, SEED, ANNOTATED = 240, 192, 3, 30
# Few films show all nine classes of the simulator: its classes 1 to 9 as four that a film of seconds holds.
CLASSES = [("solid", "#4477aa"), ("liquid", "#ee7733"), ("shell", "#228833"), ("fragments", "#cc3311")]
MERGED = {1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4, 8: 1, 9: 1}
PICTURES = paths.root() / "docs/own_frames"


def make_example(folder: Path) -> None:
    """The film, its true label maps (labels.tif), and the annotation of every eighth frame as CVAT exports it."""
    film = make_film(FRAMES, SIDE, SIDE, SEED, sampling="curated")
    simulate_film(film, folder, folder / "work", 16, folder / "work/history.jsonl")
    table = np.arange(256, dtype=np.uint8)
    table[list(MERGED)] = list(MERGED.values())
    labels = np.stack([table[film.frame(i).labels] for i in range(FRAMES)])
    tifffile.imwrite(folder / "labels.tif", labels, compression="zlib", photometric="minisblack")
    chosen = np.arange(0, FRAMES, FRAMES // ANNOTATED)
    write_annotations(folder / "annotations", folder, [f"film_{i:05d}" for i in chosen], checked=True)


def write_annotations(out: Path, example: Path, names: list[str], checked: bool) -> None:
    """The truth of frames as "CVAT for images", in a new folder."""
    film, truth = open_film(example / "film.h5"), tifffile.imread(example / "labels.tif")
    items = []
    for name in names:
        i, places = film.names.index(name), [out / f"work/{name}_{kind}.png" for kind in ("image", "labels")]
        write_png(places[0], (film[i] >> 4).astype(np.uint8))
        write_png(places[1], truth[i])
        items.append(Item(name, "next", "truth", *places, checked=checked))
    names, colours = zip(("background", "#000000"), *CLASSES, strict=True)
    write_cvat(ExportSet(tuple(items), list(names), list(colours), None, ""), out)


def main() -> int:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["film", "correct", "pictures"])
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    {"film": make_example}[options.what](*options.folders)
    return 0


if __name__ == "__main__":
    sys.exit(main())
