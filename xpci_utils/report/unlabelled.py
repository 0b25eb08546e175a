"""Table U: what frames without annotation bring, on validation frames, by which to choose, and on test frames."""

import pandas as pd

from xpci_utils.evaluation.statistics import Difference
from xpci_utils.params.cells import parse_row
from xpci_utils.params.runs import unlabelled_rows
from xpci_utils.report import captions
from xpci_utils.report.contrasts import cost_core_seconds, difference, validation_change
from xpci_utils.report.results import Results, mean_of
from xpci_utils.report.tables import Table
from xpci_utils.report.wording import BACKBONE_NAMES, DASH, METRIC_NAMES, arm_name, change, interval, is_missing, score

METRICS = ("dice", "micro_f1")


def unlabelled_table(results: Results) -> Table:
    """Table U: every network on annotated frames alone, and with each arm that takes frames without annotation."""
    rows = unlabelled_rows(results.sweep)
    data = pd.DataFrame([_row(row, alone, results) for alone, *others in rows.values() for row in (alone, *others)])
    if data.empty or not data.loc[data["row"] != data["alone"], "seeds"].any():  # nothing to compare yet
        return Table("table u", "", data.iloc[:0], data.iloc[:0])
    cells = [parse_row(row) for row in data["row"]]
    printed = pd.DataFrame({"Network": [BACKBONE_NAMES[cell.backbone] for cell in cells]})
    printed["Arm"] = ["annotated frames alone" if not cell.pool else arm_name(cell.arm) for cell in cells]
    printed["Training set"] = [captions.trained_on(cell, results) for cell in cells]
    printed["Seeds"] = data["seeds"]
    for metric in METRICS:
        printed[f"{METRIC_NAMES[metric]}, validation"] = data[f"validation_{metric}"].map(score)
        printed[f"Change in {METRIC_NAMES[metric]}, validation"] = data[f"validation_{metric}_change"].map(change)
    for metric in METRICS:
        printed[f"Change in {METRIC_NAMES[metric]}, test"] = [
            DASH if row["row"] == row["alone"] else interval(row[f"test_{metric}_change"])
            for row in data.to_dict("records")
        ]
    printed["Core-minutes"] = [DASH if is_missing(value) else f"{value / 60:.0f}" for value in data["core_seconds"]]
    return Table("table u", captions.unlabelled(results), _flat(data), printed)


def _row(row: str, alone: str, results: Results) -> dict:
    """Scores of a row on validation frames, and its paired change against annotated frames alone."""
    done = results.of_row(row)
    record: dict = {"row": row, "alone": alone, "seeds": len(done), "core_seconds": cost_core_seconds(row, results)}
    for metric in METRICS:
        name = f"validation_{metric}"
        record[name] = mean_of(done, name)
        changed = row != alone
        record[f"{name}_change"] = validation_change(row, alone, results, metric)[0] if changed else float("nan")
        record[f"test_{metric}_change"] = difference(row, alone, results, metric)
    return record


def _flat(data: pd.DataFrame) -> pd.DataFrame:
    """Mean and interval of every change on test frames in columns of their own, as a CSV file has them."""
    flat = data.copy()
    for metric in METRICS:
        differences: list[Difference] = list(flat.pop(f"test_{metric}_change"))
        for end, part in {"": "mean", "_low": "low", "_high": "high"}.items():
            flat[f"test_{metric}_change{end}"] = [getattr(one, part) for one in differences]
    return flat
