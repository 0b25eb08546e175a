"""TransUNet, SwinUNETR and EMCAD (Section 2.3): building, training and predicting."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "BACKBONES": "networks",
        "SIZES": "networks",
        "build_network": "networks",
        "class_scores": "prediction",
        "count_parameters": "networks",
        "load_network": "prediction",
        "predict": "prediction",
        "predict_folder": "prediction",
        "save_network": "prediction",
        "synthetic_examples": "training",
        "train_network": "training",
        "training_of": "arms",
        "training_steps": "training",
        "write_predictions": "prediction",
    },
)
