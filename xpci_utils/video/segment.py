"""A network over a whole film: frames come one by one, results leave in blocks, and memory does not grow."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from PIL import ImageColor

from xpci_utils import files
from xpci_utils.frames.tiles import frame_scores
from xpci_utils.video.blocks import read_blocks, run_blocks
from xpci_utils.video.particles import MEASURED, ParticleLimits, find_particles
from xpci_utils.video.recording import Recording
from xpci_utils.video.suggestions import describe_frame, frame_uncertainty


def segment_film(
    recording: Recording,
    scores: Callable[[np.ndarray], np.ndarray],
    blocks: Path,
    *,
    tile: int,
    pixel_size_um: float,
    limits: ParticleLimits,
    block_frames: int,
    history: Path,
) -> list[Path]:
    """Segment every frame into files in the folder ``blocks``; returns them. What is there already is not repeated.

    ``scores`` maps uint8 [N, h, w] to class probabilities [N, C, h, w]; ``tile`` is the side of the squares it sees
    [px], 0 for whole frames. Regions beyond the ``limits`` are no particles.
    """

    def one(index: int) -> dict:
        image = recording[index]
        probability = frame_scores(scores, image, tile)
        labels, particles = find_particles(probability, image, pixel_size_um, *limits)
        particles["frame"] = np.full(len(particles["class"]), index)
        particles["particle"] = np.arange(1, len(particles["class"]) + 1)
        facts = {"uncertainty": frame_uncertainty(probability), "foreground": float((labels > 0).mean())}
        return {"labels": labels, "description": describe_frame(probability), **facts, "particles": particles}

    def block(members: range) -> dict[str, np.ndarray]:
        frames = [one(index) for index in members]
        columns = ("frame", "particle", *MEASURED)
        table = {f"p_{name}": np.concatenate([each["particles"][name] for each in frames]) for name in columns}
        single = ("labels", "description", "uncertainty", "foreground")
        return table | {name: np.stack([each[name] for each in frames]) for name in single}

    return run_blocks(len(recording), block_frames, blocks, block, history, "segmenting")


def join_film(
    blocks: list[Path],
    labels_path: Path,
    class_names: list[str],
    colours: list[str],
    pixel_um: float,
    interval_us: float,
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """(particle table, frame table, descriptions) of all blocks; the label stack is written to ``labels_path``.

    The stack is one compressed TIFF, a page per frame, which ImageJ opens with its scale and in the colours of the
    classes. Particle table: frame, particle, class (name), and what `find_particles` measures. Frame table: frame,
    uncertainty, foreground (share of the pixels), particles.
    """
    tables, facts, descriptions = [], [], []
    for content in read_blocks(blocks):
        tables.append(pd.DataFrame({k.removeprefix("p_"): v for k, v in content.items() if k.startswith("p_")}))
        facts.append(pd.DataFrame({name: content[name] for name in ("uncertainty", "foreground")}))
        descriptions.append(content["description"])
    particles, frames = pd.concat(tables, ignore_index=True), pd.concat(facts, ignore_index=True)
    counts = particles.groupby("frame").size().reindex(range(len(frames)), fill_value=0)
    frames = frames.assign(frame=range(len(frames)), particles=counts.to_numpy())
    particles["class"] = np.array(class_names, object)[particles["class"]]
    _write_stack(labels_path, blocks, len(frames), colours, pixel_um, interval_us)
    return particles, frames[["frame", "particles", "foreground", "uncertainty"]], np.concatenate(descriptions)


def read_pages(path: Path, frames: Iterable[int]) -> Iterator[np.ndarray]:
    """The pages ``frames`` of a label stack, uint8 [H, W], one at a time; frames beyond its end are left out."""
    with tifffile.TiffFile(path) as file:
        for frame in frames:
            if frame < len(file.pages):
                yield file.pages[int(frame)].asarray()


def _write_stack(
    path: Path, blocks: list[Path], frames: int, colours: list[str], pixel_um: float, interval_us: float
) -> None:
    with np.load(blocks[0], allow_pickle=False) as first:
        shape = first["labels"].shape[1:]
    with files.atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            (page for content in read_blocks(blocks) for page in content["labels"]),
            shape=(frames, *shape),
            dtype=np.uint8,
            imagej=True,
            compression="zlib",
            photometric="palette",
            colormap=_colour_map(colours),
            resolution=(1 / pixel_um, 1 / pixel_um),
            metadata={"axes": "TYX", "unit": "um", "finterval": interval_us * 1e-6},
        )


def _colour_map(colours: list[str]) -> np.ndarray:
    """TIFF colour map, uint16 [3, 256], of class colours "#rrggbb"."""
    table = np.zeros((256, 3), np.uint16)
    table[: len(colours)] = [ImageColor.getrgb(colour) for colour in colours]
    return 257 * table.T
