"""Annotated frames on disk, the padding rule, tiles, and readers for the user's own folders."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "FolderError": "faults",
        "Frame": "frameset",
        "FrameSet": "frameset",
        "IGNORE": "frameset",
        "PairExamples": "examples",
        "binary_mask": "frameset",
        "check_folder": "folder",
        "crop": "pad",
        "flat_field_correct": "flatfield",
        "pad_image": "pad",
        "pad_labels": "pad",
        "padding": "pad",
        "frame_scores": "tiles",
        "predict_frame": "tiles",
        "read_classes": "classes",
        "read_folder": "folder",
        "tile_origins": "tiles",
        "write_frames": "frameset",
    },
)
