"""Was it chance? Paired differences between two rows of a table, with intervals over training seeds and test sequences.

Two things are random when two ways of training are compared: the trainings (a *seed* stands for first weights, order of
batches and choice of pairs) and the test frames, which come in *sequences* of near duplicates. Every seed is scored on
every sequence, with and without what is compared: the design of a reader study (seeds read, sequences are the cases),
for which Dorfman, Berbaum and Metz (1992) and Hillis (2007, Statistics in Medicine 26: 596) have the analysis.
Every score here is a ratio of sums over frames; leaving out one sequence after the other gives a pseudo-value of the
difference per seed and sequence, and a two-way analysis of variance of these a t interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

POOLED = {  # numerator and denominator of scores that are pooled over frames; all others are means of a column
    "micro_f1": ({"tp": 2}, {"tp": 2, "fp": 1, "fn": 1}),
    "detection_f1": ({"particles_matched": 2}, {"particles_true": 1, "particles_predicted": 1}),
}


@dataclass(frozen=True)
class Difference:
    """A mean paired difference, its confidence interval and two-sided p value (NaN where one seed allows none).

    ``by_seed`` has the difference of every seed, in their order.
    """

    mean: float
    low: float
    high: float
    p: float
    seeds: int
    sequences: int
    by_seed: tuple[float, ...] = ()

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0; False without an interval."""
        return bool(self.low > 0 or self.high < 0)

    def without_interval(self) -> "Difference":
        """The same mean and values of the seeds, without interval and p value."""
        return replace(self, low=_NAN, high=_NAN, p=_NAN)


_NAN = float("nan")

FEWEST = 3  # seeds, or folds, behind an interval or a standard deviation
NOTHING = Difference(_NAN, _NAN, _NAN, _NAN, 0, 0)


def paired_difference(
    treated: Mapping[int, pd.DataFrame],
    reference: Mapping[int, pd.DataFrame],
    metric: str,
    confidence: float = 0.95,
) -> Difference:
    """Score of ``treated`` minus score of ``reference``, over the seeds that both have.

    Both map a seed to the rows of `evaluate_frames`, one per test frame; ``metric`` is one of their columns, averaged
    over frames (NaN left out) or, for micro_f1 and detection_f1, pooled over them. Raises ValueError when two tables
    hold different test frames.
    """
    differences, values = paired_values(treated, reference, metric)
    return two_way_interval(differences.to_numpy(), values.to_numpy(), confidence) if len(differences) else NOTHING


def paired_values(
    treated: Mapping[int, pd.DataFrame], reference: Mapping[int, pd.DataFrame], metric: str
) -> tuple[pd.Series, pd.DataFrame]:
    """(difference by seed, jackknife pseudo-values by seed and sequence); sequences without the score are left out.

    Both can be added and subtracted, to compare two gains. Arguments and errors as of `paired_difference`.
    """
    seeds = sorted(set(treated) & set(reference))
    pairs = [[sequence_sums(rows[seed], metric) for rows in (treated, reference)] for seed in seeds]
    if not pairs:
        return pd.Series(dtype=float), pd.DataFrame()
    sequences = pairs[0][0].index
    if not all(table.index.equals(sequences) for pair in pairs for table in pair):
        raise ValueError(f"{metric}: two networks were scored on different test frames; compare within one run")
    sums = np.array([[table.to_numpy().T for table in pair] for pair in pairs])  # seed, row, (part, whole), sequence
    informed = np.any(sums[:, :, 1], axis=(0, 1))
    differences, values = pseudovalues(sums[..., informed])
    return pd.Series(differences, index=seeds), pd.DataFrame(values, index=seeds, columns=sequences[informed])


def sequence_sums(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns ``part`` and ``whole`` per sequence: their sums' ratio is the score of all frames together."""
    if metric in POOLED:
        part, whole = (sum(rows[name] * weight for name, weight in terms.items()) for terms in POOLED[metric])
    else:
        part, whole = rows[metric].fillna(0), rows[metric].notna().astype(int)
    return pd.DataFrame({"part": part, "whole": whole}).groupby(rows["sequence"]).sum()


def pseudovalues(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(difference per seed [S], jackknife pseudo-values of it [S, Q]) from sums [S, 2 rows, (part, whole), Q]."""
    count = sums.shape[-1]
    total = sums.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        all_frames, without_one = (np.divide(x[:, :, 0], x[:, :, 1]) for x in (total, total - sums))
    difference, left = (x[:, 0] - x[:, 1] for x in (all_frames, without_one))
    return difference[:, 0], count * difference - (count - 1) * left


def two_way_interval(differences: np.ndarray, values: np.ndarray, confidence: float = 0.95) -> Difference:
    """The t interval of the mean of ``differences`` [S], from pseudo-values [S, Q], seeds and sequences both random.

    With mean squares of seeds, sequences and their interaction, the variance of the mean is
    (MS_seed + max(MS_seq - MS_both, 0)) / (S Q), with Hillis' degrees of freedom: S - 1 where seeds alone differ, more
    where it is the sequences.
    """
    seeds, sequences = values.shape
    mean, by_seed = float(differences.mean()), tuple(map(float, differences))
    if seeds < 2 or sequences < 2 or not np.isfinite(values).all():
        return Difference(mean, _NAN, _NAN, _NAN, seeds, sequences, by_seed)
    of_seeds, of_sequences = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    rest = values - of_seeds - of_sequences + values.mean()
    ms_seed = sequences * of_seeds.var(ddof=1)
    ms_sequence = seeds * of_sequences.var(ddof=1)
    ms_both = (rest**2).sum() / ((seeds - 1) * (sequences - 1))
    spread = ms_seed + max(ms_sequence - ms_both, 0.0)
    if spread == 0:  # e.g. a network compared with itself
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0, seeds, sequences, by_seed)
    freedom = (seeds - 1) * (spread / ms_seed) ** 2 if ms_seed else np.inf
    error = np.sqrt(spread / (seeds * sequences))
    half = stats.t.ppf((1 + confidence) / 2, freedom) * error
    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return Difference(mean, mean - half, mean + half, p, seeds, sequences, by_seed)


def fold_interval(differences: np.ndarray, values: np.ndarray, confidence: float = 0.95) -> Difference:
    """The t interval of the mean of ``differences`` [S] over folds of a cross-validation, from pseudo-values [S, F].

    Every fold trains networks of its own, so a seed has nothing in common with the same seed in another fold: seeds lie
    within folds. The means of the folds over their seeds vary with both, and are the F values on which the interval
    rests (F - 1 degrees of freedom, however many seeds and images there are); NaN below `FEWEST` folds. The training
    sets of folds overlap, for which no unbiased variance exists (Bengio and Grandvalet 2004): the interval is rather
    too narrow.
    """
    seeds, folds = values.shape
    mean, of_folds = float(differences.mean()), values.mean(axis=0)
    if folds < FEWEST or not np.isfinite(of_folds).all():
        return Difference(mean, _NAN, _NAN, _NAN, seeds, folds)
    error = float(of_folds.std(ddof=1) / np.sqrt(folds))
    if error == 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0, seeds, folds)
    half = float(stats.t.ppf((1 + confidence) / 2, folds - 1)) * error
    return Difference(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, folds - 1)), seeds, folds)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p values: each at most alpha keeps the chance of any false claim among all of them below it.

    NaN (no interval) counts as a test that was planned, and stays NaN.
    """
    order = sorted(p_values, key=lambda name: np.nan_to_num(p_values[name], nan=1.0))
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[name]))
        adjusted[name] = float("nan") if np.isnan(p_values[name]) else largest
    return {name: adjusted[name] for name in p_values}
