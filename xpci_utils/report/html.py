"""One page with every table and figure, the claims and the provenance; it opens from a file:// address."""

import json
from html import escape
from pathlib import Path

import pandas as pd

from xpci_utils.report import captions
from xpci_utils.report.advice import advice_lines
from xpci_utils.report.baselines import compare_baselines
from xpci_utils.report.claims import caution, claims_html
from xpci_utils.report.differences import published_differences
from xpci_utils.report.inconsistencies import inconsistencies_html
from xpci_utils.report.results import Results
from xpci_utils.report.tables import Table
from xpci_utils.report.versions import earlier_sentences
from xpci_utils.report.web import html_table, save_page

TITLE = "Addressing Data Scarcity in Materials Science Research with Deep Generative Models: a reproduction"
READING = (
    "A reading describes this run only. If the opposite of a claim was measured, the reading states under which "
    "conditions. It does not refute what the paper found on the authors' frames. The last column refers to the places "
    "where the paper disagrees with itself about a claim; they are listed below the table."
)
NOTEBOOKS = "notebooks/index.html"  # where `executed.write_notebooks` has put the notebooks, if it was called


def write_page(
    results: Results, tables: list[Table], figures: list[str], folder: str | Path, left_out: dict[str, str]
) -> Path:
    """Write index.html into ``folder``, beside figures/ and tables/ that hold the files it shows; returns its path.

    ``left_out`` has a sentence for every table and figure that cannot be shown.
    """
    body = [
        f"<h1>{escape(TITLE)}</h1>",
        f"<p>{escape(caution(results))} Published values are printed beside ours; compare the signs of differences, "
        "not the levels.</p>",
        _missing(results),
        _earlier(results),
        _navigation(Path(folder)),
        '<h2 id="claims">Claims of the paper and results of this run</h2>',
        f"<p>{READING}</p>",
        _earlier(results),
        claims_html(results),
        '<h3 id="inconsistencies">Where the paper disagrees with itself</h3>',
        inconsistencies_html(),
        '<h2 id="next">What to do next</h2>',
        f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in advice_lines(results))}</ul>",
        '<h2 id="baselines">Comparison with the simplest alternative</h2>',
        html_table(compare_baselines(results), "text"),
        '<h2 id="tables">Tables</h2>',
        *(_table(table) for table in tables),
        '<h2 id="figures">Figures</h2>',
        *(_figure(name, captions.figures(results)[name]) for name in figures),
        *(f'<p class="caption"><b>{_title(name)}.</b> {escape(sentence)}</p>' for name, sentence in left_out.items()),
        '<h2 id="differences">Settings that differ from the published ones</h2>',
        html_table(published_differences(results), "text"),
        '<h2 id="provenance">Parameters and provenance</h2>',
        *_provenance(results),
    ]
    return save_page(Path(folder) / "index.html", TITLE, "\n".join(body))


def _navigation(folder: Path) -> str:
    sections = ("claims", "next", "baselines", "tables", "figures", "differences", "provenance")
    links = [f'<a href="#{name}">{name.capitalize()}</a>' for name in sections]
    if (folder / NOTEBOOKS).is_file():
        links.append(f'<a href="{NOTEBOOKS}"><b>Notebooks</b></a>')
    return f"<nav>{''.join(links)}</nav>"


def _missing(results: Results) -> str:
    if not results.missing:
        return ""
    names = "".join(f"<li><code>{escape(place)}</code></li>" for place in results.missing)
    return f'<div class="missing">Not finished, therefore shown as a dash below:<ul>{names}</ul></div>'


def _earlier(results: Results) -> str:
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in earlier_sentences(results))
    return (
        f'<div class="missing">Made by an earlier version of the code:<ul>{sentences}</ul></div>' if sentences else ""
    )


def _table(table: Table) -> str:
    stem = table.name.replace(" ", "")
    links = ", ".join(f'<a href="tables/{stem}.{kind}">{kind}</a>' for kind in ("csv", "md", "tex"))
    caption = f'<p class="caption"><b>{table.name.title()}.</b> {escape(table.caption)} ({links})</p>'
    return f'<div id="{stem}">{caption}{html_table(table.printed)}</div>'


def _figure(name: str, caption: str) -> str:
    title = _title(name)
    image = f'<a href="figures/{name}.png"><img src="figures/{name}.png" alt="{escape(title)}"></a>'
    text = f'<b>{title}.</b> {escape(caption)} (<a href="figures/{name}.pdf">pdf</a>)'
    return f'<figure id="{name}">{image}<figcaption>{text}</figcaption></figure>'


def _title(name: str) -> str:
    """ "Figure 6" for "figure6", "Table F" for "tablef"."""
    return name.replace("figure", "figure ").replace("table", "table ").title()


def _provenance(results: Results) -> list[str]:
    """A table of the stages and, folded away, what each of them recorded about itself."""
    if not results.runs:
        return ["<p>No stage is finished.</p>"]
    columns = {"wall_seconds": "wall time [s]", "peak_memory_mib": "peak memory [MiB]", "threads": "threads"}
    rows = pd.DataFrame(
        {"folder": place, "notebook": run["notebook"], **{name: run.get(key, "—") for key, name in columns.items()}}
        for place, run in results.runs.items()
    )
    return [html_table(rows), *(_record(place, run) for place, run in results.runs.items())]


def _record(place: str, run: dict) -> str:
    shown = {key: value for key, value in run.items() if key != "finished"}  # the page changes only with its content
    text = escape(json.dumps(shown, indent=2))
    return f"<details><summary><code>{escape(place)}/run.json</code></summary><pre>{text}</pre></details>"
