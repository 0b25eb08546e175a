"""The look of every picture: one style, label maps drawn one way, and files that are equal when their content is.

Colours differ in lightness, and markers and lines in shape, so that a figure can be read by everyone and survives a
grey printer. Frames are shown pixel by pixel (nearest neighbour, a whole number of dots per pixel), because particles
are a few pixels wide.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.rcsetup import cycler
from scipy import ndimage

from xpci_utils.files import atomic_path
from xpci_utils.frames.pad import IGNORE

DOTS_PER_INCH = 200
TEXT_WIDTH = 7.0  # inches across a two-column page
LINE_STYLES = ("-", "--", "-.", ":")
DASHES = ("", (4, 1.5), (3, 1.2, 1, 1.2), (1, 1))  # the same for seaborn
MARKERS = ("o", "s", "^", "D")
COLOURS = ("#0b3c6f", "#b8420f", "#3fa384", "#e3b23c")  # L* 25, 44, 61, 75; apart for red- and green-blind eyes, too
ZERO: dict[str, Any] = {"color": "#666666", "linewidth": 0.8, "marker": "", "linestyle": "-", "zorder": 1}


def use_style() -> None:
    """Set matplotlib's defaults for this repository; call it once, before the first figure of a notebook."""
    mpl.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "lines.linewidth": 1.3,
            "lines.markersize": 4,
            "axes.prop_cycle": cycler(color=COLOURS, linestyle=LINE_STYLES, marker=MARKERS),
            "image.cmap": "gray",
            "image.interpolation": "nearest",
            "figure.dpi": 110,
            "savefig.dpi": "figure",
            "pdf.fonttype": 42,
            "hatch.linewidth": 0.5,
            "svg.hashsalt": "xpci",
        }
    )


def image_grid(rows: int, columns: int, height: int, width: int, *, top: float = 0.0, bottom: float = 0.0, **options):
    """A figure of ``rows`` x ``columns`` panels for frames of ``height`` x ``width`` pixels, and its axes array.

    Panels take a whole number of dots per frame pixel, so that nothing is resampled unevenly. ``top`` and
    ``bottom`` are inches kept free for titles and a legend; ``left`` (inches) for row names, ``page`` the width of
    the figure in inches, ``gap`` the space between rows in inches. Returns (Figure, Axes array [rows, columns]).
    """
    left, page, gap = options.get("left", 0.25), options.get("page", TEXT_WIDTH), options.get("gap", 0.06)
    panel = min((page - left) / columns - 0.06, 2.6)  # inches; few columns need not fill the page
    scale = max(1, round(panel * DOTS_PER_INCH / width))
    dpi = scale * width / panel
    dots = {
        name: round(inches * dpi) for name, inches in {"left": left, "top": top, "bottom": bottom, "gap": gap}.items()
    }
    between = round(0.06 * dpi)
    total_width = dots["left"] + columns * (scale * width + between)
    total_height = dots["top"] + dots["bottom"] + rows * scale * height + (rows - 1) * dots["gap"] + between
    figure = plt.figure(figsize=(total_width / dpi, total_height / dpi), dpi=dpi)
    axes = np.empty((rows, columns), object)
    for row, column in np.ndindex(rows, columns):
        x = dots["left"] + column * (scale * width + between)
        y = total_height - dots["top"] - (row + 1) * scale * height - row * dots["gap"]
        box = (x / total_width, y / total_height, scale * width / total_width, scale * height / total_height)
        ax = figure.add_axes(box)
        ax.set_axis_off()
        axes[row, column] = ax
    return figure, axes


def show_image(ax: Axes, image: np.ndarray) -> None:
    """Show a frame, uint8 [H, W] on the fixed grey scale 0..255 (or uint8 [H, W, 3]), without ticks."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    _frame_only(ax)


def show_labels(
    ax: Axes, labels: np.ndarray, colours: Sequence[str], *, numbers: bool = False, digit_points: float = 5.5
) -> None:
    """Show a label map, uint8 [H, W], in the colours of its classes; ignored pixels (255) are white and hatched.

    ``numbers`` writes the class index, ``digit_points`` high, on every particle that is larger than the digit, for
    readers without colour.
    """
    ax.imshow(colour_labels(labels, colours), interpolation="nearest")
    ignored = labels == IGNORE
    if ignored.any():
        ax.contourf(ignored.astype(float), levels=[0.5, 1.5], colors="none", hatches=["//////"])
    if numbers:
        _number_particles(ax, labels, digit_points)
    _frame_only(ax)


def colour_labels(labels: np.ndarray, colours: Sequence[str]) -> np.ndarray:
    """RGB picture of a label map: uint8 [H, W] -> uint8 [H, W, 3]; ignored pixels are white.

    Raises ValueError if a label has no colour.
    """
    table = np.full((256, 3), 255, np.uint8)
    table[: len(colours)] = np.round(np.array([to_rgb(colour) for colour in colours]) * 255)
    unknown = np.setdiff1d(labels, [*range(len(colours)), IGNORE])
    if unknown.size:
        raise ValueError(f"labels {unknown.tolist()} have no colour: there are {len(colours)} classes")
    return table[labels]


def overlay(image: np.ndarray, labels: np.ndarray, colours: Sequence[str], opacity: float = 0.45) -> np.ndarray:
    """A frame with its particles tinted in their classes' colours: uint8 [H, W, 3].

    ``image`` and ``labels`` are uint8 [H, W]; background and ignored pixels keep their grey.
    """
    grey = np.repeat(image[..., None], 3, axis=2).astype(float)
    tinted = (1 - opacity) * grey + opacity * colour_labels(labels, colours)
    particle = (labels != 0) & (labels != IGNORE)
    return np.round(np.where(particle[..., None], tinted, grey)).astype(np.uint8)


def legend_rows(names: Sequence[str], columns: int = 5) -> int:
    """Lines that ``class_legend`` takes, the patch of ignored pixels included."""
    return -(-len(names) // columns)


def class_legend(
    target: Figure | Axes,
    names: Sequence[str],
    colours: Sequence[str],
    *,
    columns: int = 5,
    ignored: bool = False,
    numbers: bool = False,
    **options,
):
    """A legend of classes below a figure (or in an Axes), the background left out; returns the legend.

    ``ignored`` adds the hatched patch of pixels that count in no loss and no metric, ``numbers`` the class index to
    every name. ``options`` go to ``legend``.
    """
    patches = [
        Patch(facecolor=colour, edgecolor="black", linewidth=0.4, label=f"{index} {name}" if numbers else name)
        for index, (name, colour) in enumerate(zip((name.replace("_", " ") for name in names), colours, strict=True))
    ][1:]
    if ignored:
        patches.append(Patch(facecolor="white", edgecolor="black", linewidth=0.4, hatch="//////", label="ignored"))
    place = {"loc": "lower center"} | options
    return target.legend(
        handles=patches, ncols=min(columns, len(patches)), handlelength=1.2, columnspacing=1.2, **place
    )


def save_figure(figure: Figure, path_without_suffix: str | Path) -> list[Path]:
    """Write PNG and PDF; equal figures give equal bytes, since neither file holds a date or a program's name."""
    written = []
    for kind, metadata in {
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    }.items():
        path = Path(f"{path_without_suffix}.{kind}")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata, facecolor="white")
        written.append(path)
    return written


def _number_particles(ax: Axes, labels: np.ndarray, points: float) -> None:
    """Write the class index, ``points`` high, into the middle of each connected particle that has room for it."""
    pixel = ax.get_window_extent().width / ax.figure.dpi * 72 / labels.shape[1]
    outline = [withStroke(linewidth=0.9, foreground="black")]
    for index in np.setdiff1d(labels, [0, IGNORE]):
        particles, count = ndimage.label(labels == index)
        areas = ndimage.sum_labels(particles > 0, particles, range(1, count + 1))
        for number in 1 + np.flatnonzero(areas * pixel**2 > 1.3 * points**2):
            row, column = _inner_place(particles == number)
            place: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": "white", "fontsize": points}
            ax.text(column, row, str(index), path_effects=outline, **place)


def _inner_place(region: np.ndarray) -> tuple[float, float]:
    """Row and column in the middle of a region bool [H, W], or, where a ring has its hole there, in its thickest part.

    A number in the hole of a ring would stand on another particle.
    """
    row, column = ndimage.center_of_mass(region)
    if region[round(row), round(column)]:
        return row, column
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    deepest = np.unravel_index(depth.argmax(), region.shape)
    return float(deepest[0]), float(deepest[1])


def _frame_only(ax: Axes) -> None:
    ax.set_axis_on()
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, linewidth=0.5, color="#666666")
