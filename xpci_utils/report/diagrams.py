"""Figures 1 and 2 of the paper as diagrams, drawn from a run's own pictures, parameter counts and settings.

All positions are inches from the lower left corner of the diagram.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from xpci_utils.frames import binary_mask
from xpci_utils.params.cells import parse_labeller, parse_series
from xpci_utils.params.places import labeller_place, labels_place, pairs_place
from xpci_utils.params.profiles import profile_values
from xpci_utils.randomness import numpy_rng
from xpci_utils.report.captions import annotated_frames
from xpci_utils.report.drawing import drawn_from, unfinished
from xpci_utils.report.results import Results
from xpci_utils.report.style import DOTS_PER_INCH, TEXT_WIDTH, class_legend, show_labels
from xpci_utils.report.wording import BACKBONE_NAMES, labeller_name, millions

Point = tuple[float, float]

PLAIN = {"facecolor": "#f4f4f4", "edgecolor": "#444444"}
TRAINED = {"facecolor": "#fdebd8", "edgecolor": "#b3500b"}
FROZEN = {"facecolor": "#dfebf6", "edgecolor": "#2a5f93", "linestyle": "--"}
SIDE = 0.96  # of a picture
MARKS = (0.43, 0.15)  # of this run and of the published settings, from the right end of a block

# A cubic Bezier outline, one unit wide: from the foot over the left, the middle and the right tongue.
FLAME = [(0.5, 0), (0.15, 0), (0, 0.25), (0.05, 0.5), (0.08, 0.7), (0.2, 0.8), (0.2, 0.98)]
FLAME += [(0.3, 0.9), (0.36, 0.8), (0.36, 0.7), (0.45, 0.9), (0.5, 1.1), (0.42, 1.35)]
FLAME += [(0.75, 1.15), (0.85, 0.85), (0.82, 0.65), (0.9, 0.7), (0.92, 0.78), (0.93, 0.85)]
FLAME += [(1.08, 0.5), (1, 0), (0.5, 0)]


def _of_the_pipeline(results: Results) -> list[str]:
    sam, labels = labeller_place(results.labeller), labels_place("ddpm", results.pool_labeller)
    return ["frames", "ddpm", pairs_place("ddpm").folder, sam.folder, labels.folder]


@drawn_from(unfinished(_of_the_pipeline))
def pipeline(results: Results) -> Figure:
    """Figure 1: noise to (image, mask) to annotated synthetic image, and what the annotated frames train on the way."""
    image, mask, labels = _example(results)
    synthetic = {kind: results.pictures[f"pool {kind}"][0] for kind in ("images", "masks", "labels")}
    labeller = results.pool_labeller
    noise = numpy_rng("noise picture").normal(128, 50, image.shape).clip(0, 255).astype(np.uint8)
    colours, word = results.facts.class_colours, results.source_word
    figure, ax = canvas(TEXT_WIDTH, 3.8, SIDE, image.shape, bottom=0.45)

    picture(ax, noise, (0.05, 2.2), SIDE, "noise")
    box(ax, (1.15, 2.18), (1.2, 1.0), "Improved DDPM", _ddpm_lines(results))
    picture(ax, synthetic["images"], (2.6, 2.8), SIDE, "synthetic image")
    picture(ax, synthetic["masks"], (2.6, 1.65), SIDE, "binary mask: the prompt")
    sam = results.metrics(labeller_place(labeller).folder)["description"]
    box(ax, (3.85, 1.9), (1.05, 1.5), f"Adapted\n{labeller_name(labeller)}", [sam.replace(", ", ",\n")])
    label_picture(ax, synthetic["labels"], colours, (5.05, 2.2), SIDE, "pseudo-annotation")
    box(ax, (6.2, 1.9), (0.78, 1.5), "Segmen-\ntation", _backbones(results))
    steps = [((1.0, 2.68), (1.15, 2.68)), ((2.35, 2.8), (2.6, 3.1)), ((2.35, 2.55), (2.6, 2.25))]
    steps += [((3.55, 3.2), (3.85, 3.0)), ((3.55, 2.1), (3.85, 2.3))]
    steps += [((4.9, 2.65), (5.05, 2.65)), ((6.0, 2.65), (6.2, 2.65))]
    for start, end in steps:
        arrow(ax, start, end)

    _rounded(ax, (0.95, 0.05), (4.4, 1.3), PLAIN | {"linestyle": ":"})
    annotated = "frames" if word == "annotated" else "annotated\nframes"
    ax.text(1.65, 0.7, f"{annotated_frames(results)}\n{annotated}", ha="center", va="center")
    for x, shown, name in (
        (2.3, image, f"{word} {'tile' if results.facts.tile else 'frame'}"),
        (3.3, mask, "binary mask"),
    ):
        picture(ax, shown, (x, 0.28), SIDE, name)
    label_picture(ax, labels, colours, (4.3, 0.28), SIDE, "annotation")
    trains(ax, [(1.75, 1.35), (1.75, 2.18)], "image\n+ mask", (1.68, 1.75), "right")
    trains(ax, [(4.38, 1.35), (4.38, 1.9)], "image + mask\n+ annotation", (4.45, 1.6), "left")
    trains(ax, [(5.35, 0.75), (6.59, 0.75), (6.59, 1.9)], "image\n+ annotation", (5.95, 0.93), "center")
    arrow(ax, (5.55, 0.42), (5.95, 0.42))
    ax.text(6.02, 0.42, "makes", va="center", fontsize=7)
    trains(ax, [(5.55, 0.18), (5.7, 0.18), (5.95, 0.18)], "", (5.9, 0.18), "left")
    ax.text(6.02, 0.18, "trains", va="center", fontsize=7)
    class_legend(figure, results.facts.class_names, colours, numbers=True)
    return figure


@drawn_from(unfinished(lambda results: ["frames", labeller_place(results.labeller).folder]))
def sam_adaptation(results: Results) -> Figure:
    """Figure 2: the blocks of SAM and how large each is; trained or frozen, in this run and as published."""
    place = labeller_place(results.labeller).folder
    labeller = parse_labeller(results.labeller)
    variant, prompted = labeller.variant, labeller.prompted
    metrics, trainable = results.metrics(place), results.parameters(place)["trainable"]
    counts = metrics["parameters"]
    image, labels, predicted = (results.pictures[name][0] for name in ("test images", "test labels", place))
    colours = results.facts.class_colours
    published = profile_values("paper", "03_adapt_sam")["trainable"]
    base = trainable == "all", published == "all"  # in this run, as published
    head = trainable != "adapters", published != "adapters"
    adapters = True, True
    figure, ax = canvas(TEXT_WIDTH, 3.3, SIDE, image.shape, bottom=0.45)

    share = f"{millions(counts['trainable'])} of {millions(counts['total'])} parameters trained"
    title = f"{metrics['description']}{'' if prompted else ', without mask prompt'}: {share}"
    ax.text(TEXT_WIDTH / 2, 3.2, title, ha="center", va="top")
    picture(ax, image, (0.05, 1.85), SIDE, f"{results.source_word} frame")
    picture(ax, binary_mask(labels).astype(np.uint8) * 255, (0.05, 0.4), SIDE, "its binary mask")
    encoder = "image encoder (ViT)" if variant == "vit_b" else "image encoder (TinyViT)"
    box(ax, (1.35, 1.55), (1.9, 1.4), encoder, [], PLAIN, anchor="top")
    block(ax, (1.45, 2.15), (1.7, 0.5), "attention +\nMLP blocks", counts.get("encoder"), base)
    block(ax, (1.45, 1.62), (1.7, 0.45), "adapters", counts.get("encoder_adapters"), adapters)
    prompt = "prompt encoder" if prompted else "prompt encoder\n(no mask is given)"
    block(ax, (1.35, 0.6), (1.9, 0.5), prompt, None, base)
    box(ax, (3.75, 0.45), (1.9, 2.5), "mask decoder", [], PLAIN, anchor="top")
    parts = ("encoder", "adapters", "head")
    rest = counts["total"] - sum(counts[name] for name in parts) if all(name in counts for name in parts) else None
    block(ax, (3.85, 1.95), (1.7, 0.7), "two-way transformer,\nupscaling*", rest, base)
    block(ax, (3.85, 1.3), (1.7, 0.5), "adapters", counts.get("decoder_adapters"), adapters)
    block(ax, (3.85, 0.6), (1.7, 0.55), f"class head, {results.facts.num_classes} masks", counts.get("head"), head)
    label_picture(ax, predicted, colours, (5.98, 1.25), SIDE, "semantic mask")
    arrow(ax, (1.0, 2.32), (1.35, 2.32))
    if prompted:
        arrow(ax, (1.0, 0.85), (1.35, 0.85))
    arrow(ax, (3.25, 2.25), (3.75, 2.25))
    arrow(ax, (3.25, 0.85), (3.75, 0.85))
    arrow(ax, (5.65, 1.72), (5.98, 1.72))
    ax.text(3.85, 0.4, "* counted together with the prompt encoder", fontsize=6, va="top")
    for x, y in ((3.15, 2.67), (3.25, 1.12), (5.55, 2.67)):
        _heads(ax, (x, y))
    _key(ax, (1.35, 0.2))
    class_legend(figure, results.facts.class_names, colours, numbers=True)
    return figure


def canvas(
    width: float, height: float, side: float, shape: tuple[int, int], bottom: float = 0.0
) -> tuple[Figure, Axes]:
    """An empty figure whose axes are measured in inches, with ``bottom`` inches for a legend below them.

    Its resolution gives pictures of ``shape`` pixels, ``side`` inches long, a whole number of dots per pixel, unless
    they are so large that the diagram shows them reduced.
    """
    dots = round(side * DOTS_PER_INCH / max(shape))
    dpi = dots * max(shape) / side if dots else DOTS_PER_INCH
    figure = plt.figure(figsize=(width, height + bottom), dpi=dpi)
    ax = figure.add_axes((0, bottom / (height + bottom), 1, height / (height + bottom)))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.set_axis_off()
    return figure, ax


def picture(ax: Axes, image: np.ndarray, corner: Point, side: float, name: str) -> None:
    """An image (grey or RGB, uint8) in the square of ``side`` inches at ``corner``, its name below it."""
    height, width = (side * length / max(image.shape[:2]) for length in image.shape[:2])
    x, y = corner[0] + (side - width) / 2, corner[1] + (side - height) / 2
    smooth = "auto" if max(image.shape) > side * ax.figure.dpi + 1 else "nearest"
    extent = (x, x + width, y, y + height)
    limits = ax.axis()
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation=smooth, zorder=2)
    ax.set(xlim=limits[:2], ylim=limits[2:], aspect="auto")
    ax.add_patch(plt.Rectangle((x, y), width, height, fill=False, edgecolor="#666666", linewidth=0.6, zorder=3))
    ax.text(corner[0] + side / 2, y - 0.04, name, ha="center", va="top", fontsize=6.5)


def label_picture(ax: Axes, labels: np.ndarray, colours: Sequence[str], corner: Point, side: float, name: str) -> None:
    """A label map, uint8 [H, W], in place of an image: in the classes' colours, with their numbers on the particles."""
    height, width = (side * length / max(labels.shape) for length in labels.shape)
    place = (corner[0] + (side - width) / 2, corner[1] + (side - height) / 2, width, height)
    show_labels(ax.inset_axes(place, transform=ax.transData), labels, colours, numbers=True)
    ax.text(corner[0] + side / 2, place[1] - 0.04, name, ha="center", va="top", fontsize=6.5)


def box(
    ax: Axes, corner: Point, size: Point, title: str, lines: list[str], look: dict = PLAIN, anchor="center"
) -> None:
    """A rounded box with a bold title and smaller lines under it, in the middle or at the top of the box."""
    _rounded(ax, corner, size, look)
    x, y = corner[0] + size[0] / 2, corner[1] + size[1] / 2
    if anchor == "top":
        y = corner[1] + size[1] - 0.14
    height = 0.125 * (title.count("\n") + 1 + len(lines))
    top = y + height / 2 if lines else y
    ax.text(x, top, title, ha="center", va="top" if lines else "center", fontweight="bold", fontsize=7.5)
    if lines:
        below = top - 0.15 * (title.count("\n") + 1)
        ax.text(x, below, "\n".join(lines), ha="center", va="top", fontsize=6.3, linespacing=1.35)


def block(ax: Axes, corner: Point, size: Point, name: str, parameters: int | None, trained: tuple[bool, bool]) -> None:
    """A part of a network: its name and parameters, and whether it is ``trained`` (flame) or frozen (snowflake).

    The first mark is of this run, the second of the published settings, after which the block is coloured.
    """
    _rounded(ax, corner, size, TRAINED if trained[1] else FROZEN)
    (x, y), (width, height) = corner, size
    text = name if parameters is None else f"{name}\n{millions(parameters)}"
    ax.text(x + (width - 0.55) / 2 + 0.04, y + height / 2, text, ha="center", va="center", fontsize=6.5)
    for place, flame in zip(MARKS, trained, strict=True):
        mark(ax, (x + width - place, y + height / 2), flame)


def mark(ax: Axes, centre: Point, trained: bool) -> None:
    """A flame for what is trained, a snowflake for what is frozen."""
    x, y = centre
    if not trained:
        ax.text(x, y, "\N{SNOWFLAKE}", ha="center", va="center", fontsize=11, color=FROZEN["edgecolor"])
        return
    codes = [Outline.MOVETO] + [Outline.CURVE4] * (len(FLAME) - 1)
    for size, low, colour in ((0.2, 0.0, "#d9480f"), (0.1, 0.02, "#ffd166")):
        points = (np.array(FLAME) - (0.5, 0)) * size + (x, y - 0.13 + low)
        ax.add_patch(PathPatch(Outline(points, codes), facecolor=colour, edgecolor="none", zorder=4))


def arrow(ax: Axes, start: Point, end: Point, **look) -> None:
    """A straight arrow between two points."""
    style = {"arrowstyle": "-|>", "color": "#333333", "linewidth": 0.9, "shrinkA": 1, "shrinkB": 1} | look
    ax.annotate("", end, start, arrowprops=style)


def trains(ax: Axes, corners: list[Point], text: str, place: Point, align: str) -> None:
    """A dashed arrow through ``corners`` for what trains what, and a word at ``place`` on what is learnt from."""
    style: dict[str, Any] = {"linestyle": "--", "linewidth": 0.8, "color": "#666666"}
    ax.plot(*zip(*corners[:-1], strict=True), marker="", **style)
    arrow(ax, corners[-2], corners[-1], **style)
    ax.text(*place, text, fontsize=6, ha=align, va="center", color="#444444")


def _rounded(ax: Axes, corner: Point, size: Point, look: dict) -> None:
    patch = FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=0.05", linewidth=0.9, zorder=1, **look)
    ax.add_patch(patch)


def _heads(ax: Axes, corner: Point) -> None:
    """Which mark is of this run and which of the published settings, above a block whose corner this is."""
    for place, name in zip(MARKS, ("here", "paper"), strict=True):
        ax.text(corner[0] - place, corner[1], name, ha="center", va="bottom", fontsize=5.5)


def _key(ax: Axes, corner: Point) -> None:
    """What flame and snowflake mean."""
    x, y = corner
    for number, (trained, name) in enumerate(((True, "trained"), (False, "frozen"))):
        mark(ax, (x + 0.8 * number + 0.1, y), trained)
        ax.text(x + 0.8 * number + 0.25, y, name, va="center", fontsize=7)


def _example(results: Results) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, binary mask (0 / 255) and labels of the first training example."""
    image, labels = results.pictures["example"]
    return image, binary_mask(labels).astype(np.uint8) * 255, labels


def _ddpm_lines(results: Results) -> list[str]:
    steps, pool = results.parameters("ddpm")["diffusion_steps"], results.parameters(pairs_place("ddpm").folder)
    size = millions(results.metrics("ddpm").get("parameters"))
    return [f"{size} parameters", f"{pool['sampling_steps']:,} of {steps:,} steps", f"{pool['pairs']:,} pairs drawn"]


def _backbones(results: Results) -> list[str]:
    names = dict.fromkeys(BACKBONE_NAMES[parse_series(series)[0]] for series in results.sweep.series)
    return [*names, "", "trained on", "both sets"]
