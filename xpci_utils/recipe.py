"""Hashes that say whether a result still belongs to its code: they see programs, not prose.

The recipe of a stage is the code of its notebook and of the subpackages it names, without comments, docstrings
and formatting, so that editing a sentence retrains nothing and changing a computation does.
"""

import ast
import hashlib
import json
from functools import lru_cache
from pathlib import Path

from xpci_utils import paths


def digest(*parts: object) -> str:
    """16 hex digits of the canonical JSON of ``parts``."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=64)
def recipe_hash(notebook: str, rooms: tuple[str, ...], data_files: tuple[str, ...] = ()) -> str:
    """Hash of a notebook's code cells, of the modules in ``xpci_utils/<room>/`` and of small data files."""
    modules = sorted(path for room in rooms for path in _modules(room))
    parts = [_notebook_code(paths.root() / "notebooks" / f"{notebook}.ipynb")]
    parts += [[paths.display(path), _program(path.read_text(encoding="utf-8"))] for path in modules]
    parts += [[name, hashlib.blake2b((paths.root() / name).read_bytes()).hexdigest()] for name in data_files]
    return digest(*parts)


def folder_digest(folder: Path, *files: Path) -> str:
    """Hash of the names and bytes of the images, masks, splits and tables in a user's folder, and of ``files``."""
    inside = [path for kind in ("images", "masks", "splits") for path in (folder / kind).glob("*")]
    tables = (folder / "sequences.csv", folder / "import.json")
    listed = sorted(path for path in (*inside, *tables, *files) if path.is_file())
    return digest(*([path.name, path.parent.name, hashlib.blake2b(path.read_bytes()).hexdigest()] for path in listed))


def film_digest(path: Path) -> str:
    """Hash of a film, a file or the files of a folder: names, sizes, both ends of the first and the last file.

    Films are too large to be read for a hash.
    """
    files = sorted(item for item in path.iterdir() if item.is_file()) if path.is_dir() else [path]
    files = [file for file in files if file.is_file()]
    sizes = [[file.name, file.stat().st_size] for file in files]
    return digest(sizes, [_ends(file) for file in files[:1] + files[-1:]])


def sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def noted_sha256(note: Path) -> str:
    """The sha256 in a note (``<stem>.sha256``, as ``sha256sum`` writes it); empty without such a file."""
    return note.read_text(encoding="utf-8").split()[0] if note.is_file() else ""


def _ends(path: Path, length: int = 2**20) -> str:
    with open(path, "rb") as file:
        first = file.read(length)
        file.seek(max(0, path.stat().st_size - length))
        return hashlib.blake2b(first + file.read(length)).hexdigest()


def _modules(room: str) -> list[Path]:
    here = paths.root() / "xpci_utils" / room
    return list(here.rglob("*.py")) if here.is_dir() else [here.with_suffix(".py")]


def _program(source: str) -> str:
    """The syntax tree of Python source without docstrings: equal for equal programs."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return ast.dump(tree)


def _notebook_code(path: Path) -> list[str]:
    """Code cells as programs; the parameter cell is left out, its values are hashed as parameters."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        _program("".join(cell["source"]))
        for cell in cells
        if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", [])
    ]
