"""The whole report in one call: tables, figures and the page that shows them."""

from pathlib import Path

from xpci_utils.files import write_csv
from xpci_utils.report.baselines import BETTER, compare_baselines
from xpci_utils.report.claims import compare_claims
from xpci_utils.report.figures import build_figures
from xpci_utils.report.html import write_page
from xpci_utils.report.results import Results
from xpci_utils.report.study import study_tables
from xpci_utils.report.study_figures import study_figures
from xpci_utils.report.style import save_figure
from xpci_utils.report.tables import build_tables
from xpci_utils.report.versions import earlier_versions


def write_report(results: Results, folder: str | Path) -> dict:
    """Write tables/, figures/ and index.html into ``folder``; returns what was found, for metrics.json.

    tables/ also gets cells.csv and labellers.csv (every score of every run, finished or not) and claims.csv.
    """
    folder = Path(folder)
    tables = [*build_tables(results), *study_tables(results)]
    claims, baselines = compare_claims(results), compare_baselines(results)
    for table in tables:
        table.save(folder / "tables")
    tidy = {"cells": results.cells, "labellers": results.labellers, "claims": claims, "baselines": baselines}
    tidy["earlier_versions"] = earlier_versions(results)
    for name, frame in tidy.items():
        write_csv(folder / "tables" / f"{name}.csv", frame, lineterminator="\n")
    figures = build_figures(results) | study_figures(results)
    for name, figure in figures.items():
        save_figure(figure, folder / "figures" / name)
    write_page(results, tables, list(figures), folder)
    return {
        "finished_cells": int(results.cells["finished"].sum()),
        "cells": len(results.cells),
        "missing": results.missing,
        "claims": dict(zip(claims["claim"], claims["reading"], strict=True)),
        "baselines_beaten": int((baselines["better"] == BETTER).sum()),
        "baselines": len(baselines),
    }
