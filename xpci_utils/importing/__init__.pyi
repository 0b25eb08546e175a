from .annotations import open_annotations
from .base import Annotations
from .checkup import check_up, check_up_folder, imported
from .convert import import_frames
from .corrections import levels_of
from .films import Film, open_film, open_films
from .request import Request

__all__ = [
    "Annotations",
    "Film",
    "Request",
    "check_up",
    "check_up_folder",
    "import_frames",
    "imported",
    "levels_of",
    "open_annotations",
    "open_film",
    "open_films",
]
