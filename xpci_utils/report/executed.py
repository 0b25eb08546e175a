"""Every executed notebook of a run as an HTML page, with links between them, beside the report.

``xpci report`` renders what ``xpci run`` kept as ``executed.ipynb``. Formulas become MathML and pictures part of
the page: nothing is fetched when it is opened.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from xpci_utils import paths
from xpci_utils.params import STAGES
from xpci_utils.report.web import save_page, table_of
from xpci_utils.stages import FORMER_NOTEBOOK, read_run

FORMULA = re.compile(r"(?P<code>`+.+?`+)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\s](?:[^$]*[^$\s])?)\$", re.DOTALL)


# [words](folder/name.ipynb), or .md: a file that does not lie beside a page
FILE_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)(?:[\w./-]*/)?([\w-]+)\.(?:ipynb|md)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Run:
    """One finished stage whose executed notebook was kept: its folder below run_root, and its notebook's name."""

    place: str
    notebook: str
    seconds: float

    @property
    def page(self) -> str:
        return f"{self.place.replace('/', '--')}.html"

    @property
    def title(self) -> str:
        number, _, words = self.notebook.partition("_")
        return f"{number} {words.replace('_', ' ')}"


def write_notebooks(run_root: str | Path, folder: str | Path) -> list[Path]:
    """Render every ``executed.ipynb`` below ``run_root`` into ``folder``, with an index.html; returns the pages.

    The notebook that is running, 06, has no executed copy yet: ``xpci report`` renders it afterwards.
    """
    root, folder = paths.resolve(run_root), Path(folder)
    runs = executed_runs(root)
    pages = [_write_notebook(root, run, runs, folder) for run in runs]
    rows = [
        [escape(run.title), f'<a href="{run.page}"><code>{escape(run.place)}</code></a>', f"{run.seconds:.0f}"]
        for run in runs
    ]
    listed = table_of(("notebook", "run of it", "wall time [s]"), rows, "text")
    body = f"{_navigation(None, runs)}\n<h1>Notebooks as they were executed</h1>\n{_introduction(root, runs)}\n{listed}"
    return [*pages, save_page(folder / "index.html", "Executed notebooks", body)]


def executed_runs(root: Path) -> list[Run]:
    """Every finished stage below ``root`` with an executed copy of its notebook, in the order of the notebooks."""
    runs = []
    for path in root.rglob("executed.ipynb"):
        record = read_run(path.parent)
        if record and record["notebook"] in {*STAGES, FORMER_NOTEBOOK}:
            runs.append(Run(path.parent.relative_to(root).as_posix(), record["notebook"], record["wall_seconds"]))
    return sorted(runs, key=lambda run: (run.notebook, "/labels/" in run.place, run.place))


def render(path: Path, pages: Mapping[str, str] = {}) -> str:
    """The cells of a notebook file as HTML, without a head; links to notebooks lead to their ``pages``, by name."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(with_pages(cell.source, pages))
        for output in cell.get("outputs", []):
            _show_gif(output.get("data", {}))
    return HTMLExporter(template_name="basic").from_notebook_node(notebook)[0]


def with_mathml(text: str) -> str:
    """Markdown with ``$...$`` and ``$$...$$`` replaced by MathML, which browsers draw without any script."""
    from latex2mathml.converter import convert

    def formula(match: re.Match) -> str:
        if match["code"]:
            return match["code"]
        return convert(match["block"] or match["inline"], display="block" if match["block"] else "inline")

    return FORMULA.sub(formula, text)


def with_pages(text: str, pages: Mapping[str, str]) -> str:
    """Markdown whose links to files of the repository lead to the page of that notebook, or are plain words."""
    return FILE_LINK.sub(lambda m: f"[{m[1]}]({pages[m[2]]})" if m[2] in pages else m[1], text)


def _write_notebook(root: Path, run: Run, runs: list[Run], folder: Path) -> Path:
    from pygments.formatters import HtmlFormatter

    pages = {other.notebook: other.page for other in reversed(runs)}
    cells = render(root / run.place / "executed.ipynb", pages)
    colours = HtmlFormatter(style="default", nobackground=True).get_style_defs(".highlight")
    body = f"{_navigation(run, runs)}\n{_siblings(run, runs)}\n<main>{cells}</main>"
    return save_page(folder / run.page, f"{run.title}: {run.place}", body, colours)


def _navigation(current: Run | None, runs: list[Run]) -> str:
    """Links to the report, to the list of notebooks and to one run of each notebook."""
    first = {run.notebook: run for run in reversed(runs)}
    links = ['<a href="../index.html">Report</a>', _link("index.html", "All notebooks", current is None)]
    for notebook, run in sorted(first.items()):
        links.append(_link(run.page, run.title, current is not None and notebook == current.notebook))
    if current:
        links.append('<button id="code">Hide code</button>')
    return f"<nav>{' '.join(links)}</nav>"


def _siblings(current: Run, runs: list[Run]) -> str:
    """Which run of its notebook this page shows, and links to the others; many are folded away."""
    others = [run for run in runs if run.notebook == current.notebook]
    caption = f'<p class="caption">As executed for <code>{escape(current.place)}</code>, {current.seconds:.0f} s.</p>'
    if len(others) == 1:
        return caption
    links = "\n".join(_link(run.page, run.place, run == current) for run in others)
    return f'{caption}<details class="caption places"><summary>All {len(others)} runs of it</summary>{links}</details>'


def _link(page: str, text: str, here: bool) -> str:
    return f"<b>{escape(text)}</b>" if here else f'<a href="{page}">{escape(text)}</a>'


def _introduction(root: Path, runs: list[Run]) -> str:
    if not runs:
        return f"<p>No stage in <code>{escape(paths.display(root))}</code> has kept its executed notebook.</p>"
    return (
        "<p>The same notebooks, once per run: with the parameters of that run, its prints, tables and "
        "pictures. Runs made in JupyterLab or with plain papermill keep no copy and are not listed.</p>"
    )


def _show_gif(data: dict) -> None:
    """nbconvert leaves animations out; as HTML they are shown."""
    if gif := data.get("image/gif"):
        data["text/html"] = f'<img alt="animation" src="data:image/gif;base64,{"".join(gif.split())}">'
