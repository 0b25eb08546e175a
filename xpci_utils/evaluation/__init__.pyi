from .agreement import mask_agreement, write_mask_agreement
from .baselines import fit_grey_lookup
from .edges import edge_profile, edge_significance, fringe_share
from .features import composition, frame_features, radial_spectrum
from .fidelity import (
    classifier_auc,
    feature_distances,
    fidelity_table,
    precision_recall,
    spectrum_log_distance,
    write_fidelity,
)
from .memorisation import Audit, audit, write_audit
from .overlap import confusion_matrix, dice_per_class, micro_f1
from .particles import evaluate_particles
from .per_frame import evaluate_frame, evaluate_frames, foreground_dice, pooled_confusion, score_labels, summarise
from .statistics import holm, paired_difference
from .surface import boundary_classes, surface_dice_per_class

__all__ = [
    "Audit",
    "audit",
    "boundary_classes",
    "classifier_auc",
    "composition",
    "confusion_matrix",
    "dice_per_class",
    "edge_profile",
    "edge_significance",
    "evaluate_frame",
    "evaluate_frames",
    "evaluate_particles",
    "feature_distances",
    "fidelity_table",
    "fit_grey_lookup",
    "foreground_dice",
    "frame_features",
    "fringe_share",
    "holm",
    "mask_agreement",
    "micro_f1",
    "paired_difference",
    "pooled_confusion",
    "precision_recall",
    "radial_spectrum",
    "score_labels",
    "spectrum_log_distance",
    "summarise",
    "surface_dice_per_class",
    "write_audit",
    "write_fidelity",
    "write_mask_agreement",
]
