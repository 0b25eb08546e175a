from .augmentation import augment
from .loop import StoppedForTime, poly_lr, run_steps, set_lr, set_threads, time_is_over, watched
from .storage import load_tensors, save_model
from .symmetries import dihedral, symmetries_of

__all__ = [
    "StoppedForTime",
    "augment",
    "dihedral",
    "load_tensors",
    "poly_lr",
    "run_steps",
    "save_model",
    "set_lr",
    "set_threads",
    "symmetries_of",
    "time_is_over",
    "watched",
]
