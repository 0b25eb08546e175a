"""The pool of pairs beside the annotated frames, and the labellers on test frames: Table F, Figures F and N."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from xpci_utils.report import captions
from xpci_utils.report.confusions import draw_confusion
from xpci_utils.report.drawing import drawn_from, uncollected
from xpci_utils.report.evidence import FRAMES, QUANTILES
from xpci_utils.report.results import Results
from xpci_utils.report.style import COLOURS, DOTS_PER_INCH, TEXT_WIDTH
from xpci_utils.report.tables import Table
from xpci_utils.report.wording import DASH, is_missing, labeller_name

HATCHES = ("", "////", "....", "xxxx")
ABOVE: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3, "columnspacing": 1.2}
MEASURES = {  # column of fidelity.csv -> what it is
    "overall": "distance, all features [SD]",
    "grey": "distance, grey levels [SD]",
    "spectrum": "distance, power spectrum [SD]",
    "particles": "distance, particles [SD]",
    "edges": "distance, edges [SD]",
    "spectrum_db": "difference of mean spectra [dB]",
    "precision": "precision",
    "recall": "recall",
    "auc": "AUC of a classifier, 0.5: no difference found",
    "fringe_share": "masks with a fringe or rim on their edge",
}
AGREEMENT = "binary Dice of drawn and annotated masks"
COPIES = "particles that count as copies of training particles"
NO_AUDIT = (
    "Table F is left out: these results do not contain the measurements of notebook 04c (fidelity, agreement of masks, "
    "memorisation); the next collection of a finished run adds them."
)


def pool_table(results: Results) -> Table:
    """Table F: fidelity of the pool, agreement of its masks and memorisation, between a floor and a ceiling.

    Without what notebook 04c measured it has no rows, and its caption is the sentence that says so.
    """
    evidence = results.evidence
    rows = [
        _fidelity_row(name, title, evidence["fidelity"]) for name, title in MEASURES.items() if "fidelity" in evidence
    ]
    if agreement := evidence.get("mask_agreement"):
        rows.append({"measure": AGREEMENT, "pool": agreement["dice"], "floor": None, "ceiling": None})
    if copies := evidence.get("memorisation"):
        shares = {"pool": "pool_flagged", "floor": "false_alarms", "ceiling": "planted_found"}
        rows.append({"measure": COPIES} | {column: copies.get(name) for column, name in shares.items()})
    data = pd.DataFrame(rows, columns=["measure", "pool", "floor", "ceiling"])
    if data.empty:
        return Table("table f", NO_AUDIT, data, data)
    printed = pd.DataFrame({"Measure": data["measure"]})
    titles = {"pool": "Synthetic pool", "floor": "Floor: equal sets", "ceiling": "Ceiling"}
    for column, title in titles.items():
        printed[title] = [DASH if is_missing(value) else f"{value:.3f}" for value in data[column].tolist()]
    return Table("table f", captions.pool(results), data, printed)


def _fidelity_row(name: str, title: str, fidelity: dict[str, dict]) -> dict:
    ends = {end: next((row for key, row in fidelity.items() if end in key), {}) for end in ("floor", "ceiling")}
    return {"measure": title, "pool": fidelity["synthetic"].get(name)} | {end: ends[end].get(name) for end in ends}


@drawn_from(uncollected("particles", "the classes of the pool's particles"))
def class_counts(results: Results, colours: Sequence[str] | None = None) -> Figure:
    """Figure F: particles of each class per frame, annotated and as each labeller classified the pool.

    ``colours`` are those of the classes. On the right the share of particle pixels of a frame, as distributions.
    """
    import seaborn as sns

    sources = {FRAMES: f"{results.source_word} training frames"}
    sources |= {name: f"pool, by {labeller_name(name)}" for name in results.evidence["particles"] if name != FRAMES}
    rows = [
        {"class": name.replace("_", " "), "source": sources[source], "count": count}
        for source, counts in results.evidence["particles"].items()
        for name, count in counts.items()
    ]
    figure, (bars, shares) = plt.subplots(
        1, 2, figsize=(TEXT_WIDTH, 3.0), dpi=DOTS_PER_INCH, layout="constrained", width_ratios=(2.2, 1)
    )
    order, table = list(sources.values()), pd.DataFrame(rows)
    sns.barplot(
        table, x="count", y="class", hue="source", hue_order=order, errorbar=None, legend=False, ax=bars, gap=0.1
    )
    for container, hatch in zip(bars.containers, HATCHES, strict=False):
        for patch, colour in zip(container, colours or results.facts.class_colours[1:], strict=True):
            patch.set(facecolor=colour, hatch=hatch, edgecolor="black", linewidth=0.5)
    bars.set(xlabel="particles per frame", ylabel="")
    bars.grid(visible=False, axis="y")
    patches = [
        Patch(facecolor="white", edgecolor="black", lw=0.5, hatch=h) for h, _ in zip(HATCHES, order, strict=False)
    ]
    bars.legend(patches, order, **ABOVE)
    _foreground(shares, results)
    return figure


def _foreground(ax: Axes, results: Results) -> None:
    """Distribution of the share of particle pixels, of the annotated frames and of the pool."""
    import seaborn as sns

    names = {FRAMES: f"{results.source_word} frames", "pool": "pool"}
    quantiles = results.evidence.get("foreground", {})
    for (source, values), colour, line in zip(quantiles.items(), COLOURS, ("-", "--"), strict=False):
        table = pd.DataFrame({"share": 100 * np.array(values), "frames": 100 * QUANTILES})
        look = {"color": colour, "linestyle": line, "label": names[source], "marker": ""}
        sns.lineplot(table, x="share", y="frames", orient="y", estimator=None, sort=False, ax=ax, **look)
    ax.set(xlabel="particle pixels [%]", ylabel="frames with at most as many [%]", ylim=(0, 100))
    ax.legend(**ABOVE)


@drawn_from(uncollected("confusion", "what the labellers make of the pixels of each class"))
def confusion(results: Results, colours: str = "Greys") -> Figure:
    """Figure N: pixels of the test frames by true class (rows, each 100 %) and class by the labeller; ``colours`` is a
    colour map."""
    matrices = results.evidence["confusion"]
    figure, axes = plt.subplots(
        1, len(matrices), figsize=(TEXT_WIDTH, 3.6), dpi=DOTS_PER_INCH, layout="constrained", sharey=True, squeeze=False
    )
    for ax, (labeller, matrix) in zip(axes[0], matrices.items(), strict=True):
        draw_confusion(ax, matrix, results.facts.class_names, colours=colours)
        ax.set(title=labeller_name(labeller), xlabel="class by the labeller", ylabel="true class [% of its pixels]")
        ax.label_outer()
    return figure
