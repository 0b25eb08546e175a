"""The part of ``docs/own_frames_gpu.md`` that a rehearsal on somebody's frames measured; a test compares them."""

from pathlib import Path

from xpci_utils import files, paths
from xpci_utils.costs.page import markdown_table, measured_line, stages_table, units_table
from xpci_utils.costs.table import CostTable

OWN_PROFILE = "own_frames_gpu"  # the profile whose page has a part made here
BEGIN, END = "<!-- made by make rehearse PROFILE=own_frames_gpu -->", "<!-- end of what the rehearsal makes -->"


def write_own_part() -> Path:
    """Write the rehearsal's part of the page on own frames; returns the path of the page."""
    path = paths.root() / "docs" / "own_frames_gpu.md"
    files.write_text(path, with_own_part(path.read_text(encoding="utf-8"), CostTable.read(OWN_PROFILE)))
    return path


def with_own_part(page: str, table: CostTable | None) -> str:
    """The page with what was measured between its two marks; that nothing was, without a table."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    part = own_part(table) if table else "This profile was not rehearsed yet."
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def own_part(table: CostTable) -> str:
    """What the rehearsal on somebody's frames measured, in Markdown."""
    view = table.facts["view"]
    return f"""{measured_line(OWN_PROFILE, table)}. Networks saw frames or tiles
  of {view["height"]} x {view["width"]} pixels and {view["classes"]} classes, background included.

{markdown_table(*units_table(table))}

The rehearsed stages, with their notebooks; the batch of the last six is that of the profile:

{markdown_table(*stages_table(table))}"""
