"""A small simulated film with 30 annotated frames, to try docs/own_frames.md with, and the pictures of that page.

    python scripts/make_own_frames_example.py film EXAMPLE                  film.h5 and annotations/, as from CVAT
    python scripts/make_own_frames_example.py correct EXAMPLE EXPORT OUT    the frames of an export, corrected
    python scripts/make_own_frames_example.py pictures EXAMPLE FRAMES RUN   docs/own_frames/*.png

The film is simulated, so a person's annotation and corrections are its truth.
"""

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tifffile
from matplotlib.figure import Figure
from PIL import Image

from xpci_utils import paths
from xpci_utils.exporting import ExportSet, Item
from xpci_utils.exporting.correcting import write_cvat
from xpci_utils.frames import check_folder, read_classes, unlabelled
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.files import read_png, write_png
from xpci_utils.frames.folder import to_uint8
from xpci_utils.frames.pictures import read_grey, read_indices
from xpci_utils.importing import Film, open_film
from xpci_utils.report import LabelMap, class_legend, label_maps, show_rows, use_style
from xpci_utils.report.style import TEXT_WIDTH
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


def correct(example: Path, export: Path, out: Path) -> None:
    """The frames of an export for CVAT with their true labels, and without the mark that nobody has looked at them."""
    names = [picture.get("name", "") for picture in ElementTree.parse(export / "annotations.xml").iter("image")]
    write_annotations(out, example, [name.removesuffix(".png") for name in names], checked=True)


def draw_pictures(example: Path, frames: Path, run: Path) -> None:
    """What the page shows: frames on their way into the folder, the film in time, and labels before and after."""
    use_style()
    _draw_import(open_film(example / "film.h5"), frames)
    _draw_time(frames, run / "video/film")
    _draw_suggestions(run / "video/film/suggestions", tifffile.imread(example / "labels.tif"))


def _draw_import(film: Film, frames: Path) -> None:
    classes = read_classes(frames / "classes.yaml")
    content, colours = check_folder(frames, classes), [one.colour for one in classes]
    names = sorted(content.masks, key=lambda name: -np.count_nonzero(read_indices(content.masks[name])))[:2]
    rows = {}
    for name in names:
        raw, image = film[film.names.index(name)], to_uint8(read_grey(content.images[name]), content.window)
        stored = to_uint8(raw, (float(raw.min()), float(raw.max())))
        rows[name] = [stored, image, LabelMap(read_indices(content.masks[name]), colours)]
    _save(show_rows(rows, titles=("stored", "corrected", "annotated"), side=2.0), "import.png", classes)


def _draw_time(frames: Path, video: Path) -> None:
    """Which frames are annotated, in which split, and which the network would have annotated next."""
    content = check_folder(frames, read_classes(frames / "classes.yaml"))
    apart, table = unlabelled(frames, content), pd.read_csv(video / "frames.csv")
    suggested = pd.read_csv(video / "suggestions/next_frames.csv")
    figure, ax = plt.subplots(figsize=(TEXT_WIDTH, 2), layout="constrained")
    ax.plot(table.frame, table.uncertainty / table.uncertainty.max(), marker="", color="black", lw=0.8)
    ax.plot(suggested.frame, suggested.uncertainty / table.uncertainty.max(), "v", linestyle="", color="black")
    for row, (split, marker) in enumerate((("train", "o"), ("val", "s"), ("test", "D")), 1):
        own = [int(name[-5:]) for name, given in content.splits.items() if given == split]
        bare = [one.frame for one in apart if one.split == split]
        ax.plot(bare, [-0.2 * row] * len(bare), "|", linestyle="", color="0.7", ms=4)
        ax.plot(own, [-0.2 * row] * len(own), marker, linestyle="", ms=3.5)
        ax.text(len(table) + 3, -0.2 * row, split, va="center", size=7)
    ax.set(xlabel="frame of the film", ylabel="uncertainty", yticks=[0, 1], xlim=(-3, len(table) + 20))
    _save(figure, "time.png")


def _draw_suggestions(place: Path, truth: np.ndarray) -> None:
    table, classes = pd.read_csv(place / "next_frames.csv")[:4], read_classes(place / "classes.yaml")
    colours = [one.colour for one in classes]
    rows = {
        "frame": [read_png(place / f"images/{name}.png") for name in table.name],
        "network": label_maps([read_png(place / f"masks/{name}.png") for name in table.name], colours),
        "corrected": label_maps(truth[table.frame], colours),
    }
    _save(show_rows(rows, titles=table.name), "suggestions.png", classes)


def _save(figure: Figure, name: str, classes: Sequence[FrameClass] = ()) -> None:
    if classes:
        names, colours = [one.name for one in classes], [one.colour for one in classes]
        class_legend(figure, names, colours, numbers=True, loc="outside lower center")
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / name, dpi=110)
    plt.close(figure)
    with Image.open(PICTURES / name) as picture:  # opaque, which takes fewer bytes
        picture.convert("RGB").save(PICTURES / name, optimize=True)


def main() -> int:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["film", "correct", "pictures"])
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    {"film": make_example, "correct": correct, "pictures": draw_pictures}[options.what](
        *(folder.absolute() for folder in options.folders)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
