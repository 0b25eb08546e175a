"""Metrics: Dice, surface Dice, micro-F1, particle detection; and how synthetic frames compare with annotated ones."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "boundary_classes": "surface",
        "confusion_matrix": "overlap",
        "dice_per_class": "overlap",
        "evaluate_frame": "per_frame",
        "evaluate_frames": "per_frame",
        "evaluate_particles": "particles",
        "fit_grey_lookup": "baselines",
        "foreground_dice": "per_frame",
        "micro_f1": "overlap",
        "pooled_confusion": "per_frame",
        "score_labels": "per_frame",
        "summarise": "per_frame",
        "surface_dice_per_class": "surface",
    },
)
