"""The one resumable training loop and what the denoiser, SAM and the segmentation networks share around it."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "StoppedForTime": "loop",
        "augment": "augmentation",
        "dihedral": "symmetries",
        "load_tensors": "storage",
        "poly_lr": "loop",
        "run_steps": "loop",
        "save_model": "storage",
        "set_lr": "loop",
        "set_threads": "loop",
        "symmetries_of": "symmetries",
        "time_is_over": "loop",
        "watched": "loop",
    },
)
