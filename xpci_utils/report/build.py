"""The whole report in one call: tables, figures and the page that shows them."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from xpci_utils.files import write_csv
from xpci_utils.report.baselines import BETTER, compare_baselines
from xpci_utils.report.claims import compare_claims
from xpci_utils.report.drawing import Waiting
from xpci_utils.report.figures import build_figures
from xpci_utils.report.html import write_page
from xpci_utils.report.pool import pool_table
from xpci_utils.report.results import Results, whole_numbers
from xpci_utils.report.study import study_tables
from xpci_utils.report.style import save_figure
from xpci_utils.report.tables import Table, build_tables
from xpci_utils.report.versions import earlier_versions


def all_tables(results: Results) -> dict[str, Table]:
    """Every table of the report by the name of its file; one without rows has a sentence for its caption."""
    tables = [*build_tables(results), *study_tables(results), pool_table(results)]
    return {table.name.replace(" ", ""): table for table in sorted(tables, key=lambda table: table.name)}


def write_report(
    results: Results,
    folder: str | Path,
    tables: Mapping[str, Table] | None = None,
    figures: Mapping[str, Figure] | None = None,
) -> dict:
    """Write tables/, figures/ and index.html into ``folder``; returns what was found, for metrics.json.

    ``tables`` and ``figures`` by the names of their files are those of `all_tables` and `build_figures` unless they are
    given. What has no rows or cannot be drawn is left out, and the page says why.
    tables/ also gets cells.csv and labellers.csv (every score of every run, finished or not) and claims.csv.
    """
    folder = Path(folder)
    tables = all_tables(results) if tables is None else tables
    figures = build_figures(results) if figures is None else figures
    claims, baselines = compare_claims(results), compare_baselines(results)
    shown = {name: table for name, table in tables.items() if len(table.data)}
    drawn = {name: figure for name, figure in figures.items() if not isinstance(figure, Waiting)}
    left_out = {name: table.caption for name, table in tables.items() if name not in shown}
    left_out |= {name: figure.sentence for name, figure in figures.items() if isinstance(figure, Waiting)}
    for table in shown.values():
        table.save(folder / "tables")
    tidy = {
        "cells": whole_numbers(results.cells),
        "labellers": results.labellers,
        "claims": claims,
        "baselines": baselines,
    }
    tidy["earlier_versions"] = earlier_versions(results)
    for name, frame in tidy.items():
        write_csv(folder / "tables" / f"{name}.csv", frame, lineterminator="\n")
    for name, figure in drawn.items():
        save_figure(figure, folder / "figures" / name)
    write_page(results, list(shown.values()), list(drawn), folder, left_out)
    return {
        "finished_cells": int(results.cells["finished"].sum()),
        "cells": len(results.cells),
        "missing": results.missing,
        "claims": dict(zip(claims["claim"], claims["reading"], strict=True)),
        "baselines_beaten": int((baselines["better"] == BETTER).sum()),
        "baselines": len(baselines),
    }
