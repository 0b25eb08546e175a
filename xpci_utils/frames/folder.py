"""A user's own annotated frames: a folder of images and index masks, checked as a whole before anything is written.

    images/  frame_000.png ...     8 or 16 bit grey, PNG or TIFF
    masks/   frame_000.png ...     class indices of classes.yaml; 0 background, 255 ignore
    splits/  train.txt, val.txt, test.txt      frame names, one per line (optional)
    sequences.csv                  name,sequence (optional): frames of one video stay in one split

Without ``splits`` whole sequences are dealt out: about a fifth to test and a tenth to validation. Without
``sequences.csv`` every frame counts as a sequence of its own. For a cross-validation sequences are dealt to folds, and
``splits`` are left aside.
"""

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.faults import FolderError, reading, unique
from xpci_utils.frames.frameset import SPLITS, Frame
from xpci_utils.frames.mask_values import Values, doubt, stray_hint, values_of
from xpci_utils.frames.pad import IGNORE
from xpci_utils.frames.pictures import SUFFIXES, read_grey, read_indices
from xpci_utils.randomness import numpy_rng


@dataclass(frozen=True)
class AnnotatedFolder:
    """What a check of the folder found: files, splits and sequences by frame name, and the intensity window."""

    images: dict[str, Path]
    masks: dict[str, Path]
    splits: dict[str, str]
    sequences: dict[str, str]
    window: tuple[float, float]


def check_folder(
    folder: str | Path, classes: list[FrameClass], seed: int = 0, folds: int = 0, fold: int = 0
) -> AnnotatedFolder:
    """Look at every file of ``folder`` and raise FolderError at the first that cannot be used; writes nothing.

    With ``folds`` the test frames are those of one fold of a cross-validation, counted from 0. What the numbers of
    masks mean is asked where they leave it open, but not again of a folder that the import wrote.
    """
    folder = paths.resolve(folder)
    images, masks = (_files(folder / kind) for kind in ("images", "masks"))
    _match(images, masks, folder)
    first, values = None, {}
    for name in images:
        first, values[name] = _check_pair(images[name], masks[name], classes, first)
    if not _is_imported(folder):
        _ask(values, folder)
    sequences = _sequences(folder, images)
    splits = _split(folder, images, sequences, seed, folds, fold)
    for split in SPLITS:
        if not any(set(values[name].particles) - {IGNORE} for name, own in splits.items() if own == split):
            raise FolderError(
                f"no mask of the {split} split of {paths.display(folder)} holds a particle; add such frames"
            )
    window = _window([images[name] for name, split in splits.items() if split == "train"])
    return AnnotatedFolder(images, masks, splits, sequences, window)


def splits_of(folder: str | Path, seed: int = 0, folds: int = 0, fold: int = 0) -> dict[str, str]:
    """Split of every frame, as `check_folder` finds it, from names alone: no image is read. FolderError as there."""
    folder = paths.resolve(folder)
    images = _files(folder / "images")
    return _split(folder, images, _sequences(folder, images), seed, folds, fold)


def read_folder(content: AnnotatedFolder) -> Iterator[Frame]:
    """The frames of a checked folder, grey levels mapped to uint8 by the window of the training frames."""
    for name in sorted(content.splits):
        image = to_uint8(read_grey(content.images[name]), content.window)
        labels = read_indices(content.masks[name]).astype(np.uint8)
        yield Frame(name, content.sequences[name], content.splits[name], image, labels)


def to_uint8(grey: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Grey levels [H, W] as uint8: those of ``window`` (low, high) become 0 and 255, what lies beyond is cut."""
    low, high = window
    return np.clip(np.round((grey.astype(np.float64) - low) / (high - low) * 255), 0, 255).astype(np.uint8)


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FolderError(f"{paths.display(folder)} does not exist; data/README.md shows the layout of a frame folder")
    with reading(folder, "a folder"):
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    by_stem = dict(zip(unique((path.stem for path in files), folder), files, strict=True))
    if not by_stem:
        raise FolderError(f"{paths.display(folder)} holds no PNG or TIFF files")
    return by_stem


def _match(images: dict[str, Path], masks: dict[str, Path], folder: Path) -> None:
    for name in images:
        if name not in masks:
            raise FolderError(f"{images[name]} has no mask; add {folder / 'masks' / name}.png or remove the image")
    for name in masks:
        if name not in images:
            raise FolderError(f"{masks[name]} has no image; add {folder / 'images' / name}.png or remove the mask")


def check_labels(
    labels: np.ndarray,
    classes: Sequence[FrameClass],
    where: str | Path,
    cure: str = "add the class to it or correct the mask",
) -> np.ndarray:
    """Labels as uint8, all of them known classes.

    FolderError names the first stray value, its count, its place and a ``cure``.
    """
    where = paths.display(where)
    if labels.dtype.kind not in "ui":
        raise FolderError(f"{where} holds {labels.dtype} values; a mask holds one class index (an integer) per pixel")
    known = np.isin(labels, [*range(len(classes)), IGNORE])
    if not known.all():
        y, x = np.argwhere(~known)[0]
        value, count = labels[y, x], int((labels == labels[y, x]).sum())
        raise FolderError(
            f"{where} holds class index {value} ({count} pixels, the first in row {y}, column {x}), "
            f"but the classes file ends at {len(classes) - 1} ({classes[-1].name}); {cure}{stray_hint(labels)}"
        )
    return labels.astype(np.uint8)


def _check_pair(
    image: Path, mask: Path, classes: list[FrameClass], first: np.ndarray | None
) -> tuple[np.ndarray, Values]:
    """(the first image of the folder, the numbers of this mask)."""
    grey, labels = read_grey(image), check_labels(read_indices(mask), classes, mask)
    first = grey if first is None else first
    if labels.shape != grey.shape:
        raise FolderError(f"{mask} is {_size(labels)}, its image {_size(grey)}; export the mask at the image's size")
    if grey.shape != first.shape:
        raise FolderError(f"{image} is {_size(grey)}, the first image {_size(first)}; all must be alike")
    if grey.dtype != first.dtype:
        raise FolderError(f"{image} is {grey.dtype}, the first image {first.dtype}; save all with the same depth")
    return first, values_of(labels)


def _is_imported(folder: Path) -> bool:
    """Whether the import wrote the masks, and so knows what their numbers mean."""
    path = folder / "import.json"
    if not path.is_file():
        return False
    with reading(path, "JSON"):
        return "mask_values" in json.loads(path.read_text(encoding="utf-8"))


def _ask(values: dict[str, Values], folder: Path) -> None:
    """FolderError where the numbers of the masks leave open what they mean."""
    if reason := doubt(values):
        where = paths.display(folder)
        raise FolderError(
            f"{where}: {reason}; import the folder to say which it is: python -m xpci_utils.importing {where}/images "
            f"{where}/masks NEW_FOLDER --classes {where}/classes.yaml --mask-values indices (or binary, or instances)"
        )


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]} x {array.shape[1]}"


def _sequences(folder: Path, images: dict[str, Path]) -> dict[str, str]:
    path = folder / "sequences.csv"
    if not path.is_file():
        return {name: name for name in images}
    with reading(path, "a table"), open(path, newline="", encoding="utf-8-sig") as file:
        rows = {row.get("name"): row.get("sequence") or "" for row in csv.DictReader(file)}
    missing = [name for name in images if not rows.get(name)]
    if missing:
        raise FolderError(f"{path} gives no sequence for {missing[0]}; it needs the columns name,sequence")
    return {name: rows[name] for name in images}


def _split(
    folder: Path, images: dict[str, Path], sequences: dict[str, str], seed: int, folds: int, fold: int
) -> dict[str, str]:
    return deal_fold(sequences, seed, folds, fold) if folds else _splits(folder, images, sequences, seed)


def _splits(folder: Path, images: dict[str, Path], sequences: dict[str, str], seed: int) -> dict[str, str]:
    listed = listed_splits(folder / "splits", images) if (folder / "splits").is_dir() else None
    splits = listed if listed is not None else _deal(sequences, seed, folder)
    for split in SPLITS:
        if split not in splits.values():
            raise FolderError(f"the {split} split of {paths.display(folder)} is empty; it needs at least one sequence")
    where: dict[str, str] = {}
    for name, split in splits.items():
        if where.setdefault(sequences[name], split) != split:
            raise FolderError(f"sequence {sequences[name]} is in two splits; a sequence must stay in one")
    return splits


def listed_splits(folder: Path, images: Collection[str]) -> dict[str, str]:
    """The split of every frame that train.txt, val.txt and test.txt in ``folder`` list; FolderError for other names."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if not path.is_file():
            raise FolderError(f"{path} is missing; a splits folder holds train.txt, val.txt and test.txt")
        with reading(path, "a list of names"):
            listed = path.read_text(encoding="utf-8-sig").splitlines()
        for name in filter(None, map(str.strip, listed)):
            name = name.removesuffix(".png").removesuffix(".tif").removesuffix(".tiff")
            if name not in images:
                raise FolderError(f"{path} lists {name}, which is not among the images")
            if name in splits:
                raise FolderError(f"{path} lists {name}, which is in the {splits[name]} split already")
            splits[name] = split
    return splits


def _deal(sequences: dict[str, str], seed: int, folder: Path) -> dict[str, str]:
    """Whole sequences to test (a fifth), validation (a tenth) and training (the rest), at least one each."""
    names = sorted(set(sequences.values()))
    if len(names) < 3:
        raise FolderError(
            f"{paths.display(folder)} has {len(sequences)} frames in {len(names)} sequences; train, val and test need "
            "one sequence each: add frames, or list those of a film in stretches in sequences.csv"
        )
    order = numpy_rng("splits", seed).permutation(len(names))
    test, val = max(1, round(len(names) / 5)), max(1, round(len(names) / 10))
    of = {names[i]: "test" if k < test else "val" if k < test + val else "train" for k, i in enumerate(order)}
    return {name: of[sequence] for name, sequence in sequences.items()}


def deal_fold(sequences: dict[str, str], seed: int, folds: int, fold: int) -> dict[str, str]:
    """Split of every frame when one of ``folds`` groups of sequences is the test; a tenth of the others validate.

    ``sequences`` maps a frame to its sequence: what belongs together, such as crops of one image, has one and stays
    together. Over all folds every frame is tested once. FolderError if there are too few sequences.
    """
    names = sorted(set(sequences.values()))
    largest = -(-len(names) // folds)
    if len(names) < folds or len(names) - largest < 2:
        raise FolderError(
            f"there are {len(names)} sequences; {folds} folds need one each, and two more to train and to validate"
        )
    order = numpy_rng("folds", seed).permutation(len(names))
    groups = [[names[i] for i in order[(fold + shift) % folds :: folds]] for shift in range(folds)]
    others = [name for group in groups[1:] for name in group]
    validation = max(1, round(len(names) / 10))
    of = dict.fromkeys(groups[0], "test") | dict.fromkeys(others, "train") | dict.fromkeys(others[:validation], "val")
    return {name: of[sequence] for name, sequence in sequences.items()}


def _window(training_images: list[Path]) -> tuple[float, float]:
    """Grey levels mapped to 0 and 255: the full range for 8 bit, else 0.1 and 99.9 % of the training pixels."""
    arrays = [read_grey(path) for path in training_images]
    if all(array.dtype == np.uint8 for array in arrays):
        return 0.0, 255.0
    low, high = np.percentile(np.concatenate([array.ravel()[::7] for array in arrays]), [0.1, 99.9])
    smallest = 1.0 if all(array.dtype.kind in "iu" for array in arrays) else 1e-6
    return float(low), float(max(high, low + smallest))
