"""Is a particle classified right, and is it still if its mask comes from the denoiser?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils import files
from xpci_utils.frames import binary_mask
from xpci_utils.sam.labelling import evaluate_naming, particle_table, predict_scores
from xpci_utils.sam.model import SemanticSam

SCORES = ("dice", "dice_foreground", "nsd", "micro_f1", "binary_dice", "particles_named_right")
DIGITS = 5


def classify_examples(
    model: SemanticSam, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Labels uint8 [H, W] of images uint8 [H, W], each prompted by its mask bool [H, W]: the plain argmax."""
    scores = (predict_scores(model, image[None], mask[None])[0] for image, mask in zip(images, masks, strict=True))
    return [one.argmax(0).astype(np.uint8) for one in scores]


def audit_classification(
    model: SemanticSam,
    examples: Sequence[tuple[np.ndarray, np.ndarray]],
    drawn: Sequence[np.ndarray],
    num_classes: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(scores, particles) of a labeller on annotated ``examples`` (image, labels), once per source of its prompt.

    The prompts are the annotator's masks and then the masks ``drawn`` (uint8 [H, W], foreground not 0) by the denoiser
    for the same images. ``scores`` has one row per prompt, the means of `evaluate_naming` over the frames.
    ``particles`` has one row per prompt and true particle: frame, pixels, true_class, and the class that most of its
    pixels got.
    """
    images, truth = [image for image, _ in examples], [labels for _, labels in examples]
    prompts: Mapping[str, list[np.ndarray]] = {
        "annotated": [binary_mask(labels) for labels in truth],
        "drawn": [np.asarray(mask) != 0 for mask in drawn],
    }
    scores, particles = {}, []
    for prompt, masks in prompts.items():
        classified = classify_examples(model, images, masks)
        scores[prompt] = evaluate_naming(classified, truth, num_classes)[list(SCORES)].mean()
        for frame, (labels, true) in enumerate(zip(classified, truth, strict=True)):
            table = pd.DataFrame(particle_table(labels, binary_mask(true), true))
            particles.append(table.assign(prompt=prompt, frame=frame))
    columns = ["prompt", "frame", "pixels", "true_class", "class"]
    return pd.DataFrame(scores).T.rename_axis("prompt"), pd.concat(particles, ignore_index=True)[columns]


def write_classification(
    model: SemanticSam,
    examples: Sequence[tuple[np.ndarray, np.ndarray]],
    drawn: Sequence[np.ndarray],
    num_classes: int,
    folder: str | Path,
) -> None:
    """Write what `audit_classification` finds: classification.csv (scores) and particles.csv."""
    scores, particles = audit_classification(model, examples, drawn, num_classes)
    files.write_csv(Path(folder) / "classification.csv", scores.round(DIGITS).reset_index())
    files.write_csv(Path(folder) / "particles.csv", particles)
