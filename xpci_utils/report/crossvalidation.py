"""Do synthetic pairs help on a folder of real, annotated images? The tables of a cross-validation.

Each fold is a run of the profile ``real_study`` in a folder of its own: the images of the other folds train denoiser,
labeller and EMCAD, with and without synthetic pairs for as many steps, and its own images are predicted once. All
images of one sequence, such as crops of one micrograph, stay in the same fold. `xpci_utils.running.study` runs them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd

from xpci_utils import files, stages
from xpci_utils.evaluation.per_frame import nanmean
from xpci_utils.evaluation.statistics import FEWEST, NOTHING, Difference, fold_interval, paired_values, sequence_sums
from xpci_utils.params import PrepareFrames, Sweep
from xpci_utils.params.cells import parse_row
from xpci_utils.params.places import cell_place, labeller_place, parse_place
from xpci_utils.params.profiles import stage_parameters, sweep_of
from xpci_utils.params.runs import cells_of, pool_labellers, stage_folders
from xpci_utils.report.advice import fold_advice
from xpci_utils.report.study import GAINS
from xpci_utils.report.tables import Table
from xpci_utils.report.wording import BACKBONE_NAMES, change, interval, labeller_name, plural, score

PROFILE = "real_study"
ABOUT = ("fold", "row", "seed", "frame", "sequence")
COUNTED = ("tp", "fp", "fn")
RECORDED = ("identity", "threads", "wall_seconds", "finished")
CSV: dict[str, Any] = {"lineterminator": "\n", "float_format": "%.6g"}


@dataclass(frozen=True)
class Study:
    """A cross-validation of one annotated folder; ``own`` are notebook 01's parameters that name it."""

    root: Path
    own: dict[str, str]
    sweep: Sweep = field(default_factory=lambda: sweep_of(PROFILE))

    @property
    def folds(self) -> range:
        frames = stage_parameters(PROFILE, "frames", self.root, self.own)
        assert isinstance(frames, PrepareFrames)
        return range(frames.folds)

    @property
    def places(self) -> list[str]:
        """Folders of a fold's stages, below its root; its tables need neither a report nor an audit."""
        return [place for place in stage_folders(self.sweep)[:-1] if parse_place(place).notebook != "04c_audit_pairs"]

    @property
    def finished(self) -> list[int]:
        """The folds whose stages are all done."""
        return [f for f in self.folds if all(stages.read_run(self.fold_root(f) / place) for place in self.places)]

    def fold_root(self, fold: int) -> Path:
        return self.root / f"fold_{fold}"

    def own_of(self, fold: int) -> dict:
        """Notebook 01's parameters of one fold that its file does not have."""
        return {**self.own, "fold": fold}


def write_study(study: Study) -> None:
    """Write scores per image, the tables, advice and where they come from, of the folds that are finished."""
    scores = pd.concat([read_fold(study, fold) for fold in study.finished], ignore_index=True)
    write_tables(scores, study.root)
    files.write_text(study.root / "advice.md", fold_advice(pd.read_csv(study.root / "gains.csv")))
    files.write_csv(study.root / "folds.csv", pd.DataFrame([fold_row(study, fold) for fold in study.finished]), **CSV)
    runs = {
        f"fold_{fold}/{place}": recorded(study.fold_root(fold) / place)
        for fold in study.finished
        for place in study.places
    }
    about = {"folds": len(study.folds), "finished": study.finished, "runs": runs}
    files.write_json(study.root / "provenance.json", about)


def recorded(folder: Path) -> dict[str, Any]:
    """What is kept of the record of a finished stage, its version among it."""
    record = stages.read_run(folder) or {}
    return {"version": stages.version_of(record), **{name: record[name] for name in RECORDED}}


def write_tables(scores: pd.DataFrame, folder: Path) -> None:
    """per_image.csv, gains.csv and gains.md from the scores per image, which is all they need."""
    rows = [row for row in scores["row"].unique() if parse_row(row).labeller != "none"]
    tables = [gains(scores, row) for row in rows]
    files.write_csv(folder / "per_image.csv", scores, **CSV)
    files.write_csv(folder / "gains.csv", pd.concat([table.data for table in tables]), **CSV)
    files.write_text(folder / "gains.md", "\n".join(table.markdown() for table in tables))


def read_fold(study: Study, fold: int) -> pd.DataFrame:
    """Scores of every held-out image of a finished fold, by every network."""
    tables = []
    for cell in cells_of(study.sweep):
        place = study.fold_root(fold) / cell_place(cell).folder
        table = pd.read_csv(place / "per_frame.csv", dtype={"frame": str, "sequence": str})
        tables.append(table.assign(fold=fold, row=cell.row, seed=cell.seed))
    scores = pd.concat(tables)
    per_class = [name for name in map(str, scores) if name.startswith("dice_")]
    classes = [name for name in per_class if "foreground" not in name and "union" not in name]
    kept = [*ABOUT, *(name for name in GAINS if name not in ("micro_f1",)), *classes, *COUNTED]
    return scores[list(dict.fromkeys(kept))].round(5)


def gains(scores: pd.DataFrame, row: str) -> Table:
    """What the synthetic pairs of ``row`` add over the same steps without them, with an interval over the folds.

    Images and seeds of a fold share its denoiser and its labeller, so they are not independent of each other: a fold
    counts once (`fold_interval`). Beside the interval stands the difference of every fold.
    """
    cell = parse_row(row)
    treated, alone = (scores[scores["row"] == name] for name in (row, cell.alone().row))
    classes = [name for name in map(str, scores) if name.startswith("dice_") and name not in GAINS]
    metrics = GAINS | {name: f"Dice of {name[5:]}" for name in classes}
    of_metrics = {metric: _difference(treated, alone, metric) for metric in metrics}
    folds, images, seeds = (treated[name].nunique() for name in ("fold", "frame", "seed"))
    data = pd.DataFrame([{"row": row, "metric": metric} | _numbers(one) for metric, one in of_metrics.items()])
    data.insert(2, "alone", [_mean(alone, metric) for metric in metrics])
    data.insert(3, "with_pairs", [_mean(treated, metric) for metric in metrics])
    of_folds = [_of_each_fold(treated, alone, metric) for metric in metrics]
    data["of_each_fold"] = [" ".join(f"{value:.6f}" for value in values) for values in of_folds]
    data["seeds"], data["images"] = seeds, images
    printed = pd.DataFrame({"": metrics.values(), "annotated alone": data["alone"].map(score)})
    printed["with synthetic pairs"] = data["with_pairs"].map(score)
    printed["difference, interval over folds"] = [interval(one) for one in of_metrics.values()]
    printed["in each fold"] = [", ".join(map(change, values)) for values in of_folds]
    caption = (
        f"{BACKBONE_NAMES[cell.backbone]} on {plural(images, 'held-out image')} of {plural(folds, 'fold')}, "
        f"{plural(seeds, 'seed')}: annotated images alone, and with {cell.synthetic:,} synthetic pairs labelled by "
        f"{labeller_name(cell.labeller)}, for as many steps. Denoiser and labeller are trained in every fold. "
        f"{_about_interval(folds)}"
    )
    return Table("gains", caption, data, printed)


def _about_interval(folds: int) -> str:
    """What the brackets show, and what they leave out."""
    if folds < FEWEST:
        return f"Fewer than {FEWEST} folds allow no interval."
    return (
        "Images and seeds of a fold share both, so a fold counts once: brackets show 95 % intervals over the folds (t "
        f"distribution with {folds - 1} degrees of freedom). The training sets of the folds overlap, so the intervals "
        "are rather too narrow."
    )


def _difference(treated: pd.DataFrame, alone: pd.DataFrame, metric: str) -> Difference:
    """The mean difference over all images, with its interval over folds."""
    differences, values = paired_values(_by_seed(treated), _by_seed(alone), metric)
    return fold_interval(differences.to_numpy(), values.to_numpy()) if len(differences) else NOTHING


def _by_seed(rows: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """The rows of each seed, with their fold in place of their sequence."""
    return {cast(int, seed): of_seed for seed, of_seed in rows.assign(sequence=rows["fold"]).groupby("seed")}


def _of_each_fold(treated: pd.DataFrame, alone: pd.DataFrame, metric: str) -> list[float]:
    """The difference on the images of each fold alone, mean over its seeds; NaN where none of them shows the class."""
    return [
        _mean(treated[treated["fold"] == fold], metric) - _mean(alone[alone["fold"] == fold], metric)
        for fold in sorted(treated["fold"].unique())
    ]


def _numbers(one: Difference) -> dict:
    return {"difference": one.mean, **{f"folds_{end}": getattr(one, end) for end in ("low", "high", "p")}}


def _mean(rows: pd.DataFrame, metric: str) -> float:
    """Mean over seeds of the score of all images; NaN where no image has it."""
    sums = [sequence_sums(of_seed, metric).sum() for _, of_seed in rows.groupby("seed")]
    return nanmean([one["part"] / one["whole"] for one in sums if one["whole"]])


def fold_row(study: Study, fold: int) -> dict:
    """What a fold is made of and how good its parts are: foreground Dice of labeller, look-up table and networks."""
    root = study.fold_root(fold)
    split = pd.read_csv(root / "frames/frames.csv")["split"].value_counts()
    line = {"fold": fold, **{name: int(split[name]) for name in ("train", "val", "test")}}
    for labeller in pool_labellers(study.sweep):
        metrics = files.read_json(root / labeller_place(labeller).folder / "metrics.json")
        line |= {f"{labeller}_dice_foreground": metrics["test"]["dice_foreground"]}
    for cell in cells_of(study.sweep):
        metrics = files.read_json(root / cell_place(cell).folder / "metrics.json")
        line |= {"grey_lookup_dice_foreground": metrics["trivial"]["dice_foreground"]}
        line |= {f"{cell.name}_dice_foreground": metrics["test"]["dice_foreground"]}
    runs = [stages.read_run(root / place) or {} for place in study.places]
    return line | {"core_minutes": round(sum(run["wall_seconds"] * run["threads"] for run in runs) / 60, 1)}
