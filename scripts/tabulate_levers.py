"""The table and the figure of docs/levers.md, from the development scores of a run of the profile `levers`.

    python scripts/score_development.py runs/levers
    python scripts/tabulate_levers.py runs/levers

Writes docs/levers/development.csv (every score), docs/levers/strength.png and .pdf (how good a labeller has to be), and
the tables of docs/levers.md, which also print how long each row took with all that its pairs took.
"""

import argparse
import math
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xpci_utils import files, paths
from xpci_utils.development import SCORES_FILE, break_even, row_scores, strengths
from xpci_utils.params.cells import BACKBONES, parse_row
from xpci_utils.params.profiles import sweep_of
from xpci_utils.report import read_results
from xpci_utils.report.contrasts import cost_core_seconds
from xpci_utils.report.style import COLOURS, DOTS_PER_INCH, MARKERS, TEXT_WIDTH, ZERO, save_figure, use_style
from xpci_utils.report.tables import SERIES_OF_TABLE, read_published
from xpci_utils.report.wording import BACKBONE_NAMES, DASH, METRIC_NAMES, arm_name, interval, labeller_name, score
from xpci_utils.verification.page import write_part

PAGE, FOLDER, MAKER = "docs/levers.md", Path("docs/levers"), "scripts/tabulate_levers.py"
HEADER = "| network | annotated frames and | seeds | Dice | micro-F1 | gain in micro-F1 | core-minutes |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=paths.resolve, help="a run of the profile levers, with scores")
    parser.add_argument("--arm", default="added", help="how pairs are mixed in the figure (default: added)")
    options = parser.parse_args()
    folder = paths.resolve(FOLDER)
    files.write_csv(folder / "development.csv", pd.read_csv(options.run / SCORES_FILE).drop(columns="identity"))
    use_style()
    points = {metric: strengths(options.run, metric, options.arm) for metric in ("dice", "micro_f1")}
    save_figure(draw(points), folder / "strength")
    parts = [networks(options.run), labellers(options.run), sentences(points["micro_f1"])]
    print(write_part(PAGE, MAKER, "\n\n".join("\n".join(lines) for lines in parts)))


def labellers(run: Path) -> list[str]:
    """The labellers in Markdown: scores on development frames with true masks, each pixel by itself as in the paper."""
    scores = pd.read_csv(run / SCORES_FILE).query("row == 'labeller'")
    wide = scores.pivot_table(index=["labeller", "seed"], columns="metric", values="value")
    lines = ["| labeller, given true masks | seed | Dice | micro-F1 |", "| --- | ---: | ---: | ---: |"]
    for (name, seed), line in wide.sort_values("micro_f1").iterrows():
        lines.append(f"| {labeller_name(name)} | {seed} | {line['dice']:.3f} | {line['micro_f1']:.3f} |")
    return lines


def networks(run: Path) -> list[str]:
    """The rows of the sweep that are finished in Markdown, in its order."""
    sweep = sweep_of("levers")
    results = read_results(run, sweep)
    dice, f1 = (row_scores(run, metric).set_index("row") for metric in ("dice", "micro_f1"))
    lines = [HEADER, "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in (row for row in sweep.controls if row in f1.index):
        cell, one = parse_row(row), f1.loc[row]
        gain = DASH if one["reference"] == row else interval(one["gain"])
        minutes = f"{cost_core_seconds(row, results) / 60:.1f}"
        cells = [BACKBONE_NAMES[cell.backbone], words(row), str(len(one["by_seed"]))]
        cells += [printed(dice.loc[row, "by_seed"]), printed(one["by_seed"]), gain, minutes]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def words(row: str) -> str:
    """What a row trains on beside annotated frames: "1,000 frames, labels of SAM-b: pairs beside whole batches"."""
    cell = parse_row(row)
    if cell.labeller == "none":
        return arm_name(cell.arm) if cell.arm != "mix" else "nothing else"
    labels = "true labels" if cell.labeller == "true" else f"labels of {labeller_name(cell.labeller)}"
    arm = "half of each batch" if cell.arm == "mix" else arm_name(cell.arm)
    return f"{cell.synthetic:,} frames, {labels}: {arm}"


def printed(by_seed: tuple[float, ...]) -> str:
    """The mean and its spread over seeds, as in the tables of the study."""
    values = pd.Series(by_seed)
    return score(values.mean(), values.std(ddof=1), by_seed)


def sentences(points: pd.DataFrame) -> list[str]:
    """How much better than the network a labeller has to be, by backbone."""
    lines = []
    for backbone, part in points.groupby("backbone", sort=False):
        if len(part) < 3:
            continue
        even = break_even(part["excess"].to_numpy(), part["gain"].to_numpy())
        ends = f"[{even.low:+.3f}, {even.high:+.3f}]" if math.isfinite(even.low) else "(no interval: it may be level)"
        lines.append(
            f"* {BACKBONE_NAMES[str(backbone)]}: the line through {len(part)} trainings crosses 0 where the labeller's "
            f"micro-F1 exceeds the network's by {even.at:+.3f} {ends}."
        )
    return lines


def draw(points: dict[str, pd.DataFrame]) -> Figure:
    """Gain of each network over the labeller's lead, for Dice beside the paper's labellers, and for micro-F1."""
    figure, axes = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.8), dpi=DOTS_PER_INCH, layout="constrained")
    for ax, (metric, part) in zip(axes, points.items(), strict=True):
        for backbone, colour, marker in zip(BACKBONES, COLOURS, MARKERS, strict=False):
            chosen = part[part["backbone"] == backbone]
            name = BACKBONE_NAMES[backbone]
            ax.plot(chosen["excess"], chosen["gain"], marker=marker, color=colour, linestyle="", label=name)
            if metric == "dice":
                ax.axvline(published_lead(backbone), color=colour, linewidth=0.8, linestyle=":", marker="")
        decorate(ax, metric)
    axes[0].legend(title="dotted: the paper's SAM-b")
    return figure


def published_lead(backbone: str) -> float:
    """Dice of the paper's prompted SAM-b (Table 5) minus that of its network on annotated frames alone."""
    number = next(number for number, series in SERIES_OF_TABLE.items() if series == f"{backbone}__vit_b")
    alone = read_published(number).set_index("synthetic_images")["dice"][0]
    return float(read_published(5).set_index("labeller")["dice"]["vit_b"] - alone)


def decorate(ax: Axes, metric: str) -> None:
    ax.axhline(0, **ZERO)
    ax.axvline(0, **ZERO)
    name = METRIC_NAMES[metric]
    ax.set(xlabel=f"{name}: labeller with true masks − network alone", ylabel=f"gain in {name} by 1,000 pairs")


if __name__ == "__main__":
    main()
