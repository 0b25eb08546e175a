"""Test by cross-validation whether synthetic pairs help on a folder of your own annotated images.

Each fold trains on the images of the others, with and without synthetic pairs, and predicts its own images once. After
every fold the tables are written again from those that are finished; an interrupted study goes on where it stopped.
"""

import os
import sys
from argparse import Namespace
from pathlib import Path

from xpci_utils import paths, stages
from xpci_utils.frames import check_folder, read_classes
from xpci_utils.params import PrepareFrames
from xpci_utils.params.profiles import stage_parameters
from xpci_utils.report.crossvalidation import PROFILE, Study, write_study
from xpci_utils.running.checks import other_results, refuse_others
from xpci_utils.running.options import add_own_frames, own_frames, parser_of
from xpci_utils.running.reproduce import run_snakemake
from xpci_utils.running.status import states_of, time_left


def main(arguments: list[str]) -> int:
    """Cross-validate; the tables lie beside the folds, in runs/real_study/<folder>."""
    options = _parse(arguments)
    own = own_frames(options)
    study = Study(paths.resolve(f"runs/{PROFILE}/{Path(own['source_folder']).name}"), own)
    try:
        check(study)
    except ValueError as error:  # FolderError and ParameterError among them
        print(f"error: {error}", file=sys.stderr)
        return 2
    others: dict[Path, str] = {}
    for fold in study.folds:
        others |= other_results(PROFILE, study.fold_root(fold), study.places, study.own_of(fold))
    if refuse_others(others, options.force, "real-study"):
        return 2
    return run(study, options.cores)


def _parse(arguments: list[str]) -> Namespace:
    parser = parser_of("study", __doc__)
    add_own_frames(parser, required=True)
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="jobs at once (default: all cores)")
    parser.add_argument("--force", action="store_true", help="repeat stages that hold other results, in place")
    return parser.parse_args(arguments)


def check(study: Study) -> None:
    """Read every image and deal every fold before anything is trained; FolderError at what cannot be used."""
    for fold in study.folds:
        parameters = stage_parameters(PROFILE, "frames", study.fold_root(fold), study.own_of(fold))
        assert isinstance(parameters, PrepareFrames)
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
    if study.finished:
        print((study.root / "advice.md").read_text(encoding="utf-8"), end="")
    for fold in failed:
        print(f"error: fold_{fold} failed; see {paths.display(study.fold_root(fold) / 'logs')}", file=sys.stderr)
    return int(bool(failed))


def run_fold(study: Study, fold: int, cores: int | None) -> int:
    """All stages of one fold through Snakemake; returns its exit code."""
    return run_snakemake(command(study, fold, cores))


def command(study: Study, fold: int, cores: int | None, *options: str) -> list[str]:
    """Snakemake's command line for all stages of one fold."""
    root = os.path.relpath(study.fold_root(fold), paths.root())
    config = {"profile": PROFILE, "frames": study.own["source_folder"], "classes": study.own.get("classes_file", "")}
    given = [f"{name}={value}" for name, value in (config | {"fold": fold, "run_root": root}).items() if value != ""]
    targets = [f"{root}/{place}/{stages.RUN_FILE}" for place in study.places]
    return ["snakemake", "--cores", str(cores), *options, "--config", *given, "--", *targets]


def progress(study: Study) -> str:
    """ "9 of 24 stages done, about 20 minutes of one job's work left"."""
    roots = [study.fold_root(fold) for fold in study.folds]
    states = [(r, place, state) for r in roots for place, state, _ in states_of(r, study.places)]
    done = sum(state == "done" for *_, state in states)
    return f"{done} of {len(states)} stages done, {time_left(states)}"
