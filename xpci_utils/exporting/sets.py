"""What is exported: synthetic frames with the labels of one labeller, on request with the annotated frames."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils import files, paths, stages
from xpci_utils.frames import FrameSet, read_classes
from xpci_utils.frames.files import read_png
from xpci_utils.params.places import labels_place
from xpci_utils.stages import StageError

SUGGESTIONS, CLASSES = "suggestions", "classes.yaml"
UNKNOWN_PIXEL_UM = 1.0  # what pixel_size_um says where nobody told (data/README.md)


@dataclass(frozen=True)
class Item:
    """One frame of the set: where it comes from, and its split ("train" for synthetic ones)."""

    name: str
    split: str
    source: str
    image_path: Path
    labels_path: Path
    sequence: str = ""  # of annotated frames: the film or stretch of time they are from
    checked: bool = True  # False for what a network labelled, and a person is to correct

    @property
    def image(self) -> np.ndarray:
        """uint8 [H, W]."""
        return read_png(self.image_path)

    @property
    def labels(self) -> np.ndarray:
        """uint8 [H, W] of class indices; 0 background, 255 ignored."""
        return read_png(self.labels_path)


@dataclass(frozen=True)
class ExportSet:
    """Frames with labels, read one at a time, what their classes are called, and the pixel [um], None if unknown."""

    items: tuple[Item, ...]
    class_names: list[str]
    class_colours: list[str]
    pixel_um: float | None
    description: str

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(item.split for item in self.items))


def synthetic_set(
    run_root: str | Path, labeller: str = "", pool: str = "ddpm", annotated: bool = False, count: int = 0
) -> ExportSet:
    """The pool of a run with the labels of ``labeller``, the first ``count`` pairs (0: all).

    ``annotated`` adds the annotated frames with their splits. Raises StageError when a stage is unfinished or the
    labeller has to be chosen.
    """
    root = paths.resolve(run_root)
    frames = FrameSet.open(_finished(root / "frames"))
    labels, named = _labels(root / "pools" / pool, labeller)
    pairs = _finished(root / "pools" / pool / "pairs")
    names = sorted(path.name for path in (pairs / "images").glob("*.png"))
    if count > len(names):
        raise StageError(f"{count} pairs are asked for, but {paths.display(pairs)} holds {len(names)}")
    items = [
        Item(f"synthetic_{name[:-4]}", "train", named, pairs / "images" / name, labels / name)
        for name in names[: count or None]
    ]
    if annotated:
        items += _annotated(frames)
    kind = "simulated" if frames.simulated else "given"
    description = f"{len(names[: count or None])} synthetic frames of {paths.display(root)}, labelled by {named}"
    description += f", with {len(frames)} annotated {kind} frames" if annotated else f", learnt from {kind} frames"
    return ExportSet(tuple(items), frames.class_names, frames.class_colours, _known(frames.pixel_size_um), description)


def is_suggested(folder: str | Path) -> bool:
    """Whether a folder is what notebook 07 wrote of a film, with the frames that it would annotate next.

    StageError for the place of a film's result that notebook 07 has not finished.
    """
    folder = paths.resolve(folder)
    if folder.parent.name == "video" and stages.read_run(folder) is None:
        raise StageError(
            f"{paths.display(folder)} is not finished; 'xpci video FILM' applies a network to the film first"
        )
    return (folder / SUGGESTIONS / "next_frames.csv").is_file()


def suggested_set(folder: str | Path, count: int = 0, old: bool = False) -> ExportSet:
    """The frames that notebook 07 would annotate next, the first ``count`` (0: all), with its network's labels.

    Raises StageError when the stage is unfinished, of a version that did not keep the classes of its network, without
    any proposal, or, unless ``old``, when the network or the frames that it learnt from have changed since.
    """
    folder = paths.resolve(folder)
    record, place = stages.read_run(_finished(folder)), folder / SUGGESTIONS
    assert record is not None  # it is finished
    if not (place / CLASSES).is_file():
        raise StageError(f"{paths.display(folder)} was made by an earlier version; {_again(record)}")
    if not old:
        _check_current(folder, record)
    table, classes = pd.read_csv(place / "next_frames.csv"), read_classes(place / CLASSES)
    names = [str(name) for name in table["name"]][: count or None]
    if not names:
        raise StageError(
            f"{paths.display(folder)} proposes no frame: all frames of the film are annotated, or its parameter "
            "suggestions is 0"
        )
    items = [
        Item(name, "next", "network", place / f"images/{name}.png", place / f"masks/{name}.png", checked=False)
        for name in names
    ]
    description = f"{len(names)} frames to annotate next, with the labels of {record['parameters']['cell']}"
    pixel_um = files.read_json(folder / "metrics.json")["pixel_size_um"]
    names, colours = [one.name for one in classes], [one.colour for one in classes]
    return ExportSet(tuple(items), names, colours, _known(pixel_um), description)


def _check_current(folder: Path, record: Mapping) -> None:
    """StageError when the network behind a film's result, or what it learnt from, is another one now."""
    given = record["parameters"]
    root = paths.resolve(given["run_root"]) if given["output_folder"] else folder.parents[1]
    if changed := stages.changed_since(record, root):
        places = ", ".join(paths.display(root / place) for place in changed)
        raise StageError(
            f"{paths.display(folder)} is of an earlier network: {places} changed since; train again if you have not, "
            f"and {_again(record)}, or say --old-proposals to export these"
        )


def _again(record: Mapping) -> str:
    """How notebook 07 makes a result again."""
    film = record["parameters"]["film_path"]
    command = " ".join(["xpci video", *([shlex.quote(film)] if film else []), "--force"])
    return f"apply the network again ({command}, with the other options as before)"


def _known(pixel_um: float) -> float | None:
    return None if pixel_um == UNKNOWN_PIXEL_UM else pixel_um


def _annotated(frames: FrameSet) -> list[Item]:
    source = "annotated, simulated" if frames.simulated else "annotated"
    folder = frames.folder
    return [
        Item(
            f"annotated_{row['name']}",
            row["split"],
            source,
            folder / f"images/{row['name']}.png",
            folder / f"labels/{row['name']}.png",
            row["sequence"],
        )
        for row in frames.rows
    ]


def _finished(folder: Path) -> Path:
    if stages.read_run(folder) is None:
        raise StageError(f"{paths.display(folder)} is not finished; 'make reproduce' continues it")
    return folder


def _labels(pool: Path, labeller: str) -> tuple[Path, str]:
    """(folder of the labels, who gave them): the labeller asked for or the only one; a fresh pool has true labels."""
    if (pool / "pairs/labels").is_dir() and not labeller:
        return pool / "pairs/labels", "the simulator"
    places = [labels_place(pool.name, path.name.split("__")[0]) for path in sorted((pool / "labels").glob("*"))]
    folders = {str(place.parameters["labeller"]): pool.parents[1] / place.folder for place in places}
    folders = {labeller: path for labeller, path in folders.items() if path.is_dir()}
    if not folders:
        raise StageError(f"{paths.display(pool)} holds no labels; adapt a labeller and let it label the pairs first")
    if not labeller and len(folders) > 1:
        raise StageError(f"{paths.display(pool)} was labelled by {', '.join(folders)}; choose one with --labeller")
    chosen = labeller or next(iter(folders))
    if chosen not in folders:
        raise StageError(f"{paths.display(pool)} was not labelled by {chosen!r}, but by {', '.join(folders)}")
    return _finished(folders[chosen]), chosen
