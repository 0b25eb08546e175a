"""Figure 6: what synthetic pairs add to each score, in this run and in the paper, on the same axes."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xpci_utils.params.cells import parse_row
from xpci_utils.params.runs import series_cell
from xpci_utils.report.contrasts import gain, reference_row
from xpci_utils.report.drawing import drawn_from
from xpci_utils.report.results import Results
from xpci_utils.report.style import COLOURS, DASHES, DOTS_PER_INCH, LINE_STYLES, MARKERS, TEXT_WIDTH, ZERO
from xpci_utils.report.tables import SERIES_OF_TABLE, read_published
from xpci_utils.report.wording import METRIC_NAMES, series_name

ASIDE = 0.06  # between the marks of neighbouring series, so that no dot hides another; in units of the axis
DOTS = {"marker": "o", "s": 7, "linewidth": 0, "alpha": 0.7}


def _no_gain(results: Results) -> str:
    if len(own_gains(results)):
        return ""
    return "This figure waits for a network trained with synthetic pairs and for the same network without them."


@drawn_from(_no_gain)
def score_curves(results: Results, colours: Sequence[str] = COLOURS) -> Figure:
    """Figure 6: gain of each metric over 0 pairs; this run above, the paper below, in ``colours`` by series.

    Both rows share their axes: pairs per annotated frame (spaced by the square root) and, per metric, the gain.
    Lines join the means over the sweep's seeds; a dot is one training where there are several. A declared row has a
    hollow mark at the mean over its own seeds and the 95 % interval of `contrasts.gain`.
    """
    import seaborn as sns

    figure, axes = plt.subplots(
        2, 3, figsize=(TEXT_WIDTH, 4.4), dpi=DOTS_PER_INCH, layout="constrained", sharex=True, sharey="col"
    )
    order = list(SERIES_OF_TABLE.values())
    ours, published = own_gains(results), published_gains()
    several = bool((ours.groupby(["series", "synthetic"])["seed"].count() > 1).any())
    look = {"hue": "series", "hue_order": order, "palette": list(colours), "legend": False}
    lines = {"style": "series", "style_order": order, "markers": list(MARKERS), "dashes": list(DASHES)}
    for column, (metric, name) in enumerate(METRIC_NAMES.items()):
        for ax, table, source in zip(axes[:, column], (ours, published), ("this run", "published"), strict=True):
            mean = table[table["chosen"]]
            sns.lineplot(mean, x="place", y=metric, errorbar=None, markeredgewidth=0, ax=ax, **lines, **look)
            ax.axhline(0, **ZERO)
            ax.set(title=f"{name}, {source}", xlabel="", ylabel="")
        if several:
            sns.scatterplot(ours[ours["synthetic"] > 0], x="aside", y=metric, ax=axes[0, column], **DOTS, **look)
            axes[0, column].set(xlabel="", ylabel="")
        declared = _declared(axes[0, column], results, metric, colours)
    _mark_places(axes[1, 0], pd.concat([ours, published]))
    axes[1, 1].set_xlabel("synthetic pairs per annotated frame")
    for ax in axes[:, 0]:
        ax.set_ylabel("gain over 0 pairs")
    figure.legend(handles=_legend(colours, several, declared), loc="outside lower center", ncols=3, handlelength=3)
    return figure


def own_gains(results: Results) -> pd.DataFrame:
    """Gain of every trained network over the same seed without pairs, in all metrics.

    Columns ``series``, ``synthetic``, ``seed``, ``place`` (on the axis), ``aside``, ``chosen`` (a seed of the sweep,
    which every count has, so that a line joins means over the same seeds) and one per metric.
    """
    tables = [
        _gains(results, series, count) for series, count in product(SERIES_OF_TABLE.values(), results.sweep.counts)
    ]
    table = pd.concat(tables, ignore_index=True)
    with_pairs = table.loc[table["synthetic"] > 0, "series"].unique()
    return _placed(table[table["series"].isin(with_pairs)], results.annotated or 1)


def _gains(results: Results, series: str, count: int) -> pd.DataFrame:
    """The rows of one series and count; at 0 pairs those of the sweep's seeds, whose gain is 0."""
    row = series_cell(series, results.sweep.annotated, count, 0).row
    wanted = series in results.sweep.series and len(results.of_row(row)) > 0
    scores = [results.of_row(name).set_index("seed") for name in (row, reference_row(row, results))] if wanted else []
    metrics = list(METRIC_NAMES)
    gains = (scores[0][metrics] - scores[1][metrics]).dropna() if scores else pd.DataFrame(columns=metrics, dtype=float)
    gains = gains.rename_axis("seed").reset_index()
    gains.insert(0, "series", series)
    gains.insert(1, "synthetic", count)
    gains.insert(2, "chosen", gains["seed"].isin(results.sweep.seeds))
    return gains if count else gains[gains["chosen"]]


def published_gains() -> pd.DataFrame:
    """The same of the paper's Tables 1 to 4: one training per row."""
    tables = []
    for number, series in SERIES_OF_TABLE.items():
        table = read_published(number)
        gains = {metric: table[metric] - table[metric].iloc[0] for metric in METRIC_NAMES}
        one = pd.DataFrame(
            {"series": series, "synthetic": table["synthetic_images"], "seed": 0, "chosen": True} | gains
        )
        tables.append(_placed(one, int(table["real_images"].iloc[0])))
    return pd.concat(tables, ignore_index=True)


def _placed(table: pd.DataFrame, annotated: int) -> pd.DataFrame:
    """The table with its places on the axis, the square root of the pairs per annotated frame."""
    index = table["series"].map({name: k for k, name in enumerate(SERIES_OF_TABLE.values())})
    place = np.sqrt(table["synthetic"].astype(float) / annotated)
    return table.assign(place=place, aside=place + ASIDE * (index - 1.5))


def _declared(ax: Axes, results: Results, metric: str, colours: Sequence[str]) -> bool:
    """Mark the declared rows with the interval over their own seeds; whether there is any."""
    order = list(SERIES_OF_TABLE.values())
    gains = {row: gain(row, results, metric) for row in results.sweep.contrasts if parse_row(row).series in order}
    finished = {row: one for row, one in gains.items() if one.seeds}
    for row, one in finished.items():
        index, cell = order.index(parse_row(row).series), parse_row(row)
        x = np.sqrt(cell.synthetic / (results.annotated or 1)) + ASIDE * (index - 1.5)
        look: dict[str, Any] = {"color": colours[index], "marker": MARKERS[index], "markerfacecolor": "white"}
        bars = [[one.mean - one.low], [one.high - one.mean]]
        ax.errorbar([x], [one.mean], yerr=bars, capsize=2, markersize=5, **look)
    return bool(finished)


def _mark_places(ax: Axes, table: pd.DataFrame) -> None:
    """A tick at every place; from the right on those without a number that would touch the last one."""
    places = sorted(table["place"].unique(), reverse=True)
    numbered: list[float] = []
    for place in places:
        if not numbered or numbered[-1] - place > 0.1 * places[0]:
            numbered.append(place)
    ax.set_xticks(places, [f"{place**2:.3g}" if place in numbered else "" for place in places])


def _legend(colours: Sequence[str], several: bool, declared: bool) -> list[Line2D]:
    """Handles of the four series and, where there are any, of one training and of a declared row."""
    looks = zip(SERIES_OF_TABLE.values(), colours, LINE_STYLES, MARKERS, strict=True)
    handles = [Line2D([], [], color=c, ls=line, marker=m, label=series_name(name)) for name, c, line, m in looks]
    if several:
        handles.append(Line2D([], [], color="#555555", marker="o", ls="", markersize=2.6, label="one training"))
    if declared:
        label = "declared row, its own seeds: mean, 95 % interval"
        handles.append(Line2D([], [], color="#555555", marker="o", ls="-", markerfacecolor="white", label=label))
    return handles
