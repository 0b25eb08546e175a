"""What decides the result of a stage: its parameters, the content of files that they name, inputs and version."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xpci_utils import paths
from xpci_utils.files import digest, noted_sha256
from xpci_utils.params.base import Content
from xpci_utils.params.runs import GRIDS, stage_folders
from xpci_utils.params.sweep import Sweep
from xpci_utils.stages.lock import StageError
from xpci_utils.stages.record import RUN_FILE, lost, read_record, read_run, training_frames
from xpci_utils.stages.spec import StageSpec

NO_PRODUCTS = (RUN_FILE, "metrics.json", "history.jsonl", "executed.ipynb")  # beside the products of a stage


def decisive(parameters: StageSpec) -> dict[str, Any]:
    """The parameters that decide the result of a stage; of a path the content counts, not its spelling."""
    return parameters.decisive() | {name: content_digest(content) for name, content in parameters.contents.items()}


def inputs_of(parameters: StageSpec) -> dict[str, str]:
    """The identity of each finished folder that a stage reads, by its path below run_root.

    Raises StageError if one is not finished; a report takes whatever is finished of its grid.
    """
    if parameters.sweep_file:
        sweep = Sweep.from_yaml(paths.resolve(parameters.sweep_file)).for_frames(training_frames(parameters.root))
        folders = stage_folders(sweep, *GRIDS)[:-1]
        records = {folder: read_run(parameters.root / folder) for folder in folders}
        return {folder: record["identity"] for folder, record in records.items() if record}
    return {
        os.path.relpath(folder, parameters.root): _identity_of(folder, parameters.notebook)
        for folder in parameters.inputs
    }


def _identity_of(folder: Path, reader: str) -> str:
    record = read_run(folder)
    if record is None:
        gone = lost(folder)
        state = f"has lost {', '.join(gone)}" if gone else "is not finished"
        raise StageError(
            f"{paths.display(folder)} {state}, and {reader} reads it; run the stage that writes it "
            f"{'again' if gone else 'first'} ('make reproduce{' FORCE=1' if gone else ''}', with the PROFILE and "
            "FRAMES of that run, runs all in order)"
        )
    return record["identity"]


def products_digest(folder: Path) -> str:
    """Hash of the names and bytes of all that a stage wrote, so that equal results have equal digests.

    Hidden files, the executed notebook and what tells time (run.json, metrics.json, history.jsonl) are left out.
    """
    items = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    kept = [item for item in items if item.name not in NO_PRODUCTS and not item.name.startswith(".")]
    return digest([[str(item), hashlib.blake2b((folder / item).read_bytes()).hexdigest()] for item in kept])


def contents_read(parameters: StageSpec) -> dict[str, str]:
    """The digest of the products of each finished folder that a stage reads, by its path below run_root.

    Two computers can write other bytes for the same identity. Folders are left out whose record is older than this
    digest.
    """
    records = {os.path.relpath(folder, parameters.root): read_record(folder) for folder in parameters.inputs}
    return {place: record["content"] for place, record in records.items() if record and record.get("content")}


def changed_since(record: Mapping[str, Any], root: Path) -> list[str]:
    """The folders below ``root`` behind a result that hold another result now than the one it was made from, or none.

    Compared are the identities in ``run.json``, never times: a stage that was repeated with the same parameters and
    inputs has changed nothing. Behind an input that is the same, its own inputs are compared.
    """
    changed = []
    for place, identity in record["inputs"].items():
        now = read_record(root / place)
        if now is None or now["identity"] != identity:
            changed.append(place)
        else:
            changed += changed_since(now, root)
    return list(dict.fromkeys(changed))


def content_digest(content: Content) -> str:
    """A hash of the content of the files that a parameter names; empty if they are absent."""
    if content.kind == "sha256":
        return noted_sha256(content.paths[0])
    if content.kind == "film":
        return film_digest(content.paths[0])
    if content.kind == "pictures":
        return digest(*_hashes(sorted(content.paths[0].glob("*"))))
    return folder_digest(*content.paths)


def folder_digest(folder: Path, *files: Path) -> str:
    """Hash of the names and bytes of the images, masks, splits and tables in a user's folder, and of ``files``."""
    inside = [path for kind in ("images", "masks", "splits") for path in (folder / kind).glob("*")]
    tables = (folder / "sequences.csv", folder / "import.json")
    return digest(*_hashes(sorted([*inside, *tables, *files])))


def _hashes(listed: Iterable[Path]) -> list[list[str]]:
    """Name, folder and a hash of the bytes of every file of those ``listed``."""
    file_paths = [path for path in listed if path.is_file()]
    return [[path.name, path.parent.name, hashlib.blake2b(path.read_bytes()).hexdigest()] for path in file_paths]


def film_digest(path: Path) -> str:
    """Hash of a film, a file or the files of a folder: names, sizes, both ends of the first and the last file.

    Films are too large to be read for a hash.
    """
    files = sorted(item for item in path.iterdir() if item.is_file()) if path.is_dir() else [path]
    files = [file for file in files if file.is_file()]
    sizes = [[file.name, file.stat().st_size] for file in files]
    return digest(sizes, [_ends(file) for file in files[:1] + files[-1:]])


def _ends(path: Path, length: int = 2**20) -> str:
    with open(path, "rb") as file:
        first = file.read(length)
        file.seek(max(0, path.stat().st_size - length))
        return hashlib.blake2b(first + file.read(length)).hexdigest()
