"""Files that are written whole or not at all: JSON, JSON lines, CSV and folders; and hashes of their content."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpci_utils import paths

if TYPE_CHECKING:
    import pandas as pd


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its name on success and disappears on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        with open(name, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its name on success and disappears on failure.

    What a killed process left of an earlier attempt is removed first; FileExistsError if ``path`` exists.
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"{paths.display(path)} exists already; choose another name or remove it")
    part, new = path.with_name(f".{path.name}.part"), [folder for folder in path.parents if not folder.exists()]
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        os.rename(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):  # folders above that hold something stay
            for folder in new:
                folder.rmdir()


@contextlib.contextmanager
def files_together(folder: str | Path) -> Iterator[Path]:
    """A temporary folder whose files move into ``folder`` on success, all of them or none.

    A process that is killed leaves all old files, or all new ones after the next `finish_moving`.
    """
    folder = Path(folder)
    finish_moving(folder)
    part = folder / ".new.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        os.rename(part, folder / ".new")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    finish_moving(folder)


def finish_moving(folder: str | Path) -> None:
    """Complete what `files_together` had decided to write into ``folder`` when its process was killed."""
    ready = Path(folder) / ".new"
    if ready.is_dir():
        for path in ready.iterdir():
            os.replace(path, Path(folder) / path.name)
        ready.rmdir()


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: dict | list) -> None:
    """Write ``content`` as indented JSON, atomically; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """The content of a JSON file; ValueError gives the name of the file when it is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{paths.display(path)} is not valid JSON ({error}); delete it and run its stage again"
        ) from None


def write_csv(path: str | Path, table: "pd.DataFrame", **options: Any) -> None:
    """Write a table without its index, atomically; ``options`` are those of ``DataFrame.to_csv``."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, **options)


def append_jsonl(path: str | Path, record: dict) -> None:
    """Append one line; a line cut by a crash stays a line of its own, which ``read_jsonl`` drops."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        cut = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * cut + json.dumps(record).encode() + b"\n")


def read_jsonl(path: str | Path) -> list[dict[str, Any]]:
    """All complete records of a JSON-lines file; an absent file is an empty list."""
    if not Path(path).is_file():
        return []
    records = []
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            records.append(json.loads(line))
    return records


def digest(*parts: object) -> str:
    """16 hex digits of the canonical JSON of ``parts``."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def sha256(path: str | Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def noted_sha256(note: Path) -> str:
    """The sha256 in a note (``<stem>.sha256``, as ``sha256sum`` writes it); empty without such a file."""
    return note.read_text(encoding="utf-8").split()[0] if note.is_file() else ""


def write_sha256(path: str | Path) -> None:
    """Write the sha256 of a file beside it, as <stem>.sha256 in the form that ``sha256sum -c`` reads."""
    path = Path(path)
    write_text(path.with_suffix(".sha256"), f"{sha256(path)}  {path.name}\n")
