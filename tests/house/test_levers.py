"""The page of levers prints the scores that lie beside it."""

import pandas as pd

from xpci_utils import paths
from xpci_utils.params.profiles import sweep_of

COLUMNS = {"dice": 4, "micro_f1": 5}


def test_the_table_of_levers_is_that_of_its_scores():
    """Each row of the sweep that was scored is a line, in this order, with the mean of its seeds to four digits."""
    scores = pd.read_csv(paths.root() / "docs/levers/development.csv").groupby(["row", "metric"])["value"].mean()
    rows = [row for row in sweep_of("levers").controls if row in scores]
    page = (paths.root() / "docs/levers.md").read_text(encoding="utf-8")
    part = page.partition("<!-- made by scripts/tabulate_levers.py -->")[2].partition("<!-- end")[0]
    lines = [line.split("|") for line in part.strip().partition("\n\n")[0].splitlines()[2:]]
    assert len(lines) == len(rows) > 10
    for row, cells in zip(rows, lines, strict=True):
        for metric, column in COLUMNS.items():
            assert cells[column].split()[0] == f"{scores[row, metric]:.4f}", row
