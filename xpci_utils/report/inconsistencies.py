"""Where the paper disagrees with itself: the numbered rows of docs/paper_inconsistencies.md, for the claims to name."""

import re
from html import escape

from xpci_utils import paths
from xpci_utils.report.web import table_of

PAGE = "docs/paper_inconsistencies.md"


def read_inconsistencies() -> dict[int, tuple[str, tuple[str, ...]]]:
    """Number of a row -> (the section it stands in, its further cells)."""
    section, rows = "", {}
    for line in (paths.root() / PAGE).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif match := re.match(r"\| (\d+) \| (.*) \|$", line):
            rows[int(match[1])] = (section, tuple(match[2].split(" | ")))
    return rows


def named(numbers: tuple[int, ...]) -> str:
    """ "Words and numbers: 5; Comparisons that compare two things: 11, 12" for (5, 11, 12)."""
    rows, groups = read_inconsistencies(), dict[str, list[str]]()
    for number in numbers:
        groups.setdefault(rows[number][0], []).append(str(number))
    return "; ".join(f"{section}: {', '.join(group)}" for section, group in groups.items())


def linked(text: str) -> str:
    """The text of `named` as HTML in which every number leads to its row of `inconsistencies_html`."""
    return re.sub(r"\b\d+\b", lambda match: f'<a href="#inconsistency{match[0]}">{match[0]}</a>', escape(text))


def inconsistencies_html() -> str:
    """The rows of the page as one table of HTML."""
    rows = [
        [f'<span id="inconsistency{number}">{number}</span>', *map(_plain, (section, ": ".join(cells[:-1]), cells[-1]))]
        for number, (section, cells) in read_inconsistencies().items()
    ]
    return table_of(["", "section", "the paper", "but"], rows, "text")


def _plain(text: str) -> str:
    return escape(text.replace("*", "").replace("`", ""))
