"""The life of a stage, from ``begin``, the first call of every notebook, to ``finish``, the last one."""

import atexit
import contextlib
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from xpci_utils import paths
from xpci_utils.files import digest, read_json, write_json
from xpci_utils.stages.identity import contents_read, decisive, inputs_of, products_digest
from xpci_utils.stages.lock import LOCK_FILE, StageError, lock
from xpci_utils.stages.machine import processor
from xpci_utils.stages.record import IDENTITY_FILE, MARKED, RUN_FILE, describe, differences, read_run, version_of
from xpci_utils.stages.spec import StageSpec

CURE = "make room or choose another run_root, and run the same command again; it continues from the last state"
TIME_FILE = ".time.json"  # when the work in it began, and the seconds of what was interrupted before
LIBRARIES = ("torch", "numpy", "diffusers", "monai", "timm", "segment-anything", "scipy", "pandas")


class OtherResultError(StageError):
    """The folder of a stage holds a result of other parameters, of other inputs or of another version."""


@dataclass
class Stage:
    """One notebook's place on disk, from ``begin`` to ``finish``."""

    parameters: StageSpec
    folder: Path
    work: Path
    decisive: dict[str, Any]
    inputs: dict[str, str]
    identity: str
    to_do: bool = True
    started: float = field(default_factory=time.monotonic)
    earlier_seconds: float = 0.0  # of the same work, before it was interrupted
    lock: IO[str] | None = None

    def finish(self, metrics: dict | None = None) -> None:
        """Check the products, write ``metrics.json`` and, last of all, ``run.json``; nothing happens twice."""
        if not self.to_do:
            print(f"{paths.display(self.folder)} was finished before; nothing was written.")
            return
        if metrics is not None:
            write_json(self.folder / "metrics.json", metrics)
        write_json(self.folder / RUN_FILE, self._record())
        shutil.rmtree(self.work, ignore_errors=True)
        self.to_do = False
        if self.lock:
            self.lock.close()
        print(f"{paths.display(self.folder)} is finished.")

    def _record(self) -> dict[str, Any]:
        products = {name: describe(self.folder / name) for name in self.parameters.products}
        missing = [name for name, state in products.items() if not state]
        if missing:
            raise StageError(f"{paths.display(self.folder)} lacks {', '.join(missing)}; not marked as finished")
        return {
            "notebook": self.parameters.notebook,
            "parameters": self.parameters.model_dump(),
            "hashed": self.decisive,
            "identity": self.identity,
            "version": self.parameters.version,
            "inputs": self.inputs,
            "made_from": contents_read(self.parameters),
            **({"content": products_digest(self.folder)} if self.parameters.is_read else {}),
            "products": products,
            "versions": {"python": platform.python_version(), **_library_versions()},
            "device": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{_gpu_name()}",
            "processor": processor(),
            "threads": self.parameters.threads,
            "wall_seconds": round(self.earlier_seconds + time.monotonic() - self.started, 1),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            **_gpu_memory(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def begin(parameters: StageSpec) -> Stage:
    """Open the folder of a stage for writing, unless it is finished: the first call of every notebook.

    An unfinished stage of the same identity goes on with what lies in its folder; what another identity left
    unfinished, or ``force`` repeats, is removed first. Raises StageError if an input is unfinished, another process
    works in the folder, or the folder cannot be written, or holds another result or files that no stage wrote.
    """
    stage = inspect(parameters)
    if stage.to_do:
        try:
            _open(stage)
        except OSError as error:
            raise StageError(
                f"{paths.display(stage.folder)} cannot be written: {error.strerror or error}; {CURE}"
            ) from None
    if not stage.to_do:
        print(f"{paths.display(stage.folder)} is finished; its products are shown, nothing is computed again.")
    return stage


def inspect(parameters: StageSpec) -> Stage:
    """See whether a stage can start and whether it is finished, without touching its folder."""
    inputs, values = inputs_of(parameters), decisive(parameters)
    identity = digest(parameters.notebook, values, parameters.version, inputs)
    stage = Stage(parameters, parameters.folder, parameters.work, values, inputs, identity)
    _look_for_result(stage)
    return stage


def _look_for_result(stage: Stage) -> None:
    """Mark the stage as done if its folder holds its result; OtherResultError if it holds another one.

    A repeated stage keeps the identity of the same result, however it was computed then: what was made from it stays.
    """
    record = read_run(stage.folder)
    if record is None:
        begun = _begun(stage.folder)
        if begun and not _changes(begun, stage):
            stage.identity = begun["identity"]
        return
    changed = _changes(record, stage)
    if not changed:
        stage.identity = record["identity"]
    if stage.parameters.force:
        return
    if changed:
        raise OtherResultError(
            f"{paths.display(stage.folder)} holds another result (changed: {'; '.join(changed)}). "
            "Nothing was overwritten: choose another run_root, delete the folder, or set force to true "
            "(-p force true, or FORCE=1 behind make reproduce)."
        )
    stage.to_do = False


def _begun(folder: Path) -> dict[str, Any] | None:
    """Whose work lies in a folder that is not finished; None if there is none."""
    try:
        begun = read_json(folder / IDENTITY_FILE)
    except (OSError, ValueError):
        return None
    known = isinstance(begun, dict) and begun.keys() >= set(MARKED)
    return begun if known else None


def _changes(record: dict[str, Any], stage: Stage) -> list[str]:
    return changes(record, stage.parameters, stage.decisive, stage.inputs)


def changes(
    record: Mapping[str, Any], parameters: StageSpec, values: Mapping[str, Any], inputs: Mapping[str, str]
) -> list[str]:
    """What a record and what is asked for differ in: parameters, else its inputs, else its version; [] if nothing.

    ``values`` are those that `decisive` gives for ``parameters``, ``inputs`` the identities of what it reads.
    """
    changed = differences(record, values, parameters)
    if not changed and record["inputs"] != inputs:
        others = sorted({place for place, _ in record["inputs"].items() ^ inputs.items()})
        changed = [f"its inputs: {', '.join(others[:2])}{' and others' if len(others) > 2 else ''}"]
    if not changed and version_of(record) != parameters.version:
        changed = [f"its version, {version_of(record)} -> {parameters.version}"]
    return changed


def _open(stage: Stage) -> None:
    """Lock the folder of a stage and prepare it, unless another process finished it in between."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    atexit.register(_leave_nothing, stage.folder)
    stage.lock = lock(stage.folder)
    _look_for_result(stage)
    if stage.to_do:
        _clear_unless_resuming(stage)
        stage.earlier_seconds = _earlier_seconds(stage)


def _clear_unless_resuming(stage: Stage) -> None:
    """Empty the folder of what another identity left; refuse a folder whose files no stage wrote."""
    marker = stage.folder / IDENTITY_FILE
    items = [item for item in stage.folder.iterdir() if item.name != LOCK_FILE]
    if items and not marker.is_file():
        raise StageError(
            f"{paths.display(stage.folder)} holds files that no stage wrote ({items[0].name}, ...); "
            "choose another run_root or output_folder"
        )
    begun = _begun(stage.folder)
    if begun and begun["identity"] == stage.identity and not (stage.folder / RUN_FILE).is_file():
        _remove_half_written(stage)
        return
    for item in items:
        shutil.rmtree(item) if item.is_dir() else item.unlink()
    shutil.rmtree(stage.work, ignore_errors=True)
    about = (stage.identity, stage.decisive, stage.parameters.version, stage.inputs)
    write_json(marker, dict(zip(MARKED, about, strict=True)))


def _remove_half_written(stage: Stage) -> None:
    """Temporary files of writers that were killed."""
    for place in (stage.folder, stage.work):
        for path in place.rglob(".*.part"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _earlier_seconds(stage: Stage) -> float:
    """Wall seconds of the interrupted runs of a stage that goes on, each up to the last thing it wrote."""
    path, now = stage.folder / TIME_FILE, time.time()
    before = read_json(path) if path.is_file() else {"seconds": 0.0, "began": now}
    files = (item for place in (stage.folder, stage.work) for item in place.rglob("*") if item.is_file())
    written = (item for item in files if item.name not in (LOCK_FILE, IDENTITY_FILE, TIME_FILE))
    last = max((item.stat().st_mtime for item in written), default=0.0)
    seconds = before["seconds"] + max(0.0, last - before["began"])
    write_json(path, {"seconds": seconds, "began": now})
    return seconds


def _leave_nothing(folder: Path) -> None:
    """A stage that wrote nothing, because its input was refused, leaves no folder behind."""
    with contextlib.suppress(OSError):
        if all(item.name in (IDENTITY_FILE, TIME_FILE, LOCK_FILE) for item in folder.iterdir()):
            shutil.rmtree(folder)


def _gpu() -> Any:
    """``torch.cuda`` where this process computed on a GPU, else None; torch is never loaded to find that out."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None


def _gpu_name() -> str:
    """ ", " and the GPU that this process computed on, as its driver calls it; empty without one."""
    return f", {gpu.get_device_name()}" if (gpu := _gpu()) else ""


def _gpu_memory() -> dict[str, int]:
    """The largest memory that tensors took on that GPU [MiB]; empty without one."""
    return {"gpu_peak_memory_mib": gpu.max_memory_allocated() // 2**20} if (gpu := _gpu()) else {}


def _library_versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
