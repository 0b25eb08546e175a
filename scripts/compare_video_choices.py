"""The choices behind notebook 07, measured on simulated films: what is a particle, how a frame is seen, what is unsure.

    python scripts/compare_video_choices.py runs/quick/segmentation/<cell>/model.safetensors

About three minutes on one core. The network must know the simulator's classes; docs/video.md has the numbers.
"""

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from skimage.measure import label

from xpci_utils import paths
from xpci_utils.evaluation.overlap import f1
from xpci_utils.frames import IGNORE, FrameSet
from xpci_utils.frames.tiles import frame_scores
from xpci_utils.segmentation import class_scores, load_network
from xpci_utils.simulation import adjusted_preset, get_preset, make_film, relative_to_uint8, simulate_frames
from xpci_utils.simulation.film import Film
from xpci_utils.training import set_threads
from xpci_utils.video import (
    find_particles,
    frame_uncertainty,
    frames_in_view,
    link_tracks,
    regions_of,
    suggest_frames,
    summarise_tracks,
)
from xpci_utils.video.simulated import IGNORED_INSTANCE
from xpci_utils.video.suggestions import describe_frame
from xpci_utils.video.truth import MIN_IOU, overlaps

SEED, SMALLEST = 1, 6
FILMS = (("reduced", 128, 128, 40), ("aps32id_u18", 624, 640, 10))
QUIET_FRAMES, QUIET_SEEDS, EVERY = 240, (11, 12, 13, 14), 8  # films with few events; every eighth frame annotated
SHIFTED = {"distance_m": 0.45, "psf_core_sigma_um": 2.6, "source_sigma_h_um": 2.3, "quanta_per_pixel": 1700.0}
Regions = Callable[[np.ndarray, np.ndarray], np.ndarray]


def any_class(scores: np.ndarray, image: np.ndarray, certain: float) -> np.ndarray:
    """Regions that are not background, in which the network is somewhere that certain: what notebook 07 takes."""
    return regions_of(find_particles(scores, image, 1.0, SMALLEST, certain)[0])


def one_class(scores: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Regions of one class, specks left out."""
    regions = label(scores.argmax(0), background=0, connectivity=2)
    sizes = np.bincount(regions.ravel())
    return np.where(sizes[regions] >= SMALLEST, regions, 0)


def detection(film: Film, see: Callable, window: tuple, frames: int, regions: Regions) -> tuple[float, float, float]:
    """(F1, precision, recall) of finding particles, whatever their class, in evenly spaced frames of a film."""
    matched = predicted = true = 0
    for number in range(0, film.frames, film.frames // frames):
        frame = film.frame(number)
        ids = np.where(frame.labels == IGNORE, IGNORED_INSTANCE, frame.instances).astype(int)
        image = relative_to_uint8(frame.image, window)
        rows = overlaps(regions(see(image), image), ids)
        numbers, sizes = np.unique(ids, return_counts=True)
        known = set(numbers[sizes >= SMALLEST]) - {0, IGNORED_INSTANCE}
        matched += len({number for _, number, iou in rows if iou >= MIN_IOU} & known)
        predicted, true = predicted + len(rows), true + len(known)
    return f1(matched, predicted - matched, true - matched), matched / max(predicted, 1), matched / true


def compare_regions(scores: Callable, window: tuple) -> None:
    """Print a line per way of seeing a frame and of cutting it into particles."""
    whole, tiles = (partial(frame_scores, scores, tile=tile) for tile in (0, 64))
    ways = {
        "whole frame, regions of one class": (whole, one_class),
        "tiles of 64, regions of any class": (tiles, partial(any_class, certain=0.0)),
        "whole frame, regions of any class": (whole, partial(any_class, certain=0.0)),
        "the same, somewhere 0.99 certain": (whole, partial(any_class, certain=0.99)),
    }
    for preset, height, width, frames in FILMS:
        film = make_film(400, height, width, SEED, preset)
        for name, (see, regions) in ways.items():
            result = detection(film, see, window, frames, regions)
            print(f"{preset:12s} {name:34s} F1 {result[0]:.3f}  precision {result[1]:.3f}  recall {result[2]:.3f}")


def compare_uncertainty(scores: Callable, window: tuple, training: list[np.ndarray]) -> None:
    """Print how often a frame of another kind is more uncertain than a training frame (0.5: no difference)."""
    others = {"new frames": get_preset("reduced"), "another beamline": adjusted_preset("reduced", **SHIFTED)}
    sets = {
        name: [relative_to_uint8(one.image, window) for one in simulate_frames(len(training), 64, 64, 5, preset)]
        for name, preset in others.items()
    }
    sets["an unknown object"] = [with_unknown_object(image, seed) for seed, image in enumerate(training)]
    for measure in (frame_uncertainty, particle_uncertainty):
        known = np.array([measure(scores(image[None])[0]) for image in training])
        for name, images in sets.items():
            values = np.array([measure(scores(image[None])[0]) for image in images])
            print(f"{measure.__name__:22s} {name:18s} {(values[:, None] > known).mean():.2f}")


def with_unknown_object(image: np.ndarray, seed: int) -> np.ndarray:
    """The frame with a checkered square of 21 pixels, which is no particle."""
    y, x = np.random.default_rng(seed).integers(12, np.array(image.shape) - 12)
    rows, columns = np.indices(image.shape)
    square = np.maximum(abs(rows - y), abs(columns - x)) <= 10
    return np.where(square & ((rows // 3 + columns // 3) % 2 == 0), 40, image).astype(np.uint8)


def particle_uncertainty(scores: np.ndarray) -> float:
    """Mean entropy over the pixels that are perhaps of a particle, instead of the sum over the frame."""
    perhaps = scores[:, scores[0] < 0.95]
    return frame_uncertainty(perhaps[:, None]) if perhaps.size else 0.0


def compare_suggestions(scores: Callable, window: tuple, pixel_um: float) -> None:
    """Print how ten proposals lie in films with few events, and how many particles they show, per way of choosing."""
    rows = []
    for seed in QUIET_SEEDS:
        film = make_film(QUIET_FRAMES, 128, 128, seed)
        annotated = range(0, film.frames, EVERY)
        uncertainty, descriptions, tracks, shown = film_measures(film, scores, window, pixel_um)
        bare, apart = np.where(np.isin(range(film.frames), annotated), 0, uncertainty), frames_in_view(tracks)
        ways = {
            "the most uncertain": np.argsort(-bare)[:10],
            "unlike those chosen": suggest_frames(bare, descriptions, 10),
            "apart in time": suggest_frames(bare, descriptions, 10, (), apart),
            "and unlike annotated": suggest_frames(uncertainty, descriptions, 10, annotated, apart),
        }
        for way, chosen in ways.items():
            closest, own = np.diff(np.sort(chosen)).min(), [shown[i] for i in chosen]
            within = max(np.sum((chosen >= first) & (chosen < first + 24)) for first in range(film.frames - 23))
            rows.append((way, seed, closest, within, len(set().union(*own)), sum(map(len, own))))
    columns = ["way", "film", "smallest distance", "most within 24 frames", "particles", "times shown"]
    print(pd.DataFrame(rows, columns=columns).pivot(index="film", columns="way").to_string())


def film_measures(film: Film, scores: Callable, window: tuple, pixel_um: float) -> tuple:
    """(uncertainty, descriptions, tracks, true particles in view of every frame) of a film."""
    uncertainty, descriptions, tables, shown = [], [], [], []
    for number in range(film.frames):
        frame = film.frame(number)
        image = relative_to_uint8(frame.image, window)
        probability = frame_scores(scores, image, 0)
        particles = pd.DataFrame(find_particles(probability, image, pixel_um, SMALLEST, 0.99)[1])
        tables.append(particles.assign(frame=number, particle=range(1, len(particles) + 1)))
        uncertainty.append(frame_uncertainty(probability))
        descriptions.append(describe_frame(probability))
        ids, sizes = np.unique(frame.instances[frame.labels != IGNORE], return_counts=True)
        shown.append(set(ids[sizes >= SMALLEST].tolist()) - {0})
    tracks = summarise_tracks(link_tracks(pd.concat(tables), 3.0, 20.0), 20.0, 3)
    return np.array(uncertainty), np.stack(descriptions), tracks, shown


def main(model: str) -> None:
    """Print the comparisons for one trained network."""
    set_threads(1)
    network, known = load_network(paths.resolve(model))
    window = known["window"]["low"], known["window"]["high"]
    scores = partial(class_scores, network)
    compare_regions(scores, window)
    frames = FrameSet.open(paths.resolve(model).parents[2] / "frames").split("train")
    compare_uncertainty(scores, window, [frame.image for frame in frames.first(100)])
    compare_suggestions(scores, window, known["pixel_size_um"])


if __name__ == "__main__":
    main(sys.argv[1])
