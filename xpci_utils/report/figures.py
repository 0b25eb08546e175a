"""Figures 3 to 5 of the paper from a run's own pictures, predictions of the networks, and the list of all figures.

Pictures are chosen by index, never by how they came out.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xpci_utils.params.cells import Cell
from xpci_utils.params.places import labeller_place, pairs_place, parse_place
from xpci_utils.report.diagrams import pipeline, sam_adaptation
from xpci_utils.report.drawing import Drawing, drawn_from, unfinished
from xpci_utils.report.pictures import FrameFacts
from xpci_utils.report.pool import class_counts, confusion
from xpci_utils.report.results import Results
from xpci_utils.report.scores import score_curves
from xpci_utils.report.study_figures import gain_and_cost, gain_of_classes, gain_of_readings, surface_tolerance
from xpci_utils.report.style import TEXT_WIDTH, class_legend, image_grid, legend_rows, show_image, show_labels
from xpci_utils.report.wording import BACKBONE_NAMES, labeller_name

NARROW = 5.6  # inches, of a figure with many rows

Pictures = list[tuple[str, np.ndarray, bool]]  # name of a row, its pictures, whether they are label maps


def build_figures(results: Results) -> dict[str, Figure]:
    """Every figure of the report by the name of its file; one that cannot be drawn yet is a `drawing.Waiting`."""
    return {name: draw(results) for name, draw in DRAWINGS.items()}


@drawn_from(unfinished(lambda results: ["frames", labeller_place(results.labeller).folder]))
def pseudo_annotations(results: Results, count: int = 5, colours: Sequence[str] | None = None) -> Figure:
    """Figure 3: ``count`` test frames, the labeller's annotation of them and the reference, in the classes' colours."""
    shown, place = results.pictures, labeller_place(results.labeller).folder
    rows = [
        (f"{results.source_word} frame", shown["test images"][:count], False),
        (f"{labeller_name(results.labeller)}'s annotation", shown[place][:count], True),
        ("reference", shown["test labels"][:count], True),
    ]
    return _panels(rows, _coloured(results, colours), results.facts.test_names[:count])


@drawn_from(unfinished(lambda results: [pairs_place("ddpm").folder]))
def synthetic_pairs(results: Results, count: int = 5) -> Figure:
    """Figure 4: the first ``count`` synthetic images and their binary masks, as the diffusion model drew them."""
    rows = [
        ("synthetic image", results.pictures["pool images"][:count], False),
        ("its binary mask", results.pictures["pool masks"][:count], False),
    ]
    return _panels(rows, None, [f"pair {index}" for index in range(count)])


@drawn_from(unfinished(lambda results: ["frames", pairs_place("ddpm").folder]))
def annotated_and_synthetic(results: Results, count: int = 5) -> Figure:
    """Figure 5: training frames in the first row, synthetic images in the second; the first ``count`` of each."""
    rows = [
        (results.source_word, results.pictures["train images"][:count], False),
        ("synthetic", results.pictures["pool images"][:count], False),
    ]
    return _panels(rows, None, [])


@drawn_from(unfinished(lambda results: ["frames"]))
def predictions(results: Results, count: int = 5, colours: Sequence[str] | None = None) -> Figure:
    """Test frames, reference, and what each backbone makes of them, without synthetic pairs and with them.

    The pairs are as many as were declared for it, or else the largest count; ``colours`` are those of the classes.
    """
    shown = results.pictures
    rows = [
        (f"{results.source_word} frame", shown["test images"][:count], False),
        ("reference", shown["test labels"][:count], True),
    ]
    for place, cell in predicted_cells(results).items():
        added = f"+ {cell.synthetic:,} pairs" if cell.synthetic else "no pairs"
        rows.append((f"{BACKBONE_NAMES[cell.backbone]}\n{added}", shown[place][:count], True))
    return _panels(rows, _coloured(results, colours), results.facts.test_names[:count])


def predicted_cells(results: Results) -> dict[str, Cell]:
    """Folder and cell of every network whose predictions are among the pictures."""
    places = [
        place for place in results.pictures if place in results.runs and parse_place(place).kind == "segmentation"
    ]
    return {place: Cell.parse(str(parse_place(place).parameters["cell"])) for place in places}


def _coloured(results: Results, colours: Sequence[str] | None) -> FrameFacts:
    """The facts of the frames, with other colours of the classes if they are given."""
    return replace(results.facts, class_colours=list(colours)) if colours else results.facts


def _panels(rows: Pictures, legend_of: FrameFacts | None, titles: list[str]) -> Figure:
    """Rows of equally many pictures with their names; the colours of ``legend_of``'s classes below."""
    height, width = rows[0][1][0].shape
    columns = max(len(pictures) for _, pictures, _ in rows)
    margins = {"top": 0.2 if titles else 0.05, "left": 0.36 if any("\n" in name for name, _, _ in rows) else 0.25}
    narrow = len(rows) > 6  # as high as a page allows
    margins["page"], entries = (NARROW, 4) if narrow else (TEXT_WIDTH, 5)
    margins["bottom"] = 0.1 + 0.16 * legend_rows(legend_of.class_names, entries) if legend_of else 0.0
    figure, axes = image_grid(len(rows), columns, height, width, **margins)
    for row, (name, pictures, are_labels) in enumerate(rows):
        for ax, picture in zip(axes[row], pictures, strict=False):
            _show(ax, picture, legend_of.class_colours if are_labels and legend_of else None)
        label_row(axes[row, 0], name)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, pad=3, fontsize=6.5 if narrow else 8)
    if legend_of:
        ignored = any((picture == 255).any() for _, pictures, maps in rows if maps for picture in pictures)
        names, colours = legend_of.class_names, legend_of.class_colours
        class_legend(figure, names, colours, columns=entries, ignored=ignored, numbers=True)
    return figure


def label_row(ax: Axes, name: str) -> None:
    """Write the name of a row of pictures to the left of its first one."""
    ax.text(-0.03, 0.5, name, rotation=90, ha="right", va="center", transform=ax.transAxes, fontsize=7)


def _show(ax: Axes, picture: np.ndarray, colours: list[str] | None) -> None:
    if colours:
        show_labels(ax, picture, colours, numbers=True)
    else:
        show_image(ax, picture)


DRAWINGS: dict[str, Drawing] = {
    "figure1": pipeline,
    "figure2": sam_adaptation,
    "figure3": pseudo_annotations,
    "figure4": synthetic_pairs,
    "figure5": annotated_and_synthetic,
    "figure6": score_curves,
    "predictions": predictions,
    "figurec": gain_and_cost,
    "figuref": class_counts,
    "figuren": confusion,
    "figurep": gain_of_classes,
    "figurer": gain_of_readings,
    "figuret": surface_tolerance,
}
