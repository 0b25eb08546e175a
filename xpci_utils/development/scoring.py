"""Scores of every finished labeller and network of a run on its development frames, in one table.

<run_root>/development/frames/               the frames, a frame set like that of notebook 01
<run_root>/development/scores.csv            one line per labeller or network and metric
<run_root>/development/per_frame/<name>.csv  the scores of every frame behind them, for intervals
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from xpci_utils import files, paths
from xpci_utils.evaluation import evaluate_frames, summarise
from xpci_utils.frames import FrameSet
from xpci_utils.params.cells import Cell
from xpci_utils.params.places import FRAMES, Place, parse_place
from xpci_utils.sam import load_labeller, predict_frames
from xpci_utils.segmentation import load_network, predict
from xpci_utils.simulation import DEVELOPMENT_FRAMES, DEVELOPMENT_SEED, write_role_frames
from xpci_utils.stages import StageError, read_run

FOLDER, SCORES_FILE = "development", "development/scores.csv"
COLUMNS = ("row", "labeller", "seed", "frames", "metric", "value", "identity")
NAMED_BY = ("row", "labeller", "seed", "frames", "identity")  # what one set of scores belongs to
METRICS = ("dice", "dice_foreground", "nsd", "micro_f1")
ALONE = "labeller"  # the "row" of a labeller that is scored itself, given the true masks


def development_frames(run_root: str | Path, count: int = DEVELOPMENT_FRAMES) -> FrameSet:
    """The ``count`` development frames of a run, simulated on the first call, each from a sequence of its own.

    Preset, size, sampling and 8-bit window are those of the run's frames. Raises StageError if these are not finished,
    ValueError if no simulator made them.
    """
    root = paths.resolve(run_root)
    if read_run(root / FRAMES.folder) is None:
        raise StageError(f"{paths.display(root / FRAMES.folder)} is not finished; run notebook 01 first")
    frames = FrameSet.open(root / FRAMES.folder)
    return write_role_frames(frames, root / FOLDER / "frames", count, DEVELOPMENT_SEED, "development")


def score_run(run_root: str | Path, count: int = DEVELOPMENT_FRAMES, again: bool = False) -> pd.DataFrame:
    """Score what is finished in a run and not yet scored; returns the whole table, as scores.csv holds it (`COLUMNS`).

    ``identity`` is that of the record that was scored, ``frames`` the number of development frames. A table with
    scores of another record or of another number of frames is refused with StageError, or with ``again`` these lines
    are scored anew.
    """
    root = paths.resolve(run_root)
    path, records = root / SCORES_FILE, finished_records(root)
    lines = _lines_of(path, {(*_names_of(place), count, record["identity"]) for place, record in records}, again)
    frames, done = development_frames(root, count), {tuple(line[name] for name in NAMED_BY[:3]) for line in lines}
    for place, record in records:
        if _names_of(place) not in done:
            print(f"scoring {place.folder} on {count} development frames", flush=True)
            lines += _score(root, place, record, frames)
            files.write_csv(path, pd.DataFrame(lines, columns=[*COLUMNS]))
    return pd.DataFrame(lines, columns=[*COLUMNS])


def finished_records(root: Path) -> list[tuple[Place, dict[str, Any]]]:
    """Every finished labeller and network below ``root`` with its record, in the order of their names.

    Raises StageError for one that learnt from other frames than those of the run: development frames are like these.
    """
    folders = [path for kind in ("sam", "segmentation") for path in sorted((root / kind).glob("*"))]
    records = {folder: record for folder in folders if (record := read_run(folder))}
    frames = read_run(root / FRAMES.folder) or {}
    for folder, record in records.items():
        if record["inputs"].get(FRAMES.folder) != frames.get("identity"):
            raise StageError(f"{paths.display(folder)} was made from other frames than {FRAMES.folder}/ holds now")
    return [(parse_place(folder.relative_to(root).as_posix()), record) for folder, record in records.items()]


def frame_scores(frames: FrameSet, place: Place, folder: Path, tolerance_px: float) -> pd.DataFrame:
    """One line per frame (`evaluate_frames`), as notebooks 03 and 05 score test frames.

    A labeller gets the true binary mask of each frame, a network the frame alone; ``folder`` holds its weights.
    """
    if place.kind == "sam":
        predictions = predict_frames(load_labeller(folder / "adapters.safetensors"), frames)
    else:
        predictions = predict(load_network(folder / "model.safetensors")[0], frames)
    return evaluate_frames(frames, predictions, tolerance_px)


def _names_of(place: Place) -> tuple[str, str, int]:
    """(row, labeller, seed) of a labeller or network."""
    if place.kind == "sam":
        return ALONE, str(place.parameters["labeller"]), place.seed
    cell = Cell.parse(str(place.parameters["cell"]))
    return cell.row, cell.labeller, cell.seed


def _lines_of(path: Path, current: set[tuple], again: bool) -> list[dict]:
    """The lines of the table that belong to a ``current`` result; StageError for others, or ``again`` removes them."""
    if not path.is_file():
        return []
    table = pd.read_csv(
        path, dtype={"identity": str}, float_precision="round_trip", keep_default_na=False, na_values={"value": [""]}
    )
    lines: list[dict] = table.to_dict("records")
    stale = [line for line in lines if tuple(line[name] for name in NAMED_BY) not in current]
    if stale and not again:
        named = dict.fromkeys(f"{line['row']} ({line['labeller']}, seed {line['seed']})" for line in stale)
        raise StageError(
            f"{paths.display(path)} has scores of results that are gone or were made again since, or of another number "
            f"of development frames: {', '.join(named)}. Score these anew with --again, or remove the file"
        )
    kept = [line for line in lines if line not in stale]
    if stale:
        files.write_csv(path, pd.DataFrame(kept, columns=[*COLUMNS]))
    return kept


def _score(root: Path, place: Place, record: Mapping[str, Any], frames: FrameSet) -> list[dict]:
    """The lines of one labeller or network; its scores by frame are written first."""
    table = frame_scores(frames, place, root / place.folder, record["parameters"]["tolerance_px"])
    files.write_csv(root / FOLDER / "per_frame" / f"{place.folder.replace('/', '__')}.csv", table)
    summary, about = summarise(table), dict(zip(COLUMNS, (*_names_of(place), len(frames)), strict=False))
    return [about | {"metric": name, "value": summary[name], "identity": record["identity"]} for name in METRICS]
