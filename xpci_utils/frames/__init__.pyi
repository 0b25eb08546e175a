from .apart import UnlabelledFrame, images_without_annotation, to_learn_from, unlabelled
from .classes import read_classes
from .examples import PairExamples, PoolImages
from .faults import FolderError
from .flatfield import flat_field_correct
from .folder import check_folder, read_folder, splits_of
from .frameset import IGNORE, Frame, FrameSet, binary_mask, write_frames
from .pad import crop, pad_image, pad_labels, padding
from .tiles import choose_tile, frame_scores, predict_frame, tile_origins, tiles_of

__all__ = [
    "IGNORE",
    "FolderError",
    "Frame",
    "FrameSet",
    "PairExamples",
    "PoolImages",
    "UnlabelledFrame",
    "binary_mask",
    "check_folder",
    "choose_tile",
    "crop",
    "flat_field_correct",
    "frame_scores",
    "images_without_annotation",
    "pad_image",
    "pad_labels",
    "padding",
    "predict_frame",
    "read_classes",
    "read_folder",
    "splits_of",
    "tile_origins",
    "tiles_of",
    "to_learn_from",
    "unlabelled",
    "write_frames",
]
