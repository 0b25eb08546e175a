"""Short calls for the pictures of the notebooks: rows of frames, curves over the steps of a training.

Each call returns its Matplotlib figure, so that a reader can change it: `figure = show_rows(...)`, then
`figure.axes[0].set_title("...")`. Tensors of any device are taken as well as arrays.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from xpci_utils.report.style import TEXT_WIDTH, show_image, show_labels

Limits = tuple[float, float] | None
DIGIT_POINTS = 6.0  # on a screen; figures in print have smaller ones


class LabelMap(NamedTuple):
    """A label map for `show_rows`: ``labels`` uint8 [H, W] (255: ignored), and one colour per class.

    ``numbers`` writes the class index on every particle that is large enough, for readers without colour.
    """

    labels: np.ndarray
    colours: Sequence[str]
    numbers: bool = True


def label_maps(labels: Sequence[np.ndarray], colours: Sequence[str], *, numbers: bool = True) -> list[LabelMap]:
    """A row of label maps for `show_rows`, all in the same colours, with or without ``numbers``."""
    return [LabelMap(one, colours, numbers) for one in labels]


def show_rows(
    rows: Mapping[str, Sequence[Any]], *, titles: Sequence[str] = (), limits: Limits = None, side: float = 1.6
) -> Figure:
    """Named rows of pictures, with ``titles`` above the columns; a row may be shorter than the others.

    A picture is a `LabelMap`; an array [H, W] of uint8 (shown from 0 to 255) or bool; uint8 [H, W, 3]; or an array of
    floats, shown within ``limits``, or from its own smallest to its own largest value. ``side`` is the largest width of
    a picture in inches. Raises ValueError where there is no picture.
    """
    columns = max((len(row) for row in rows.values()), default=0)
    if not columns:
        raise ValueError("there is no picture to show: every row is empty")
    first = _array(next(row[0] for row in rows.values() if len(row)))
    side = min(TEXT_WIDTH / columns, side)
    height = side * first.shape[0] / first.shape[1]
    size = (side * columns + 0.3, (height + 0.05) * len(rows) + 0.25 * any(titles))
    figure, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for ax, panel in zip(line, row, strict=False):
            _show(ax, panel, limits)
        line[0].set_ylabel(name)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=7)
    return figure


def show_row(panels: Mapping[str, Any], **options: Any) -> Figure:
    """One row of pictures, each under its name; `show_rows` says what a picture is, and which ``options`` there are."""
    return show_rows({"": list(panels.values())}, titles=list(panels), **options)


def curves(
    panels: Mapping[str, Mapping[str, pd.Series]],
    *,
    x: str = "optimiser step",
    yscale: str = "linear",
    limits: tuple[float | None, float | None] | None = None,
) -> Figure:
    """One panel per entry of ``panels``, side by side: name of the vertical axis -> name of the curve -> values.

    Each series is drawn over its own index; missing values are left out, and an empty curve with its name. ``limits``
    are those of all vertical axes; None leaves some room beyond the curves. The legend stands above its panel, where it
    hides no curve.
    """
    size = (min(TEXT_WIDTH, 3.5 * len(panels)), 2.3)
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
    for ax, (label, lines) in zip(axes[0], panels.items(), strict=True):
        for name, values in lines.items():
            if len(known := values.dropna()):
                ax.plot(known.index, known, label=name)
        ax.set(xlabel=x, ylabel=label, yscale=yscale)
        if limits:
            _limit(ax, *limits)
        if yscale == "log":
            _plain_numbers(ax)
        if len(lines) > 1:
            ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def _show(ax: Axes, panel: Any, limits: Limits) -> None:
    ax.set_axis_on()
    if isinstance(panel, LabelMap):
        show_labels(ax, panel.labels, panel.colours, numbers=panel.numbers, digit_points=DIGIT_POINTS)
        return
    picture = _array(panel)
    show_image(ax, picture.astype(np.uint8) * 255 if picture.dtype == bool else picture)
    if np.issubdtype(picture.dtype, np.floating):
        ax.images[-1].set_clim(*(limits or (picture.min(), picture.max())))


def _array(panel: Any) -> np.ndarray:
    """The pixels of a picture, from whatever device they lie on."""
    if isinstance(panel, LabelMap):
        return panel.labels
    return np.asarray(panel.detach().cpu() if hasattr(panel, "detach") else panel)


def _limit(ax: Axes, low: float | None, high: float | None, room: float = 0.1) -> None:
    """Limit the vertical axis; where a limit is None, ``room`` (a share of the height) stays free beyond the curves."""
    if not ax.lines:
        ax.set_ylim(low, high)
        return
    bottom = ax.dataLim.y0 if low is None else low
    top = ax.dataLim.y1 if high is None else high
    free = room * ((top - bottom) or 1.0)
    ax.set_ylim(bottom - free * (low is None), top + free * (high is None))


def _plain_numbers(ax: Axes) -> None:
    """Label a logarithmic axis 0.2 instead of 2 x 10^-1; between powers of ten only if it shows less than a decade."""
    low, high = ax.get_ylim()
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}" if high < 10 * low else NullFormatter())
