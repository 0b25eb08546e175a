"""Tables 1-5, Figures 1-6 and the HTML page, from whatever runs are finished."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Results": "results",
        "Table": "tables",
        "build_figures": "figures",
        "build_tables": "tables",
        "caution": "claims",
        "class_legend": "style",
        "compare_baselines": "baselines",
        "compare_claims": "claims",
        "foreground_shares": "baselines",
        "html_table": "web",
        "overlay": "style",
        "published_differences": "differences",
        "read_published": "tables",
        "read_results": "results",
        "save_figure": "style",
        "show_image": "style",
        "show_labels": "style",
        "use_style": "style",
        "write_notebooks": "executed",
        "write_page": "html",
        "write_report": "build",
    },
)
