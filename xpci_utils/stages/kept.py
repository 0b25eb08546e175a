"""Finished stages that are committed, each as one file, so that a fresh clone takes them instead of making them again.

Another processor draws other last bits, and everything that is made from them differs then. So what a study's cells
have in common (frames, denoiser, labellers, pools and their labels: the chain) is kept as it was made first.
"""

import json
import lzma
import shutil
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from xpci_utils import files, paths
from xpci_utils.files import noted_sha256, sha256
from xpci_utils.stages.identity import products_digest
from xpci_utils.stages.lock import LOCK_FILE, StageError, refuse_if_locked
from xpci_utils.stages.record import IDENTITY_FILE, MARKED, RUN_FILE, read_run

LEFT_OUT = ("executed.ipynb",)  # whose pictures are larger than all else
PRESET = 9 | lzma.PRESET_EXTREME


def kept_file(chain: Path, place: str) -> Path:
    """The file in the folder ``chain`` that holds the stage of ``place``: pools--ddpm--pairs.txz."""
    return chain / f"{place.replace('/', '--')}.txz"


def kept_files(chain: Path) -> dict[str, Path]:
    """Place -> file of every stage that the folder ``chain`` holds."""
    return {file.stem.replace("--", "/"): file for file in sorted(chain.glob("*.txz"))}


def keep(folder: Path, file: Path) -> None:
    """Write a finished stage's folder into one file, and its sha256 beside it; equal folders give equal bytes.

    StageError if the stage is not finished.
    """
    if read_run(folder) is None:
        raise StageError(f"{paths.display(folder)} is not finished, so it cannot be kept")
    items = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in LEFT_OUT]
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in (path for path in items if not path.name.startswith(".")):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())  # without times, owners and modes
            entry.size = path.stat().st_size
            with open(path, "rb") as content:
                archive.addfile(entry, content)
    with files.atomic_path(file) as temporary:
        temporary.write_bytes(lzma.compress(data.getvalue(), preset=PRESET))
        files.write_text(file.with_suffix(".sha256"), f"{sha256(temporary)}  {file.name}\n")  # the file comes last


def record_of(file: Path) -> dict[str, Any]:
    """The record of the stage that a file holds, with where it comes from; StageError if the file is not intact."""
    with _opened(file) as archive:
        return _record(archive, file)


def restore(file: Path, folder: Path) -> dict[str, Any]:
    """Unpack a stage into ``folder``, whole or not at all, and return its record, which says where it comes from.

    What an unfinished stage left there is replaced. StageError if another process works there, the folder holds files
    that no stage wrote, the file is not intact, or its products are not those that its record describes.
    """
    refuse_if_locked(folder)
    _clear(folder)
    with _opened(file) as archive, files.atomic_folder(folder) as part:
        archive.extractall(part, filter="data")
        record = _record(archive, file)
        if (content := products_digest(part)) != record.get("content"):
            raise StageError(
                f"{paths.display(file)} does not hold what its record describes: its products have the digest "
                f"{content}, not {record.get('content')}; 'git checkout {paths.display(file)}' restores it"
            )
        files.write_json(part / IDENTITY_FILE, {name: record[name] for name in MARKED})
        files.write_json(part / RUN_FILE, record)
    return record


def _clear(folder: Path) -> None:
    """Remove what an unfinished stage left."""
    if not folder.exists():
        return
    items = [item.name for item in folder.iterdir() if item.name != LOCK_FILE]
    if items and IDENTITY_FILE not in items:
        raise StageError(f"{paths.display(folder)} holds files that no stage wrote ({items[0]}, ...); move them away")
    shutil.rmtree(folder)


def _opened(file: Path) -> tarfile.TarFile:
    note = file.with_suffix(".sha256")
    actual, expected = sha256(file), noted_sha256(note)
    if actual != expected:
        raise StageError(
            f"{paths.display(file)} is damaged or of another run: its sha256 is {actual}, {note.name} says "
            f"{expected or 'nothing'}; 'git checkout {paths.display(file.parent)}' restores it"
        )
    return tarfile.open(file, mode="r:xz")


def _record(archive: tarfile.TarFile, file: Path) -> dict[str, Any]:
    member = archive.extractfile(RUN_FILE)
    assert member is not None
    record: Mapping[str, Any] = json.loads(member.read())
    return {**record, "restored": {"file": paths.display(file), "sha256": noted_sha256(file.with_suffix(".sha256"))}}
