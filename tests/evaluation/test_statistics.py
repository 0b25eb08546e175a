"""Intervals that cover what they claim to cover, and differences equal to those computed the long way."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xpci_utils.evaluation import holm, paired_difference, summarise
from xpci_utils.evaluation.statistics import fold_interval, pseudovalues, sequence_sums, two_way_interval

STUDIES, SEEDS, SEQUENCES = 500, 6, 60
SPREADS = {  # standard deviations of seeds, sequences and their interaction
    "seeds differ": (1.0, 0.3, 0.3),
    "sequences differ": (0.05, 2.0, 1.0),
    "neither differs": (0.0, 0.0, 1.0),
    "as measured on small networks": (0.005, 0.03, 0.06),
}


def coverage(intervals, truth=0.0):
    return np.mean([interval.low <= truth <= interval.high for interval in intervals])


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_a_95_percent_interval_covers_90_to_98_percent_of_500_studies(spread, heavy):
    """6 seeds x 60 sequences; an interval over seeds alone fails the second case, over sequences alone the first."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_t(4, shape) / math.sqrt(2) if heavy else rng.normal(size=shape)

    values = [
        spread[0] * draw(SEEDS, 1) + spread[1] * draw(1, SEQUENCES) + spread[2] * draw(SEEDS, SEQUENCES)
        for _ in range(STUDIES)
    ]
    assert 0.90 <= coverage(two_way_interval(one.mean(axis=1), one) for one in values) <= 0.98


def test_intervals_over_one_source_of_chance_alone_do_not_cover():
    """What two ways are for: t intervals over seeds, or over sequences, cover far less where the other varies."""
    rng = np.random.default_rng(1)
    for spread, averaged_over in ((SPREADS["sequences differ"], 1), (SPREADS["seeds differ"], 0)):
        shapes = ((STUDIES, SEEDS, 1), (STUDIES, 1, SEQUENCES), (STUDIES, SEEDS, SEQUENCES))
        values = sum(sd * rng.normal(size=shape) for sd, shape in zip(spread, shapes, strict=True))
        means = values.mean(axis=1 + averaged_over)
        errors = means.std(axis=1, ddof=1) / math.sqrt(means.shape[1])
        assert np.mean(np.abs(means.mean(axis=1)) < 2.6 * errors) < 0.6


@pytest.mark.parametrize(("folds", "of_fold", "of_seed"), [(3, 1.0, 0.0), (3, 1.0, 0.7), (3, 0.0, 1.0), (5, 1.0, 0.2)])
def test_an_interval_over_folds_covers_95_percent_of_1000_studies(folds, of_fold, of_seed):
    """Two seeds, trained anew in every fold. 2 % are three standard errors of 1,000 studies."""
    rng = np.random.default_rng(3)
    values = of_fold * rng.normal(size=(1000, 1, folds)) + of_seed * rng.normal(size=(1000, 2, folds))
    assert coverage(fold_interval(one.mean(axis=1), one) for one in values) == pytest.approx(0.95, abs=0.021)


def test_few_folds_need_an_interval_of_their_own():
    """Hillis' degrees of freedom count on many sequences: with three folds the two-way interval misses one in five."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(1000, 1, 3)) + 0.01 * rng.normal(size=(1000, 2, 3))
    assert coverage(two_way_interval(one.mean(axis=1), one) for one in values) < 0.85


def test_an_interval_over_folds_is_the_t_interval_of_their_means():
    rng = np.random.default_rng(5)
    values = rng.normal(0.1, 0.05, (2, 4))
    one = fold_interval(values.mean(axis=1), values)
    expected = stats.ttest_1samp(values.mean(axis=0), 0)
    assert (one.low, one.high) == pytest.approx(tuple(expected.confidence_interval()), abs=1e-12)
    assert (one.mean, one.p) == pytest.approx((values.mean(), expected.pvalue), abs=1e-12)
    assert math.isnan(fold_interval(values[:, :2].mean(axis=1), values[:, :2]).low), "two folds allow no interval"
    constant = fold_interval(np.full(2, 0.1), np.full((2, 3), 0.1))
    assert (constant.low, constant.high) == pytest.approx((0.1, 0.1), abs=1e-12)


def test_the_interval_of_a_pooled_f1_covers_too():
    """Counts of right and wrong pixels per sequence, whose sizes differ a lot; the truth from a very long study."""
    rng = np.random.default_rng(2)

    def sums(seeds, sequences):
        """[seeds, 2 rows, (2 TP, 2 TP + FP + FN), sequences]; the second row hits 3 % fewer pixels."""
        size = rng.lognormal(4, 0.7, sequences)
        skill = 0.7 + 0.02 * rng.normal(size=(seeds, 2, 1)) + 0.1 * rng.normal(size=sequences) - [[[0.0], [0.03]]]
        hits = rng.poisson(size * skill.clip(0.05, 0.95))
        wrong = rng.poisson(size * (1 - skill.clip(0.05, 0.95)), size=(seeds, 2, sequences))
        return np.stack([2 * hits, 2 * hits + 2 * wrong], axis=2)

    truth = pseudovalues(sums(150, 2000))[0].mean()
    assert truth == pytest.approx(0.03, abs=0.006)
    intervals = [two_way_interval(*pseudovalues(sums(SEEDS, SEQUENCES))) for _ in range(STUDIES)]
    assert 0.90 <= coverage(intervals, truth) <= 0.98


def scores(seed, lift=0.0, sequences=8):
    """Rows as evaluate_frames writes them: four frames a sequence, some without the class in question."""
    rng = np.random.default_rng(seed)
    rows = 4 * sequences
    tp, fp, fn = rng.integers(20, 200, (3, rows))
    dice = np.where(rng.random(rows) < 0.2, np.nan, rng.uniform(0.3, 0.6, rows) + lift)
    table = {"frame": [f"f{i}" for i in range(rows)], "sequence": [f"s{i // 4}" for i in range(rows)], "dice": dice}
    counts = {"particles_true": 3, "particles_predicted": 3, "particles_matched": 2, "count_error": 0}
    return pd.DataFrame(table | {"tp": tp + int(100 * lift), "fp": fp, "fn": fn} | counts)


@pytest.mark.parametrize("metric", ["dice", "micro_f1"])
def test_pseudovalues_are_those_computed_the_long_way(metric):
    """Leave out every sequence in turn and summarise the rest with the function that makes the tables' numbers."""
    with_pairs, without = {s: scores(s, 0.1) for s in (0, 1)}, {s: scores(s + 10) for s in (0, 1)}
    difference = paired_difference(with_pairs, without, metric)
    by_seed, values = [], []
    for seed in (0, 1):
        whole = summarise(with_pairs[seed])[metric] - summarise(without[seed])[metric]
        left = [
            summarise(with_pairs[seed].query("sequence != @name"))[metric]
            - summarise(without[seed].query("sequence != @name"))[metric]
            for name in with_pairs[seed]["sequence"].unique()
        ]
        by_seed.append(whole)
        values.append(8 * whole - 7 * np.array(left))
    expected = two_way_interval(np.array(by_seed), np.array(values))
    assert difference.mean == pytest.approx(np.mean(by_seed), abs=1e-12)
    assert (difference.low, difference.high, difference.p) == pytest.approx(
        (expected.low, expected.high, expected.p), abs=1e-12
    )
    assert (difference.seeds, difference.sequences) == (2, 8)
    assert difference.by_seed == pytest.approx(by_seed, abs=1e-12)
    bare = difference.without_interval()
    assert (bare.mean, bare.by_seed, bare.excludes_zero) == (difference.mean, difference.by_seed, False)
    assert all(math.isnan(value) for value in (bare.low, bare.high, bare.p))


def test_for_plain_means_pseudovalues_are_the_means_of_the_sequences():
    table = scores(0).assign(dice=lambda t: t["dice"].fillna(0.5))
    sums = np.stack([np.stack([sequence_sums(table, "dice").to_numpy().T, np.ones((2, 8))])])
    values = pseudovalues(sums)[1][0] + 1
    np.testing.assert_allclose(values, table.groupby("sequence")["dice"].mean(), atol=1e-12)


def test_seeds_that_only_one_row_has_are_left_out_and_one_seed_has_no_interval():
    one = paired_difference({0: scores(0, 0.1), 1: scores(1, 0.1)}, {1: scores(11)}, "dice")
    assert one.seeds == 1
    assert one.mean == pytest.approx(summarise(scores(1, 0.1))["dice"] - summarise(scores(11))["dice"])
    assert math.isnan(one.low)
    assert not one.excludes_zero
    assert paired_difference({0: scores(0)}, {1: scores(1)}, "dice").seeds == 0


def test_a_row_compared_with_itself_differs_by_nothing():
    same = {seed: scores(seed) for seed in range(3)}
    difference = paired_difference(same, same, "dice")
    assert (difference.mean, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_a_class_in_a_few_sequences_counts_those_sequences_only():
    with_pairs, without = ({s: scores(s + k, lift) for s in (0, 1, 2)} for k, lift in ((0, 0.2), (10, 0.0)))
    for table in (*with_pairs.values(), *without.values()):
        table.loc[table["sequence"] > "s2", "dice"] = np.nan
    assert paired_difference(with_pairs, without, "dice").sequences == 3


def test_networks_scored_on_other_frames_are_not_compared():
    with pytest.raises(ValueError, match="different test frames"):
        paired_difference({0: scores(0)}, {0: scores(0, sequences=7)}, "dice")


def test_holm_multiplies_the_smallest_most_and_never_falls():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.6, "b": 0.7})["b"] == 1.0
    open_one = holm({"a": 0.02, "b": math.nan})
    assert open_one["a"] == pytest.approx(0.04)  # the test that has no result yet was planned all the same
    assert math.isnan(open_one["b"])
