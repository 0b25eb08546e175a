"""The frame of every page of the report: style, script and links in one file, so that it opens from a file:// address.

Tables sort at a click on a column's head, and figures grow at a click (``site.js``); nothing is fetched from anywhere.
"""

from html import escape
from pathlib import Path

import pandas as pd

from xpci_utils.files import atomic_path


def save_page(path: Path, title: str, body: str, style: str = "") -> Path:
    """Write an HTML page with our style (and ``style`` after it) and script; returns its path."""
    css, script = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("site.css", "site.js"))
    text = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>
<style>{css}{style}</style></head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def html_table(frame: pd.DataFrame, kind: str = "") -> str:
    """A DataFrame as a sortable table; ``kind`` "text" aligns every column to the left."""
    return table_of(frame.columns, [[escape(str(value)) for value in row] for row in frame.to_numpy()], kind)


def table_of(columns, rows: list[list[str]], kind: str = "") -> str:
    """A table whose cells are HTML already; column names are text."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in columns)
    lines = ["".join(f"<td>{value}</td>" for value in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )
