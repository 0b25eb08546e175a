from .augmentation import augment
from .device import adamw, default_device, precision, set_threads, tf32_matmuls
from .loop import StagePlace, StoppedForTime, TrainingFolder, run_steps, time_is_over, watched
from .losses import cross_entropy_and_dice, cross_entropy_dice
from .schedules import cosine_lr, poly_lr, set_lr, warm_up
from .settings import DenoiserTraining, LabellerTraining, NetworkTraining, SamPretraining, TrainingSettings
from .storage import load_tensors, save_model
from .symmetries import dihedral, symmetries_of

__all__ = [
    "DenoiserTraining",
    "LabellerTraining",
    "NetworkTraining",
    "SamPretraining",
    "StagePlace",
    "StoppedForTime",
    "TrainingFolder",
    "TrainingSettings",
    "adamw",
    "augment",
    "cosine_lr",
    "cross_entropy_and_dice",
    "cross_entropy_dice",
    "default_device",
    "dihedral",
    "load_tensors",
    "poly_lr",
    "precision",
    "run_steps",
    "save_model",
    "set_lr",
    "set_threads",
    "symmetries_of",
    "tf32_matmuls",
    "time_is_over",
    "warm_up",
    "watched",
]
