from .formats import FORMATS, export
from .sets import ExportSet, Item, is_suggested, suggested_set, synthetic_set

__all__ = [
    "FORMATS",
    "ExportSet",
    "Item",
    "export",
    "is_suggested",
    "suggested_set",
    "synthetic_set",
]
