from .adaptation import adapt_sam
from .adapters import TRAINABLE, Adapter, add_adapters, count_by_part, count_parameters, set_trainable
from .audit import audit_classification, write_classification
from .checkpoints import fetch_official_weights, load_labeller, load_official_weights, load_pretrained, save_labeller
from .labelling import (
    evaluate_naming,
    label_pool,
    most_frequent_class,
    naming_scores,
    particle_table,
    predict_frames,
    predict_scores,
    score_frames,
    score_pool,
    trivial_labels,
)
from .model import SemanticSam, build_sam, calibrate_batch_norm, describe
from .naming import Naming, labels_of, least_confident, particle_probabilities, regions_of
from .prompts import prompt_logits
from .tiny_vit import TinyViT

__all__ = [
    "TRAINABLE",
    "Adapter",
    "Naming",
    "SemanticSam",
    "TinyViT",
    "adapt_sam",
    "add_adapters",
    "audit_classification",
    "build_sam",
    "calibrate_batch_norm",
    "count_by_part",
    "count_parameters",
    "describe",
    "evaluate_naming",
    "fetch_official_weights",
    "label_pool",
    "labels_of",
    "least_confident",
    "load_labeller",
    "load_official_weights",
    "load_pretrained",
    "most_frequent_class",
    "naming_scores",
    "particle_probabilities",
    "particle_table",
    "predict_frames",
    "predict_scores",
    "prompt_logits",
    "regions_of",
    "save_labeller",
    "score_frames",
    "score_pool",
    "set_trainable",
    "trivial_labels",
    "write_classification",
]
