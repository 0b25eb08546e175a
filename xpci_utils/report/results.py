"""What a run has measured so far, as tidy tables; what is not finished is named, never filled in."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from xpci_utils import grid, paths
from xpci_utils.artifacts import read_json, read_run
from xpci_utils.frames import FrameSet
from xpci_utils.params import Sweep


@dataclass(frozen=True)
class Results:
    """Everything the report prints.

    ``cells`` has one row per cell of the sweep and ``labellers`` one per adapted SAM and seed, finished or not (column
    ``finished``); scores are those of the test frames. ``runs`` maps the folder of every finished stage to the content
    of its run.json.
    """

    root: Path
    sweep: Sweep
    cells: pd.DataFrame
    labellers: pd.DataFrame
    runs: dict[str, dict]

    @property
    def missing(self) -> list[str]:
        """Folders of the stages that are not finished, in the order in which they would run."""
        return [place for place in grid.stage_folders(self.sweep)[:-1] if place not in self.runs]

    @property
    def frames(self) -> FrameSet | None:
        """The annotated frames, or None while notebook 01 is unfinished."""
        return FrameSet.open(self.root / "frames") if "frames" in self.runs else None

    @property
    def source_word(self) -> str:
        """ "simulated" for simulated frames, else "annotated"; frames of the simulator are never called real."""
        return "simulated" if self.frames is not None and self.frames.simulated else "annotated"

    @property
    def annotated(self) -> int | None:
        """Annotated frames behind every cell; None if that is the whole training split and it is not there yet."""
        if self.sweep.annotated or self.frames is None:
            return self.sweep.annotated or None
        return len(self.frames.split("train"))

    @property
    def labeller(self) -> str:
        """The labeller that the pictures show: SAM-b with its prompt if it is finished, else the next best."""
        order = sorted(self.sweep.labellers, key=_preference)
        return next((name for name in order if f"sam/{name}__s0" in self.runs), order[0])

    @property
    def pool_labeller(self) -> str:
        """The labeller whose names of the synthetic pool the pictures show."""
        order = sorted(grid.pool_labellers(self.sweep), key=_preference)
        return next((name for name in order if f"pools/ddpm/labels/{name}__s0" in self.runs), order[0])

    @property
    def reduced(self) -> bool:
        """Whether any finished network is smaller than the published one."""
        return any(run["parameters"].get("size", "paper") != "paper" for run in self.runs.values())

    def metrics(self, place: str) -> dict:
        """metrics.json of a finished stage; {} if it is unfinished or measures nothing."""
        path = self.root / place / "metrics.json"
        return read_json(path) if place in self.runs and path.is_file() else {}

    def parameters(self, place: str) -> dict:
        """The parameters of a finished stage; {} if it is unfinished."""
        return self.runs.get(place, {}).get("parameters", {})

    def of_labeller(self, labeller: str) -> pd.DataFrame:
        """The finished adaptations of a labeller, one per seed."""
        return self.labellers[(self.labellers["labeller"] == labeller) & self.labellers["finished"]]

    def of_series(self, series: str, synthetic: int) -> pd.DataFrame:
        """The finished cells, one per seed, behind one row of a table."""
        names = [grid.series_cell(series, self.sweep.annotated, synthetic, seed).name for seed in self.sweep.seeds]
        return self.cells[self.cells["cell"].isin(names) & self.cells["finished"]]


def read_results(run_root: str | Path, sweep: Sweep | str | Path) -> Results:
    """Read all finished stages of ``sweep`` below ``run_root``; ``sweep`` is the model or its YAML file."""
    root = paths.resolve(run_root)
    sweep = sweep if isinstance(sweep, Sweep) else Sweep.from_yaml(sweep)
    found = {place: read_run(root / place) for place in grid.stage_folders(sweep)[:-1]}
    runs = {place: run for place, run in found.items() if run}
    cells = pd.DataFrame([_cell_row(root, cell, runs) for cell in grid.cells(sweep)])
    adapted = product(sweep.labellers, sweep.labeller_seeds)
    labellers = pd.DataFrame([_labeller_row(root, name, seed, runs) for name, seed in adapted])
    return Results(root, sweep, cells, labellers, runs)


def aggregate(cells: pd.DataFrame, metric: str) -> tuple[float, float, int]:
    """(mean, standard deviation, number of seeds) of one column; NaN for what there is not."""
    values = pd.to_numeric(cells[metric]).dropna() if metric in cells else pd.Series(dtype=float)
    return float(values.mean()), float(values.std(ddof=1)), len(values)


def _cell_row(root: Path, cell: grid.Cell, runs: dict) -> dict:
    place = f"segmentation/{cell.name}"
    identity = {"cell": cell.name, "finished": place in runs, **vars(cell)}
    return identity | _measured(root, place, runs, ("size", "parameters", "weights", "steps"))


def _labeller_row(root: Path, labeller: str, seed: int, runs: dict) -> dict:
    place = grid.labeller_folder(labeller, seed)
    variant, mask_prompt, _ = grid.parse_labeller(labeller)
    identity = {"labeller": labeller, "seed": seed, "variant": variant, "mask_prompt": mask_prompt}
    return identity | {"finished": place in runs} | _measured(root, place, runs, ("description", "head", "parameters"))


def _preference(labeller: str) -> tuple[bool, bool, str]:
    """Sorts labellers: with the prompt first, then with a trained head, then SAM-b."""
    variant, prompted, head_frozen = grid.parse_labeller(labeller)
    return not prompted, head_frozen, variant


def _measured(root: Path, place: str, runs: dict, names: tuple[str, ...]) -> dict:
    """Named entries of metrics.json and every test score; a dict of counts becomes parameters_total, ..."""
    if place not in runs:
        return {}
    metrics = read_json(root / place / "metrics.json")
    row = {}
    for name in names:
        value = metrics.get(name)
        row |= {f"{name}_{key}": count for key, count in value.items()} if isinstance(value, dict) else {name: value}
    trivial = {f"trivial_{name}": value for name, value in metrics.get("trivial", {}).items()}
    return row | metrics["test"] | trivial | {"tolerance_px": runs[place]["parameters"].get("tolerance_px")}
