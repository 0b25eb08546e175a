"""Two small diagrams of the notebooks: an adapter with its place in a block of SAM, and the stages of a network."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from xpci_utils.report.style import TEXT_WIDTH

TRAINED = {"boxstyle": "round", "facecolor": "#fdebd8", "edgecolor": "#b3500b"}
GIVEN = {"boxstyle": "round", "facecolor": "#dfebf6", "edgecolor": "#2a5f93", "linestyle": "--"}
PLAIN = {"boxstyle": "circle", "facecolor": "white", "edgecolor": "#444444"}
ARROW: dict[str, Any] = {"arrowstyle": "-|>", "color": "#333333", "linewidth": 0.9}
PART_COLOURS = {"encoder": "#b3cbe6", "decoder": "#fdebd8"}  # L* 81 and 94, so that grey prints keep them apart


class Stage(Protocol):
    """What `network_sketch` draws of a stage of a network."""

    name: str
    part: str
    stride: int
    channels: int


def adapter_sketch(width: int, inner: int) -> Figure:
    """An adapter of ``width`` channels with a bottleneck of ``inner``, and a block of SAM-b with two adapters.

    Solid boxes are what adaptation adds, dashed ones are SAM's own layers. A circle adds up what arrives.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(TEXT_WIDTH, 2.9), layout="constrained")
    inside = [(0.4, f"x: {width}", None), (2.2, f"$W_{{down}}$: {width} → {inner}", TRAINED), (4.2, "GELU", TRAINED)]
    inside += [(6.1, f"$W_{{up}}$: {inner} → {width}", TRAINED), (7.6, "+", PLAIN), (9.0, f"A(x): {width}", None)]
    _chain(above, inside)
    _detour(above, 0.4, 7.6)
    block = [(0.3, "x", None), (1.3, "norm", GIVEN), (2.5, "attention", GIVEN), (3.9, "adapter", TRAINED)]
    block += [(5.0, "+", PLAIN), (5.9, "norm", GIVEN), (7.3, "MLP", GIVEN), (8.6, "+", PLAIN), (9.6, "", None)]
    _chain(below, block)
    _detour(below, 0.3, 5.0)
    _detour(below, 5.4, 8.6, edge=0.0)
    _detour(below, 6.5, 8.6, edge=0.0, level=-0.95)
    below.text(7.4, -0.95, "½ adapter without x", ha="center", va="center", fontsize=7.5, bbox=TRAINED, zorder=3)
    titles = ("one adapter: channels before and after", "one block of SAM-b's image encoder")
    for ax, title in zip((above, below), titles, strict=True):
        ax.set(xlim=(0, 10), ylim=(-1.3, 1.3))
        ax.set_title(title, loc="left")
        ax.set_axis_off()
    _box_legend(figure, {"added by the adaptation": TRAINED, "SAM's own layer": GIVEN})
    return figure


def network_sketch(stages: Sequence[Stage]) -> Figure:
    """The stages of a network from left to right: tall where the map is large, with its size and its channels."""
    figure, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.2), layout="constrained")
    heights = np.array([6.5 - np.log2(stage.stride) for stage in stages])
    places = range(len(stages))
    colours = [PART_COLOURS[stage.part] for stage in stages]
    ax.bar(places, heights, bottom=-heights / 2, width=0.8, color=colours, edgecolor="#444444", linewidth=0.8)
    for place, stage in zip(places, stages, strict=True):
        size = "1" if stage.stride == 1 else f"1/{stage.stride}"
        ax.text(place, 0, f"{size}\n{stage.channels}", ha="center", va="center", fontsize=7)
    ax.set_xticks(places, [stage.name.replace(" ", "\n") for stage in stages], fontsize=6)
    ax.set_ylim(-0.53 * heights.max(), 0.53 * heights.max())
    ax.set(yticks=[], title="in each bar: side of the map as a share of the frame's, and number of channels")
    ax.grid(False)
    _box_legend(figure, {part: {"facecolor": colour, "edgecolor": "#444444"} for part, colour in PART_COLOURS.items()})
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0)
    return figure


def _chain(ax: Axes, boxes: list[tuple[float, str, dict[str, Any] | None]]) -> None:
    """Boxes (place, text, look) in a row, with arrows from each to the next."""
    drawn = [
        ax.text(x, 0, text, ha="center", va="center", fontsize=7.5, bbox=look, zorder=3) for x, text, look in boxes
    ]
    for start, end in pairwise(drawn):
        arrow = ARROW | {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
        gap = {"shrinkA": 2 if start.get_bbox_patch() else 18, "shrinkB": 2 if end.get_bbox_patch() else 22}
        ax.annotate("", end.get_position(), start.get_position(), arrowprops=arrow | gap, zorder=2)


def _detour(ax: Axes, start: float, end: float, *, level: float = 0.85, edge: float = 0.3) -> None:
    """A path beside the boxes: from ``start`` up (or down) to ``level`` and to ``end``.

    It leaves ``edge`` away from the row: 0 for a path that leaves an arrow, more for one that leaves a box.
    """
    side = np.sign(level)
    ax.plot([start, start, end], [edge * side, level, level], color="#333333", linewidth=0.9, marker="", linestyle="-")
    ax.annotate("", (end, 0.3 * side), (end, level), arrowprops=ARROW)


def _box_legend(figure: Figure, looks: dict[str, dict[str, Any]]) -> None:
    """A legend below a diagram: the look of a box and what it means."""
    patches = [
        Patch(label=label, **{key: value for key, value in look.items() if key != "boxstyle"})
        for label, look in looks.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
