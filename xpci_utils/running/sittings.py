"""A study in several sittings: what earlier ones left, committed, and what of it a run takes instead of making it.

A profile has sittings if its notebook 06 names a folder of ``collected`` results. Beside that folder lies ``chain/``:
one file for each stage that the cells have in common (`xpci_utils.stages.kept`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpci_utils import files, paths, stages
from xpci_utils.params import Sweep
from xpci_utils.params.profiles import collected_folder, run_root, stage_parameters
from xpci_utils.params.runs import GRIDS, chain_folders, stage_folders
from xpci_utils.running.folder import grid_of
from xpci_utils.stages import StageError

PROVENANCE = "provenance.json"  # of collected results: the records of their stages, among other facts


def chain_folder(profile: str) -> Path | None:
    """The folder of the stages that all cells have in common; None for a profile that is run in one sitting."""
    collected = collected_folder(profile)
    return collected and collected.with_name("chain")


def collected_runs(profile: str) -> dict[str, dict[str, Any]]:
    """Place -> record of every stage whose results earlier sittings collected."""
    collected = collected_folder(profile)
    if collected is None:
        return {}
    files.finish_moving(collected)
    path = collected / PROVENANCE
    return files.read_json(path)["runs"] if path.is_file() else {}


def check_study(profile: str, root: Path, sweep: Sweep) -> None:
    """StageError if what is finished below ``root``, or asked for, is not of the study whose results are collected."""
    if collected := collected_runs(profile):
        from xpci_utils.report.committed import refuse_other_parameters
        from xpci_utils.report.merging import refuse_conflicts

        refuse_other_parameters(profile, collected)
        records = {place: stages.read_run(root / place) for place in stage_folders(sweep, *GRIDS)}
        refuse_conflicts(collected, {place: record for place, record in records.items() if record})


def restore_chain(profile: str, root: Path, sweep: Sweep, force: bool = False) -> list[str]:
    """Put the committed stages of a profile's chain where a run below ``root`` would make them; returns the new ones.

    Finished folders are left alone. StageError if a committed stage is damaged, or is not what the profile asks for
    now; with ``force`` such a stage is left out, so that it is made again.
    """
    new = []
    for place, file in chain_files(profile, sweep).items():
        if stages.read_run(root / place):
            continue
        if changed := _changed(stages.record_of(file), profile, place, root):
            if force:
                continue
            raise StageError(
                f"{paths.display(file)} holds another result (changed: {'; '.join(changed)}); cells that are made from "
                "a new one do not fit beside those that were collected. Change it back, or begin another edition, with "
                "a profile of its own"
            )
        stages.restore(file, root / place)
        print(f"{paths.display(root / place)}: restored from {paths.display(file)}")
        new.append(place)
    return new


def _changed(record: Mapping[str, Any], profile: str, place: str, root: Path) -> list[str]:
    parameters = stage_parameters(profile, place, root)
    return stages.changes(record, parameters, stages.decisive(parameters), stages.inputs_of(parameters))


def chain_files(profile: str, sweep: Sweep) -> dict[str, Path]:
    """Place -> file of the stages of a profile's chain that are committed, in an order that can be executed."""
    if (chain := chain_folder(profile)) is None:
        return {}
    files_of = {place: stages.kept_file(chain, place) for place in chain_folders(sweep)}
    return {place: file for place, file in files_of.items() if file.is_file()}


def keep_chain(profile: str) -> list[Path]:
    """Write every finished stage of a profile's chain that is not kept yet into a file; returns the new files.

    Nothing is written for a profile without sittings.
    """
    chain, root = chain_folder(profile), paths.resolve(run_root(profile))
    if chain is None:
        return []
    places = chain_folders(grid_of(profile, root, {}))
    wanted = {stages.kept_file(chain, place): root / place for place in places}
    new = [file for file, folder in wanted.items() if not file.is_file() and stages.read_run(folder)]
    for file in new:
        stages.keep(wanted[file], file)
        print(f"{paths.display(file)}: {file.stat().st_size / 1e6:.2f} MB")
    return new


def collected_places(profile: str, root: Path, sweep: Sweep, grid: str) -> dict[str, dict[str, Any]]:
    """Place -> record of the stages of a grid that need not be made below ``root``: their results are collected.

    The chain is not among them, because what is made from it has to find it there; nor are results of an earlier
    version of their stage.
    """
    if not (runs := collected_runs(profile)):
        return {}
    needed = set(chain_folders(sweep))
    places = [place for place in stage_folders(sweep, grid) if place in runs and place not in needed]
    missing = [place for place in places if stages.read_run(root / place) is None]
    versions = {place: stage_parameters(profile, place, root).version for place in missing}
    return {place: runs[place] for place in missing if stages.version_of(runs[place]) == versions[place]}


def folders_to_make(profile: str, root: Path, sweep: Sweep, grid: str) -> list[str]:
    """The stages of a grid that a run below ``root`` consists of: all but `collected_places`."""
    collected = collected_places(profile, root, sweep, grid)
    return [place for place in stage_folders(sweep, grid) if place not in collected]
