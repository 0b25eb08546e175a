"""What the paper concludes, the published numbers behind it, and what this run says about it.

Gains are taken between no synthetic images and the largest count, never at the best row: that row would be chosen
on the test frames.
"""

import math

import pandas as pd

from xpci_utils import grid
from xpci_utils.report.results import Results, aggregate
from xpci_utils.report.tables import SERIES_OF_TABLE, read_published
from xpci_utils.report.wording import METRIC_NAMES, change, labeller_name, series_name

AGREES, DIFFERS, UNFINISHED = "points the same way", "does not point the same way", "cannot be said yet"
SAM_B_SERIES = [series for series in SERIES_OF_TABLE.values() if series.endswith("vit_b")]

Curve = dict[int, float]  # score by number of synthetic images


def compare_claims(results: Results) -> pd.DataFrame:
    """One row per claim: ``claim``, ``published`` evidence, ``this run``, and the ``reading`` of it."""
    claims = [_every_backbone_gains, _f1_gains_most, _small_labeller_needs_more, _prompt_helps_the_small]
    return pd.DataFrame([claim(results) for claim in claims])


def caution(results: Results) -> str:
    """One sentence on how this run differs from the paper: seeds, frames, scale."""
    seeds = len(results.sweep.seeds)
    parts = [
        "one training per cell, so that nothing has an interval" if seeds == 1 else f"{seeds} trainings per cell",
        f"{results.source_word} frames instead of the authors'",
        "networks and counts below the published scale" if results.reduced else "",
    ]
    return f"What separates this run from the paper: {'; '.join(part for part in parts if part)}."


def _every_backbone_gains(results: Results) -> dict:
    gains = {series: _gain(_ours(results, series, "dice")) for series in SERIES_OF_TABLE.values()}
    published = {series: _gain(_published(series, "dice")) for series in gains}
    return {
        "claim": "Synthetic images improve every backbone (Section 3.2)",
        "published": _gains_text("Dice", published, 5000),
        "this run": _gains_text("Dice", gains, max(results.sweep.counts)),
        "reading": _reading([gain > 0 for gain in gains.values()], gains.values()),
    }


def _f1_gains_most(results: Results) -> dict:
    ours = {series: {m: _gain(_ours(results, series, m)) for m in METRIC_NAMES} for series in SAM_B_SERIES}
    theirs = {series: {m: _gain(_published(series, m)) for m in METRIC_NAMES} for series in SAM_B_SERIES}
    tests, published = ([g["micro_f1"] > max(g["dice"], g["nsd"]) for g in gains.values()] for gains in (ours, theirs))
    return {
        "claim": "Micro F1 gains more than Dice and NSD (Section 3.2)",
        "published": f"{_metrics_text(theirs)} (true of {sum(published)} of {len(published)} series)",
        "this run": _metrics_text(ours),
        "reading": _reading(tests, [gain for gains in ours.values() for gain in gains.values()]),
    }


def _small_labeller_needs_more(results: Results) -> dict:
    pair = ("transunet__vit_b", "transunet__vit_t")
    peaks = [_peak(_ours(results, series, "dice")) for series in pair]
    return {
        "claim": "With SAM-t's annotations TransUNet peaks at a larger count than with SAM-b's (Section 3.2)",
        "published": _peaks_text([_peak(_published(series, "dice")) for series in pair], pair),
        "this run": _peaks_text(peaks, pair),
        "reading": _reading([peaks[1] > peaks[0] > 0], peaks),  # a peak at 0 is no gain at all
    }


def _prompt_helps_the_small(results: Results) -> dict:
    published = read_published(5).set_index("labeller")["dice"]
    ours = {name: aggregate(results.of_labeller(name), "dice")[0] for name in published.index}
    gains = {name: ours[name] - ours[f"{name}-noprompt"] for name in ("vit_t", "vit_b")}
    theirs = {name: published[name] - published[f"{name}-noprompt"] for name in gains}
    return {
        "claim": "The mask prompt helps the smaller SAM far more (Section 3.2, Table 5)",
        "published": _prompt_text(theirs),
        "this run": _prompt_text(gains),
        "reading": _reading([gains["vit_t"] > gains["vit_b"]], gains.values()),
    }


def _ours(results: Results, series: str, metric: str) -> Curve:
    """Every count of the sweep; NaN where no cell is finished."""
    in_sweep = series in results.sweep.series
    counts = sorted(results.sweep.counts) if in_sweep else [0, math.nan]
    return {n: aggregate(results.of_series(series, n), metric)[0] if in_sweep else math.nan for n in counts}


def _published(series: str, metric: str) -> Curve:
    number = next(number for number, name in SERIES_OF_TABLE.items() if name == series)
    table = read_published(number)
    return dict(zip(table["synthetic_images"], table[metric], strict=True))


def _gain(curve: Curve) -> float:
    """Score at the largest count minus score without synthetic images."""
    scores = list(curve.values())
    return scores[-1] - scores[0]


def _peak(curve: Curve) -> float:
    """The count with the highest score; NaN while a score is missing."""
    return math.nan if any(math.isnan(score) for score in curve.values()) else max(curve, key=curve.get)


def _reading(tests: list[bool], values) -> str:
    if any(math.isnan(value) for value in values):
        return UNFINISHED
    if all(tests):
        return AGREES
    return DIFFERS if len(tests) == 1 else f"{DIFFERS} ({sum(tests)} of {len(tests)} series do)"


def _gains_text(metric: str, gains: dict[str, float], count: int) -> str:
    changes = [f"{series_name(series)} {change(gain)}" for series, gain in gains.items()]
    return f"{metric} with {count:,} synthetic images: {', '.join(changes)}"


def _metrics_text(gains: dict[str, dict[str, float]]) -> str:
    lines = []
    for series, values in gains.items():
        changes = ", ".join(f"{METRIC_NAMES[metric]} {change(gain)}" for metric, gain in values.items())
        lines.append(f"{series_name(series)}: {changes}")
    return "; ".join(lines)


def _peaks_text(peaks: list[float], pair: tuple[str, ...]) -> str:
    names = [labeller_name(grid.parse_series(series)[1]) for series in pair]
    found = ["—" if math.isnan(peak) else f"{peak:,.0f}" for peak in peaks]
    return "highest Dice at " + ", ".join(f"{n} ({name})" for n, name in zip(found, names, strict=True))


def _prompt_text(gains: dict[str, float]) -> str:
    return "Dice with prompt minus without: " + ", ".join(f"{labeller_name(n)} {change(g)}" for n, g in gains.items())
