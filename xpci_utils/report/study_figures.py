"""Figures that the paper does not have: gain and cost of the controls, gain of a class by its annotated particles."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from xpci_utils.params.cells import BACKBONES, Cell, parse_row
from xpci_utils.report import captions
from xpci_utils.report.results import Results
from xpci_utils.report.study import classes_table, controls_table
from xpci_utils.report.style import COLOURS, DOTS_PER_INCH, MARKERS, TEXT_WIDTH
from xpci_utils.report.wording import ARM_NAMES, BACKBONE_NAMES

KINDS = ("annotated frames alone", "with generated pairs", "with fresh frames")


def study_figures(results: Results) -> dict[str, Figure]:
    """Figures C and P by the name of their file; one without finished runs is left out."""
    figures: dict[str, Figure] = {}
    if results.sweep.controls:
        controls = controls_table(results).data.dropna(subset=["dice_gain", "core_seconds"])
        figures |= {"figurec": gain_and_cost(controls, results)} if len(controls) else {}
    classes = classes_table(results).data
    if len(classes) and results.facts.particles:
        figures["figurep"] = gain_of_classes(classes)
    for figure in figures.values():
        plt.close(figure)
    return figures


def gain_and_cost(controls: pd.DataFrame, results: Results) -> Figure:
    """Figure C from rows of Table C, the cheapest on top: gain with its interval, and the computing time it took."""
    rows = controls.sort_values(["core_seconds", "dice_gain"], ascending=False).to_dict("records")
    size = (TEXT_WIDTH, 0.8 + 0.22 * len(rows))
    figure, (gains, costs) = plt.subplots(
        1, 2, figsize=size, dpi=DOTS_PER_INCH, layout="constrained", sharey=True, width_ratios=(2, 1)
    )
    for position, row in enumerate(rows):
        cell = parse_row(row["row"])
        kind = 0 if cell.labeller == "none" else 1 if cell.pool == "ddpm" else 2
        look = {"color": COLOURS[kind], "marker": MARKERS[kind]}
        gains.errorbar([row["dice_gain"]], [position], xerr=_bars(row, "dice_gain"), capsize=2, **look)
        costs.plot([row["core_seconds"] / 60], [position], linestyle="", **look)
    names = [f"{ARM_NAMES[cell.arm]}: {captions.trained_on(cell, results)}" for cell in _cells(rows)]
    gains.set_yticks(range(len(rows)), names, fontsize=6)
    gains.axvline(0, color="#666666", linewidth=0.8, marker="")
    gains.set(xlabel="gain in Dice over annotated frames alone")
    costs.set(xlabel="core-minutes", xscale="log")
    handles = [
        plt.Line2D([], [], color=c, marker=m, ls="", label=n) for c, m, n in zip(COLOURS, MARKERS, KINDS, strict=False)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(KINDS))
    return figure


def gain_of_classes(classes: pd.DataFrame) -> Figure:
    """Figure P from the rows of Table P: classes in the order of their annotated particles, backbones side by side."""
    order = classes.drop_duplicates("class").sort_values("particles", na_position="first")
    position = {name: index for index, name in enumerate(order["class"])}
    figure, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.8), dpi=DOTS_PER_INCH, layout="constrained")
    for index, backbone in enumerate(BACKBONES):
        rows = classes[(classes["backbone"] == backbone) & classes["gain"].notna()].to_dict("records")
        places = [position[row["class"]] + 0.22 * (index - 1) for row in rows]
        bars = np.hstack([_bars(row, "gain") for row in rows]) if rows else None
        look: dict[str, Any] = {"color": COLOURS[index], "marker": MARKERS[index], "label": BACKBONE_NAMES[backbone]}
        ax.errorbar(places, [row["gain"] for row in rows], yerr=bars, linestyle="", capsize=2, **look)
    counts = [0 if pd.isna(count) else int(count) for count in order["particles"]]
    names = [f"{name.replace('_', ' ')}\n{count}" for name, count in zip(order["class"], counts, strict=True)]
    ax.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names], fontsize=6)
    ax.axhline(0, color="#666666", linewidth=0.8, marker="")
    ax.set(xlabel="class, and its annotated training particles", ylabel="gain in Dice of the class")
    figure.legend(loc="outside upper center", ncols=len(BACKBONES))
    return figure


def _bars(row: dict, name: str) -> np.ndarray:
    """Lengths [2, 1] below and above of the interval of a gain; 0 where there is none."""
    return np.nan_to_num([[row[name] - row[f"{name}_low"]], [row[f"{name}_high"] - row[name]]])


def _cells(rows: list[dict]) -> list[Cell]:
    return [parse_row(row["row"]) for row in rows]
