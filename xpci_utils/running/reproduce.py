"""Run everything of a profile, from raw frames to tables and figures; the same command continues an interrupted run.

Finished stages are left alone. Stages that were finished with other parameters, inputs or versions are listed and
nothing runs, unless --force is given.
"""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from xpci_utils import paths, stages
from xpci_utils.params.places import pairs_place, shard_place
from xpci_utils.params.profiles import run_root, stage_parameters
from xpci_utils.running import gpus
from xpci_utils.running.checks import announce, check_run
from xpci_utils.running.folder import about, grid_of, look_at
from xpci_utils.running.options import add_grid, add_own_frames, add_profile, own_frames, parser_of
from xpci_utils.running.snakefile import check_grid, stages_of
from xpci_utils.running.status import State, states_of


def main(arguments: list[str]) -> int:
    """Check, run the stages that are not done, render the executed notebooks, say where the results are."""
    options = _parse(arguments)
    cards = gpus.cards_of(options.gpus) if options.gpus else []
    own = own_frames(options)
    root = paths.resolve(run_root(options.profile))
    grid, sweep = check_grid(options.grid), grid_of(options.profile, root, own)
    folders = stages_of(options.profile, grid, root, own, options.force)
    if not check_run(options.profile, grid, root, own, options.force):
        return 2
    states = states_of(root, folders)
    if not is_complete(options.profile, root, states):
        announce(options.profile, root, states, about(look_at(options.profile, own), sweep))
        with gpus.shared(cards):
            code = _run_all(options, own, root, states)
        if code:
            return code
        if any(state != "done" for _, state, _ in states_of(root, folders)):
            return 0  # a dry run, or targets of the user's own
        write_pages(options.profile)
    _show_results(options.profile, root, len(folders))
    return 0


def _run_all(options: Namespace, own: dict[str, str], root: Path, states: list[State]) -> int:
    """Sample the shares of the pool, if several runs share it, and then everything; returns Snakemake's exit code."""
    command, shards = snakemake_command(options, own), options.shards or options.gpus or 1
    to_do = [folder for folder, state, _ in states if state != "done"]
    if shards > 1 and pairs_place("ddpm").folder in to_do:
        shares = [shard_place("ddpm", shard, shards).folder for shard in range(shards)]
        if code := run_snakemake([*command, "--", *_targets(options.profile, shares)]):
            return code
    if to_do and (root / "report" / stages.RUN_FILE).is_file() and not options.snakemake:
        # Snakemake looks no further than a report that lies there, so what is missing behind it is named.
        command += ["--", *_targets(options.profile, [*to_do, "report"])]
    return run_snakemake(command)


def _targets(profile: str, folders: list[str]) -> list[str]:
    """The files that Snakemake is to make for the stages in ``folders``."""
    return [f"{run_root(profile)}/{folder}/{stages.RUN_FILE}" for folder in folders]


def is_complete(profile: str, root: Path, states: list[State]) -> bool:
    """Whether every stage is done and the report is that of these stages, so that there is nothing to ask Snakemake."""
    if any(state != "done" for _, state, _ in states) or not (root / "report/notebooks/index.html").is_file():
        return False
    try:
        return not stages.inspect(stage_parameters(profile, "report", root)).to_do
    except stages.StageError:
        return False


def snakemake_command(options: Namespace, own: dict[str, str]) -> list[str]:
    """The command line of Snakemake for a profile's grid; what follows ``--`` on ours is passed on."""
    given = {"profile": options.profile, "grid": options.grid}
    given |= {"frames": own.get("source_folder"), "classes": own.get("classes_file"), "gpus": options.gpus}
    given["force"] = int(options.force)
    config = [f"{name}={value}" for name, value in given.items() if value]
    limits = ["--cores", str(max(options.cores, options.gpus))]
    limits += ["--resources", f"gpu={options.gpus}"] if options.gpus else []
    return ["snakemake", *limits, *options.snakemake, "--config", *config]


def run_snakemake(command: list[str]) -> int:
    """Run Snakemake with this environment's Python; returns its exit code."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    return subprocess.run(
        [scripts / command[0], *command[1:]], cwd=paths.root(), env=environment, check=False
    ).returncode


def write_pages(profile: str, root: str = "") -> None:
    """Render the executed notebooks of a run beside its report."""
    from xpci_utils.report.executed import write_notebooks

    folder = paths.resolve(run_root(profile, root))
    pages = write_notebooks(folder, folder / "report/notebooks")
    print(f"{len(pages) - 1} executed notebooks: {paths.display(pages[-1])}")


def _show_results(profile: str, root: Path, count: int) -> None:
    print(f"profile {profile}: all {count} stages are done")
    for what, place in (("tables", "tables"), ("figures", "figures"), ("everything on one page", "index.html")):
        print(f"  {what}: {paths.display(root / 'report' / place)}")


def _parse(arguments: list[str]) -> Namespace:
    parser = parser_of("reproduce", __doc__)
    add_profile(parser)
    add_grid(parser)
    add_own_frames(parser)
    parser.add_argument("--force", action="store_true", help="repeat stages that hold other results, in place")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="CPU cores to use (default: all)")
    parser.add_argument(
        "--shards",
        type=int,
        default=0,
        help="runs that sample the pool together (default: the number of GPUs, or 1)",
    )
    parser.add_argument(
        "--gpus", type=int, default=0, help="GPUs of this computer, one for each job that computes on one (default: 0)"
    )
    parser.add_argument("snakemake", nargs="*", metavar="-- OPTIONS", help="further options for Snakemake, such as -n")
    return parser.parse_args(arguments)
