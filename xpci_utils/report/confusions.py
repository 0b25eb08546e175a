"""Confusion matrices, drawn one way wherever a notebook or the report shows which class is taken for which."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def draw_confusion(
    ax: Axes,
    matrix: np.ndarray,
    names: Sequence[str],
    *,
    true_names: Sequence[str] = (),
    values: bool = True,
    colours: str = "Greys",
) -> None:
    """Counts [true class, assigned class] in % of their row, from white (0) to black (100).

    ``names`` are those of the columns, and of the rows where ``true_names`` has no others. A row without any count
    stays white. ``values`` writes each per cent into its field, but for those that round to 0; ``colours`` is a colour
    map.
    """
    import seaborn as sns

    counts = np.asarray(matrix, float)
    rows, columns = ([name.replace("_", " ") for name in some] for some in (true_names or names, names))
    share = pd.DataFrame(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), rows, columns)
    written = share.map(lambda value: f"{value:.0f}" if value >= 0.5 else "") if values else False
    look = {"vmin": 0, "vmax": 100, "cmap": colours, "cbar": False, "square": True}
    lines = {"linewidths": 0.3, "linecolor": "#cccccc"}
    sns.heatmap(share, annot=written, fmt="", annot_kws={"fontsize": 6.5}, ax=ax, **look, **lines)
    ax.set(xlabel="assigned class", ylabel="true class")
    ax.tick_params(length=0)
    plt.setp(ax.get_xticklabels(), rotation=60, ha="right", rotation_mode="anchor")


def show_confusion(
    matrix: np.ndarray, names: Sequence[str], *, true_names: Sequence[str] = (), values: bool = False
) -> Figure:
    """A figure with one matrix, as `draw_confusion` draws it, and the scale of its greys."""
    figure, ax = plt.subplots(figsize=(4.6, 3.6), layout="constrained")
    draw_confusion(ax, matrix, names, true_names=true_names, values=values)
    figure.colorbar(ax.collections[0], ax=ax, label="share of the true class [%]")
    return figure
