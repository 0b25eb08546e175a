from .formats import FORMATS, export
from .sets import ExportSet, Item, synthetic_set

__all__ = [
    "FORMATS",
    "ExportSet",
    "Item",
    "export",
    "synthetic_set",
]
