"""What the report shows of a run's frames: a few facts and a few pictures, chosen by index, never by how they came out.

Frames of one sequence resemble each other, so the pictures show the first frame of each of the first sequences.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils.frames import FrameSet
from xpci_utils.frames.frameset import SPLITS, read_png
from xpci_utils.params.cells import Cell, parse_row
from xpci_utils.params.places import cell_place, labeller_place, labels_place, pairs_place

COUNT = 5  # pictures of a kind


@dataclass(frozen=True)
class FrameFacts:
    """What captions and legends say about the annotated frames, ready for JSON."""

    height: int
    width: int
    tile: int
    simulated: bool
    class_names: list[str]
    class_colours: list[str]
    counts: dict[str, int]  # frames per split
    test_names: list[str]  # of the test frames that are shown
    particles: dict[str, int]  # annotated training particles per class; {} where the source does not count them

    @property
    def num_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.class_names)


def read_facts(folder: Path, test_names: list[str]) -> FrameFacts:
    """The facts of the frame set in ``folder``, of whose test frames those with ``test_names`` are shown."""
    frames = FrameSet.open(folder)
    splits = [row["split"] for row in frames.rows]
    return FrameFacts(
        height=frames.height,
        width=frames.width,
        tile=frames.tile,
        simulated=frames.simulated,
        class_names=frames.class_names,
        class_colours=frames.class_colours,
        counts={name: splits.count(name) for name in SPLITS},
        test_names=test_names,
        particles=_particles(folder / "instances.csv"),
    )


def predicting_places(stored: Collection[str], labeller: str, cells: list[Cell], rows: dict[str, str]) -> list[str]:
    """Folders of the stages whose predictions are shown: of ``labeller``, and of two networks per backbone.

    The networks are, among ``cells``, the first seed whose folder is among those that ``stored`` predictions, of every
    row in ``rows``, after that of the same row without synthetic pairs.
    """
    wanted = [row for with_pairs in rows.values() for row in (parse_row(with_pairs).alone().row, with_pairs)]
    places = {cell: cell_place(cell).folder for cell in sorted(cells, key=lambda cell: cell.seed)}
    first = [next((p for cell, p in places.items() if cell.row == row and p in stored), None) for row in wanted]
    return [labeller_place(labeller).folder, *filter(None, first)]


def shown_frames(root: Path, places: list[str]) -> FrameSet:
    """The test frames that are shown: of those whose predictions all ``places`` stored, one of each sequence."""
    test = FrameSet.open(root / "frames").split("test")
    folders = [root / place / "predictions" for place in places]
    rows = [row for row in test.rows if all((folder / f"{row['name']}.png").is_file() for folder in folders)]
    return FrameSet(test.folder, test.info, rows or test.rows).first_of_sequences(COUNT)


def read_pictures(
    root: Path, runs: dict, pool_labeller: str, places: list[str], test_names: list[str]
) -> dict[str, np.ndarray]:
    """Stacks of pictures uint8 [up to 5, H, W] by name, of the stages among ``runs``.

    "test images", "test labels"; "train images" (of frames that are cut into tiles, the middle tile: it is what the
    denoiser learnt from); "example", the image and the labels of the first training example; "pool images", "pool
    masks", "pool labels" by ``pool_labeller``; and, by the folder of their stage, the predictions of ``places`` for the
    test frames ``test_names``.
    """
    pictures = _of_frames(root / "frames", test_names) if "frames" in runs else {}
    pairs, labels = pairs_place("ddpm").folder, labels_place("ddpm", pool_labeller).folder
    if pairs in runs:
        pictures |= {f"pool {kind}": _first(root / pairs / kind) for kind in ("images", "masks")}
    if labels in runs:
        pictures["pool labels"] = _first(root / labels)
    for place in places:
        stored = [root / place / "predictions" / f"{name}.png" for name in test_names]
        if stored and all(path.is_file() for path in stored):
            pictures[place] = np.stack([read_png(path) for path in stored])
    return pictures


def _of_frames(folder: Path, test_names: list[str]) -> dict[str, np.ndarray]:
    frames = FrameSet.open(folder)
    train, examples = frames.split("train"), frames.examples("train")
    test = frames.split("test")
    shown = [test.names.index(name) for name in test_names]
    per_frame = len(examples) // len(train)  # more than one where large frames are cut into tiles
    middle = [per_frame * train.names.index(name) + per_frame // 2 for name in train.first_of_sequences(COUNT).names]
    return {
        "test images": np.stack([test[index].image for index in shown]),
        "test labels": np.stack([test[index].labels for index in shown]),
        "train images": np.stack([examples[index][0] for index in middle]),
        "example": np.stack(examples[0]),
    }


def _first(folder: Path) -> np.ndarray:
    return np.stack([read_png(path) for path in sorted(folder.glob("*.png"))[:COUNT]])


def _particles(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    table = pd.read_csv(path).query("split == 'train' and visible")
    return {str(name): int(count) for name, count in table["class"].value_counts().items()}
