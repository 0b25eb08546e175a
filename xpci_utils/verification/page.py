"""Parts of a Markdown page that a program writes, between two comments that say which."""

from pathlib import Path

from xpci_utils import files, paths


def insert(text: str, maker: str, content: str) -> str:
    """``text`` with ``content`` between the comments of ``maker``; ValueError if it has no such pair."""
    begin, end = f"<!-- made by {maker} -->", f"<!-- end of what {maker} makes -->"
    before, first, rest = text.partition(begin)
    _, second, after = rest.partition(end)
    if not (first and second):
        raise ValueError(f"there is no place for it between '{begin}' and '{end}'")
    return f"{before}{begin}\n{content.strip()}\n{end}{after}"


def write_part(page: str | Path, maker: str, content: str) -> Path:
    """Write ``content`` into its place in a page of the repository; errors as of `insert`, with the page's name."""
    path = paths.resolve(page)
    try:
        files.write_text(path, insert(path.read_text(encoding="utf-8"), maker, content))
    except ValueError as error:
        raise ValueError(f"{paths.display(path)}: {error}") from None
    return path
