from .advice import advice
from .baselines import compare_baselines, foreground_shares
from .build import all_tables, write_report
from .claims import caution, compare_claims
from .committed import results_so_far
from .confusions import draw_confusion, show_confusion
from .diagrams import pipeline, sam_adaptation
from .differences import published_differences
from .executed import write_notebooks
from .figures import annotated_and_synthetic, build_figures, predictions, pseudo_annotations, synthetic_pairs
from .html import write_page
from .panels import LabelMap, curves, label_maps, show_row, show_rows
from .pool import class_counts, confusion, pool_table
from .results import Results, read_results
from .scores import score_curves
from .sketches import adapter_sketch, network_sketch
from .study_figures import gain_and_cost, gain_of_classes, gain_of_readings, surface_tolerance
from .style import COLOURS, class_legend, overlay, save_figure, show_image, show_labels, use_style
from .tables import Table, build_tables, read_published
from .web import html_table

__all__ = [
    "COLOURS",
    "LabelMap",
    "Results",
    "Table",
    "adapter_sketch",
    "advice",
    "all_tables",
    "annotated_and_synthetic",
    "build_figures",
    "build_tables",
    "caution",
    "class_counts",
    "class_legend",
    "compare_baselines",
    "compare_claims",
    "confusion",
    "curves",
    "draw_confusion",
    "foreground_shares",
    "gain_and_cost",
    "gain_of_classes",
    "gain_of_readings",
    "html_table",
    "label_maps",
    "network_sketch",
    "overlay",
    "pipeline",
    "pool_table",
    "predictions",
    "pseudo_annotations",
    "published_differences",
    "read_published",
    "read_results",
    "results_so_far",
    "sam_adaptation",
    "save_figure",
    "score_curves",
    "show_confusion",
    "show_image",
    "show_labels",
    "show_row",
    "show_rows",
    "surface_tolerance",
    "synthetic_pairs",
    "use_style",
    "write_notebooks",
    "write_page",
    "write_report",
]
