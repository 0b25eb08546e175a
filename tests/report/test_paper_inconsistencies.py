"""docs/paper_inconsistencies.md, recomputed from the published tables."""

import pandas as pd
import pytest

from xpci_utils import paths
from xpci_utils.report import read_published

METRICS = ["dice", "nsd", "micro_f1"]
PAGE = (paths.root() / "docs" / "paper_inconsistencies.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables():
    """Scores by count of pairs, of Tables 1 to 4."""
    return {number: read_published(number).set_index("synthetic_images")[METRICS] for number in range(1, 5)}


@pytest.fixture(scope="module")
def gains(tables):
    """Score minus that of the row without pairs, in the four digits that are printed."""
    return {number: (table.loc[500:] - table.loc[0]).round(4) for number, table in tables.items()}


def statement(number: int) -> str:
    """The row of the page with this number."""
    return next(line for line in PAGE.splitlines() if line.startswith(f"| {number} |"))


def says(number: int, *values: float) -> bool:
    return all(f"{value:.4f}" in statement(number) for value in values)


def test_one_network_has_two_surface_dices(tables):
    first, second = tables[1].loc[0], tables[4].loc[0]
    assert (first["nsd"], second["nsd"]) == (0.5490, 0.5491)
    assert (first[["dice", "micro_f1"]] == second[["dice", "micro_f1"]]).all()
    assert says(2, *first, *second)


@pytest.mark.parametrize(
    ("row", "count", "left", "right", "metric"), [(3, 500, 1, 4, "dice"), (4, 5000, 1, 2, "micro_f1")]
)
def test_four_digits_agree_where_the_rest_of_the_row_differs(tables, row, count, left, right, metric):
    first, second = tables[left].loc[count], tables[right].loc[count]
    assert [name for name in METRICS if first[name] == second[name]] == [metric]
    assert says(row, *first, *second)


def test_no_other_corresponding_scores_agree(tables):
    same = [
        (left, right, count, metric)
        for left in tables
        for right in tables
        if left < right
        for count in (500, 1000, 2000, 5000)
        for metric in METRICS
        if tables[left].loc[count, metric] == tables[right].loc[count, metric]
    ]
    assert same == [(1, 2, 5000, "micro_f1"), (1, 4, 500, "dice")]


def test_scores_below_the_row_without_pairs(gains):
    below = {number: gain < 0 for number, gain in gains.items()}
    assert sum(gain.size for gain in gains.values()) == 48
    assert sum(int(lower.sum().sum()) for lower in below.values()) == 7
    assert sum(int(lower.any(axis=1).sum()) for lower in below.values()) == 5
    assert "7 of the 48 scores" in statement(5)
    assert "5 of the 16 rows" in statement(5)
    places = [
        (metric, number, count) for metric in METRICS for number in below for count in below[number].index
        if below[number].loc[count, metric]
    ]  # fmt: skip
    assert places == [
        ("dice", 3, 500),
        ("nsd", 1, 500), ("nsd", 2, 1000), ("nsd", 3, 500), ("nsd", 3, 1000), ("nsd", 4, 500),
        ("micro_f1", 1, 500),
    ]  # fmt: skip


def test_micro_f1_gains_most_in_two_tables_of_three(gains):
    most = {number: gains[number].loc[5000].idxmax() for number in (2, 3, 4)}
    assert most == {2: "nsd", 3: "micro_f1", 4: "micro_f1"}
    assert says(6, *gains[2].loc[[2000, 5000], ["nsd", "micro_f1"]].to_numpy().ravel())
    best = {number: gains[number].max().idxmax() for number in (2, 3, 4)}
    assert best == most


def test_the_tables_end_at_five_thousand_and_decline_before(tables):
    assert all(table.index.tolist() == [0, 500, 1000, 2000, 5000] for table in tables.values())
    change = tables[4].loc[5000] - tables[4].loc[2000]
    assert (change < 0).tolist() == [True, True, False]
    assert says(7, tables[4].loc[2000, "dice"], tables[4].loc[5000, "dice"])


def test_peaks(tables):
    peaks = {number: table.idxmax().tolist() for number, table in tables.items()}
    assert peaks == {1: [5000, 5000, 1000], 2: [5000] * 3, 3: [5000] * 3, 4: [2000, 2000, 1000]}
    f1 = tables[4]["micro_f1"]
    assert f1.loc[2000] < min(f1.loc[1000], f1.loc[5000])
    assert says(8, f1.loc[1000], f1.loc[2000], f1.loc[5000], tables[1].loc[1000, "micro_f1"])


def test_no_number_of_worse_labels_replaces_better_ones(tables):
    worse, better = tables[1].max(), tables[4].loc[1000]
    assert (worse < better).all()
    assert says(9, *worse, *better)
    f1 = tables[4]["micro_f1"]
    assert f1[f1 <= worse["micro_f1"]].index.tolist() == [0, 500, 2000]
    assert tables[1]["micro_f1"].idxmax() == 1000
    assert says(9, f1.loc[2000])


def test_steps():
    epochs, batch, real = 100, 4, 200
    steps = {pairs: epochs * (real + pairs) // batch for pairs in (0, 5000)}
    assert steps == {0: 5000, 5000: 130_000}
    assert steps[5000] == 26 * steps[0]
    for text in ("5,000 optimiser steps", "130,000", "26 times"):
        assert text in statement(11)


def test_the_student_equals_its_teacher(tables):
    teacher = pd.read_csv(paths.root() / "data/paper/table5.csv").set_index("labeller").loc["vit_b", "dice"]
    assert abs(tables[3].loc[0, "dice"] - teacher) < 0.0012
    assert tables[3].loc[5000, "dice"] > teacher
    assert says(13, teacher, tables[3].loc[0, "dice"], tables[3].loc[5000, "dice"])
