"""The three networks on real annotated micrographs, against the grey-level look-up table.

    python scripts/compare_micrographs.py FOLDER CLASSES [OUTPUT]      about 20 minutes on 2 cores for 24 images

FOLDER has the form of data/README.md (images/, masks/, splits/), for example the 24 micrographs of ultrahigh-carbon
steel (UHCSDB, DeCost et al. 2019) with the 16/4/4 split of MatSeg and data/examples/uhcs4_classes.yaml. Every network
trains with the settings of the quick profile on tiles of 96 pixels, from random weights and on annotated images alone.
The network is chosen by foreground Dice on the validation images; Dice per class is pooled over the pixels of the test
images. An interrupted run goes on where it stopped. Writes OUTPUT/scores.csv.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xpci_utils import files
from xpci_utils.evaluation import fit_grey_lookup, foreground_dice, pooled_confusion
from xpci_utils.evaluation.overlap import dice_from_confusion
from xpci_utils.frames import FrameSet, read_classes, write_frames
from xpci_utils.frames.folder import check_folder, read_folder
from xpci_utils.params import TrainSegmentation
from xpci_utils.segmentation import BACKBONES, NetworkData, build_network, predict, save_network, train_network
from xpci_utils.training import TrainingFolder

TILE = 96


def prepare(folder: Path, classes_file: Path, output: Path) -> FrameSet:
    """The annotated folder as frames that are cut into tiles for training."""
    if not (output / "frames.json").is_file():
        shutil.rmtree(output, ignore_errors=True)
        classes = read_classes(classes_file)
        names, colours = [c.name for c in classes], [c.colour for c in classes]
        info = {"class_names": names, "class_colours": colours, "pixel_size_um": 1.0, "tile": TILE}
        write_frames(output, read_folder(check_folder(folder, classes)), info)
    return FrameSet.open(output)


def train(backbone: str, frames: FrameSet, output: Path) -> torch.nn.Module:
    """One network, trained with the defaults of notebook 05."""
    settings = TrainSegmentation()
    network = build_network(
        backbone, frames.num_classes, size=settings.size, image_size=frames.example_shape, **settings.network_settings
    )
    data = NetworkData(frames.examples("train"), validation=frames.split("val"), score=foreground_dice)
    place = TrainingFolder(output / backbone, output / "work" / backbone, f"{backbone} {settings.decisive()}")
    train_network(network, data, settings.settings(), place)
    save_network(output / f"{backbone}.safetensors", network, frames)
    return network


def row(name: str, frames: FrameSet, label) -> dict:
    """Validation score and pooled test Dice of every class, for a function from frames to label maps."""
    validation, test = frames.split("val"), frames.split("test")
    dice = dice_from_confusion(pooled_confusion(test, label(test)))
    scores = dict(zip(frames.class_names, np.round(dice, 4), strict=True))
    return {"segmenter": name, "validation foreground Dice": foreground_dice(validation, label(validation)), **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=Path("runs/micrographs"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    frames = prepare(given.folder, given.classes, given.output / "frames")
    table = fit_grey_lookup(frames.examples("train"), frames.num_classes)
    rows = [row("grey-level look-up", frames, lambda some: {frame.name: table[frame.image] for frame in some})]
    for backbone in BACKBONES:
        network = train(backbone, frames, given.output)
        rows.append(row(backbone, frames, lambda some, network=network: predict(network, some)))
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    scores = pd.DataFrame(rows)
    with files.atomic_path(given.output / "scores.csv") as temporary:
        scores.to_csv(temporary, index=False, float_format="%.4f")
    best = scores.iloc[1:].set_index("segmenter")["validation foreground Dice"].idxmax()
    print(scores.round(3).to_string(index=False), f"best on validation: {best}", sep="\n\n")


if __name__ == "__main__":
    main()
