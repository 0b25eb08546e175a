"""Figures that the paper does not have: gain and cost of the controls, gain of a class, gain under each reading of the
protocol, NSD over its tolerance.

A dot is one training. An interval is drawn from three seeds on: with two it says nothing but how alike they were.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xpci_utils.evaluation.per_frame import TOLERANCES_PX
from xpci_utils.params.cells import BACKBONES, parse_row
from xpci_utils.params.runs import control_seeds
from xpci_utils.report import captions
from xpci_utils.report.contrasts import (
    claimed_rows,
    cost_core_seconds,
    own_reference,
    reference_row,
    seed_gains,
)
from xpci_utils.report.drawing import drawn_from
from xpci_utils.report.results import Results
from xpci_utils.report.style import COLOURS, DOTS_PER_INCH, MARKERS, TEXT_WIDTH, ZERO
from xpci_utils.report.wording import BACKBONE_NAMES, METRIC_NAMES, arm_name

KINDS = ("annotated frames alone", "with generated pairs", "with fresh frames", "with frames without annotation")
KIND_OF_POOL = {"ddpm": KINDS[1], "unlabelled": KINDS[3]}
CLIP = 0.2  # gains beyond are drawn as arrows at the edge
DOTS = {"marker": "o", "s": 9, "linewidth": 0, "alpha": 0.7, "zorder": 2}


def _no_controls(results: Results) -> str:
    rows = [(row, own_reference(row, results)) for row in results.sweep.controls]
    if any(one != other and _finished(results, one, other) for one, other in rows):
        return ""
    return "This figure waits for the controls (GRID=controls) and for what they are compared with."


def _no_classes(results: Results) -> str:
    rows = claimed_rows(results).values()
    if (
        results.frames
        and results.frames.particles
        and any(_finished(results, row, reference_row(row, results)) for row in rows)
    ):
        return ""
    return (
        "This figure waits for networks with and without synthetic pairs, and for a count of the annotated particles."
    )


def _no_readings(results: Results) -> str:
    if any(_finished(results, cell.row, cell.alone().row) for cell in map(parse_row, results.sweep.readings)):
        return ""
    return "This figure waits for readings of the protocol (GRID=readings), with synthetic pairs and without."


def _no_curve(results: Results) -> str:
    recorded = results.cells.reindex(columns=[f"nsd_{TOLERANCES_PX[0]}px"]).notna().to_numpy()
    if recorded.any() and any(results.cells[recorded[:, 0]]["row"].isin(claimed_rows(results).values())):
        return ""
    return "This figure waits for networks with synthetic pairs whose NSD was recorded at several tolerances."


def _finished(results: Results, *rows: str) -> bool:
    return all(len(results.of_row(row)) for row in rows)


@drawn_from(_no_controls)
def gain_and_cost(results: Results, colours: Sequence[str] = COLOURS) -> Figure:
    """Figure C: gain in Dice of every control over its own reference, clipped at 0.2, and its computing time."""
    import seaborn as sns

    table = control_gains(results)
    rows = table.drop_duplicates("row").to_dict("records")
    size = (TEXT_WIDTH, 0.9 + 0.3 * len(rows))
    figure, (gains, costs) = plt.subplots(
        1, 2, figsize=size, dpi=DOTS_PER_INCH, layout="constrained", sharey=True, width_ratios=(2.4, 1)
    )
    look = {"hue": "kind", "hue_order": KINDS, "palette": list(colours)[: len(KINDS)], "legend": False}
    sns.scatterplot(
        table.assign(gain=table["gain"].clip(-CLIP, CLIP)), x="gain", y="position", ax=gains, **DOTS, **look
    )
    shapes = {"style": "kind", "style_order": KINDS, "markers": list(MARKERS[: len(KINDS)]), "s": 26, "linewidth": 0}
    sns.scatterplot(table.drop_duplicates("row"), x="minutes", y="position", ax=costs, **shapes, **look)
    for row in rows:
        kind = KINDS.index(row["kind"])
        _mean_and_interval(gains, row, {"color": colours[kind], "marker": MARKERS[kind]}, clip=CLIP)
    gains.set_yticks([row["position"] for row in rows], [row["name"] for row in rows], fontsize=6.5)
    gains.axvline(0, **ZERO)
    gains.set(xlabel="gain in Dice over the reference", ylabel="", xlim=(-CLIP * 1.07, CLIP * 1.07))
    costs.set(xlabel="core-minutes", xscale="log")
    costs.xaxis.set_major_formatter("{x:g}")
    shown = KINDS[: 1 + max((KINDS.index(row["kind"]) for row in rows), default=0)]
    figure.legend(handles=_kinds(colours, shown), loc="outside lower center", ncols=len(shown) + 1)
    return figure


@drawn_from(_no_classes)
def gain_of_classes(results: Results, colours: Sequence[str] = COLOURS) -> Figure:
    """Figure P: gain in Dice of every class, the classes in the order of their annotated training particles."""

    table = class_gains(results)
    figure, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.8), dpi=DOTS_PER_INCH, layout="constrained")
    _gains_of_networks(ax, table, colours, upright=True)
    names = table.drop_duplicates("class").sort_values("position")["name"]
    ax.set_xticks(range(len(names)), list(names), fontsize=6)
    ax.axhline(0, **ZERO)
    ax.set(xlabel="class, and its annotated training particles", ylabel="gain in Dice of the class")
    handles = _kinds(colours, [BACKBONE_NAMES[name] for name in BACKBONES])
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


@drawn_from(_no_readings)
def gain_of_readings(results: Results, colours: Sequence[str] = COLOURS) -> Figure:
    """Figure R: gain in Dice and micro-F1 under each reading of the protocol, over the same reading without pairs."""

    table = reading_gains(results)
    names = table.drop_duplicates("name").sort_values("place")["name"].tolist()
    figure, axes = plt.subplots(
        1, 2, figsize=(TEXT_WIDTH, 0.9 + 0.75 * len(names)), dpi=DOTS_PER_INCH, layout="constrained", sharey=True
    )
    for ax, (metric, lines) in zip(axes, table.groupby("metric", sort=False), strict=True):
        _gains_of_networks(ax, lines, colours)
        ax.axvline(0, **ZERO)
        ax.set(xlabel=f"gain in {METRIC_NAMES[str(metric)]} by synthetic pairs", ylabel="")
    axes[0].set_yticks(range(len(names)), names, fontsize=6.5)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = _kinds(colours, [BACKBONE_NAMES[name] for name in BACKBONES])
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


@drawn_from(_no_curve)
def surface_tolerance(results: Results, colours: Sequence[str] = COLOURS) -> Figure:
    """Figure T: NSD against its tolerance, with synthetic pairs and without, beside the Dice of both."""
    import seaborn as sns

    figure, axes = plt.subplots(
        1, len(BACKBONES), figsize=(TEXT_WIDTH, 2.3), dpi=DOTS_PER_INCH, layout="constrained", sharey=True
    )
    rows = claimed_rows(results)
    for ax, backbone in zip(axes, BACKBONES, strict=True):
        table = tolerance_curve([reference_row(rows[backbone], results), rows[backbone]], results)
        look = {"hue": "pairs", "palette": dict(zip((False, True), colours, strict=False)), "legend": False}
        sns.lineplot(table, x="tolerance", y="nsd", style="pairs", errorbar=None, ax=ax, marker="", **look)
        sns.scatterplot(table, x="tolerance", y="nsd", ax=ax, **DOTS, **look)
        for pairs, colour in zip((False, True), colours, strict=False):
            dice = table[table["pairs"] == pairs]["dice"].mean()
            ax.axhline(dice, color=colour, linestyle=":", linewidth=0.8, marker="")
        ax.set(title=BACKBONE_NAMES[backbone], xlabel="tolerance (px)", ylabel="NSD; dotted: Dice")
    names = ("annotated frames alone", "with synthetic pairs")
    handles = [Line2D([], [], color=colours[i], linestyle="-" if i == 0 else "--", marker="") for i in range(2)]
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure


def tolerance_curve(rows: Sequence[str], results: Results) -> pd.DataFrame:
    """One line per row, seed and tolerance: ``pairs`` (whether the row has any), ``tolerance``, ``nsd``, ``dice``."""
    cells = results.cells[results.cells["row"].isin(rows)]
    wide = cells.assign(pairs=cells["synthetic"] > 0).set_index(["pairs", "seed", "dice"])
    wide = wide[[f"nsd_{tolerance}px" for tolerance in TOLERANCES_PX]].set_axis(TOLERANCES_PX, axis=1)
    return wide.melt(ignore_index=False, var_name="tolerance", value_name="nsd").dropna().reset_index()


def control_gains(results: Results) -> pd.DataFrame:
    """One line per control and seed: ``gain`` in Dice over its own reference, and what the figure says of the row.

    Columns ``row``, ``reference``, ``kind``, ``name``, ``minutes`` (core-minutes), ``seed``, ``gain``, ``mean``,
    ``low`` and ``high`` (NaN for fewer than three seeds), ``position`` (the first kind on top, the best row first).
    """
    lines = []
    for row in results.sweep.controls:
        reference, seeds = own_reference(row, results), control_seeds(row, results.sweep)
        cell = parse_row(row)
        alone = cell.labeller == "none" and cell.trains_on != "fixmatch"
        kind = KINDS[0] if alone else KIND_OF_POOL.get(cell.pool, KINDS[2])
        about: dict[str, Any] = {
            "row": row,
            "reference": reference,
            "kind": kind,
            "minutes": cost_core_seconds(row, results) / 60,
        }
        about["name"] = f"{_words(row, results)}\nover {_words(reference, results)}"
        if row != reference and np.isfinite(about["minutes"]):
            lines += _lines(about, row, reference, results, "dice", seeds)
    table = pd.DataFrame(lines, columns=[*_COLUMNS, "reference", "minutes"])
    rows = table.drop_duplicates("row").assign(rank=lambda one: one["kind"].map(KINDS.index))
    ranked = rows.sort_values(["rank", "mean"], ascending=[False, True])["row"].tolist()
    return table.assign(position=table["row"].map({row: place for place, row in enumerate(ranked)}))


def class_gains(results: Results) -> pd.DataFrame:
    """One line per class, backbone (``kind``) and seed: ``gain`` in the Dice of the class, of the claimed rows."""
    particles = results.frames.particles if results.frames else {}
    order = sorted(results.frames.class_names[1:] if results.frames else [], key=lambda name: particles.get(name, 0))
    lines = []
    for place, name in enumerate(order if particles else []):
        words = name.replace("_", "\n", 1).replace("_", " ")
        for index, (backbone, row) in enumerate(claimed_rows(results).items()):
            about: dict[str, Any] = {
                "row": row,
                "kind": backbone,
                "class": name,
                "name": f"{words}\n{particles.get(name, 0)}",
            }
            about["position"] = place + 0.22 * (index - 1)
            lines += _lines(about, row, reference_row(row, results), results, f"dice_{name}", None)
    return pd.DataFrame(lines, columns=[*_COLUMNS, "class", "position"])


def reading_gains(results: Results) -> pd.DataFrame:
    """One line per metric, row of Table R and seed: ``gain`` over the same reading without pairs."""
    cells = [parse_row(row) for row in results.sweep.readings]
    finished = [cell for cell in cells if _finished(results, cell.row, cell.alone().row)]
    places = {key: place for place, key in enumerate(dict.fromkeys((cell.arm, cell.synthetic) for cell in finished))}
    lines = []
    for metric in ("dice", "micro_f1"):
        for cell in finished:
            place = places[cell.arm, cell.synthetic]
            name = f"{arm_name(cell.arm)}, {cell.synthetic:,} pairs".replace(", ", ",\n")
            about: dict[str, Any] = {"row": cell.row, "kind": cell.backbone, "name": name, "metric": metric}
            about |= {"place": place, "position": place + 0.22 * (BACKBONES.index(cell.backbone) - 1)}
            lines += _lines(about, cell.row, cell.alone().row, results, metric, None)
    return pd.DataFrame(lines, columns=[*_COLUMNS, "metric", "place", "position"])


_COLUMNS = ("row", "kind", "name", "seed", "gain", "mean", "low", "high")


def _lines(about: dict, row: str, reference: str, results: Results, metric: str, seeds: list[int] | None) -> list[dict]:
    """``about`` once per seed, with its gain, the mean and the interval."""
    if not _finished(results, row, reference):
        return []
    gains, one = seed_gains(row, reference, results, metric, seeds)
    gains = gains.dropna()
    about = about | {"mean": float(gains.mean()) if len(gains) else float("nan"), "low": one.low, "high": one.high}
    return [about | {"seed": seed, "gain": value} for seed, value in gains.items()]


def _gains_of_networks(ax: Axes, table: pd.DataFrame, colours: Sequence[str], upright: bool = False) -> None:
    """A dot for each training, and mean and interval of each row, in the colours of the backbones."""
    import seaborn as sns

    x, y = ("position", "gain") if upright else ("gain", "position")
    look = {"hue": "kind", "hue_order": list(BACKBONES), "palette": list(colours)[:3], "legend": False}
    sns.scatterplot(table, x=x, y=y, ax=ax, **DOTS, **look)
    for row in table.drop_duplicates("position").to_dict("records"):
        kind = BACKBONES.index(row["kind"])
        _mean_and_interval(ax, row, {"color": colours[kind], "marker": MARKERS[kind]}, upright)


def _mean_and_interval(ax: Axes, row: dict, look: dict, upright: bool = False, clip: float = np.inf) -> None:
    """The mean of a row and, where it has one, its interval; what lies beyond ``clip`` is an arrow."""
    mean, ends = row["mean"], np.array([[row["mean"] - row["low"]], [row["high"] - row["mean"]]])
    bars: dict[str, Any] = {} if np.isnan(ends).any() else {"yerr" if upright else "xerr": ends, "capsize": 2}
    position = row["position"]
    if abs(mean) > clip:
        edge = np.copysign(clip, mean)
        ax.annotate(f"{mean:+.2f}", (edge, position), xytext=(edge * 0.8, position), fontsize=6, va="center",
                    ha="center", arrowprops={"arrowstyle": "-|>", "color": look["color"]})  # fmt: skip
        return
    point = (position, mean) if upright else (mean, position)
    ax.errorbar([point[0]], [point[1]], linestyle="", markerfacecolor="none", markersize=5.5, **bars, **look)


def _kinds(colours: Sequence[str], names: Sequence[str]) -> list[Line2D]:
    """Handles for the legend: the mean of each kind as its hollow mark, and the dot of one training."""
    looks = zip(names, colours, MARKERS, strict=False)
    means = [Line2D([], [], color=c, marker=m, ls="", markerfacecolor="none", label=name) for name, c, m in looks]
    return [*means, Line2D([], [], color="#555555", marker="o", ls="", markersize=2.8, label="one training")]


def _words(row: str, results: Results) -> str:
    """ "no augmentation: 100 + 1,000 synthetic by SAM-b": short enough for the edge of Figure C."""
    cell = parse_row(row)
    several = len({parse_row(other).backbone for other in results.sweep.controls}) > 1
    network = f"{BACKBONE_NAMES[cell.backbone]}, " if several else ""
    frames = captions.trained_on(cell, results).replace(f" {results.source_word}", "", 1).replace("labelled by", "by")
    return f"{network}{arm_name(cell.arm).replace(' (as everywhere)', '')}: {frames}"
