"""What the Snakefile asks: which stages there are, what each reads, and what decides its result."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from xpci_utils.files import digest
from xpci_utils.params import ParameterError
from xpci_utils.params.places import Place
from xpci_utils.params.profiles import notebook_parameters, own_of, stage_parameters
from xpci_utils.params.runs import GRIDS
from xpci_utils.running.folder import grid_of
from xpci_utils.running.sittings import check_study, folders_to_make, restore_chain
from xpci_utils.stages import RUN_FILE, decisive

__all__ = ["check_grid", "needs", "options", "run_threads", "stage_digest", "stages_of"]


def check_grid(name: str) -> str:
    """``name`` if there is such a grid; ParameterError lists those there are."""
    if name not in GRIDS:
        raise ParameterError(f"there is no grid {name!r}; grids are {', '.join(GRIDS)}")
    return name


def stages_of(profile: str, grid: str, root: Path, own: Mapping[str, object], force: bool = False) -> list[str]:
    """Folders of the stages of a grid that are made below ``root``, after those that are committed are restored there.

    ``own`` is a user's folder and its classes; with ``force`` committed stages of other parameters are made again.
    StageError if what is committed, finished and asked for is not of one study.
    """
    sweep = grid_of(profile, root, own)
    check_study(profile, root, sweep)
    restore_chain(profile, root, sweep, force)
    return folders_to_make(profile, root, sweep, grid)


def stage_digest(profile: str, notebook: str, **overrides: object) -> str:
    """Hash of a stage's parameters and version: its rule is repeated when it changes."""
    parameters = notebook_parameters(profile, notebook, overrides)
    return digest(decisive(parameters), parameters.version)


def run_threads(profile: str, notebook: str) -> int:
    """CPU threads of a stage, from its parameter file."""
    return notebook_parameters(profile, notebook).threads


def needs(profile: str, place: Place, root: str) -> list[str]:
    """The run.json of every stage that the stage of ``place`` reads, spelt below ``root`` as it is given."""
    parameters = stage_parameters(profile, place.folder, root)
    return [f"{root}/{folder.relative_to(parameters.root)}/{RUN_FILE}" for folder in parameters.inputs]


def options(place: Place, own: Mapping[str, object] | None = None) -> str:
    """The runner's options for what a place differs in, " -p pool ddpm"; ``own`` names a user's folder."""
    given = {**place.parameters, **own_of(place, own or {})}
    return "".join(f" -p {name} {quote(str(value))}" for name, value in given.items())
