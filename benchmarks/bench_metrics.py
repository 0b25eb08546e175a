"""NSD of a 624 x 640 frame with ten classes: this package against MONAI, both on the same frames.

Run with ``python benchmarks/bench_metrics.py [threads]``. Prints the median over 30 frames in one process and exits
with an error when the two disagree or the ratio falls below 10.
"""

import statistics
import sys
import time
import warnings

import numpy as np
import torch
from monai.metrics import compute_surface_dice
from scipy.ndimage import gaussian_filter

from xpci_utils.evaluation import surface_dice_per_class

CLASSES, HEIGHT, WIDTH, FRAMES, TOLERANCE = 10, 624, 640, 30, 2.0


def label_map(rng: np.random.Generator) -> np.ndarray:
    """A frame with about 60 round particles of nine classes on background."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    for _ in range(60):
        row, column, radius = rng.integers(HEIGHT), rng.integers(WIDTH), rng.integers(2, 25)
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = rng.integers(1, CLASSES)
    return labels


def wobble(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plausible prediction: the same particles with borders moved by a pixel or two."""
    shift = gaussian_filter(rng.normal(size=(2, HEIGHT, WIDTH)), (0, 6, 6)) * 25
    rows = np.clip(np.arange(HEIGHT)[:, None] + np.rint(shift[0]), 0, HEIGHT - 1).astype(int)
    columns = np.clip(np.arange(WIDTH) + np.rint(shift[1]), 0, WIDTH - 1).astype(int)
    return labels[rows, columns]


def monai(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    classes = np.arange(CLASSES)[:, None, None]
    one_hot = [torch.from_numpy((classes == labels)[None]) for labels in (predicted, true)]
    return compute_surface_dice(*one_hot, [TOLERANCE] * CLASSES, include_background=True)[0].numpy()


def ours(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    return surface_dice_per_class(predicted, true, CLASSES, TOLERANCE)


def timed(function, *arguments) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    warnings.simplefilter("ignore")
    seconds = {"MONAI compute_surface_dice": [], "xpci_utils surface_dice_per_class": []}
    for seed in range(FRAMES):
        rng = np.random.default_rng(seed)
        true = label_map(rng)
        predicted = wobble(true, rng)
        scores = []
        for name, function in zip(seconds, (monai, ours), strict=True):
            duration, score = timed(function, predicted, true)
            seconds[name].append(duration)
            scores.append(score)
        np.testing.assert_allclose(*scores, atol=1e-6)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in medians.items():
        print(f"{name:36s} {1000 * value:8.1f} ms per {HEIGHT} x {WIDTH} frame, {CLASSES} classes")
    theirs, mine = medians.values()
    print(f"{'ratio':36s} {theirs / mine:8.1f}")
    if theirs < 10 * mine:
        sys.exit("NSD is less than ten times as fast as MONAI's")


if __name__ == "__main__":
    main()
