"""What tables, figures and captions call things, and how they write numbers."""

import math
from collections.abc import Callable

from xpci_utils.evaluation.statistics import FEWEST, Difference
from xpci_utils.params.cells import parse_labeller, parse_series

DASH = "—"
BACKBONE_NAMES = {"transunet": "TransUNet", "swin_unetr": "SwinUNETR", "emcad": "EMCAD"}
SAM_NAMES = {"vit_t": "SAM-t", "vit_b": "SAM-b"}
METRIC_NAMES = {"dice": "Dice", "nsd": "NSD", "micro_f1": "Micro F1"}
ARM_NAMES = {
    "mix": "flips and turns (as everywhere)",
    "added": "pairs beside whole batches",
    "halfbatch": "half batches, without pairs",
    "noaug": "no augmentation",
    "flips": "flips and turns",
    "strongaug": "strong augmentation",
    "copypaste": "copy-paste of particles",
    "synthonly": "synthetic images only",
    "pretrain": "synthetic first, then annotated",
    "more": "more annotated frames",
    "fresh": "fresh simulated frames",
    "clamped": "fresh frames, masks by the denoiser",
    "unlabelled": "frames without annotation, classified",
    "fixmatch": "frames without annotation, FixMatch",
    "epochs": "equal epochs (the paper's protocol)",
    "longer": "annotated alone, as many steps",
}


TRAINED_NAMES = {"adapters": "adapters only", "adapters+head": "adapters and head", "all": "all weights"}
AUGMENTATION_NAMES = {"none": "no augmentation", "symmetries": "flips and turns", "affine": "any rotation"}


INFORMED = (
    "An informed labeller learnt from more annotated frames than a user has. It stands in for SAM's pre-training, and "
    "shows what a better labeller is worth; it belongs to no recipe."
)


def labeller_name(labeller: str) -> str:
    """ "SAM-b" for "vit_b" and "vit_b-noprompt", "informed SAM-b (1,000 more frames)" for "vit_b-informed1000"."""
    parts = parse_labeller(labeller)
    name, known = SAM_NAMES[parts.variant], parts.knowledge_frames
    return f"informed {name} ({plural(known, 'more frame')})" if known else name


def labeller_title(labeller: str) -> str:
    """ "SAM-t without mask prompt, adapters only" for "vit_t-noprompt-frozen"."""
    parts = parse_labeller(labeller)
    words = [TRAINED_NAMES.get(parts.trainable, ""), "few adapters" if parts.adapter_blocks else ""]
    words += [AUGMENTATION_NAMES.get(parts.augmentation, "")]
    title = f"{labeller_name(labeller)} {'with' if parts.prompted else 'without'} mask prompt"
    return ", ".join([title, *filter(None, words)])


def arm_name(arm: str) -> str:
    """What an arm changes, in words: "no augmentation", "pairs beside whole batches, weighted 0.5, no augmentation"."""
    return ", ".join(ARM_NAMES.get(part) or f"weighted {int(part[1:]) / 100:g}" for part in arm.split("-"))


def series_name(series: str) -> str:
    """ "TransUNet + SAM-b" for "transunet__vit_b"."""
    backbone, labeller = parse_series(series)
    return f"{BACKBONE_NAMES[backbone]} + {labeller_name(labeller)}"


def is_missing(value) -> bool:
    """Whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def score(mean: float | None, sd: float | None = None, by_seed: tuple[float, ...] = ()) -> str:
    """A score with four decimals as in the paper, "0.7791"; a dash where there is none.

    Several seeds have a spread: "0.7791 ± 0.0012", the standard deviation, from `FEWEST` seeds on; the standard
    deviation of two says no more than their values, which follow instead, "0.7791 (0.7803, 0.7779)".
    """
    if is_missing(mean):
        return DASH
    if len(by_seed) < FEWEST:
        return _with_seeds(mean, by_seed, "{:.4f}".format)
    return f"{mean:.4f} ± {sd:.4f}"


def change(difference: float | None) -> str:
    """A signed difference, "+0.0254"; a dash where there is none."""
    return DASH if is_missing(difference) else f"{difference:+.4f}".replace("-", "−")


def interval(difference: Difference) -> str:
    """ "+0.0254 [+0.0101, +0.0407]"; a dash where there is none.

    Where few seeds allow no interval their values follow, "+0.0254 (+0.0301, +0.0207)"; one seed has its value alone.
    """
    if is_missing(difference.low):
        return _with_seeds(difference.mean, difference.by_seed, change)
    return f"{change(difference.mean)} [{change(difference.low)}, {change(difference.high)}]"


def _with_seeds(mean: float | None, by_seed: tuple[float, ...], text: Callable) -> str:
    """A mean, and behind it in parentheses the values of the seeds, if there are several."""
    values = f" ({', '.join(map(text, by_seed))})" if len(by_seed) > 1 else ""
    return text(mean) + values


def p_value(p: float) -> str:
    """ "p = 0.047", or "p < 0.001": a printed value is never 0."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def millions(parameters: float | None) -> str:
    """A parameter count, "93.7 M" or "0.34 M" or "41 k"; a dash where there is none."""
    if parameters is None or is_missing(parameters):
        return DASH
    if parameters < 1e5:
        return f"{parameters / 1e3:.3g} k"
    return f"{parameters / 1e6:.3g} M"


def plural(count: int, noun: str) -> str:
    """ "1 seed", "2,000 frames"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(items: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1] if items else ""]))
