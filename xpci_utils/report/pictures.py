"""What the report shows of a run's frames: a few facts and the first pictures by index, never by how they came out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils.frames import FrameSet
from xpci_utils.frames.frameset import SPLITS, read_png
from xpci_utils.params.cells import BACKBONES, Cell
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
    test_names: list[str]  # of the first test frames
    particles: dict[str, int]  # annotated training particles per class; {} where the source does not count them

    @property
    def num_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.class_names)


def read_facts(folder: Path) -> FrameFacts:
    """The facts of the frame set in ``folder``."""
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
        test_names=frames.split("test").first(COUNT).names,
        particles=_particles(folder / "instances.csv"),
    )


def read_pictures(
    root: Path, runs: dict, labeller: str, pool_labeller: str, cells: list[Cell]
) -> dict[str, np.ndarray]:
    """Stacks of pictures uint8 [up to 5, H, W] by name, of the stages among ``runs``.

    "test images", "test labels"; "train images" (of frames that are cut into tiles, the middle tile: it is what the
    denoiser learnt from); "example", the image and the labels of the first training example; "pool images", "pool
    masks", "pool labels" by ``pool_labeller``; and, by the folder of their stage, the predictions of ``labeller`` and
    of one network per backbone, that with most synthetic images among ``cells``.
    """
    pictures = _of_frames(root / "frames") if "frames" in runs else {}
    pairs, labels = pairs_place("ddpm").folder, labels_place("ddpm", pool_labeller).folder
    if pairs in runs:
        pictures |= {f"pool {kind}": _first(root / pairs / kind) for kind in ("images", "masks")}
    if labels in runs:
        pictures["pool labels"] = _first(root / labels)
    shown = [labeller_place(labeller).folder, *_shown_cells(root, cells)]
    if "frames" in runs:
        names = FrameSet.open(root / "frames").split("test").first(COUNT).names
        for place in shown:
            if place in runs:
                pictures[place] = np.stack([read_png(root / place / "predictions" / f"{n}.png") for n in names])
    return pictures


def _of_frames(folder: Path) -> dict[str, np.ndarray]:
    frames = FrameSet.open(folder)
    test, examples = frames.split("test").first(COUNT), frames.examples("train")
    per_frame = len(examples) // len(frames.split("train"))  # more than one where large frames are cut into tiles
    middle = range(per_frame // 2, len(examples), per_frame)[:COUNT]
    return {
        "test images": np.stack([frame.image for frame in test]),
        "test labels": np.stack([frame.labels for frame in test]),
        "train images": np.stack([examples[index][0] for index in middle]),
        "example": np.stack(examples[0]),
    }


def _first(folder: Path) -> np.ndarray:
    return np.stack([read_png(path) for path in sorted(folder.glob("*.png"))[:COUNT]])


def _shown_cells(root: Path, cells: list[Cell]) -> list[str]:
    """Per backbone the cell with most synthetic images that stored its predictions."""
    shown: dict[str, Cell] = {}
    for cell in cells:
        stored = (root / "segmentation" / cell.name / "predictions").is_dir()
        if stored and (cell.backbone not in shown or cell.synthetic > shown[cell.backbone].synthetic):
            shown[cell.backbone] = cell
    return [cell_place(shown[backbone]).folder for backbone in BACKBONES if backbone in shown]


def _particles(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    table = pd.read_csv(path).query("split == 'train' and visible")
    return {str(name): int(count) for name, count in table["class"].value_counts().items()}
