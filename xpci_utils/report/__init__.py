"""Tables 1-5, Figures 1-6 and the HTML page, from whatever runs are finished."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "class_legend": "style",
        "overlay": "style",
        "save_figure": "style",
        "show_image": "style",
        "show_labels": "style",
        "use_style": "style",
    },
)
