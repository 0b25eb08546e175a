"""Which rows are compared with which, and what the comparison says.

A row with synthetic images is compared with the row of the same backbone and annotated frames, without them, that was
trained for as many steps; seed by seed, on the same test frames. A *declared* contrast was chosen on validation frames
(`sweep.contrasts`) and has seeds of its own; every other row is exploratory.

An interval rests on `FEWEST` seeds or more. The variance between two seeds has one degree of freedom: their interval is
narrow where the two happen to agree and wide where they do not, so both values are printed instead.
"""

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from xpci_utils.evaluation import holm
from xpci_utils.evaluation.statistics import FEWEST, NOTHING, Difference, paired_values, two_way_interval
from xpci_utils.params import runs
from xpci_utils.params.cells import BACKBONES, Cell, parse_row
from xpci_utils.params.places import cell_place, upstream
from xpci_utils.report.results import Results

DECLARED, EXPLORATORY = "declared", "exploratory"


def reference_row(row: str, results: Results) -> str:
    """The row without synthetic images that had as many optimiser steps; the plain one while nothing is finished.

    It is augmented as the profile says, whatever the arm of ``row``; a declared contrast has one augmented as itself.
    """
    cell = parse_row(row)
    declared = kind_of(row, results) == DECLARED
    plain = cell.alone() if declared else Cell(cell.backbone, results.sweep.annotated, "none", 0)
    done, alone = results.of_row(row), results.cells[results.cells["finished"]]
    if done.empty or alone.empty:
        return plain.row
    alone = alone[(alone["backbone"] == cell.backbone) & (alone["annotated"] == results.sweep.annotated)]
    alone = alone[alone["arm"].isin([plain.arm, plain.alone("longer").arm]) & (alone["labeller"] == "none")]
    equal = alone[alone["steps"] == done["steps"].iloc[0]]
    return equal["row"].iloc[0] if len(equal) else plain.row


def gain(
    row: str, results: Results, metric: str, test_set: str = "test", seeds: Collection[int] | None = None
) -> Difference:
    """Score of a row minus that of its reference; a declared contrast by the seeds that were declared for it."""
    return difference(row, reference_row(row, results), results, metric, test_set, seeds)


def difference(
    row: str,
    reference: str,
    results: Results,
    metric: str,
    test_set: str = "test",
    seeds: Collection[int] | None = None,
) -> Difference:
    """Score of one row minus that of another, by ``seeds`` alone if they are given."""
    treated, alone = (_scores(name, row, results, test_set, seeds) for name in (row, reference))
    return _interval(*paired_values(treated, alone, metric))


def validation_change(row: str, reference: str, results: Results, metric: str) -> tuple[float, int]:
    """Mean change of a score on validation frames, seed by seed, and the number of seeds; (NaN, 0) without any."""
    name = f"validation_{metric}"
    done, alone = (results.of_row(one).reindex(columns=["seed", name]).dropna() for one in (row, reference))
    pairs = done.merge(alone, on="seed")
    return float((pairs[f"{name}_x"] - pairs[f"{name}_y"]).mean()), len(pairs)


def seed_gains(
    row: str, reference: str, results: Results, metric: str, seeds: Collection[int] | None = None
) -> tuple[pd.Series, Difference]:
    """The difference of `difference` by seed, which a figure shows as dots, and `difference` itself."""
    treated, alone = (_scores(name, row, results, seeds=seeds) for name in (row, reference))
    gains, values = paired_values(treated, alone, metric)
    return gains, _interval(gains, values)


def own_reference(row: str, results: Results) -> str:
    """What an arm with synthetic pairs has to be compared with: the same arm without them, for as many steps.

    Half batches are compared with whole ones of the same augmentation. For every other row without pairs, and where
    that arm has not been run, it is `reference_row`.
    """
    cell = parse_row(row)
    if cell.labeller == "none" and cell.trains_on != "halfbatch":
        return reference_row(row, results)
    alone = cell.alone("longer" if cell.trains_on == "epochs" else "mix").row
    return alone if len(results.of_row(alone)) else reference_row(row, results)


def excess(row: str, results: Results, metric: str, other: str) -> Difference:
    """How much more one metric gains than another."""
    treated, alone = (_scores(name, row, results) for name in (row, reference_row(row, results)))
    return combined([(1, paired_values(treated, alone, metric)), (-1, paired_values(treated, alone, other))])


def combined(terms: Iterable[tuple[int, tuple[pd.Series, pd.DataFrame]]]) -> Difference:
    """The interval of a weighted sum of paired differences, over the seeds and sequences that all of them have."""
    weights, parts = zip(*terms, strict=True)
    seeds = sorted(set.intersection(*(set(differences.index) for differences, _ in parts)))
    sequences = sorted(set.intersection(*(set(values.columns) for _, values in parts)))
    total = sum(weight * differences.loc[seeds] for weight, (differences, _) in zip(weights, parts, strict=True))
    values = sum(weight * table.loc[seeds, sequences] for weight, (_, table) in zip(weights, parts, strict=True))
    return _interval(pd.Series(total), pd.DataFrame(values))


def adjusted_p(results: Results, metric: str) -> dict[str, float]:
    """Holm's p values of the declared contrasts, by row."""
    return holm({row: gain(row, results, metric).p for row in results.sweep.contrasts})


def adjusted_p_of_readings(results: Results) -> dict[str, float]:
    """Holm's p values of the gain in Dice, the primary outcome, of every row of Table R, by row."""
    cells = [parse_row(row) for row in results.sweep.readings]
    return holm({cell.row: difference(cell.row, cell.alone().row, results, "dice").p for cell in cells})


def kind_of(row: str, results: Results) -> str:
    """ "declared" or "exploratory"."""
    return DECLARED if row in results.sweep.contrasts else EXPLORATORY


def claimed_rows(results: Results) -> dict[str, str]:
    """Backbone -> the row that claims are tested on: those of the paper's count, else the declared contrasts."""
    return runs.claimed_rows(results.sweep)


def chosen_on_validation(results: Results) -> dict[str, str]:
    """Backbone -> the row with synthetic images that scores best on validation frames."""
    scores = validation_scores(results)
    return {
        name: max(rows, key=scores.__getitem__)
        for name in BACKBONES
        if (rows := [row for row in scores if row.startswith(f"{name}__")])
    }


def validation_scores(results: Results) -> dict[str, float]:
    """Mean score on validation frames, by the seeds that choose, of every row with images that SAM-b labelled."""
    cells = results.cells[results.cells["finished"] & results.cells["seed"].isin(results.sweep.seeds)]
    mixed = cells[(cells["arm"] == "mix") & (cells["labeller"] == "vit_b")]
    scored = mixed.reindex(columns=["row", "validation_score"]).dropna()  # no column before anything is finished
    return {str(row): mean for row, mean in scored.groupby("row")["validation_score"].mean().items()}


def cost_core_seconds(row: str, results: Results) -> float:
    """Computing time behind a row: its training, and all that was trained and sampled for its pairs; NaN if unknown."""
    done = results.of_row(row)
    places = [place.folder for place in upstream(parse_row(row))]
    stages = [run for run in map(results.runs.get, places) if run]
    if done.empty or len(stages) < len(places):
        return float("nan")
    return float(done["core_seconds"].mean() + np.sum([stage["core_seconds"] for stage in stages]))


def _interval(gains: pd.Series, values: pd.DataFrame) -> Difference:
    """The difference by ``gains`` of seeds and their pseudo-values; its interval from `FEWEST` seeds on."""
    if gains.empty:
        return NOTHING
    one = two_way_interval(gains.to_numpy(), values.to_numpy())
    return one if one.seeds >= FEWEST else one.without_interval()


def _scores(
    name: str, row: str, results: Results, test_set: str = "test", seeds: Collection[int] | None = None
) -> dict[int, pd.DataFrame]:
    """Scores by seed of ``name`` for a comparison that ``row`` is the subject of."""
    if seeds is None and kind_of(row, results) == DECLARED:
        seeds = results.sweep.contrast_seeds
    scores = results.scores(cell_place(parse_row(name)).seedless, test_set)
    return {seed: table for seed, table in scores.items() if seeds is None or seed in seeds}
