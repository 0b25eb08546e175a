"""Whether each trained network does better than the simplest thing that could stand in its place."""

import numpy as np
import pandas as pd

from xpci_utils.report.results import Results
from xpci_utils.report.wording import BACKBONE_NAMES, DASH, is_missing, labeller_title, plural

BETTER, WORSE = "yes", "no"


def compare_baselines(results: Results) -> pd.DataFrame:
    """One row per network: what it scores, what its ``baseline`` scores, and whether it is ``better``."""
    rows = [*_denoiser(results), *_labellers(results), *_segmentation(results)]
    columns = ["network", "measure", "this run", "baseline", "baseline scores", "better"]
    return pd.DataFrame(rows, columns=columns)


def foreground_shares(results: Results) -> dict[str, float]:
    """Share of particle pixels in the synthetic masks and in the annotated frames; {} until the denoiser is trained.

    Short trainings get textures right long before the number of particles, so this is watched beside the loss.
    """
    return results.metrics("ddpm").get("foreground_share", {})


def _denoiser(results: Results) -> list[tuple]:
    errors = results.metrics("ddpm").get("eps_error", {})
    if "held_out" not in errors or "wiener" not in errors:
        return []
    ours, wiener = (float(np.nanmean(errors[name])) for name in ("held_out", "wiener"))
    verdict = BETTER if ours < wiener else WORSE
    return [("Improved DDPM", "noise error, lower is better", _text(ours), "Wiener filter", _text(wiener), verdict)]


def _labellers(results: Results) -> list[tuple]:
    rows, done = [], results.labellers[results.labellers["finished"]]
    for labeller, seeds in done.groupby("labeller", sort=False):
        worst = seeds.sort_values("dice_foreground").iloc[0]
        name = labeller_title(str(labeller)) + (f", lowest of {plural(len(seeds), 'seed')}" if len(seeds) > 1 else "")
        trivial = worst.get("trivial_dice_foreground")
        rows.append(_dice_row(name, worst["dice_foreground"], trivial, "every particle of the most frequent class"))
    return rows


def _segmentation(results: Results) -> list[tuple]:
    rows, done = [], results.cells[results.cells["finished"]]
    for backbone, cells in done.groupby("backbone", sort=False):
        worst = cells.sort_values("dice_foreground").iloc[0]
        name = f"{BACKBONE_NAMES[str(backbone)]}, lowest of {plural(len(cells), 'cell')}"
        trivial = worst.get("trivial_dice_foreground")
        rows.append(_dice_row(name, worst["dice_foreground"], trivial, "class by grey level"))
    return rows


def _dice_row(name: str, ours: float, trivial: float | None, baseline: str) -> tuple:
    verdict = DASH
    if trivial is not None and not is_missing(trivial) and not is_missing(ours):
        verdict = BETTER if ours > trivial else WORSE
    return name, "Dice without background", _text(ours), baseline, _text(trivial), verdict


def _text(value: float | None) -> str:
    return DASH if is_missing(value) else f"{value:.4f}"
