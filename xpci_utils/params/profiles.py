"""Profiles: what differs from the defaults, by hand in ``params/<profile>.yaml``, and the parameters that follow."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from xpci_utils import paths
from xpci_utils.params.base import StageParameters
from xpci_utils.params.model import ParameterError, Parameters, read_yaml, suggest
from xpci_utils.params.places import FRAMES, Place, pairs_place, parse_place
from xpci_utils.params.results import TablesAndFigures
from xpci_utils.params.stages import APPENDICES, STAGES, stage_model
from xpci_utils.params.sweep import Sweep

MODELS: dict[str, type[Parameters]] = {**STAGES, **APPENDICES, "sweep": Sweep}


class Overlay(Parameters):
    """A profile as it is written by hand: what differs from the defaults, per notebook."""

    about: str = Field(description="what it needs, and what it is for")
    extends: str = Field("", description="profile whose notebooks it takes over; the sweep is named anew")
    stages: bool = Field(True, description="whether it has the numbered notebooks and a sweep")
    appendices: list[str] = Field([], description="appendix notebooks that it has")
    values: dict[str, dict] = Field({}, description="notebook, or sweep -> parameter -> value")

    @property
    def files(self) -> list[str]:
        """Names of its parameter files: notebooks and "sweep"."""
        return [*([*STAGES, "sweep"] if self.stages else []), *self.appendices]


def profiles() -> list[str]:
    """Names of all profiles."""
    return sorted(path.stem for path in (paths.root() / "params").glob("*.yaml"))


def profiles_of_folders() -> list[str]:
    """The profiles that read a folder of the user's own."""
    values = {name: overlay(name).values.get("01_prepare_frames", {}) for name in profiles()}
    return [name for name, given in values.items() if given.get("source") == "folder"]


def overlay(profile: str) -> Overlay:
    """The overlay of a profile, with what it extends; ParameterError for unknown profiles, notebooks and parameters."""
    path = paths.root() / "params" / f"{profile}.yaml"
    if not path.is_file():
        raise ParameterError(f"there is no profile {profile!r}{suggest(profile, profiles())}")
    content = read_yaml(path)
    about = {name: content.pop(name) for name in ("about", "extends", "stages", "appendices") if name in content}
    for name in content:
        if name not in MODELS:
            raise ParameterError(f"{paths.display(path)}: there is no notebook {name!r}{suggest(name, MODELS)}")
    values = {name: given or {} for name, given in content.items()}
    if about.get("extends"):
        inherited = {name: given for name, given in overlay(about["extends"]).values.items() if name != "sweep"}
        values = {name: inherited.get(name, {}) | values.get(name, {}) for name in {**inherited, **values}}
    return Overlay.checked({**about, "values": values}, paths.display(path))


def profile_values(profile: str, name: str) -> dict[str, object]:
    """Every parameter of one file of a profile, a notebook's or the sweep's, checked."""
    values = dict(overlay(profile).values.get(name, {}))
    if name in STAGES | APPENDICES:
        values.setdefault("run_root", f"runs/{profile}")
    if name == "06_tables_and_figures":
        values.setdefault("sweep", f"params/{profile}/sweep.yaml")
    return MODELS[name].checked(values, f"profile {profile}, {name}").model_dump()


def notebook_parameters(profile: str, notebook: str, overrides: Mapping[str, object] | None = None) -> StageParameters:
    """The parameters of a notebook from the profile's file, with ``overrides``."""
    return stage_model(notebook).from_yaml(f"params/{profile}/{notebook}.yaml", dict(overrides or {}))


def stage_parameters(
    profile: str, folder: str, root: str | Path, own: Mapping[str, object] | None = None
) -> StageParameters:
    """Parameters of the stage that writes ``folder`` below ``root``; ``own`` is a user's folder and its classes."""
    place = parse_place(folder)
    given = own_of(place, own or {})
    return notebook_parameters(profile, place.notebook, {**place.parameters, **given, "run_root": str(root)})


def own_of(place: Place, own: Mapping[str, object]) -> dict[str, object]:
    """The parameters among ``own``, which name a user's folder, that the stage of a place reads.

    The frames take all of them; the pool of frames without annotation takes the folder, and other stages none.
    """
    wanted = {FRAMES: own.keys(), pairs_place("unlabelled"): {"source_folder"}}.get(place, set())
    return {name: value for name, value in own.items() if name in wanted}


def sweep_of(profile: str) -> Sweep:
    """The grids of a profile."""
    return Sweep.from_yaml(f"params/{profile}/sweep.yaml")


def run_root(profile: str, chosen: str = "") -> str:
    """Folder of a profile's runs: ``chosen``, else what its parameter files say (all must agree)."""
    roots = {notebook_parameters(profile, name).run_root for name in ("01_prepare_frames", "06_tables_and_figures")}
    if len(roots) > 1:
        raise ParameterError(f"the files of profile {profile} name different run_roots: {', '.join(sorted(roots))}")
    return chosen or roots.pop()


def collected_folder(profile: str) -> Path | None:
    """The folder of results that earlier sittings of a profile collected; None for a profile without sittings."""
    parameters = notebook_parameters(profile, TablesAndFigures.notebook)
    assert isinstance(parameters, TablesAndFigures)
    return paths.resolve(parameters.collected) if parameters.collected else None
