"""Figures that the paper does not have: gain against cost, and gain of a class against its annotated particles."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xpci_utils import grid
from xpci_utils.report.results import Results
from xpci_utils.report.study import classes_table, controls_table
from xpci_utils.report.style import COLOURS, DOTS_PER_INCH, MARKERS, TEXT_WIDTH
from xpci_utils.report.wording import ARM_NAMES, BACKBONE_NAMES


def study_figures(results: Results) -> dict[str, Figure]:
    """Figures C and P by the name of their file; one without finished runs is left out."""
    figures = {}
    if results.sweep.controls:
        controls = controls_table(results).data.dropna(subset=["dice_gain", "core_seconds"])
        figures |= {"figurec": gain_against_cost(controls)} if len(controls) else {}
    classes = classes_table(results).data
    if len(classes) and results.frames.particles:
        figures["figurep"] = gain_of_classes(classes)
    for figure in figures.values():
        plt.close(figure)
    return figures


def gain_against_cost(controls: pd.DataFrame) -> Figure:
    """Figure C from rows of Table C: one numbered point each, the names below; bars are intervals."""
    figure, ax = plt.subplots(figsize=(TEXT_WIDTH, 3.4), dpi=DOTS_PER_INCH, layout="constrained")
    controls = controls.sort_values("core_seconds").reset_index(drop=True)
    for number, row in enumerate(controls.to_dict("records"), start=1):
        cell, minutes = grid.parse_row(row["row"]), row["core_seconds"] / 60
        kind = 0 if cell.labeller == "none" else 1 if cell.pool == "ddpm" else 2
        _bar(ax, minutes, row, "dice_gain", color=COLOURS[kind], marker=MARKERS[kind])
        ax.annotate(str(number), (minutes, row["dice_gain"]), (4, 3), textcoords="offset points", fontsize=6.5)
    ax.axhline(0, color="#666666", linewidth=0.8, marker="")
    ax.set(xscale="log", xlabel="core-minutes (logarithmic)", ylabel="gain in Dice")
    names = [f"{i} {_short(row)}" for i, row in enumerate(controls["row"], start=1)]
    kinds = ("annotated frames alone", "with generated pairs", "with fresh frames")
    handles = [
        plt.Line2D([], [], color=COLOURS[k], marker=MARKERS[k], linestyle="", label=n) for k, n in enumerate(kinds)
    ]
    ax.legend(handles=handles, loc="best")
    figure.supxlabel("\n".join("      ".join(names[i : i + 3]) for i in range(0, len(names), 3)), fontsize=6.5)
    return figure


def gain_of_classes(classes: pd.DataFrame) -> Figure:
    """Figure P from the rows of Table P: a point per class, backbones side by side; bars are intervals."""
    figure, axes = plt.subplots(1, 3, figsize=(TEXT_WIDTH, 2.6), dpi=DOTS_PER_INCH, layout="constrained", sharey=True)
    for index, (ax, backbone) in enumerate(zip(axes, grid.BACKBONES, strict=True)):
        for row in classes[classes["backbone"] == backbone].dropna(subset=["gain", "particles"]).to_dict("records"):
            _bar(ax, row["particles"], row, "gain", color=COLOURS[index], marker=MARKERS[index])
            name = row["class"].replace("_", " ")
            ax.annotate(name, (row["particles"], row["gain"]), (3, 3), textcoords="offset points", fontsize=5)
        ax.axhline(0, color="#666666", linewidth=0.8, marker="")
        ax.set(xscale="log", title=BACKBONE_NAMES[backbone], xlabel="training particles (logarithmic)")
    axes[0].set_ylabel("gain in Dice of the class")
    return figure


def _bar(ax: Axes, x: float, row: dict, name: str, **look) -> None:
    low, high = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
    bars = {} if pd.isna(low) else {"yerr": [[low], [high]], "capsize": 2, "elinewidth": 0.8}
    ax.errorbar([x], [row[name]], linestyle="", **bars, **look)


def _short(row: str) -> str:
    cell = grid.parse_row(row)
    names = {"none": "", grid.TRUE_LABELS: ", true labels"}.get(cell.labeller, f", {cell.synthetic:,} pairs")
    return f"{ARM_NAMES[cell.arm]} ({cell.annotated}{names})"
