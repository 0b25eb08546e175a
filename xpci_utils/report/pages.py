"""Executed notebooks as Markdown pages with PNG files, which a code host shows: what a visitor sees first.

A page records the digest of the cells that it was made from, so that a test can tell whether it belongs to the notebook
beside it.
"""

import base64
import io
import json
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from xpci_utils import paths
from xpci_utils.files import atomic_path, write_text
from xpci_utils.params import APPENDICES, STAGES

PAGES = "docs/notebooks"
PAGE = "README.md"  # what a code host shows for a folder
MADE = "<!-- made by 'xpci pages' from notebooks/{notebook}.ipynb, whose cells have the sha256 {digest} -->"
RECORDED = re.compile(r"from notebooks/(?P<notebook>\w+)\.ipynb, whose cells have the sha256 (?P<digest>[0-9a-f]{64})")
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
STYLE = re.compile(r"<style\b.*?</style>\s*", re.DOTALL)
INJECTED = "injected-parameters"  # the cell that papermill adds


def notebook_path(name: str) -> Path:
    """The notebook of a stage."""
    return paths.root() / "notebooks" / f"{name}.ipynb"


def notebook_digest(path: Path) -> str:
    """sha256 of kind and source of every cell; outputs and the parameters that papermill injects do not count."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = [[cell["cell_type"], "".join(cell["source"])] for cell in cells if not _is_injected(cell)]
    return sha256(json.dumps(sources).encode()).hexdigest()


def recorded_digest(page: Path) -> tuple[str, str]:
    """(notebook, digest) that a page records in its first line; ValueError where it is no page of `write_page`."""
    match = RECORDED.search(page.read_text(encoding="utf-8").partition("\n")[0])
    if not match:
        raise ValueError(f"{paths.display(page)} does not say which notebook it was made from; 'xpci pages' writes it")
    return match["notebook"], match["digest"]


def write_page(executed: Path, notebook: str, folder: Path) -> Path:
    """Write the executed copy of a notebook as a page below ``folder`` in place of an earlier one; returns its path."""
    import nbformat

    content: Any = nbformat.read(executed, as_version=4)
    content.cells = [cell for cell in content.cells if not _is_injected(cell)]
    text, pictures = render(content, folder / notebook)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    head = MADE.format(notebook=notebook, digest=notebook_digest(executed))
    for stale in (folder / notebook).glob("*"):
        stale.unlink()
    for name, data in pictures.items():
        with atomic_path(folder / notebook / name) as temporary:
            temporary.write_bytes(data)
    source = os.path.relpath(notebook_path(notebook), folder / notebook)
    note = f"*[{notebook}.ipynb]({source}) as it was executed. [All notebooks](../{PAGE})*"
    write_text(folder / notebook / PAGE, f"{head}\n{note}\n\n{text.strip()}\n")
    return folder / notebook / PAGE


def write_index(folder: Path, profile: str) -> Path:
    """The list of the pages that are below ``folder``."""
    pages = [name for name in STAGES | APPENDICES if (folder / name / PAGE).is_file()]
    lines = [f"- [{_title(folder / name / PAGE)}]({name}/{PAGE})" for name in pages]
    text = (
        "# The notebooks, executed\n\n"
        f"Each notebook with its tables and pictures, as the profile `{profile}` executed it. `xpci pages` makes these "
        "pages from a finished run.\n\n"
    )
    write_text(folder / PAGE, text + "\n".join(lines) + "\n")
    return folder / PAGE


def render(notebook: Any, folder: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown of an executed notebook, with links as seen from ``folder``, and its pictures by the names of files."""
    from nbconvert import MarkdownExporter

    pictures: dict[str, bytes] = {}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(lambda link: _from_folder(link, folder), cell.source)
        for output in cell.get("outputs", []):
            _prepare(output.get("data", {}), f"animation_{number}.gif", pictures)
    resources = {"output_files_dir": "", "unique_key": "picture"}
    text, parts = MarkdownExporter().from_notebook_node(notebook, resources)
    return text, pictures | {name: _smaller(data) for name, data in parts["outputs"].items()}


def _is_injected(cell: Any) -> bool:
    return INJECTED in cell["metadata"].get("tags", [])


def _prepare(data: dict, name: str, pictures: dict[str, bytes]) -> None:
    """Animations become files, which nbconvert would leave out; tables lose the style that a code host would print."""
    if gif := data.pop("image/gif", None):
        pictures[name] = _shorter(base64.b64decode(gif))
        data["text/markdown"] = f"![animation]({name})"
    if table := data.get("text/html"):
        data["text/html"] = STYLE.sub("", table)


def _from_folder(link: re.Match, folder: Path) -> str:
    """A relative link of a notebook as seen from its page; another notebook is replaced by its page."""
    target, anchor = link["target"], link["anchor"] or ""
    if Path(target).stem in STAGES | APPENDICES and target.endswith(".ipynb"):
        return f"../{Path(target).stem}/{PAGE}{anchor}"
    return os.path.relpath(paths.root() / "notebooks" / target, folder) + anchor


def _smaller(picture: bytes, colours: int = 256) -> bytes:
    """A PNG with a palette where that makes it smaller: diagrams and grey frames need no more."""
    from PIL import Image

    reduced = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(colours, dither=Image.Dither.NONE).save(reduced, "PNG", optimize=True)
    return min(picture, reduced.getvalue(), key=len)


def _shorter(animation: bytes, frames: int = 16) -> bytes:
    """A GIF of about so many frames: every second one, or third, shown for as much longer."""
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(animation)) as film:
        step = -(-getattr(film, "n_frames", 1) // frames)
        if step == 1:
            return animation
        first, *rest = [frame.convert("RGB").quantize(64) for frame in ImageSequence.Iterator(film)][::step]
        shortened = io.BytesIO()
        milliseconds = step * film.info.get("duration", 100)
        first.save(shortened, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, optimize=True)
    return shortened.getvalue()


def _title(page: Path) -> str:
    """The first heading of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), page.parent.name)
