"""One page with every table and figure, the claims and the provenance; it opens from a file:// address."""

import json
from html import escape
from pathlib import Path

import pandas as pd

from xpci_utils.artifacts import atomic_path
from xpci_utils.report import captions
from xpci_utils.report.baselines import compare_baselines
from xpci_utils.report.claims import caution, compare_claims
from xpci_utils.report.differences import published_differences
from xpci_utils.report.results import Results
from xpci_utils.report.tables import Table

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
nav { position: sticky; top: 0; background: #fff; padding: .5rem 0; border-bottom: 1px solid #ddd; }
nav a { margin-right: 1rem; } a { color: #1b4f8a; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-size: .9rem; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e5e5e5; vertical-align: top; }
th:first-child, td:first-child, table.text th, table.text td { text-align: left; }
thead th { border-bottom: 2px solid #444; cursor: pointer; } thead th[data-order]::after { content: " \\25B2"; }
thead th[data-order=down]::after { content: " \\25BC"; }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; border: 1px solid #eee; }
figcaption, .caption { color: #444; font-size: .9rem; max-width: 56rem; }
.missing { background: #fff4e0; border-left: 4px solid #d1782c; padding: .5rem 1rem; }
pre { background: #f6f6f6; padding: .6rem; overflow-x: auto; font-size: .8rem; }
"""

SORTING = """
document.querySelectorAll("thead th").forEach(head => head.addEventListener("click", () => {
  const index = head.cellIndex, body = head.closest("table").tBodies[0];
  const down = head.dataset.order === "up";
  head.parentNode.querySelectorAll("th").forEach(other => delete other.dataset.order);
  head.dataset.order = down ? "down" : "up";
  const key = row => row.cells[index].textContent.trim();
  const compare = (a, b) => {
    const x = parseFloat(key(a).replace(/,/g, "")), y = parseFloat(key(b).replace(/,/g, ""));
    if (isNaN(x) && isNaN(y)) return key(a).localeCompare(key(b));
    return isNaN(x) ? 1 : isNaN(y) ? -1 : x - y;
  };
  [...body.rows].sort((a, b) => down ? compare(b, a) : compare(a, b)).forEach(row => body.append(row));
}));
"""

TITLE = "Addressing Data Scarcity in Materials Science Research with Deep Generative Models: a reproduction"


def write_page(results: Results, tables: list[Table], figures: list[str], folder: str | Path) -> Path:
    """Write index.html into ``folder``, beside figures/ and tables/ that hold the files it shows; returns its path."""
    body = [
        f"<h1>{escape(TITLE)}</h1>",
        f"<p>{escape(caution(results))} Published values stand beside ours to compare directions, not levels.</p>",
        _missing(results),
        _navigation(),
        '<h2 id="claims">What the paper says, and this run</h2>',
        html_table(compare_claims(results), "text"),
        '<h2 id="baselines">Against the simplest alternative</h2>',
        html_table(compare_baselines(results), "text"),
        '<h2 id="tables">Tables</h2>',
        *(_table(table) for table in tables),
        '<h2 id="figures">Figures</h2>',
        *(_figure(name, captions.figures(results)[name]) for name in figures),
        '<h2 id="differences">Settings that differ from the published ones</h2>',
        html_table(published_differences(results), "text"),
        '<h2 id="provenance">Parameters and provenance</h2>',
        *_provenance(results),
    ]
    path = Path(folder) / "index.html"
    with atomic_path(path) as temporary:
        temporary.write_text(_page("\n".join(body)), encoding="utf-8")
    return path


def html_table(frame: pd.DataFrame, kind: str = "") -> str:
    """A DataFrame as a sortable table; ``kind`` "text" aligns every column to the left."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in frame.columns)
    rows = ["".join(f"<td>{escape(str(value))}</td>" for value in row) for row in frame.to_numpy()]
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _page(body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(TITLE)}</title>
<style>{STYLE}</style></head>
<body>
{body}
<script>{SORTING}</script>
</body>
</html>
"""


def _navigation() -> str:
    links = ("claims", "baselines", "tables", "figures", "differences", "provenance")
    return "<nav>" + "".join(f'<a href="#{name}">{name.capitalize()}</a>' for name in links) + "</nav>"


def _missing(results: Results) -> str:
    if not results.missing:
        return ""
    names = "".join(f"<li><code>{escape(place)}</code></li>" for place in results.missing)
    return f'<div class="missing">Not finished, and shown as a dash below:<ul>{names}</ul></div>'


def _table(table: Table) -> str:
    stem = table.name.replace(" ", "")
    links = ", ".join(f'<a href="tables/{stem}.{kind}">{kind}</a>' for kind in ("csv", "md", "tex"))
    caption = f'<p class="caption"><b>{table.name.title()}.</b> {escape(table.caption)} ({links})</p>'
    return f'<div id="{stem}">{caption}{html_table(table.printed)}</div>'


def _figure(name: str, caption: str) -> str:
    title = name.replace("figure", "figure ").title()
    image = f'<a href="figures/{name}.png"><img src="figures/{name}.png" alt="{escape(title)}"></a>'
    text = f'<b>{title}.</b> {escape(caption)} (<a href="figures/{name}.pdf">pdf</a>)'
    return f'<figure id="{name}">{image}<figcaption>{text}</figcaption></figure>'


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
