"""Frames and annotations of other people's formats: films, masks, their correction, and a look at what they hold."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Annotations": "base",
        "Film": "films",
        "check_up": "checkup",
        "check_up_folder": "checkup",
        "Request": "convert",
        "import_frames": "convert",
        "imported": "checkup",
        "levels_of": "corrections",
        "open_annotations": "annotations",
        "open_film": "films",
        "open_films": "films",
    },
)
