from .baselines import compare_baselines, foreground_shares
from .build import write_report
from .claims import caution, compare_claims
from .differences import published_differences
from .executed import write_notebooks
from .figures import build_figures
from .html import write_page
from .panels import LabelMap, curves, label_maps, show_confusion, show_row, show_rows
from .results import Results, read_results
from .sketches import adapter_sketch, network_sketch
from .style import class_legend, overlay, save_figure, show_image, show_labels, use_style
from .tables import Table, build_tables, read_published
from .web import html_table

__all__ = [
    "LabelMap",
    "Results",
    "Table",
    "adapter_sketch",
    "build_figures",
    "build_tables",
    "caution",
    "class_legend",
    "compare_baselines",
    "compare_claims",
    "curves",
    "foreground_shares",
    "html_table",
    "label_maps",
    "network_sketch",
    "overlay",
    "published_differences",
    "read_published",
    "read_results",
    "save_figure",
    "show_confusion",
    "show_image",
    "show_labels",
    "show_row",
    "show_rows",
    "use_style",
    "write_notebooks",
    "write_page",
    "write_report",
]
