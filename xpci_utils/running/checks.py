"""What is checked before anything runs: that the grid can be run, and that nothing finished would be overwritten."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from xpci_utils import paths, stages, weights
from xpci_utils.params import ParameterError, PrepareFrames, SamplePairs, ShippableParameters
from xpci_utils.params.profiles import notebook_parameters, overlay, profiles, stage_parameters, sweep_of
from xpci_utils.params.runs import cells_of, stage_folders
from xpci_utils.running.status import State


def check_run(profile: str, grid: str, root: Path, own: Mapping[str, str], force: bool) -> bool:
    """Whether the grid of a profile can be run in ``root``; what is in the way is printed, or given up with ``force``.

    Raises ParameterError or ShippedError for what no ``force`` can help.
    """
    check_own_frames(profile, own)
    check_pairs(profile, grid)
    folders = stage_folders(sweep_of(profile), grid)
    check_shipped(profile, root, folders)
    shares = [path.parent.relative_to(root).as_posix() for path in root.glob(f"pools/*/shards/*/{stages.RUN_FILE}")]
    return not refuse_others(other_results(profile, root, [*folders, *shares], own), force)


def check_own_frames(profile: str, own: Mapping[str, str]) -> None:
    """ParameterError if a folder of frames is given to a profile that simulates its frames, or lies nowhere."""
    frames = notebook_parameters(profile, "01_prepare_frames")
    assert isinstance(frames, PrepareFrames)
    if own and frames.source == "simulator":
        raise ParameterError(
            f"profile {profile} simulates its frames and would ignore {own.get('source_folder') or 'the classes'}; "
            f"profiles for your own frames: {', '.join(_of_folders())}"
        )
    folder = own.get("source_folder", frames.source_folder)
    if frames.source == "folder" and not paths.resolve(folder).is_dir():
        raise ParameterError(f"there is no folder {paths.display(folder)} with frames; give it by FRAMES=folder")


def _of_folders() -> list[str]:
    """The profiles that read a folder of the user's own."""
    values = {name: overlay(name).values.get("01_prepare_frames", {}) for name in profiles()}
    return [name for name, given in values.items() if given.get("source") == "folder"]


def check_pairs(profile: str, grid: str) -> None:
    """ParameterError if the grid has no runs, or asks for more pairs than are sampled."""
    cells = cells_of(sweep_of(profile), grid)
    if not cells:
        raise ParameterError(f"params/{profile}/sweep.yaml lists no runs for the grid {grid!r}")
    parameters = notebook_parameters(profile, "04a_sample_pairs")
    assert isinstance(parameters, SamplePairs)
    pairs = parameters.pairs
    wanted = max((cell.synthetic for cell in cells if cell.pool), default=0)
    if wanted > pairs:
        raise ParameterError(
            f"params/{profile}/sweep.yaml asks for {wanted} synthetic pairs, but "
            f"04a_sample_pairs.yaml samples {pairs}; raise pairs or lower counts"
        )


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
                others[place] = f"{paths.display(place)} was made from inputs that are gone"
    return others


def refuse_others(others: Mapping[Path, str], force: bool, target: str = "reproduce") -> bool:
    """Print what would be overwritten and return True; with ``force`` give it up instead."""
    for folder, sentence in others.items():
        if force:
            (folder / stages.RUN_FILE).unlink()
        else:
            print(f"error: {sentence}", file=sys.stderr)
    if others and not force:
        print(f"error: 'make {target} FORCE=1' makes these stages again, in place", file=sys.stderr)
    return bool(others) and not force


def announce(profile: str, root: Path, states: list[State]) -> None:
    """Print how much there is to do and what it needs."""
    waiting = sum(state != "done" for _, state, _ in states)
    if waiting:
        print(f"profile {profile}: {waiting} of {len(states)} stages to do in {paths.display(root)}")
        print(overlay(profile).about)
