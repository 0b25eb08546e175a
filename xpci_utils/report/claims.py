"""What the paper concludes, the published numbers behind it, and what this run says about it.

A claim is *supported* when every 95 % interval it rests on lies on its side. When one lies on the other side, the
reading says so and under which conditions, and *contradicted* only if they are those of the paper (`protocol`).
Otherwise a claim is *not decided*: a difference that has the right sign but may be chance supports nothing. Gains are
those at the paper's 5,000 pairs, where they were not run those of declared contrasts, else at the largest count, never
at the row that is best on the test frames.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

from xpci_utils.evaluation.statistics import Difference, paired_values
from xpci_utils.params.cells import Cell, parse_row, parse_series
from xpci_utils.params.places import labeller_place
from xpci_utils.params.runs import CLAIMED_COUNT, series_cell
from xpci_utils.report import captions, inconsistencies, protocol
from xpci_utils.report.contrasts import (
    adjusted_p,
    adjusted_p_of_readings,
    claimed_rows,
    combined,
    difference,
    excess,
    gain,
    reference_row,
)
from xpci_utils.report.results import Results, mean_of
from xpci_utils.report.tables import SERIES_OF_TABLE, read_published
from xpci_utils.report.web import table_of
from xpci_utils.report.wording import (
    BACKBONE_NAMES,
    DASH,
    METRIC_NAMES,
    arm_name,
    change,
    interval,
    is_missing,
    labeller_name,
    listed,
    p_value,
    series_name,
)

SUPPORTED, OPPOSITE, UNFINISHED = "supported", "opposite", "not yet known"
UNDECIDED, FEW_SEEDS = "not decided: an interval contains 0", "not decided: fewer than three seeds allow no interval"
SAM_B_SERIES = [series for series in SERIES_OF_TABLE.values() if series.endswith("vit_b")]
PLATEAU = 0.005  # a further gain in Dice that is smaller than this is none
PLATEAU_COUNTS = (CLAIMED_COUNT, 10_000)  # between which the paper sees nothing gained


def compare_claims(results: Results) -> pd.DataFrame:
    """One row per claim: ``claim``, ``published`` evidence, ``this run``, the ``reading`` of it, and which rows of
    docs/paper_inconsistencies.md concern it (``inconsistencies``)."""
    claims = [_every_backbone_gains, _f1_gains_most, _plateau, _small_labeller_needs_more, _prompt_helps_the_small]
    return pd.DataFrame([claim(results) for claim in claims] + _under_each_reading(results))


def claims_html(results: Results) -> str:
    """The same as a table whose last column leads to `inconsistencies.inconsistencies_html`."""
    claims = compare_claims(results)
    rows = [[*map(escape, row[:-1]), inconsistencies.linked(row[-1])] for row in claims.to_numpy()]
    return table_of(claims.columns, rows, "text")


def caution(results: Results) -> str:
    """How this run differs from the paper (seeds, frames, scale), and what of it came with the repository."""
    several = captions.several_seeds(results)
    parts = [
        "several trainings per row" if several else "one training per cell, so that no value has an interval",
        f"{results.source_word} frames instead of the authors'",
        "networks and counts below the published scale" if results.reduced else "",
    ]
    apart = f"Differences between this run and the paper: {'; '.join(part for part in parts if part)}."
    return " ".join(filter(None, [apart, captions.shipped(results)]))


def reading(differences: Iterable[Difference]) -> str:
    """What intervals of differences, each of which the claim says to be positive, say about it."""
    known = list(differences)
    if any(math.isnan(one.mean) for one in known):
        return UNFINISHED
    if any(math.isnan(one.low) for one in known):
        return FEW_SEEDS
    if all(one.low > 0 for one in known):
        return SUPPORTED
    return OPPOSITE if any(one.high < 0 for one in known) else UNDECIDED


def _every_backbone_gains(results: Results) -> dict:
    rows = claimed_rows(results)
    gains = {metric: {row: gain(row, results, metric) for row in rows.values()} for metric in ("dice", "micro_f1")}
    adjusted = {metric: adjusted_p(results, metric) for metric in gains}
    tested = protocol.of_networks([*rows.values(), *(reference_row(row, results) for row in rows.values())], results)
    lines = []
    for backbone, row in rows.items():
        values = [f"{METRIC_NAMES[m]} {interval(gains[m][row])}{_holm(adjusted[m].get(row))}" for m in gains]
        lines.append(f"{BACKBONE_NAMES[backbone]} + {parse_row(row).synthetic:,}: {', '.join(values)}")
    published = [f"{series_name(s)} {change(_last(s, 'dice') - _first(s, 'dice'))}" for s in SERIES_OF_TABLE.values()]
    return {
        "claim": "Synthetic images improve every backbone (Section 3.2)",
        "published": f"Dice with 5,000 synthetic images: {', '.join(published)}",
        "this run": "; ".join(lines) + _other_counts(rows.values()),
        "reading": _verdict(reading(gains["dice"].values()), "opposite sign at", tested, results),
        "inconsistencies": inconsistencies.named((4, 5, 11, 12)),
    }


def _under_each_reading(results: Results) -> list[dict]:
    """The first claim once more under each reading of the protocol that was run, beside the same without pairs."""
    groups: dict[tuple[str, int], list[Cell]] = {}
    adjusted = adjusted_p_of_readings(results)
    for cell in map(parse_row, results.sweep.readings):
        if len(results.of_row(cell.row)):
            groups.setdefault((cell.arm, cell.synthetic), []).append(cell)
    return [_one_reading(arm, count, cells, adjusted, results) for (arm, count), cells in groups.items()]


def _one_reading(arm: str, count: int, cells: list[Cell], adjusted: dict[str, float], results: Results) -> dict:
    gains = {
        cell.row: {m: difference(cell.row, cell.alone().row, results, m) for m in ("dice", "micro_f1")}
        for cell in cells
    }
    lines = []
    for cell in cells:
        values = {m: interval(one) for m, one in gains[cell.row].items()}
        text = f"Dice {values['dice']}{_holm(adjusted[cell.row])}, Micro F1 {values['micro_f1']}"
        if cell.trains_on == "epochs":
            equal = difference(cell.row, cell.alone("longer").row, results, "dice")
            text += f"; over as many steps without pairs, Dice {interval(equal)}"
        lines.append(f"{BACKBONE_NAMES[cell.backbone]} + {labeller_name(cell.labeller)}: {text}")
    verdict = reading([one["dice"] for one in gains.values()])
    tested = protocol.of_networks([row for cell in cells for row in (cell.row, cell.alone().row)], results)
    return {
        "claim": f"Synthetic images improve every backbone, read as: {arm_name(arm)}, {count:,} images",
        "published": DASH,
        "this run": "; ".join(lines),
        "reading": _verdict(verdict, "opposite sign at", tested, results),
        "inconsistencies": DASH,
    }


def _f1_gains_most(results: Results) -> dict:
    theirs = {s: {m: _last(s, m) - _first(s, m) for m in METRIC_NAMES} for s in SAM_B_SERIES}
    denied = [series_name(s) for s, g in theirs.items() if g["micro_f1"] <= max(g["dice"], g["nsd"])]
    lines = ["; ".join(f"{series_name(s)}: {_metrics_text(gains)}" for s, gains in theirs.items())]
    lines.append(f"true of {len(theirs) - len(denied)} of {len(theirs)} series, not of {', '.join(denied)}")
    rows = claimed_rows(results)
    excesses = {(b, m): excess(row, results, "micro_f1", m) for b, row in rows.items() for m in ("dice", "nsd")}
    tested = protocol.of_networks([*rows.values(), *(reference_row(row, results) for row in rows.values())], results)
    ours = [f"{BACKBONE_NAMES[b]}, over {METRIC_NAMES[m]}: {interval(one)}" for (b, m), one in excesses.items()]
    return {
        "claim": "Micro F1 gains more than Dice and NSD (Section 3.2)",
        "published": " (".join(lines) + ")",
        "this run": f"gain in Micro F1 minus gain in the other: {'; '.join(ours)}{_other_counts(rows.values())}",
        "reading": _verdict(reading(excesses.values()), "opposite sign at", tested, results),
        "inconsistencies": inconsistencies.named((6,)),
    }


def _plateau(results: Results) -> dict:
    before, last = _plateau_counts(results)
    shown = [series for series in SAM_B_SERIES if series in results.sweep.series]
    rows = {s: (_row(s, last, results), _row(s, before, results)) for s in shown}
    steps = {s: difference(*pair, results, "dice", seeds=results.sweep.seeds) for s, pair in rows.items()}
    tested = protocol.of_networks([row for pair in rows.values() for row in pair], results)
    published = [f"{series_name(s)} {change(_last(s, 'dice') - _at(s, 'dice', 2000))}" for s in SAM_B_SERIES]
    return {
        "claim": "Beyond 5,000 synthetic images nothing more is gained (Section 3.2)",
        "published": "Figure 6 alone; the tables end at 5,000. Dice from 2,000 to 5,000: " + ", ".join(published),
        "this run": f"Dice from {before:,} to {last:,} synthetic images: "
        + ", ".join(f"{series_name(series)} {interval(step)}" for series, step in steps.items())
        + ("" if (before, last) == PLATEAU_COUNTS else f" ({_lacking(PLATEAU_COUNTS)})"),
        "reading": _verdict(_plateau_reading(steps.values()), "a further gain at", tested, results),
        "inconsistencies": inconsistencies.named((7, 10)),
    }


def _plateau_counts(results: Results) -> tuple[int, int]:
    """The two counts that the claim is tested on: the paper's, where the sweep has both, else the two largest."""
    counts = sorted(results.sweep.counts)
    if {*PLATEAU_COUNTS} <= {*counts}:
        return PLATEAU_COUNTS
    return counts[max(0, len(counts) - 2)], counts[-1]


def _plateau_reading(steps: Iterable[Difference]) -> str:
    """Supported when no interval reaches a further gain worth the name, the opposite when one lies above it."""
    less = [Difference(PLATEAU - s.mean, PLATEAU - s.high, PLATEAU - s.low, s.p, s.seeds, s.sequences) for s in steps]
    return reading(less).replace("contains 0", f"contains a gain of {PLATEAU}")


def _small_labeller_needs_more(results: Results) -> dict:
    pair = ("transunet__vit_b", "transunet__vit_t")
    peaks = [_peak(series, results) for series in pair]
    theirs = [_published_peak(number) for number in (4, 1)]
    known = [peak for peak in peaks if peak is not None]
    text, tested = "highest Dice at " + _peaks_text(peaks, pair), protocol.Protocol((), False)
    verdict = UNFINISHED
    if len(known) == len(pair):
        of_pair = list(zip(pair, known, known[::-1], strict=True))
        margins = [
            difference(_row(s, own, results), _row(s, other, results), results, "dice") for s, own, other in of_pair
        ]
        tested = protocol.of_networks([_row(s, n, results) for s in pair for n in known], results)
        if known[0] != known[1]:
            text += f"; Dice there minus Dice at the other's: {', '.join(map(interval, margins))}"
        verdict = _order_reading(known, margins)
    return {
        "claim": "With SAM-t's annotations TransUNet peaks at a larger count than with SAM-b's (Section 3.2)",
        "published": "highest Dice at " + _peaks_text(theirs, pair),
        "this run": text + _other_peak_counts(results),
        "reading": _verdict(verdict, "opposite order at", tested, results),
        "inconsistencies": inconsistencies.named((8, 9)),
    }


def _order_reading(peaks: list[int], margins: list[Difference]) -> str:
    """A later peak is seen only where both curves differ between the two counts by more than chance."""
    if peaks[0] == peaks[1]:
        return "not decided: both peak at the same count"
    verdict = reading(margins)
    return OPPOSITE if verdict == SUPPORTED and peaks[1] < peaks[0] else verdict


def _prompt_helps_the_small(results: Results) -> dict:
    published = read_published(5).set_index("labeller")["dice"]
    theirs = {name: published[name] - published[f"{name}-noprompt"] for name in ("vit_t", "vit_b")}
    scores = {
        name: results.scores(labeller_place(name).seedless) for one in theirs for name in (one, f"{one}-noprompt")
    }
    parts = {n: paired_values(scores[n], scores[f"{n}-noprompt"], "dice") for n in theirs}
    gains = {name: combined([(1, part)]) for name, part in parts.items()}
    more = combined([(1, parts["vit_t"]), (-1, parts["vit_b"])])
    ours = ", ".join(f"{labeller_name(name)} {interval(one)}" for name, one in gains.items())
    return {
        "claim": "The mask prompt helps the smaller SAM far more (Section 3.2, Table 5)",
        "published": _prompt_text({name: change(value) for name, value in theirs.items()}),
        "this run": f"Dice with prompt minus without: {ours}; SAM-t more than SAM-b by {interval(more)}",
        "reading": _verdict(reading([more]), "opposite sign with", protocol.of_labellers(scores, results), results),
        "inconsistencies": DASH,
    }


def _verdict(verdict: str, what: str, tested: protocol.Protocol, results: Results) -> str:
    """A reading in which the opposite carries the conditions that it was found under."""
    return protocol.opposite(what, tested, protocol.networks_have_run(results)) if verdict == OPPOSITE else verdict


def _other_counts(rows: Iterable[str]) -> str:
    """Which counts a claim was tested at, if not all are the paper's."""
    counts = [parse_row(row).synthetic for row in rows]
    if {*counts} == {CLAIMED_COUNT}:
        return ""
    return f" (tested with {listed([f'{n:,}' for n in counts])} synthetic images; {_lacking([CLAIMED_COUNT])})"


def _lacking(counts: Iterable[int]) -> str:
    return f"the paper claims it at {listed([f'{n:,}' for n in counts])}, which this grid does not have"


def _row(series: str, count: int, results: Results) -> str:
    return series_cell(series, results.sweep.annotated, count, 0).row


def _peak(series: str, results: Results) -> int | None:
    """The count with the highest mean Dice; None while a score is missing."""
    dice = {n: mean_of(results.of_series(series, n), "dice") for n in _peak_counts(results)}
    return None if any(math.isnan(value) for value in dice.values()) else max(dice, key=dice.__getitem__)


def _peak_counts(results: Results) -> list[int]:
    """The counts among which peaks are looked for: those of the paper's tables where the sweep has all of them."""
    published = read_published(4)["synthetic_images"].tolist()
    return published if {*published} <= {*results.sweep.counts} else sorted(results.sweep.counts)


def _other_peak_counts(results: Results) -> str:
    published, ours = (
        listed([f"{n:,}" for n in counts])
        for counts in (read_published(4)["synthetic_images"].tolist(), _peak_counts(results))
    )
    return "" if published == ours else f" (of {ours} synthetic images; the paper's tables have {published})"


def _published_peak(number: int) -> int:
    """The count with the highest Dice of one of the paper's tables."""
    table = read_published(number)
    return int(table["synthetic_images"].iloc[table["dice"].argmax()])


def _at(series: str, metric: str, count: int) -> float:
    number = next(number for number, name in SERIES_OF_TABLE.items() if name == series)
    return float(read_published(number).set_index("synthetic_images")[metric][count])


def _first(series: str, metric: str) -> float:
    return _at(series, metric, 0)


def _last(series: str, metric: str) -> float:
    return _at(series, metric, 5000)


def _holm(p: float | None) -> str:
    return "" if p is None or is_missing(p) else f" (Holm {p_value(p)})"


def _metrics_text(gains: dict[str, float]) -> str:
    return ", ".join(f"{METRIC_NAMES[metric]} {change(value)}" for metric, value in gains.items())


def _peaks_text(peaks: Sequence[int | None], pair: tuple[str, ...]) -> str:
    names = [labeller_name(parse_series(series)[1]) for series in pair]
    return ", ".join(f"{'—' if n is None else f'{n:,}'} ({name})" for n, name in zip(peaks, names, strict=True))


def _prompt_text(gains: dict[str, str]) -> str:
    return "Dice with prompt minus without: " + ", ".join(f"{labeller_name(n)} {g}" for n, g in gains.items())
