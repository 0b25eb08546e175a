"""What the Snakefile asks about a profile, and ``make status``: done, running, failed and to come."""

import argparse
import fcntl
import sys
from collections.abc import Iterable
from pathlib import Path

from xpci_utils import artifacts, grid, paths, shipped
from xpci_utils.params import ParameterError, ShippableParameters, StageParameters, Sweep, stage_model
from xpci_utils.profiles import NEEDS
from xpci_utils.recipe import digest
from xpci_utils.run import progress_line


def notebook_recipe(profile: str, notebook: str, **overrides: object) -> str:
    """Hash of a stage's code and parameters: a rule is repeated when it changes."""
    parameters = _parameters(profile, notebook, overrides)
    return digest(parameters.hashed(), artifacts.recipe_of(parameters))


def run_threads(profile: str, notebook: str) -> int:
    """CPU threads of a stage, from its parameter file."""
    return _parameters(profile, notebook).threads


def run_root(profile: str, chosen: str = "") -> str:
    """Folder of a profile's runs: ``chosen``, else what its parameter files say (all must agree)."""
    roots = {_parameters(profile, notebook).run_root for notebook in ("01_prepare_frames", "06_tables_and_figures")}
    if len(roots) > 1:
        raise ParameterError(f"the files of profile {profile} name different run_roots: {', '.join(sorted(roots))}")
    return chosen or roots.pop()


def check_grid(name: str) -> str:
    """``name`` if there is such a grid; ParameterError names those there are."""
    if name not in grid.GRIDS:
        raise ParameterError(f"there is no grid {name!r}; grids are {', '.join(grid.GRIDS)}")
    return name


def needs(profile: str, folder: str, root: str) -> list[str]:
    """The run.json of every stage that the stage of ``folder`` reads, spelt below ``root`` as it is given."""
    parameters = stage_parameters(profile, folder, Path(root), {})
    return [f"{root}/{place.relative_to(parameters.root)}/{artifacts.RUN_FILE}" for place in parameters.inputs]


def stage_states(root: Path, sweep: Sweep, *grids: str) -> list[tuple[str, str, str]]:
    """(folder, state, remark) of every stage of a grid; states are done, running, failed and to do."""
    return states_of(root, grid.stage_folders(sweep, *grids))


def states_of(root: Path, folders: list[str]) -> list[tuple[str, str, str]]:
    """(folder, state, remark) of the stages in ``folders`` below ``root``."""
    return [(folder, *_state(root, folder)) for folder in folders]


def stage_parameters(profile: str, folder: str, root: Path, own: dict[str, str]) -> StageParameters:
    """Parameters of the stage that writes ``folder`` below run_root; ``own`` names a user's frames and classes."""
    kind, _, rest = folder.partition("/")
    pool, name = rest.split("/")[0], rest.split("/")[-1]
    labeller, _, seed = name.rpartition("__s") if "__s" in name else ("", "", "0")
    notebook, overrides = {
        "frames": ("01_prepare_frames", own),
        "ddpm": ("02_train_ddpm", {}),
        "sam": ("03_adapt_sam", {"labeller": labeller, "seed": int(seed)}),
        "pools": ("04_generate_synthetic", {"labeller": labeller, "labeller_seed": int(seed), "pool": pool}),
        "segmentation": ("05_train_segmentation", {"cell": name}),
        "report": ("06_tables_and_figures", {}),
    }[kind]
    return _parameters(profile, notebook, {**overrides, "run_root": str(root)})


def other_results(profile: str, root: Path, folders: list[str], own: dict[str, str]) -> dict[Path, str]:
    """Finished stages that belong to other parameters, frames or code than the profile's, or lost files, and which.

    The report is left out: it is made in seconds, and again whenever its inputs change.
    """
    found = {}
    for folder in folders:
        if gone := artifacts.lost(root / folder):
            found[root / folder] = f"{paths.display(root / folder)} has lost {', '.join(gone)}"
        elif folder != "report" and artifacts.read_run(root / folder):
            try:
                artifacts.inspect(stage_parameters(profile, folder, root, own))
            except artifacts.OtherRecipeError as error:
                found[root / folder] = str(error)
            except artifacts.StageError:
                found[root / folder] = f"{paths.display(root / folder)} was made from inputs that are gone"
    return found


def ship(profile: str) -> int:
    """Write the weights of a finished run of ``profile`` that ``<profile>_shipped`` takes, into data/weights."""
    root, target = paths.resolve(run_root(profile)), paths.root() / "data/weights" / profile
    wanted = grid.stage_folders(Sweep.from_yaml(f"params/{profile}_shipped/sweep.yaml"))
    stages = {place: stage_parameters(profile, place, root, {}) for place in wanted}
    stages = {place: stage for place, stage in stages.items() if isinstance(stage, ShippableParameters)}
    if refuse_others(other_results(profile, root, ["frames", *stages], {}), force=False):
        return 2
    try:
        shipped.ship(stages.values(), target)
    except (artifacts.StageError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Tell what a profile needs (announce), how far it is (status), where its results lie (results), or keep its
    weights (ship)."""
    parser = argparse.ArgumentParser(prog="python -m xpci_utils.workflow", description=main.__doc__)
    parser.add_argument("what", choices=["announce", "status", "results", "ship"])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--grid", default="paper", help=f"which runs: {', '.join(grid.GRIDS)}")
    parser.add_argument("--frames", dest="source_folder", default="", help="folder of your own frames")
    parser.add_argument("--classes", dest="classes_file", default="", help="its classes file, if it lies elsewhere")
    parser.add_argument("--force", action="store_true", help="announce: give up results of other parameters or code")
    options = parser.parse_args(arguments)
    own = {name: value for name in ("source_folder", "classes_file") if (value := getattr(options, name))}
    try:
        root = paths.resolve(run_root(options.profile))
        if options.what == "ship":
            return ship(options.profile)
        sweep, wanted = Sweep.from_yaml(f"params/{options.profile}/sweep.yaml"), check_grid(options.grid)
        if options.what == "announce":
            _check_runs(options.profile, wanted, grid.cells(sweep, wanted))
            folders = grid.stage_folders(sweep, wanted)
            check_shipped(options.profile, root, folders)
            if refuse_others(other_results(options.profile, root, folders, own), options.force):
                return 2
    except (ParameterError, shipped.ShippedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    show = {"announce": _announce, "status": _status, "results": _results}[options.what]
    show(options.profile, root, stage_states(root, sweep, wanted))
    return 0


def check_shipped(profile: str, root: Path, folders: list[str]) -> None:
    """Refuse shipped weights that the profile asks for and that do not fit, before anything is computed."""
    frames = stage_parameters(profile, "frames", root, {}).model_dump()
    for parameters in (stage_parameters(profile, folder, root, {}) for folder in folders):
        if isinstance(parameters, ShippableParameters) and parameters.shipped:
            shipped.check(parameters, frames)


def _check_runs(profile: str, which: str, cells: list[grid.Cell]) -> None:
    if not cells:
        raise ParameterError(f"params/{profile}/sweep.yaml lists no runs for the grid {which!r}")
    pairs = _parameters(profile, "04_generate_synthetic").pairs
    wanted = max((cell.synthetic for cell in cells if cell.pool), default=0)
    if wanted > pairs:
        raise ParameterError(
            f"params/{profile}/sweep.yaml asks for {wanted} synthetic pairs, but "
            f"04_generate_synthetic.yaml samples {pairs}; raise pairs or lower counts"
        )


def refuse_others(others: dict[Path, str], force: bool, target: str = "reproduce") -> bool:
    """Print what would be overwritten and return True; with ``force`` give it up instead."""
    for folder, sentence in others.items():
        if force:
            (folder / artifacts.RUN_FILE).unlink()
        else:
            print(f"error: {sentence}", file=sys.stderr)
    if others and not force:
        print(f"error: 'make {target} FORCE=1' makes these stages again, in place", file=sys.stderr)
    return bool(others) and not force


def _announce(profile: str, root: Path, states: list[tuple[str, str, str]]) -> None:
    waiting = sum(state != "done" for _, state, _ in states)
    if waiting:
        print(f"profile {profile}: {waiting} of {len(states)} stages to do in {paths.display(root)}")
        print(NEEDS.get(profile, ""))


def _status(profile: str, root: Path, states: list[tuple[str, str, str]]) -> None:
    for folder, state, remark in states:
        print(f"{state:8} {folder:60} {remark}")
    counts = {state: sum(s == state for _, s, _ in states) for state in ("done", "running", "failed", "to do")}
    print("\n" + ", ".join(f"{number} {state}" for state, number in counts.items()) + f"  ({paths.display(root)})")
    print(time_left([(root, folder, state) for folder, state, _ in states]))


def _results(profile: str, root: Path, states: list[tuple[str, str, str]]) -> None:
    report = root / "report"
    print(f"profile {profile}: all {len(states)} stages are done")
    for what, place in (("tables", "tables"), ("figures", "figures"), ("everything on one page", "index.html")):
        print(f"  {what}: {paths.display(report / place)}")


def _parameters(profile: str, notebook: str, overrides: dict | None = None) -> StageParameters:
    return stage_model(notebook).from_yaml(f"params/{profile}/{notebook}.yaml", overrides)


def _state(root: Path, folder: str) -> tuple[str, str]:
    record = artifacts.read_run(root / folder)
    if record:
        return "done", f"{record['wall_seconds']:.0f} s"
    if _locked(root / folder / ".lock"):
        histories = [root / folder / "history.jsonl", *(root / "work" / folder).glob("history*.jsonl")]
        last = [records[-1] for path in histories if (records := artifacts.read_jsonl(path))]
        return "running", "; ".join(progress_line(record) for record in last)
    log = root / "logs" / f"{folder.replace('/', '--')}.ipynb"
    return ("failed", f"see {paths.display(log)}") if log.is_file() else ("to do", "")


def _locked(path: Path) -> bool:
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # parts of a stage hold it shared
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def time_left(stages: Iterable[tuple[Path, str, str]]) -> str:
    """A guess for (root, folder, state) from finished stages of the same kind: the first part of the folder's name."""
    known: dict[str, list[float]] = {}
    waiting = []
    for root, folder, state in stages:
        kind = folder.split("/")[0]
        if state == "done":
            known.setdefault(kind, []).append(artifacts.read_run(root / folder)["wall_seconds"])
        else:
            waiting.append(kind)
    if not waiting:
        return "everything is done"
    if not known:
        return "time left unknown until something has finished"
    unknown = sorted({kind for kind in waiting if kind not in known})
    seconds = sum(sum(known[kind]) / len(known[kind]) for kind in waiting if kind in known)
    text = f"about {seconds / 60:.0f} minutes of one job's work left"
    return text + (f", not counting {', '.join(unknown)} (no such stage has finished yet)" if unknown else "")


if __name__ == "__main__":
    sys.exit(main())
