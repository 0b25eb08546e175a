from .apart import UnlabelledFrame, unlabelled
from .classes import read_classes
from .examples import PairExamples
from .faults import FolderError
from .flatfield import flat_field_correct
from .folder import check_folder, read_folder
from .frameset import IGNORE, Frame, FrameSet, binary_mask, write_frames
from .pad import crop, pad_image, pad_labels, padding
from .tiles import frame_scores, predict_frame, tile_origins

__all__ = [
    "IGNORE",
    "FolderError",
    "Frame",
    "FrameSet",
    "PairExamples",
    "UnlabelledFrame",
    "binary_mask",
    "check_folder",
    "crop",
    "flat_field_correct",
    "frame_scores",
    "pad_image",
    "pad_labels",
    "padding",
    "predict_frame",
    "read_classes",
    "read_folder",
    "tile_origins",
    "unlabelled",
    "write_frames",
]
