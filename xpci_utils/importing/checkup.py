"""A look at annotated frames before anything is trained on them: counts, empty masks, near copies, advice in words.

xpci check data/my_frames
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from xpci_utils import files, paths
from xpci_utils.frames import IGNORE, FolderError, binary_mask, check_folder, choose_tile, read_classes, tiles_of
from xpci_utils.frames.classes import FrameClass
from xpci_utils.frames.folder import AnnotatedFolder
from xpci_utils.frames.frameset import SPLITS
from xpci_utils.frames.pictures import read_grey, read_indices
from xpci_utils.frames.tiles import PARTICLES_WIDE, SMALLEST_TILE
from xpci_utils.importing.corrections import Levels, levels_of
from xpci_utils.importing.likeness import ALIKE, Likeness, thumbnail
from xpci_utils.params import PrepareFrames
from xpci_utils.params.profiles import notebook_parameters, profiles_of_folders

FEW_FRAMES, FEW_PARTICLES = 10, 10


@dataclass(frozen=True)
class Twins:
    """Two frames of different splits that are near copies."""

    first: str
    second: str
    splits: tuple[str, str]
    alike: float


@dataclass(frozen=True)
class CheckUp:
    """What the frames of a folder hold, and what to do about it."""

    frames: pd.DataFrame  # one row per frame: split, foreground, ignored, particles, clipped
    classes: pd.DataFrame  # one row per class: per split frames, particles and share of the area; median diameter
    shape: tuple[int, int]
    levels: Levels | None
    twins: list[Twins]
    tile: int  # side of the tiles that networks will see [px], 0 for whole frames
    cut: str  # that in a sentence
    advice: list[str] = field(default_factory=list)

    def worth_a_look(self, count: int = 6) -> dict[str, str]:
        """Up to ``count`` frames where mistakes show first, with the reason: near copies, extremes, rare classes."""
        chosen: dict[str, str] = {}
        for twins in self.twins[:2]:
            chosen |= {twins.first: f"near copy ({twins.splits[0]})", twins.second: f"near copy ({twins.splits[1]})"}
        extremes = {"least foreground": self.frames.foreground, "most foreground": -self.frames.foreground}
        extremes |= {"most ignored": -self.frames.ignored, "most particles": -self.frames.particles}
        extremes |= {"most at the ends of the range": -self.frames.clipped}
        for reason, values in extremes.items():
            if values.min() < values.max():
                chosen.setdefault(str(values.idxmin()), reason)
        return dict(list(chosen.items())[:count])

    def __str__(self) -> str:
        height, width = self.shape
        counts = ", ".join(f"{(self.frames.split == split).sum()} {split}" for split in SPLITS)
        lines = [f"{len(self.frames)} frames of {height} x {width} pixels ({counts}), {self.levels or 'floats'}"]
        lines += [self.cut, "", self.classes.to_string(), ""]
        return "\n".join([*lines, *(f"* {sentence}" for sentence in self.advice or ["nothing to object to"])])


def check_up(
    content: AnnotatedFolder,
    classes: list[FrameClass],
    tile: int | None = None,
    pixel_um: float | None = None,
    largest_tile: int = 0,
) -> CheckUp:
    """Count and compare the frames of a checked folder.

    ``tile`` is what networks will see [px]. At 0 they see whole frames, or, with ``largest_tile``, what `choose_tile`
    finds for the frames and the class with the largest particles. Without ``tile`` and ``largest_tile`` the result
    tells what they see in each profile for frames of one's own.
    """
    rows, counts, thumbnails, outlines = [], [], [], []
    for name, split in content.splits.items():
        image, labels = read_grey(content.images[name]), read_indices(content.masks[name])
        objects = _objects(labels, len(classes))
        counts.append(objects.assign(frame=name, split=split))
        ends = np.mean((image == image.min()) | (image == image.max())) if image.dtype.kind == "u" else 0.0
        shares = {"foreground": binary_mask(labels).mean(), "ignored": np.mean(labels == IGNORE), "clipped": ends}
        shares["blank"] = bool(image.min() == image.max())
        rows.append({"frame": name, "split": split, "particles": objects.particles.sum(), **shares})
        thumbnails.append(thumbnail(image))
        outlines.append(thumbnail(binary_mask(labels)) > 0.5)
    frames = pd.DataFrame(rows).set_index("frame")
    levels = levels_of(read_grey(content.images[name]) for name in content.splits)
    twins = _twins(frames, np.stack(thumbnails), np.stack(outlines))
    table = _class_table(pd.concat(counts), classes)
    height, width = labels.shape
    if tile is None and not largest_tile:
        chosen, cut = 0, _about_profiles((height, width), table)
    else:
        chosen, cut = _tile_and_cut((height, width), table, tile or 0, largest_tile)
    result = CheckUp(frames, table, (height, width), levels, twins, chosen, cut)
    result.advice.extend(_advice(result, pixel_um))
    return result


def _widest(table: pd.DataFrame) -> tuple[str, float]:
    """The class with the largest particles, and their median diameter [px]."""
    diameters = table["median", "diameter [px]"]
    return str(diameters.idxmax()), float(diameters.max())


def _tile_and_cut(shape: tuple[int, int], table: pd.DataFrame, tile: int, largest_tile: int) -> tuple[int, str]:
    """(side of the tiles [px], that in a sentence)."""
    largest = 0 if tile else largest_tile
    chosen = choose_tile(*shape, _widest(table)[1], largest) if largest else tile
    return chosen, _about_tiles(shape, table, chosen, largest)


def _about_profiles(shape: tuple[int, int], table: pd.DataFrame) -> str:
    """What networks will see in every profile for frames of one's own, a line for profiles that agree."""
    profiles_of: dict[str, list[str]] = {}
    for profile in profiles_of_folders():
        frames = notebook_parameters(profile, "01_prepare_frames")
        assert isinstance(frames, PrepareFrames)
        _, cut = _tile_and_cut(shape, table, frames.tile, frames.largest_tile)
        profiles_of.setdefault(cut, []).append(profile)
    return "\n".join(f"profile {', '.join(own)}: {cut}" for cut, own in profiles_of.items())


def _about_tiles(shape: tuple[int, int], table: pd.DataFrame, tile: int, largest: int) -> str:
    """What networks will see of a frame, and, where ``largest`` made it a choice, why."""
    height, width = shape
    if not tile:
        why = f": their {height} x {width} pixels, padded, are no more than {largest} x {largest}" if largest else ""
        return f"networks see whole frames{why}"
    number = len(tiles_of(height, width, tile))
    sentence = f"networks see tiles of {min(tile, height)} x {min(tile, width)} pixels, {number} of each frame"
    if not largest:
        return sentence
    name, diameter = _widest(table)
    return (
        f"{sentence}: whole frames would be more than {largest} x {largest}; a tile is {PARTICLES_WIDE} times as "
        f"wide as the class with the largest particles ({name}, median {diameter:.0f} px), but {SMALLEST_TILE} to "
        f"{largest}"
    )


def check_up_folder(
    folder: str | Path,
    classes_file: str | Path | None = None,
    tile: int | None = None,
    largest_tile: int = 0,
    seed: int = 0,
    folds: int = 0,
    fold: int = 0,
) -> CheckUp:
    """The check-up of a folder like ``data/README.md`` shows; FolderError or ValueError when it cannot be used."""
    folder = paths.resolve(folder)
    classes = read_classes(classes_file or folder / "classes.yaml")
    pixel_um = imported(folder).get("pixel_size_um")
    return check_up(check_folder(folder, classes, seed, folds, fold), classes, tile, pixel_um, largest_tile)


def imported(folder: str | Path) -> dict:
    """What the import command wrote about a folder; empty for one that was laid out by hand."""
    path = paths.resolve(folder) / "import.json"
    return files.read_json(path) if path.is_file() else {}


def _objects(labels: np.ndarray, num_classes: int) -> pd.DataFrame:
    """Per class of one frame: connected particles, their areas [px], and the share of all pixels."""
    rows = []
    for index in range(1, num_classes):
        numbered, count = ndimage.label(labels == index)
        areas = np.bincount(numbered.ravel())[1:]
        rows.append({"index": index, "particles": count, "areas": areas.tolist(), "share": areas.sum() / labels.size})
    return pd.DataFrame(rows, columns=["index", "particles", "areas", "share"])


def _class_table(counts: pd.DataFrame, classes: list[FrameClass]) -> pd.DataFrame:
    columns = {}
    for split in SPLITS:
        own = counts[counts.split == split].groupby("index")
        columns[split, "frames"] = own.particles.apply(lambda column: int((column > 0).sum())).to_numpy()
        columns[split, "particles"] = own.particles.sum().to_numpy()
        columns[split, "% area"] = (100 * own.share.mean()).round(2).to_numpy()
    areas = counts.groupby("index").areas.sum()
    diameters = [np.sqrt(4 / np.pi * np.median(own)) if len(own) else np.nan for own in areas]
    columns["median", "diameter [px]"] = np.round(diameters, 1)
    return pd.DataFrame(columns, index=[one.name for one in classes[1:]])


def _twins(frames: pd.DataFrame, thumbnails: np.ndarray, outlines: np.ndarray) -> list[Twins]:
    """Pairs of frames of different splits whose grey levels, without what all frames share, or whose masks agree."""
    likeness, splits, pairs = Likeness(thumbnails, outlines), frames.split.to_numpy(), []
    for i in range(len(frames)):
        alike = likeness.row(i)
        for j in np.flatnonzero((alike > ALIKE) & (splits != splits[i]) & (np.arange(len(frames)) > i)):
            pair = (splits[i], splits[j])
            pairs.append(Twins(frames.index[i], frames.index[int(j)], pair, float(min(alike[j], 1))))
    return sorted(pairs, key=lambda twins: -twins.alike)


def _advice(checkup: CheckUp, pixel_um: float | None) -> list[str]:
    return [
        *_about_splits(checkup),
        *_about_classes(checkup),
        *_about_frames(checkup),
        *_about_sizes(checkup, pixel_um),
    ]


def _about_splits(checkup: CheckUp) -> list[str]:
    sentences = []
    train = int((checkup.frames.split == "train").sum())
    if train < FEW_FRAMES:
        sentences.append(
            f"{train} training frames are few; the paper starts from 200, and about 20 is what was tried here"
        )
    if checkup.twins:
        first = checkup.twins[0]
        sentences.append(
            f"{len(checkup.twins)} pairs of frames in different splits are near copies (worst: {first.first} in "
            f"{first.splits[0]} and {first.second} in {first.splits[1]}, {first.alike:.2f}); the scores would be too "
            "good: let splits be stretches of time of a film, with a gap between them, as the import cuts it (--gap)"
        )
    return sentences


def _about_classes(checkup: CheckUp) -> list[str]:
    sentences, table = [], checkup.classes
    for name, row in table.iterrows():
        if not row["train", "particles"]:
            sentences.append(f"no training frame shows {name}: it cannot be learnt; annotate some, or drop the class")
        elif row["train", "particles"] < FEW_PARTICLES:
            sentences.append(
                f"{name} is shown {row['train', 'particles']:.0f} times in training; expect it to be missed"
            )
        absent = [split for split in ("val", "test") if not row[split, "particles"]]
        if absent and row["train", "particles"]:
            sentences.append(f"no {' or '.join(absent)} frame shows {name}: its score will be empty there")
    return sentences


def _about_frames(checkup: CheckUp) -> list[str]:
    sentences, frames = [], checkup.frames
    unmarked = frames.index[(frames.foreground == 0) & (frames.ignored > 0)].tolist()
    if unmarked:
        sentences.append(
            f"{len(unmarked)} masks hold 255 and no class ({_some(unmarked)}): these pixels are ignored, not "
            "learnt; if 255 stands for particles there, import with --mask-values binary"
        )
    if (frames.foreground + frames.ignored > 1 - 1e-9).all():
        sentences.append(
            "no pixel of any mask is background (0): right where everything belongs to a class; if the labels "
            "are counted from 1 for the background, as ilastik often does, import with --mask-values from-one"
        )
    if len(checkup.classes) == 1 and (share := frames.foreground.median()) > 0.5:
        sentences.append(
            f"{checkup.classes.index[0]} covers {100 * share:.0f} % of the median frame; if masks hold 0 for particles "
            "and another value around them, invert them"
        )
    empty = frames.index[(frames.foreground == 0) & (frames.ignored == 0)].tolist()
    if empty:
        sentences.append(
            f"{len(empty)} masks are empty ({_some(empty)}); right if nothing is there, else annotate them"
        )
    ignored = frames.index[frames.ignored > 0.3].tolist()
    if ignored:
        sentences.append(f"{len(ignored)} masks ignore more than 30 % of their pixels ({_some(ignored)})")
    if blank := frames.index[frames.blank].tolist():
        sentences.append(
            f"{len(blank)} images hold one single value ({_some(blank)}): they show nothing; leave them out"
        )
    clipped = frames.index[(frames.clipped > 0.05) & ~frames.blank].tolist()
    if clipped:
        sentences.append(
            f"{len(clipped)} images have over 5 % of their pixels at the ends of their range ({_some(clipped)})"
        )
    return sentences


def _about_sizes(checkup: CheckUp, pixel_um: float | None) -> list[str]:
    sentences, diameters, tile = [], checkup.classes["median", "diameter [px]"], checkup.tile
    small = diameters.index[diameters < 4].tolist()
    if small:
        sentences.append(
            f"half of {_some(small)} is smaller than 4 pixels across: speckle in the masks, or too coarse a pixel"
        )
    large = diameters.index[diameters > tile / 2].tolist() if tile else []
    if large:
        sentences.append(f"half of {_some(large)} fills more than half a tile of {tile} pixels; raise tile")
    if tile > min(checkup.shape):
        sentences.append(
            f"tile is {tile}, the frames are {checkup.shape[0]} x {checkup.shape[1]}; whole frames will be used"
        )
    if pixel_um is None:
        sentences.append(
            "the files do not tell the size of a pixel: give --pixel-um to the import, or set pixel_size_um"
        )
    return sentences


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def main(arguments: list[str] | None = None) -> int:
    """Print the check-up of a folder; 0, or 2 when it cannot be used."""
    parser = argparse.ArgumentParser(prog="xpci check", description=main.__doc__)
    parser.add_argument("folder", type=lambda text: Path(text).expanduser().absolute())
    parser.add_argument("--classes", type=lambda text: Path(text).expanduser().absolute(), help="its classes file")
    parser.add_argument("--tile", type=int, help="side of the tiles that networks will see [px]; 0: whole frames")
    parser.add_argument("--largest-tile", type=int, default=0, help="choose the tiles, at most so wide [px]")
    options = parser.parse_args(arguments)
    try:
        print(check_up_folder(options.folder, options.classes, options.tile, options.largest_tile))
    except (FolderError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
