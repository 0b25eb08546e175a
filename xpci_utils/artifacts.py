"""What a run leaves behind: folders that describe themselves, written whole or not at all.

A stage (one notebook with one set of parameters) reads finished folders and writes one folder. It is finished
when that folder holds a valid ``run.json``, which is written last, by rename. The same stage asked for again
returns at once; asked for with other parameters or other code it stops with a sentence instead of overwriting.
"""

import atexit
import contextlib
import fcntl
import json
import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from xpci_utils import paths
from xpci_utils.recipe import digest, recipe_hash

CURE = "make room or choose another run_root, and run the same command again: it goes on with what is there"
RUN_FILE = "run.json"
IDENTITY_FILE = ".identity"  # whose work lies in a folder, from its first product on
TIME_FILE = ".time.json"  # when the work in it began, and the seconds of what was interrupted before
LOCK_FILE = ".lock"
_HELD: dict[Path, object] = {}  # locks of this process, by folder
LIBRARIES = ("torch", "numpy", "diffusers", "monai", "timm", "segment-anything", "scipy", "pandas")


class StageError(RuntimeError):
    """A stage cannot start or finish; the message says what to do."""


class OtherRecipeError(StageError):
    """The folder of a stage holds a result of other parameters, inputs or code."""


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


def write_json(path: str | Path, content: dict) -> None:
    """Write ``content`` as indented JSON, atomically; NaN is refused, since JSON has none."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict:
    """The content of a JSON file; ValueError names the file when it is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{paths.display(path)} is not valid JSON ({error}); delete it and run its stage again"
        ) from None


def append_jsonl(path: str | Path, record: dict) -> None:
    """Append one line; a line cut by a crash stays a line of its own, which ``read_jsonl`` drops."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        cut = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * cut + json.dumps(record).encode() + b"\n")


def read_jsonl(path: str | Path) -> list[dict]:
    """All complete records of a JSON-lines file; an absent file is an empty list."""
    if not Path(path).is_file():
        return []
    records = []
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            records.append(json.loads(line))
    return records


@dataclass
class Stage:
    """One notebook's place on disk, from ``begin`` to ``finish``."""

    parameters: object
    folder: Path
    work: Path
    hashed: dict
    identity: str
    recipe: str
    inputs: dict[str, str]
    to_do: bool
    started: float = field(default_factory=time.monotonic)
    earlier_seconds: float = 0.0  # of the same work, before it was interrupted
    lock: object = None

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
        self.lock.close()
        print(f"{paths.display(self.folder)} is finished.")

    def _record(self) -> dict:
        products = {name: _describe(self.folder / name) for name in self.parameters.products}
        missing = [name for name, state in products.items() if not state]
        if missing:
            raise StageError(f"{paths.display(self.folder)} lacks {', '.join(missing)}; not marked as finished")
        return {
            "notebook": self.parameters.notebook,
            "parameters": self.parameters.model_dump(),
            "hashed": self.hashed,
            "identity": self.identity,
            "recipe": self.recipe,
            "inputs": self.inputs,
            "products": products,
            "versions": {"python": platform.python_version(), **_versions()},
            "device": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "threads": self.parameters.threads,
            "wall_seconds": round(self.earlier_seconds + time.monotonic() - self.started, 1),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def begin(parameters) -> Stage:
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


def _open(stage: Stage) -> None:
    """Lock the folder of a stage and prepare it, unless another process finished it in between."""
    part = stage.parameters.part
    stage.folder.mkdir(parents=True, exist_ok=True)
    atexit.register(_leave_nothing, stage.folder)
    with _one_part_at_a_time(stage.folder, part):
        stage.lock = _lock(stage.folder, _kind_of_lock(part))
        _look_for_result(stage)
        if stage.to_do:
            _clear_unless_resuming(stage)
            stage.earlier_seconds = 0.0 if part else _earlier_seconds(stage)


def inspect(parameters) -> Stage:
    """See whether a stage can start and whether it is finished, without touching its folder."""
    folder, inputs = parameters.folder, _input_identities(parameters)
    recipe = recipe_of(parameters)
    hashed = parameters.hashed()  # once: it reads every file of a folder of one's own
    identity = digest(hashed, recipe, inputs)
    stage = Stage(parameters, folder, parameters.work, hashed, identity, recipe, inputs, to_do=True)
    _look_for_result(stage)
    return stage


def _look_for_result(stage: Stage) -> None:
    """Mark the stage as done if its folder holds its result; OtherRecipeError if it holds another one."""
    record = read_run(stage.folder)
    if record and not stage.parameters.force:
        _refuse_other(record, stage)
        stage.to_do = False


def recipe_of(parameters) -> str:
    """Hash of the code behind a stage: its notebook, the subpackages it names, and how random numbers are drawn."""
    return recipe_hash(parameters.notebook, (*parameters.rooms, "randomness"), parameters.data_files)


def read_run(folder: str | Path) -> dict | None:
    """The ``run.json`` of a folder if it is valid and the products it lists are still there, else None."""
    record = _record_of(folder)
    return None if record is None or _lost(Path(folder), record) else record


def lost(folder: str | Path) -> list[str]:
    """What a folder had when its stage was finished and has no more: "images (19 of 20 files)", "model.safetensors"."""
    record = _record_of(folder)
    return _lost(Path(folder), record) if record else []


def _record_of(folder: str | Path) -> dict | None:
    try:
        record = json.loads((Path(folder) / RUN_FILE).read_text(encoding="utf-8"))
        return record if all(isinstance(size, dict) for size in record["products"].values()) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _lost(folder: Path, record: dict) -> list[str]:
    missing = []
    for name, then in record["products"].items():
        now = _describe(folder / name) or {}
        for unit, size in then.items():
            if now.get(unit, 0) < size:
                missing.append(f"{name} ({now[unit]} of {size} {unit})" if unit in now else name)
    return missing


def _input_identities(parameters) -> dict[str, str]:
    found = {}
    for folder in parameters.inputs:
        record = read_run(folder)
        if record is None:
            gone = lost(folder)
            state = f"has lost {', '.join(gone)}" if gone else "is not finished"
            raise StageError(
                f"{paths.display(folder)} {state}, and {parameters.notebook} reads it; run the stage that writes it "
                f"{'again' if gone else 'first'} ('make reproduce{' FORCE=1' if gone else ''}' runs all in order)"
            )
        found[os.path.relpath(folder, parameters.root)] = record["identity"]
    return found


def _refuse_other(record: dict, stage: Stage) -> None:
    if record["identity"] == stage.identity:
        return
    then, now = record["hashed"], stage.hashed
    changed = [f"{name}: {then.get(name)!r} -> {value!r}" for name, value in now.items() if then.get(name) != value]
    if not changed:
        changed = ["its inputs" if record["recipe"] == stage.recipe else "the code behind it"]
    raise OtherRecipeError(
        f"{paths.display(stage.folder)} holds a result of another recipe (changed: {'; '.join(changed)}). "
        "Nothing was overwritten: choose another run_root, delete the folder, or set force to true."
    )


def _clear_unless_resuming(stage: Stage) -> None:
    """Empty the folder of what another identity left; refuse a folder whose files no stage wrote."""
    marker = stage.folder / IDENTITY_FILE
    found = [item for item in stage.folder.iterdir() if not item.name.startswith(LOCK_FILE)]
    if found and not marker.is_file():
        raise StageError(
            f"{paths.display(stage.folder)} holds files that no stage wrote ({found[0].name}, ...); "
            "choose another run_root or output_folder"
        )
    resuming = marker.is_file() and marker.read_text() == stage.identity and not (stage.folder / RUN_FILE).is_file()
    if not resuming:
        if stage.parameters.part:
            _take(stage.lock, stage.folder, fcntl.LOCK_EX)  # no part of the old identity may still be writing
        for item in found:
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        shutil.rmtree(stage.work, ignore_errors=True)
        with atomic_path(marker) as temporary:
            temporary.write_text(stage.identity)
        if stage.parameters.part:
            _take(stage.lock, stage.folder, fcntl.LOCK_SH)
    elif not stage.parameters.part:
        _remove_half_written(stage)


def _remove_half_written(stage: Stage) -> None:
    """Temporary files of writers that were killed."""
    for place in (stage.folder, stage.work):
        for path in place.rglob(".*.part"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _earlier_seconds(stage: Stage) -> float:
    """Wall seconds of the interrupted runs of a stage that goes on, each up to the last thing it wrote."""
    path, now = stage.folder / TIME_FILE, time.time()
    before = read_json(path) if path.is_file() else {"seconds": 0.0, "began": now}
    found = (item for place in (stage.folder, stage.work) for item in place.rglob("*") if item.is_file())
    written = (item for item in found if not item.name.startswith((LOCK_FILE, IDENTITY_FILE, TIME_FILE)))
    last = max((item.stat().st_mtime for item in written), default=0.0)
    seconds = before["seconds"] + max(0.0, last - before["began"])
    write_json(path, {"seconds": seconds, "began": now})
    return seconds


def refuse_if_locked(stage: Stage) -> None:
    """StageError if another process works in the folder of a stage; so no kernel is started to find that out."""
    with contextlib.suppress(OSError), open(stage.folder / LOCK_FILE) as file:
        _take(file, stage.folder, _kind_of_lock(stage.parameters.part))


def _kind_of_lock(part: str) -> int:
    return fcntl.LOCK_SH if part else fcntl.LOCK_EX


def _lock(folder: Path, kind: int = fcntl.LOCK_EX):
    """The lock of a folder, held until the stage ends or the process dies; a process may ask for its own again.

    Parts of a stage hold it shared: with each other, with nobody else.
    """
    held = _HELD.get(folder)
    if held and not held.closed:
        return held
    file = open(folder / LOCK_FILE, "a+")  # noqa: SIM115
    _take(file, folder, kind)
    _HELD[folder] = file
    return file


def _take(file, folder: Path, kind: int) -> None:
    """Lock an open file, shared or exclusive; StageError, and the file closed, if another process is in the way."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StageError(f"another process is working in {paths.display(folder)}; wait for it or stop it") from None


@contextlib.contextmanager
def _one_part_at_a_time(folder: Path, part: str) -> Iterator[None]:
    """Parts that start together: one clears the folder, the others wait and find it theirs."""
    if not part:
        yield
        return
    with open(folder / f"{LOCK_FILE}-start", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _leave_nothing(folder: Path) -> None:
    """A stage that wrote nothing, because its input was refused, leaves no folder behind."""
    with contextlib.suppress(OSError):
        if all(item.name.startswith((IDENTITY_FILE, TIME_FILE, LOCK_FILE)) for item in folder.iterdir()):
            shutil.rmtree(folder)


def _describe(path: Path) -> dict | None:
    """Size of a product, or number of files of a folder; None if it is absent or empty."""
    if path.is_dir():
        files = sum(1 for item in path.iterdir() if not item.name.startswith("."))
        return {"files": files} if files else None
    return {"bytes": path.stat().st_size} if path.is_file() and path.stat().st_size else None


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
