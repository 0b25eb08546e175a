"""What a run has measured so far, as tidy tables and a few pictures; what is not finished is named, never filled in.

`Results` holds everything that tables and figures are made of, so that they can be made again without the run that it
was read from (`committed`).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from xpci_utils import paths
from xpci_utils.files import read_json, read_jsonl
from xpci_utils.params import Sweep
from xpci_utils.params.cells import Cell, parse_labeller
from xpci_utils.params.places import cell_place, labeller_place, labels_place, pairs_place, parse_place
from xpci_utils.params.runs import (
    GRIDS,
    cells_of,
    claimed_rows,
    pool_labellers,
    preference,
    series_cell,
    stage_folders,
)
from xpci_utils.report.evidence import read_evidence
from xpci_utils.report.pictures import FrameFacts, predicting_places, read_facts, read_pictures, shown_frames
from xpci_utils.report.wording import METRIC_NAMES
from xpci_utils.stages import read_run, training_frames, was_audited

TEST_SETS = {"test": "per_frame.csv", "shifted": "per_frame_shifted.csv"}
DIGITS = 5  # of a score of one frame
KEPT: tuple[str, ...] = ("place", "seed", "test_set", "frame", "sequence", "dice", "nsd", "tp", "fp", "fn")
KEPT += ("nsd_1px", "particles_true", "particles_predicted", "particles_matched")


@dataclass(frozen=True)
class Results:
    """Everything the report prints.

    ``cells`` has one row per cell of the paper's grid and per finished cell of the other grids, and ``labellers`` one
    per adapted SAM and seed, finished or not (column ``finished``); scores are those of the test frames, ``noisy_...``
    of a labeller with masks that the denoiser drew. ``per_frame``
    has one row per finished network, test set ("test" or "shifted") and frame. ``runs`` maps the folder of every
    finished stage to the content of its run.json, ``measured`` to its metrics.json where ``cells`` does not have it.
    ``frames`` says what the frames are like and ``pictures`` holds the first ones by index (`pictures.read_pictures`).
    ``evidence`` is what the pool and the labellers are like (`evidence.read_evidence`); results that were collected
    before it existed have none.
    """

    sweep: Sweep
    cells: pd.DataFrame
    labellers: pd.DataFrame
    per_frame: pd.DataFrame
    runs: dict[str, dict]
    measured: dict[str, dict]
    frames: FrameFacts | None
    pictures: dict[str, np.ndarray]
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """Folders of the stages that are not finished, of the paper's grid and of every other that has been begun."""
        begun = [which for which in GRIDS if which == "paper" or self._begun(which)]
        wanted = [place for place in stage_folders(self.sweep, *begun)[:-1] if place not in self.runs]
        return [place for place in wanted if not self._audited_before(place)]

    def _audited_before(self, folder: str) -> bool:
        """Whether a folder is that of an audit whose pool was measured as it was sampled, by the former notebook."""
        place = parse_place(folder)
        pool = self.runs.get(pairs_place(str(place.parameters.get("pool"))).folder)
        return place.notebook == "04c_audit_pairs" and pool is not None and was_audited(pool)

    def _begun(self, which: str) -> bool:
        own = set(cells_of(self.sweep, which)) - set(cells_of(self.sweep))
        return any(cell_place(cell).folder in self.runs for cell in own)

    @property
    def source_word(self) -> str:
        """ "simulated" for simulated frames, else "annotated"; frames of the simulator are never called real."""
        return "simulated" if self.frames is not None and self.frames.simulated else "annotated"

    @property
    def facts(self) -> FrameFacts:
        """What the frames are like, for what is drawn only when there are some."""
        assert self.frames is not None
        return self.frames

    @property
    def annotated(self) -> int | None:
        """Annotated frames behind every cell; None if that is the whole training split and it is not there yet."""
        if self.sweep.annotated or self.frames is None:
            return self.sweep.annotated or None
        return self.frames.counts["train"]

    @property
    def labeller(self) -> str:
        """The labeller that the pictures show: SAM-b with its prompt if it is finished, else the next best."""
        return _shown_labeller(self.sweep, self.runs)

    @property
    def pool_labeller(self) -> str:
        """The labeller whose names of the synthetic pool the pictures show."""
        return _shown_pool_labeller(self.sweep, self.runs)

    @property
    def reduced(self) -> bool:
        """Whether any finished network is smaller than the published one."""
        return any(run["parameters"].get("size", "paper") != "paper" for run in self.runs.values())

    def metrics(self, place: str) -> dict:
        """metrics.json of the denoiser or of a labeller; {} if it is unfinished."""
        return self.measured.get(place, {})

    def parameters(self, place: str) -> dict:
        """The parameters of a finished stage; {} if it is unfinished."""
        return self.runs.get(place, {}).get("parameters", {})

    def of_labeller(self, labeller: str) -> pd.DataFrame:
        """The finished adaptations of a labeller, one per seed."""
        return self.labellers[(self.labellers["labeller"] == labeller) & self.labellers["finished"]]

    def of_row(self, row: str) -> pd.DataFrame:
        """The finished cells, one per seed, of a row such as emcad__r0100__vit_b__n00500__mix."""
        return self.cells[(self.cells["row"] == row) & self.cells["finished"]]

    def of_series(self, series: str, synthetic: int) -> pd.DataFrame:
        """The finished cells, one per seed, behind one row of a table."""
        return self.of_row(series_cell(series, self.sweep.annotated, synthetic, 0).row)

    def scores(self, place: str, test_set: str = "test") -> dict[int, pd.DataFrame]:
        """Seed -> scores of every frame of a test set, for ``segmentation/<row>`` or ``sam/<labeller>``."""
        return self._scores.get((place, test_set), {})

    @cached_property
    def _scores(self) -> dict[tuple[str, str], dict[int, pd.DataFrame]]:
        tables: dict[tuple[str, str], dict[int, pd.DataFrame]] = {}
        for key, frames in self.per_frame.groupby(["place", "test_set", "seed"]):
            place, test_set, seed = cast(tuple[str, str, int], key)
            tables.setdefault((place, test_set), {})[int(seed)] = frames
        return tables


def read_results(run_root: str | Path, sweep: Sweep | str | Path) -> Results:
    """Read all finished stages of ``sweep`` below ``run_root``; ``sweep`` is the model or its YAML file."""
    root = paths.resolve(run_root)
    sweep = sweep if isinstance(sweep, Sweep) else Sweep.from_yaml(sweep)
    sweep = sweep.for_frames(training_frames(root))
    records = {place: read_run(root / place) for place in stage_folders(sweep, *GRIDS)[:-1]}
    runs = {place: run | {"core_seconds": _core_seconds(root / place, run)} for place, run in records.items() if run}
    measured = {place: _metrics(root / place) for place in runs if parse_place(place).kind != "segmentation"}
    stored = [place for place in runs if (root / place / "predictions").is_dir()]
    predicting = shown_places(sweep, runs, stored)
    shown = shown_frames(root, predicting).names if "frames" in runs else []
    return Results(
        sweep,
        cells=pd.DataFrame([_cell_row(root, cell, runs) for cell in printed_cells(sweep, runs)]),
        labellers=labeller_rows(sweep, runs, measured),
        per_frame=_per_frame(root, runs),
        runs=runs,
        measured=measured,
        frames=read_facts(root / "frames", shown) if "frames" in runs else None,
        pictures=read_pictures(root, runs, _shown_pool_labeller(sweep, runs), predicting, shown),
        evidence=read_evidence(root, runs, pool_labellers(sweep)),
    )


def printed_cells(sweep: Sweep, runs: Collection[str]) -> list[Cell]:
    """Every cell of the paper's grid, and of the other grids those whose places are among the finished ``runs``."""
    return list(dict.fromkeys([*cells_of(sweep), *_finished(sweep, runs)]))


def shown_places(sweep: Sweep, runs: Collection[str], stored: Collection[str]) -> list[str]:
    """The finished ``runs`` whose predictions are shown, of those that ``stored`` them: a labeller, and two networks
    per backbone."""
    cells = _finished(sweep, runs)
    places = predicting_places(stored, _shown_labeller(sweep, runs), cells, claimed_rows(sweep))
    return [place for place in places if place in runs]


def _finished(sweep: Sweep, runs: Collection[str]) -> list[Cell]:
    return [cell for cell in cells_of(sweep, *GRIDS) if cell_place(cell).folder in runs]


def labeller_rows(sweep: Sweep, runs: dict, measured: dict) -> pd.DataFrame:
    """One row per adapted SAM and seed of the sweep."""
    adapted = product(sweep.labellers, sweep.labeller_seeds)
    return pd.DataFrame([_labeller_row(name, seed, runs, measured) for name, seed in adapted])


def whole_numbers(cells: pd.DataFrame) -> pd.DataFrame:
    """The same table for a file: beside rows that are not finished, pandas would write counts as 4.0."""
    return cells.convert_dtypes(convert_string=False)


def mean_of(cells: pd.DataFrame, metric: str) -> float:
    """Mean over the seeds of one column; NaN without any."""
    return float(_by_seed(cells, metric).mean())


def spread(cells: pd.DataFrame, metric: str) -> dict[str, float | str]:
    """Of the seeds of a row: ``dice``, their mean, ``dice_sd``, and ``dice_by_seed``, "0.812300 0.793800" in order."""
    values = _by_seed(cells, metric)
    listed = " ".join(f"{value:.6f}" for value in values)
    return {metric: float(values.mean()), f"{metric}_sd": float(values.std(ddof=1)), f"{metric}_by_seed": listed}


def _by_seed(cells: pd.DataFrame, metric: str) -> pd.Series:
    if metric not in cells:
        return pd.Series(dtype=float)
    return pd.to_numeric(cells.sort_values("seed")[metric]).dropna()


def _cell_row(root: Path, cell: Cell, runs: dict) -> dict:
    place = cell_place(cell).folder
    identity = {"cell": cell.name, "row": cell.row, "finished": place in runs, **vars(cell)}
    if place not in runs:
        return identity
    metrics, run = _metrics(root / place), runs[place]
    shifted = {f"shifted_{name}": value for name, value in (metrics.get("shifted") or {}).items()}
    judged = {name: value for name, value in (metrics.get("validation") or {}).items() if name in METRIC_NAMES}
    shifted |= {f"validation_{name}": value for name, value in judged.items()}
    names = ("size", "parameters", "weights", "steps", "validation_score")
    return identity | _measured(metrics, run, names) | shifted | {"core_seconds": run["core_seconds"]}


def _labeller_row(labeller: str, seed: int, runs: dict, measured: dict) -> dict:
    place = labeller_place(labeller, seed).folder
    parts = parse_labeller(labeller)
    identity: dict[str, Any] = {"labeller": labeller, "seed": seed}
    identity |= {"variant": parts.variant, "mask_prompt": parts.prompted}
    identity |= {"finished": place in runs}
    if place not in runs:
        return identity
    noisy = measured.get(labels_place("heldout", labeller, seed).folder, {}).get("test", {})
    noisy = {f"noisy_{name}": value for name, value in noisy.items()}
    noisy |= {f"validation_{name}": value for name, value in measured[place].get("validation", {}).items()}
    return identity | _measured(measured[place], runs[place], ("description", "head", "parameters")) | noisy


def _measured(metrics: dict, run: dict, names: tuple[str, ...]) -> dict:
    """Named entries of metrics.json and every test score; a dict of counts becomes parameters_total, ..."""
    row: dict[str, Any] = {}
    for name in names:
        value = metrics.get(name)
        row |= {f"{name}_{key}": count for key, count in value.items()} if isinstance(value, dict) else {name: value}
    trivial = {f"trivial_{name}": value for name, value in metrics.get("trivial", {}).items()}
    return row | metrics["test"] | trivial | {"tolerance_px": run["parameters"].get("tolerance_px")}


def _core_seconds(folder: Path, run: dict) -> float:
    """Computing time of a stage; of one that was resumed, the history knows more than its last session."""
    history = read_jsonl(folder / "history.jsonl")
    trained = history[-1].get("seconds", 0) if history else 0
    return round(max(run["wall_seconds"], trained) * run["threads"], 1)


def _metrics(folder: Path) -> dict:
    """metrics.json of a stage; for a labeller with its scores on validation frames, by the paper's way of labelling."""
    path, ways = folder / "metrics.json", folder / "namings.csv"
    metrics = read_json(path) if path.is_file() else {}
    if ways.is_file():
        plain = pd.read_csv(ways).iloc[0]  # each pixel by itself, as in the paper
        metrics |= {"validation": {name: float(plain[name]) for name in METRIC_NAMES if name in plain}}
    return metrics


def _per_frame(root: Path, runs: dict) -> pd.DataFrame:
    """The scores of every test frame by every finished network and labeller, what no table needs left out."""
    tables = []
    for run, (test_set, file) in product(runs, TEST_SETS.items()):
        place = parse_place(run)
        if place.kind in ("sam", "segmentation") and (root / run / file).is_file():
            table = pd.read_csv(root / run / file, dtype={"frame": str, "sequence": str}).round(DIGITS)
            tables.append(table.assign(place=place.seedless, seed=place.seed, test_set=test_set))
    if not tables:
        return pd.DataFrame(columns=["place", "seed", "test_set", "frame", "sequence"])
    table = pd.concat(tables, ignore_index=True)
    return table[[name for name in map(str, table) if name in KEPT or re.match("dice_(?!union)", name)]]


def _shown_labeller(sweep: Sweep, runs: Collection[str]) -> str:
    order = sorted(sweep.labellers, key=preference)
    return next((name for name in order if labeller_place(name).folder in runs), order[0])


def _shown_pool_labeller(sweep: Sweep, runs: dict) -> str:
    order = sorted(pool_labellers(sweep), key=preference)
    return next((name for name in order if labels_place("ddpm", name).folder in runs), order[0])
