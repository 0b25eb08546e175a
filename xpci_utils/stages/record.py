"""The record of a finished stage, ``run.json``: read, checked against its products, compared with what is asked for."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpci_utils import paths
from xpci_utils.params.places import FRAMES
from xpci_utils.stages.first_edition import VERSION_OF_RECIPE
from xpci_utils.stages.spec import StageSpec

RUN_FILE = "run.json"
IDENTITY_FILE = ".identity"  # whose work lies in a folder, from its first product on
MARKED = ("identity", "hashed", "version", "inputs")  # what it says


def read_run(folder: str | Path) -> dict[str, Any] | None:
    """The ``run.json`` of a folder if it is valid and the products it lists are still there, else None."""
    record = read_record(folder)
    return None if record is None or _lost(Path(folder), record) else record


def read_record(folder: str | Path) -> dict[str, Any] | None:
    """The ``run.json`` of a folder if it is valid, whether or not its products are still there, else None."""
    try:
        record = json.loads((Path(folder) / RUN_FILE).read_text(encoding="utf-8"))
        return record if all(isinstance(size, dict) for size in record["products"].values()) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def training_frames(root: Path) -> int:
    """Annotated training frames of the run in ``root``; 0 if its frames are not prepared."""
    folder = root / FRAMES.folder
    if read_run(folder) is None:
        return 0
    with open(folder / "frames.csv", newline="", encoding="utf-8") as file:
        return sum(row["split"] == "train" for row in csv.DictReader(file))


def lost(folder: str | Path) -> list[str]:
    """What a folder had when its stage was finished and has no more: "images (19 of 20 files)", "model.safetensors"."""
    record = read_record(folder)
    return _lost(Path(folder), record) if record else []


def _lost(folder: Path, record: dict[str, Any]) -> list[str]:
    missing = []
    for name, then in record["products"].items():
        now = describe(folder / name) or {}
        for unit, size in then.items():
            if now.get(unit, 0) < size:
                missing.append(f"{name} ({now[unit]} of {size} {unit})" if unit in now else name)
    return missing


def describe(path: Path) -> dict[str, int] | None:
    """Size of a product in bytes, or number of files of a folder; None if it is absent or empty."""
    if path.is_dir():
        files = sum(1 for item in path.iterdir() if not item.name.startswith("."))
        return {"files": files} if files else None
    return {"bytes": path.stat().st_size} if path.is_file() and path.stat().st_size else None


def version_of(record: Mapping[str, Any]) -> int:
    """The version of the stage that made a result; 0 if its code is older than the first edition."""
    return record.get("version") or VERSION_OF_RECIPE.get(record.get("recipe", ""), 0)


def differences(record: Mapping[str, Any], decisive: Mapping[str, Any], parameters: StageSpec) -> list[str]:
    """What decided a recorded result and differs from ``decisive``: "steps: 400 -> 900".

    A parameter that is younger than the record had the value that is now its default: who adds one chooses the default
    so that it gives the old result. A parameter that no longer exists counts as changed, unless it is ``retired``, or
    ``former`` says what it is called today.
    """
    recorded = parameters.of_record(record["hashed"])
    then = {**parameters.defaults(), **recorded}
    changed = [
        _about_content(record, parameters, name)
        if name in parameters.contents
        else f"{name}: {then.get(name)!r} -> {value!r}"
        for name, value in decisive.items()
        if then.get(name) != value
    ]
    gone = recorded.keys() - decisive.keys() - parameters.retired
    return changed + [f"{name}: {then[name]!r} -> nothing" for name in sorted(gone)]


def _about_content(record: Mapping[str, Any], parameters: StageSpec, name: str) -> str:
    """Which files of the user's own are others than when the result was made; their digests would tell nobody."""
    content, own, what, other = parameters.contents[name], name, "content", "another name or content"
    if content.kind == "folder":
        own, what = "source_folder", "frames, masks, classes or splits"
        other = f"other {what}"
    now, before = paths.display(content.paths[0]), record.get("parameters", {}).get(own)
    if not before or (then := paths.display(paths.resolve(before))) == now:
        return f"the {what} of {now}, since this was made"
    return f"{own}: {then} -> {now}, with {other}"
