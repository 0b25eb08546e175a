"""What each lever brings on development frames, and how good a labeller has to be: from the scores of `score_run`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from xpci_utils.development.scoring import ALONE, FOLDER, SCORES_FILE
from xpci_utils.evaluation.statistics import FEWEST, paired_difference
from xpci_utils.params.cells import Cell, parse_row
from xpci_utils.params.places import cell_place


@dataclass(frozen=True)
class BreakEven:
    """Where a straight line of gains crosses 0, with the 95 % interval; infinite ends where the slope is uncertain."""

    at: float
    low: float
    high: float


def row_scores(root: Path, metric: str) -> pd.DataFrame:
    """One line per row of networks that was scored on development frames.

    Columns ``row``, ``by_seed`` (the scores, a tuple in order of the seeds), ``reference`` (annotated frames alone, as
    the row is augmented, in whole batches) and ``gain``, a `Difference` over the seeds that both have: without interval
    below three seeds.
    """
    scores = pd.read_csv(root / SCORES_FILE)
    scores = scores[(scores["row"] != ALONE) & (scores["metric"] == metric)]
    by_row = {str(row): part.sort_values("seed") for row, part in scores.groupby("row", sort=False)}
    tables = {row: per_frame(root, row, part["seed"]) for row, part in by_row.items()}
    lines = []
    for row, part in by_row.items():
        reference = reference_of(row)
        gain = paired_difference(tables[row], tables.get(reference, {}), metric)
        gain = gain if gain.seeds >= FEWEST else gain.without_interval()
        lines.append({"row": row, "by_seed": tuple(part["value"]), "reference": reference, "gain": gain})
    return pd.DataFrame(lines)


def reference_of(row: str) -> str:
    """Annotated frames alone with the augmentation of ``row``; for rows without pairs, with the usual one."""
    cell = parse_row(row)
    plain = Cell(cell.backbone, cell.annotated, "none", 0)
    return plain.row if cell.labeller == "none" else cell.alone("mix").row


def per_frame(root: Path, row: str, seeds: Iterable[int]) -> dict[int, pd.DataFrame]:
    """The scores of every development frame by every seed of a row, as `evaluate_frames` wrote them."""
    places = {seed: cell_place(replace(parse_row(row), seed=seed)).folder for seed in seeds}
    files = {seed: f"{place.replace('/', '__')}.csv" for seed, place in places.items()}
    return {seed: pd.read_csv(root / FOLDER / "per_frame" / file) for seed, file in files.items()}


def strengths(root: Path, metric: str, arm: str) -> pd.DataFrame:
    """Labeller against network, one line per network trained with ``arm`` on generated pairs.

    Columns ``backbone``, ``labeller``, ``seed``, ``excess`` (score of the labeller, which gets true masks, minus that
    of the network on annotated frames alone) and ``gain`` (of the network with the pairs, same seed).
    """
    scores = pd.read_csv(root / SCORES_FILE)
    scores = scores[scores["metric"] == metric]
    labellers = scores[scores["row"] == ALONE].groupby("labeller")["value"].mean()
    networks = scores[scores["row"] != ALONE]
    scored = {(row, seed): value for row, seed, value in networks[["row", "seed", "value"]].to_numpy()}
    lines = []
    for (row, seed), value in scored.items():
        cell, reference = parse_row(row), scored.get((reference_of(row), seed))
        if cell.arm == arm and cell.pool == "ddpm" and cell.labeller in labellers and reference is not None:
            gains = {"excess": labellers[cell.labeller] - reference, "gain": value - reference}
            lines.append({"backbone": cell.backbone, "labeller": cell.labeller, "seed": seed} | gains)
    return pd.DataFrame(lines, columns=["backbone", "labeller", "seed", "excess", "gain"])


def break_even(x: np.ndarray, y: np.ndarray, confidence: float = 0.95) -> BreakEven:
    """Where the least-squares line through (``x``, ``y``) crosses 0, with Fieller's interval.

    These are the x at which the confidence band of the line holds 0. Its ends are infinite where the slope itself may
    be 0. ValueError for fewer than three points or one x alone.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 3 or np.ptp(x) == 0:
        raise ValueError("a line with an interval needs three points at least, and different x")
    slope, start = np.polyfit(x, y, 1)
    at, freedom = float(-start / slope), len(x) - 2
    allowed = stats.t.ppf((1 + confidence) / 2, freedom) ** 2 * ((y - start - slope * x) ** 2).sum() / freedom
    leading = slope**2 - allowed / ((x - x.mean()) ** 2).sum()
    if leading <= 0:
        return BreakEven(at, -np.inf, np.inf)
    ends = np.roots([leading, 2 * slope * y.mean(), y.mean() ** 2 - allowed / len(x)])
    return BreakEven(at, *sorted(float(x.mean() + end) for end in ends.real))
