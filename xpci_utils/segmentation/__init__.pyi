from .arms import training_of
from .networks import BACKBONES, SIZES, build_network, count_parameters
from .outline import Stage, outline
from .prediction import class_scores, load_network, predict, predict_folder, save_network, write_predictions
from .training import Batches, NetworkData, synthetic_examples, train_network, training_steps
from .unlabelled import make_unlabelled_pool

__all__ = [
    "BACKBONES",
    "SIZES",
    "Batches",
    "NetworkData",
    "Stage",
    "build_network",
    "class_scores",
    "count_parameters",
    "load_network",
    "make_unlabelled_pool",
    "outline",
    "predict",
    "predict_folder",
    "save_network",
    "synthetic_examples",
    "train_network",
    "training_of",
    "training_steps",
    "write_predictions",
]
