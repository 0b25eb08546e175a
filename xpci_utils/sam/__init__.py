"""SAM with adapters: both published variants, mask prompts, a class head, adaptation and labelling.

The networks are the modules of the ``segment_anything`` package (Kirillov et al. 2023) and, for the small variant,
MobileSAM's TinyViT encoder (Zhang et al. 2023) on timm's blocks; the adapters follow Gu et al. (2024,
github.com/mazurowski-lab/finetune-SAM), the paper's reference [8].
"""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Adapter": "adapters",
        "Naming": "naming",
        "SemanticSam": "model",
        "TinyViT": "tiny_vit",
        "adapt_sam": "adaptation",
        "add_adapters": "adapters",
        "build_sam": "model",
        "calibrate_batch_norm": "model",
        "count_parameters": "adapters",
        "describe": "model",
        "evaluate_naming": "labelling",
        "fetch_official_weights": "checkpoints",
        "label_pool": "labelling",
        "labels_of": "naming",
        "load_labeller": "checkpoints",
        "load_official_weights": "checkpoints",
        "load_pretrained": "checkpoints",
        "most_frequent_class": "labelling",
        "naming_scores": "labelling",
        "particle_table": "labelling",
        "predict_frames": "labelling",
        "predict_scores": "labelling",
        "prompt_logits": "prompts",
        "regions_of": "naming",
        "save_labeller": "checkpoints",
        "score_frames": "labelling",
        "segmentation_loss": "losses",
        "set_trainable": "adapters",
        "trivial_labels": "labelling",
    },
)
