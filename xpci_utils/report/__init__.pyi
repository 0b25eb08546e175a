from .baselines import compare_baselines, foreground_shares
from .build import write_report
from .claims import caution, compare_claims
from .differences import published_differences
from .executed import write_notebooks
from .figures import build_figures
from .html import write_page
from .results import Results, read_results
from .style import class_legend, overlay, save_figure, show_image, show_labels, use_style
from .tables import Table, build_tables, read_published
from .web import html_table

__all__ = [
    "Results",
    "Table",
    "build_figures",
    "build_tables",
    "caution",
    "class_legend",
    "compare_baselines",
    "compare_claims",
    "foreground_shares",
    "html_table",
    "overlay",
    "published_differences",
    "read_published",
    "read_results",
    "save_figure",
    "show_image",
    "show_labels",
    "use_style",
    "write_notebooks",
    "write_page",
    "write_report",
]
