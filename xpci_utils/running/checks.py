"""What is checked before anything runs: that the grid can be run, and that nothing finished would be overwritten."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from xpci_utils import paths, stages, weights
from xpci_utils.params import ParameterError, SamplePairs, ShippableParameters, Sweep
from xpci_utils.params.places import pairs_place
from xpci_utils.params.profiles import notebook_parameters, overlay, stage_parameters
from xpci_utils.params.runs import cells_of, stage_folders
from xpci_utils.running.folder import frames_of, grid_of, training_frames
from xpci_utils.running.status import State


def check_run(profile: str, grid: str, root: Path, own: Mapping[str, str], force: bool) -> bool:
    """Whether the grid of a profile can be run in ``root``; what is in the way is printed, or given up with ``force``.

    Raises ParameterError or StageError for what no ``force`` can help.
    """
    frames_of(profile, own)
    sweep = grid_of(profile, root, own)
    check_pairs(profile, grid, sweep, training_frames(profile, root, own))
    folders = stage_folders(sweep, grid)
    check_unlabelled(profile, folders, root, own)
    check_shipped(profile, root, folders)
    shares = [path.parent.relative_to(root).as_posix() for path in root.glob(f"pools/*/shards/*/{stages.RUN_FILE}")]
    return not refuse_others(other_results(profile, root, [*folders, *shares], own), force)


def check_pairs(profile: str, grid: str, sweep: Sweep, training: int) -> None:
    """ParameterError if the grid has no runs, or asks for more pairs than are sampled for ``training`` frames."""
    cells = cells_of(sweep, grid)
    if not cells:
        raise ParameterError(f"params/{profile}/sweep.yaml lists no runs for the grid {grid!r}")
    parameters = notebook_parameters(profile, "04a_sample_pairs")
    assert isinstance(parameters, SamplePairs)
    pairs = parameters.pairs_for(training)
    wanted = max((cell.synthetic for cell in cells if cell.pool), default=0)
    if wanted > pairs:
        raise ParameterError(
            f"params/{profile}/sweep.yaml asks for {wanted} synthetic pairs, but "
            f"04a_sample_pairs.yaml samples {pairs}; raise pairs or lower counts (or those per frame)"
        )


def check_unlabelled(profile: str, folders: Iterable[str], root: Path, own: Mapping[str, object]) -> None:
    """ParameterError if frames without annotation are asked for and the user's folder has none."""
    pool = pairs_place("unlabelled").folder
    if pool not in folders or frames_of(profile, own).source == "simulator":
        return
    from xpci_utils.frames import FolderError, to_learn_from

    parameters = stage_parameters(profile, pool, root, own)
    assert isinstance(parameters, SamplePairs)
    try:
        to_learn_from(parameters.source_folder, {})
    except FolderError as error:
        raise ParameterError(str(error)) from None


def check_shipped(profile: str, root: Path, folders: Iterable[str]) -> None:
    """Refuse shipped weights that the profile asks for and that do not fit, before anything is computed."""
    frames = stage_parameters(profile, "frames", root).model_dump()
    for parameters in (stage_parameters(profile, folder, root) for folder in folders):
        if isinstance(parameters, ShippableParameters) and parameters.shipped:
            weights.check(parameters, frames)


def other_results(profile: str, root: Path, folders: Iterable[str], own: Mapping[str, str]) -> dict[Path, str]:
    """Finished stages that belong to other parameters, frames or versions than the profile's, or lost files, and which.

    The report is left out: it is made in seconds, and again whenever its inputs change.
    """
    others = {}
    for folder in folders:
        place = root / folder
        if gone := stages.lost(place):
            others[place] = f"{paths.display(place)} has lost {', '.join(gone)}"
        elif folder != "report" and stages.read_run(place):
            try:
                stages.inspect(stage_parameters(profile, folder, root, own))
            except stages.OtherResultError as error:
                others[place] = str(error)
            except stages.StageError:
                others[place] = f"{paths.display(place)} was made from inputs that no longer exist"
    return others


def refuse_others(others: Mapping[Path, str], force: bool, target: str = "reproduce") -> bool:
    """Print what would be overwritten and return True; with ``force`` give it up instead."""
    for folder, sentence in others.items():
        if force:
            (folder / stages.RUN_FILE).unlink()
        else:
            print(f"error: {sentence}", file=sys.stderr)
    if others and not force:
        print(
            f"error: 'make {target} FORCE=1', with the same PROFILE and FRAMES, makes these stages again, in place",
            file=sys.stderr,
        )
    return bool(others) and not force


def announce(profile: str, root: Path, states: list[State], about: str = "") -> None:
    """Print how much there is to do, what it needs, and what there is to say ``about`` a folder of the user's own."""
    waiting = sum(state != "done" for _, state, _ in states)
    if waiting:
        print(f"profile {profile}: {waiting} of {len(states)} stages to do in {paths.display(root)}")
        print(overlay(profile).about)
        print(about, end="\n" if about else "", flush=True)
