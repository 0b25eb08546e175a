"""The synthetic data set in the layouts that other programs read: PNG pairs, nnU-Net v2, COCO, ImageJ stacks."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "ExportSet": "sets",
        "FORMATS": "formats",
        "Item": "sets",
        "export": "formats",
        "synthetic_set": "sets",
    },
)
