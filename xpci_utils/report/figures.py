"""Figures 3-6 of the paper from a run's own pictures and scores, and predictions of the networks side by side.

Pictures are chosen by index, the first ones of a split or pool, never by how well they came out.
"""

from collections.abc import Callable, Iterable

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xpci_utils.params.cells import Cell
from xpci_utils.params.places import labeller_place, labels_place, pairs_place, parse_place
from xpci_utils.report import diagrams
from xpci_utils.report.pictures import FrameFacts
from xpci_utils.report.results import Results, aggregate
from xpci_utils.report.style import (
    COLOURS,
    DOTS_PER_INCH,
    LINE_STYLES,
    MARKERS,
    PUBLISHED_GREY,
    TEXT_WIDTH,
    class_legend,
    image_grid,
    legend_rows,
    show_image,
    show_labels,
)
from xpci_utils.report.tables import SERIES_OF_TABLE, read_published
from xpci_utils.report.wording import BACKBONE_NAMES, METRIC_NAMES, labeller_name, series_name

Pictures = list[tuple[str, np.ndarray, bool]]  # name of a row, its pictures, whether they are label maps


def build_figures(results: Results) -> dict[str, Figure]:
    """Figures 1 to 6 and "predictions"; one that needs an unfinished run says so in its place.

    The figures are closed for pyplot, so that a notebook shows them where it is asked to.
    """
    pairs = pairs_place("ddpm").folder
    labels, sam = labels_place("ddpm", results.pool_labeller).folder, labeller_place(results.labeller).folder
    drawings: dict[str, tuple[Callable[[Results], Figure], list[str]]] = {
        "figure1": (diagrams.pipeline, ["frames", "ddpm", pairs, sam, labels]),
        "figure2": (diagrams.sam_adaptation, ["frames", sam]),
        "figure3": (pseudo_annotations, ["frames", sam]),
        "figure4": (synthetic_pairs, [pairs]),
        "figure5": (annotated_and_synthetic, ["frames", pairs]),
        "figure6": (score_curves, []),
        "predictions": (predictions, ["frames"]),
    }
    figures = {}
    for name, (draw, needs) in drawings.items():
        missing = [place for place in needs if place not in results.runs]
        figures[name] = waiting(name, missing) if missing else draw(results)
        plt.close(figures[name])
    return figures


def pseudo_annotations(results: Results, count: int = 5) -> Figure:
    """Figure 3: test frames, the labeller's annotation of them, and the reference; the first ``count`` by index."""
    shown, place = results.pictures, labeller_place(results.labeller).folder
    rows = [
        (f"{results.source_word} frame", shown["test images"][:count], False),
        (f"{labeller_name(results.labeller)}'s annotation", shown[place][:count], True),
        ("reference", shown["test labels"][:count], True),
    ]
    return _panels(rows, results.facts, results.facts.test_names[:count])


def synthetic_pairs(results: Results, count: int = 5) -> Figure:
    """Figure 4: the first ``count`` synthetic images and their binary masks, as the diffusion model drew them."""
    rows = [
        ("synthetic image", results.pictures["pool images"][:count], False),
        ("its binary mask", results.pictures["pool masks"][:count], False),
    ]
    return _panels(rows, None, [f"pair {index}" for index in range(count)])


def annotated_and_synthetic(results: Results, count: int = 5) -> Figure:
    """Figure 5: training frames in the first row, synthetic images in the second; the first ``count`` of each."""
    rows = [
        (results.source_word, results.pictures["train images"][:count], False),
        ("synthetic", results.pictures["pool images"][:count], False),
    ]
    return _panels(rows, None, [])


def predictions(results: Results, count: int = 5) -> Figure:
    """Test frames, reference, and what each backbone makes of them, trained with most synthetic images first found."""
    shown = results.pictures
    rows = [
        (f"{results.source_word} frame", shown["test images"][:count], False),
        ("reference", shown["test labels"][:count], True),
    ]
    networks = (name for name in shown if name in results.runs and parse_place(name).kind == "segmentation")
    for place in networks:
        cell = Cell.parse(str(parse_place(place).parameters["cell"]))
        added = f"+ {cell.synthetic:,} synthetic" if cell.synthetic else "no synthetic"
        rows.append((f"{BACKBONE_NAMES[cell.backbone]}\n{added}", shown[place][:count], True))
    return _panels(rows, results.facts, results.facts.test_names[:count])


def score_curves(results: Results) -> Figure:
    """Figure 6: each metric against the number of synthetic images; ours above, the published curves below in grey."""
    figure, axes = plt.subplots(2, 3, figsize=(TEXT_WIDTH, 4.4), dpi=DOTS_PER_INCH, layout="constrained")
    for column, (metric, name) in enumerate(METRIC_NAMES.items()):
        ours, theirs = axes[:, column]
        for index, series in enumerate(SERIES_OF_TABLE.values()):
            look = {"marker": MARKERS[index], "linestyle": LINE_STYLES[index], "label": series_name(series)}
            counts, means, spread = curve(results, series, metric)
            bars = {"yerr": spread, "capsize": 2} if any(spread) else {}
            aside = (index - 1.5) * 0.007 * max(counts, default=0) if bars else 0  # so that no bar hides another
            ours.errorbar(
                [count + aside for count in counts],
                means,
                color=COLOURS[index],
                **bars,
                **look,
            )
            published = read_published(index + 1)
            theirs.plot(published["synthetic_images"], published[metric], color=PUBLISHED_GREY, **look)
        ours.set(title=f"{name}, this run", xlabel="synthetic images", ylabel=name)
        theirs.set(title=f"{name}, published", xlabel="synthetic images", ylabel=name)
        _mark_counts(ours, results.sweep.counts)
        _mark_counts(theirs, published["synthetic_images"])
    if not results.cells["finished"].any():
        for ax in axes[0]:
            ax.text(0.5, 0.5, "no cell is finished", ha="center", transform=ax.transAxes)
            ax.set_yticks([])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    lines = [bars.lines[0] for bars in handles]  # whose bars would hide the line's style
    figure.legend(lines, labels, loc="outside lower center", ncols=len(labels), handlelength=3)
    return figure


def curve(results: Results, series: str, metric: str) -> tuple[list[int], list[float], list[float]]:
    """(counts, means, standard deviations or 0) of one line of Figure 6; unfinished cells are left out."""
    points = []
    for count in sorted(results.sweep.counts) if series in results.sweep.series else []:
        mean, sd, found = aggregate(results.of_series(series, count), metric)
        if found:
            points.append((count, mean, sd if found > 1 else 0.0))
    counts, means, spread = zip(*points, strict=True) if points else ((), (), ())
    return list(counts), list(means), list(spread)


def _mark_counts(ax: Axes, counts: Iterable[int]) -> None:
    """Ticks at the counts, "2k" for 2,000; from the largest down those without a number that would touch the last."""
    numbered: list[int] = []
    counts = sorted(counts, reverse=True)
    for count in counts:
        if not numbered or numbered[-1] - count > 0.11 * counts[0]:
            numbered.append(count)
    names = {count: f"{count / 1000:g}k" if count >= 1000 else str(count) for count in numbered}
    ax.set_xticks(counts, [names.get(count, "") for count in counts])


def waiting(name: str, missing: list[str]) -> Figure:
    """A figure that only says which runs it waits for."""
    figure, ax = plt.subplots(figsize=(TEXT_WIDTH, 0.5 + 0.2 * len(missing)), dpi=DOTS_PER_INCH)
    ax.set_axis_off()
    text = f"{name.capitalize().replace('Figure', 'Figure ')} is not drawn yet; it waits for\n" + "\n".join(missing)
    ax.text(0.5, 0.5, text, ha="center", va="center", linespacing=1.6)
    return figure


def _panels(rows: Pictures, legend_of: FrameFacts | None, titles: list[str]) -> Figure:
    """Rows of equally many pictures with their names; the colours of ``legend_of``'s classes below."""
    height, width = rows[0][1][0].shape
    columns = max(len(pictures) for _, pictures, _ in rows)
    margins = {"top": 0.2 if titles else 0.05, "left": 0.36 if any("\n" in name for name, _, _ in rows) else 0.25}
    margins["bottom"] = 0.1 + 0.16 * legend_rows(legend_of.class_names) if legend_of else 0.0
    figure, axes = image_grid(len(rows), columns, height, width, **margins)
    for row, (name, pictures, are_labels) in enumerate(rows):
        for ax, picture in zip(axes[row], pictures, strict=False):
            _show(ax, picture, legend_of.class_colours if are_labels and legend_of else None)
        label_row(axes[row, 0], name)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, pad=3)
    if legend_of:
        ignored = any((picture == 255).any() for _, pictures, maps in rows if maps for picture in pictures)
        class_legend(figure, legend_of.class_names, legend_of.class_colours, ignored=ignored, numbers=True)
    return figure


def label_row(ax: Axes, name: str) -> None:
    """Write the name of a row of pictures to the left of its first one."""
    ax.text(-0.03, 0.5, name, rotation=90, ha="right", va="center", transform=ax.transAxes, fontsize=7)


def _show(ax: Axes, picture: np.ndarray, colours: list[str] | None) -> None:
    if colours:
        show_labels(ax, picture, colours, numbers=True)
    else:
        show_image(ax, picture)
