"""Do synthetic pairs help on a folder of real, annotated images? ``make real-study FRAMES=folder``: a cross-validation.

Each fold is a run of the profile ``real_study`` in a folder of its own: the images of the other folds train denoiser,
labeller and EMCAD, with and without synthetic pairs for as many steps, and its own images are predicted once. Whole
sequences are held out, so crops of one image (one sequence in ``sequences.csv``) never part. After every fold the
tables are written anew from those that are finished; an interrupted study goes on where it stopped.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from xpci_utils import artifacts, grid, paths, workflow
from xpci_utils.evaluation import paired_difference
from xpci_utils.evaluation.per_frame import nanmean
from xpci_utils.evaluation.statistics import Difference, sequence_sums
from xpci_utils.frames import check_folder, read_classes
from xpci_utils.params import Sweep
from xpci_utils.report.study import GAINS
from xpci_utils.report.tables import Table
from xpci_utils.report.wording import BACKBONE_NAMES, interval, labeller_name, plural, score

PROFILE = "real_study"
SCRIPTS = Path(sys.executable).parent
ABOUT = ("fold", "row", "seed", "frame", "sequence")
COUNTED = ("tp", "fp", "fn")
RECORDED = ("recipe", "identity", "threads", "wall_seconds", "finished")


@dataclass(frozen=True)
class Study:
    """A cross-validation of one annotated folder; ``own`` are notebook 01's parameters that name it."""

    root: Path
    own: dict[str, str]
    sweep: Sweep = field(default_factory=lambda: Sweep.from_yaml(f"params/{PROFILE}/sweep.yaml"))

    @property
    def folds(self) -> range:
        return range(workflow.stage_parameters(PROFILE, "frames", self.root, self.own).folds)

    @property
    def places(self) -> list[str]:
        """Folders of a fold's stages, below its root."""
        return grid.stage_folders(self.sweep)[:-1]

    @property
    def finished(self) -> list[int]:
        """The folds whose stages are all done."""
        return [f for f in self.folds if all(artifacts.read_run(self.fold_root(f) / place) for place in self.places)]

    def fold_root(self, fold: int) -> Path:
        return self.root / f"fold_{fold}"

    def own_of(self, fold: int) -> dict:
        """Notebook 01's parameters of one fold that its file does not have."""
        return {**self.own, "fold": fold}


def main(arguments: list[str] | None = None) -> int:
    """Cross-validate an annotated folder with and without synthetic pairs; the tables lie beside the folds."""
    parser = argparse.ArgumentParser(prog="python -m xpci_utils.real_study", description=main.__doc__)
    parser.add_argument("--frames", required=True, help="folder of annotated images; data/README.md shows its layout")
    parser.add_argument("--classes", default="", help="its classes file, if it lies elsewhere")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="jobs at once")
    parser.add_argument("--force", action="store_true", help="give up results of other images, parameters or code")
    options = parser.parse_args(arguments)
    folder, classes = (str(Path(path).resolve()) if path else "" for path in (options.frames, options.classes))
    own = {name: path for name, path in (("source_folder", folder), ("classes_file", classes)) if path}
    study = Study(paths.resolve(f"runs/{PROFILE}/{Path(folder).name}"), own)
    try:
        check(study)
    except ValueError as error:  # FolderError and ParameterError among them
        print(f"error: {error}", file=sys.stderr)
        return 2
    others = {}
    for fold in study.folds:
        others |= workflow.other_results(PROFILE, study.fold_root(fold), study.places, study.own_of(fold))
    if workflow.refuse_others(others, options.force, "real-study"):
        return 2
    try:
        return run(study, options.cores)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130


def check(study: Study) -> None:
    """Read every image and deal every fold before anything is trained; FolderError at what cannot be used."""
    for fold in study.folds:
        parameters = workflow.stage_parameters(PROFILE, "frames", study.fold_root(fold), study.own_of(fold))
        classes = read_classes(parameters.classes_path)
        check_folder(parameters.source_folder, classes, parameters.seed, parameters.folds, fold)


def run(study: Study, cores: int | None) -> int:
    """Run what is missing of every fold and write the tables after each; 1 if a fold failed, whose log is named."""
    failed = []
    for fold in study.folds:
        if fold not in study.finished:
            print(f"fold_{fold}, of {len(study.folds)}: {progress(study)}", flush=True)
            if run_fold(study, fold, cores):
                failed.append(fold)
        if study.finished:
            write_study(study)
    print(f"{len(study.finished)} of {len(study.folds)} folds are finished; tables: {paths.display(study.root)}")
    for fold in failed:
        print(f"error: fold_{fold} failed; see {paths.display(study.fold_root(fold) / 'logs')}", file=sys.stderr)
    return int(bool(failed))


def run_fold(study: Study, fold: int, cores: int | None) -> int:
    """All stages of one fold through Snakemake; returns its exit code."""
    environment = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    return subprocess.run(command(study, fold, cores), cwd=paths.root(), env=environment, check=False).returncode


def command(study: Study, fold: int, cores: int | None, *options: str) -> list[str]:
    """Snakemake's command line for all stages of one fold."""
    root = os.path.relpath(study.fold_root(fold), paths.root())
    config = {"profile": PROFILE, "frames": study.own["source_folder"], "classes": study.own.get("classes_file", "")}
    given = [f"{name}={value}" for name, value in (config | {"fold": fold, "run_root": root}).items() if value != ""]
    targets = [f"{root}/{place}/{artifacts.RUN_FILE}" for place in study.places]
    return [str(SCRIPTS / "snakemake"), "--cores", str(cores), *options, "--config", *given, "--", *targets]


def progress(study: Study) -> str:
    """ "9 of 24 stages done, about 20 minutes of one job's work left"."""
    roots = [study.fold_root(fold) for fold in study.folds]
    states = [(r, place, state) for r in roots for place, state, _ in workflow.states_of(r, study.places)]
    done = sum(state == "done" for *_, state in states)
    return f"{done} of {len(states)} stages done, {workflow.time_left(states)}"


def write_study(study: Study) -> None:
    """Write scores per image, the tables and where they come from, of the folds that are finished."""
    scores = pd.concat([read_fold(study, fold) for fold in study.finished], ignore_index=True)
    write_tables(scores, study.root)
    _save_csv(pd.DataFrame([fold_row(study, fold) for fold in study.finished]), study.root / "folds.csv")
    runs = {
        f"fold_{fold}/{place}": {name: artifacts.read_run(study.fold_root(fold) / place)[name] for name in RECORDED}
        for fold in study.finished
        for place in study.places
    }
    about = {"folds": len(study.folds), "finished": study.finished, "runs": runs}
    artifacts.write_json(study.root / "provenance.json", about)


def write_tables(scores: pd.DataFrame, folder: Path) -> None:
    """per_image.csv, gains.csv and gains.md from the scores per image, which is all they need."""
    rows = [row for row in scores["row"].unique() if grid.parse_row(row).labeller != "none"]
    tables = [gains(scores, row) for row in rows]
    _save_csv(scores, folder / "per_image.csv")
    _save_csv(pd.concat([table.data for table in tables]), folder / "gains.csv")
    with artifacts.atomic_path(folder / "gains.md") as temporary:
        temporary.write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")


def read_fold(study: Study, fold: int) -> pd.DataFrame:
    """Scores of every held-out image of a finished fold, by every network."""
    tables = []
    for cell in grid.cells(study.sweep):
        place = study.fold_root(fold) / f"segmentation/{cell.name}"
        table = pd.read_csv(place / "per_frame.csv", dtype={"frame": str, "sequence": str})
        tables.append(table.assign(fold=fold, row=cell.row, seed=cell.seed))
    scores = pd.concat(tables)
    classes = [name for name in scores if name.startswith("dice_") and "foreground" not in name and "union" not in name]
    kept = [*ABOUT, *(name for name in GAINS if name not in ("micro_f1",)), *classes, *COUNTED]
    return scores[list(dict.fromkeys(kept))].round(5)


def gains(scores: pd.DataFrame, row: str) -> Table:
    """What the synthetic pairs of ``row`` add over the same steps without them, with intervals over images and folds.

    A seed stands for one training per fold, and so for one score of every image. Seeds are random beside images, or
    beside folds, whose images share denoiser and labeller. Training sets of the folds overlap, so neither interval is
    exact (Bengio and Grandvalet 2004): the wider one should be believed.
    """
    cell = grid.parse_row(row)
    treated, alone = (scores[scores["row"] == name] for name in (row, grid.real_only(cell).row))
    metrics = GAINS | {name: f"Dice of {name[5:]}" for name in scores if name.startswith("dice_") and name not in GAINS}
    found = {metric: _differences(treated, alone, metric) for metric in metrics}
    data = pd.DataFrame([{"row": row, "metric": metric} | _numbers(*one) for metric, one in found.items()])
    data.insert(2, "alone", [_mean(alone, metric) for metric in metrics])
    data.insert(3, "with_pairs", [_mean(treated, metric) for metric in metrics])
    printed = pd.DataFrame({"": metrics.values(), "annotated alone": data["alone"].map(score)})
    printed["with synthetic pairs"] = data["with_pairs"].map(score)
    for position, unit in enumerate(("images", "folds")):
        printed[f"difference, interval over {unit}"] = [interval(one[position]) for one in found.values()]
    folds, images, seeds = (treated[name].nunique() for name in ("fold", "frame", "seed"))
    caption = (
        f"{BACKBONE_NAMES[cell.backbone]} on {plural(images, 'held-out image')} of {plural(folds, 'fold')}, "
        f"{plural(seeds, 'seed')}: annotated images alone, and with {cell.synthetic:,} synthetic pairs named by "
        f"{labeller_name(cell.labeller)}, for as many steps; denoiser and labeller trained anew in every fold. In "
        "brackets 95 % intervals."
    )
    return Table("gains", caption, data, printed)


def _differences(treated: pd.DataFrame, alone: pd.DataFrame, metric: str) -> tuple[Difference, Difference]:
    """The same mean difference with its interval over images (their sequences) and over folds."""
    units = ("sequence", "fold")
    by_seed = [
        [dict(iter(rows.assign(sequence=rows[unit]).groupby("seed"))) for rows in (treated, alone)] for unit in units
    ]
    over_images, over_folds = (paired_difference(*pair, metric) for pair in by_seed)
    return over_images, over_folds


def _numbers(images: Difference, folds: Difference) -> dict:
    ends = {
        f"{unit}_{end}": getattr(one, end)
        for unit, one in (("images", images), ("folds", folds))
        for end in ("low", "high", "p")
    }
    return {"difference": images.mean, **ends, "seeds": images.seeds, "images": images.sequences}


def _mean(rows: pd.DataFrame, metric: str) -> float:
    """Mean over seeds of the score of all images."""
    sums = [sequence_sums(of_seed, metric).sum() for _, of_seed in rows.groupby("seed")]
    return nanmean([one["part"] / one["whole"] for one in sums])


def fold_row(study: Study, fold: int) -> dict:
    """What a fold is made of and how good its parts are: foreground Dice of labeller, look-up table and networks."""
    root = study.fold_root(fold)
    split = pd.read_csv(root / "frames/frames.csv")["split"].value_counts()
    line = {"fold": fold, **{name: int(split[name]) for name in ("train", "val", "test")}}
    for labeller in grid.pool_labellers(study.sweep):
        metrics = artifacts.read_json(root / grid.labeller_folder(labeller) / "metrics.json")
        line |= {f"{labeller}_dice_foreground": metrics["test"]["dice_foreground"]}
    for cell in grid.cells(study.sweep):
        metrics = artifacts.read_json(root / f"segmentation/{cell.name}/metrics.json")
        line |= {"grey_lookup_dice_foreground": metrics["trivial"]["dice_foreground"]}
        line |= {f"{cell.name}_dice_foreground": metrics["test"]["dice_foreground"]}
    stages = [artifacts.read_run(root / place) for place in study.places]
    return line | {"core_minutes": round(sum(run["wall_seconds"] * run["threads"] for run in stages) / 60, 1)}


def _save_csv(table: pd.DataFrame, path: Path) -> None:
    with artifacts.atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    sys.exit(main())
