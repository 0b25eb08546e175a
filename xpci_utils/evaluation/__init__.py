"""Metrics: Dice, surface Dice, micro-F1, particle detection; and how synthetic frames compare with annotated ones."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Audit": "memorisation",
        "audit": "memorisation",
        "boundary_classes": "surface",
        "classifier_auc": "fidelity",
        "composition": "features",
        "confusion_matrix": "overlap",
        "dice_per_class": "overlap",
        "edge_profile": "edges",
        "edge_significance": "edges",
        "evaluate_frame": "per_frame",
        "evaluate_frames": "per_frame",
        "evaluate_particles": "particles",
        "feature_distances": "fidelity",
        "fidelity_table": "fidelity",
        "fit_grey_lookup": "baselines",
        "foreground_dice": "per_frame",
        "frame_features": "features",
        "fringe_share": "edges",
        "holm": "statistics",
        "micro_f1": "overlap",
        "paired_difference": "statistics",
        "pooled_confusion": "per_frame",
        "precision_recall": "fidelity",
        "radial_spectrum": "features",
        "score_labels": "per_frame",
        "spectrum_log_distance": "fidelity",
        "summarise": "per_frame",
        "surface_dice_per_class": "surface",
        "write_audit": "memorisation",
        "write_fidelity": "fidelity",
    },
)
