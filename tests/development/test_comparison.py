"""Levers compared on development frames: gains by hand, and the interval of a break-even point by its definition."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from xpci_utils import files
from xpci_utils.development import SCORES_FILE, break_even, row_scores, strengths

ALONE, PLAIN = "emcad__r0010__none__n00000__mix", "emcad__r0010__none__n00000__noaug"
PAIRS, BARE = "emcad__r0010__vit_b__n00020__added", "emcad__r0010__vit_b__n00020__added-noaug"
FRAMES = 30


@pytest.fixture
def run(tmp_path):
    """Scores of four rows: with pairs EMCAD gains 0.1 with augmentation and 0.2 without, in each of its seeds."""
    rng, lines = np.random.default_rng(0), []
    for row, level, seeds in ((ALONE, 0.5, 3), (PLAIN, 0.3, 1), (PAIRS, 0.6, 3), (BARE, 0.5, 1)):
        for seed in range(seeds):
            hits = np.round(1000 * (level + 0.01 * seed + 0.02 * rng.normal(size=FRAMES)))
            frames = pd.DataFrame({"frame": range(FRAMES), "sequence": [f"s{i}" for i in range(FRAMES)], "tp": hits})
            frames = frames.assign(fp=1000 - hits, fn=1000 - hits, dice=hits / 1000)
            files.write_csv(tmp_path / "development/per_frame" / f"segmentation__{row}__s{seed}.csv", frames)
            lines.append((row, row.split("__")[2], seed, FRAMES, "micro_f1", hits.sum() / 1000 / FRAMES, "x"))
    lines += [("labeller", "vit_b", seed, FRAMES, "micro_f1", 0.7 + 0.1 * seed, "x") for seed in (0, 1)]
    columns = ["row", "labeller", "seed", "frames", "metric", "value", "identity"]
    files.write_csv(tmp_path / SCORES_FILE, pd.DataFrame(lines, columns=columns))
    return tmp_path


def test_a_gain_is_over_annotated_frames_with_the_same_augmentation(run):
    rows = row_scores(run, "micro_f1").set_index("row")
    assert rows["reference"].to_dict() == {ALONE: ALONE, PLAIN: ALONE, PAIRS: ALONE, BARE: PLAIN}
    gain = rows.loc[PAIRS, "gain"]
    assert gain.by_seed == pytest.approx(np.subtract(rows.loc[PAIRS, "by_seed"], rows.loc[ALONE, "by_seed"]), abs=1e-12)
    assert 0.05 < gain.low < gain.mean < gain.high < 0.15
    one = rows.loc[BARE, "gain"]
    assert (one.seeds, np.isnan(one.low)) == (1, True), "one training has no interval"
    assert one.mean == pytest.approx(rows.loc[BARE, "by_seed"][0] - rows.loc[PLAIN, "by_seed"][0], abs=1e-12)


def test_a_labellers_lead_is_over_the_network_alone_of_the_same_seed(run):
    points = strengths(run, "micro_f1", "added")
    rows = row_scores(run, "micro_f1").set_index("row")["by_seed"]
    assert points["seed"].tolist() == [0, 1, 2], "the arm without augmentation is another curve"
    assert points["excess"].to_numpy() == pytest.approx(0.75 - np.array(rows[ALONE]))
    assert points["gain"].to_numpy() == pytest.approx(np.subtract(rows[PAIRS], rows[ALONE]))


@given(
    st.lists(st.floats(-1, 1).map(lambda v: round(v, 3)), min_size=3, max_size=12, unique=True),
    st.floats(-3, 3),
    st.integers(0, 1000),
)
def test_the_ends_of_a_break_even_are_where_the_confidence_band_of_the_line_is_zero(x, slope, seed):
    """Against the textbook band of a regression line, from scipy's own standard errors; within 1e-6."""
    x = np.array(x)
    y = slope * x - 0.1 + 0.05 * np.random.default_rng(seed).normal(size=len(x))
    even, line = break_even(x, y), stats.linregress(x, y)
    assert line.intercept + line.slope * even.at == pytest.approx(0, abs=1e-6)
    t = stats.t.ppf(0.975, len(x) - 2)
    if not np.isfinite(even.low):
        assert abs(line.slope) <= t * line.stderr * (1 + 1e-6), "an interval without ends: the slope may be 0"
        return
    assert even.low <= even.at <= even.high
    for end in (even.low, even.high):
        error = line.stderr * np.sqrt(((x - x.mean()) ** 2).mean() + (end - x.mean()) ** 2)
        scale = 1 + abs(end)
        assert abs(line.intercept + line.slope * end) == pytest.approx(t * error, abs=1e-6 * scale)


def test_the_interval_of_a_break_even_holds_the_truth_as_often_as_it_says():
    """2,000 lines of eight points that cross 0 at 0.2; 95 % with a standard error of 0.5 %."""
    rng, x = np.random.default_rng(1), np.linspace(-0.3, 0.5, 8)
    results = [break_even(x, 0.5 * (x - 0.2) + 0.05 * rng.normal(size=8)) for _ in range(2000)]
    assert 0.935 < np.mean([one.low <= 0.2 <= one.high for one in results]) < 0.965


@pytest.mark.parametrize("x", [[0.1, 0.2], [0.3, 0.3, 0.3]])
def test_too_few_points_have_no_line(x):
    with pytest.raises(ValueError, match="three points at least, and different x"):
        break_even(x, np.arange(len(x)))
