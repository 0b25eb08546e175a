"""Core-minutes that a grid still takes, predicted from the recorded seconds of finished stages of the same kind.

A kind is a notebook with the networks that it takes frames through, their size and the frames of a step. Seconds are
those of stages with as many steps (or frames), else they are scaled to them. What the profile itself has not measured
is predicted from the committed results of the profile that it extends.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpci_utils import files, paths, stages
from xpci_utils.costs.work import frames_of, pairs_of, step_batch, work_of
from xpci_utils.params import ParameterError, StageParameters, Sweep, stage_model
from xpci_utils.params.profiles import collected_folder, overlay, run_root, stage_parameters
from xpci_utils.report.wording import plural
from xpci_utils.running.sittings import PROVENANCE, chain_files, folders_to_make

Kind = tuple[object, ...]


@dataclass(frozen=True)
class Measured:
    """Finished stages of one profile by kind: (steps or frames, core-seconds) of each."""

    profile: str
    stages: Mapping[Kind, list[tuple[int, float]]]


@dataclass(frozen=True)
class Prediction:
    """What a stage is predicted to take; nothing is said of one whose kind was never measured."""

    place: str
    core_seconds: float | None = None
    profile: str = ""  # whose stages were measured
    scaled: bool = False  # from stages with another number of steps or frames


def left(profile: str, root: Path, sweep: Sweep, grid: str) -> list[Prediction]:
    """A prediction for every stage of a grid that is neither finished below ``root``, nor committed."""
    kept = chain_files(profile, sweep)
    places = [place for place in folders_to_make(profile, root, sweep, grid) if place not in kept]
    waiting = [place for place in places if stages.read_run(root / place) is None]
    known = [measured(name, root if name == profile else None) for name in _with_extended(profile)]
    frames = frames_of(profile, root)
    sizes = frames, pairs_of(profile, frames)
    return [predict(place, stage_parameters(profile, place, root), sizes, known) for place in waiting]


def _with_extended(profile: str) -> Iterator[str]:
    while profile:
        yield profile
        profile = overlay(profile).extends


def predict(place: str, parameters: StageParameters, sizes: tuple, known: Iterable[Measured]) -> Prediction:
    """The prediction for one stage from the first of the profiles in ``known`` that measured its kind.

    ``sizes`` are the parameters of its profile's frames and the pairs of its pools.
    """
    kind, units = kind_of(parameters, *sizes)
    for one in known:
        if samples := one.stages.get(kind):
            same = [seconds for count, seconds in samples if count == units]
            if same:
                return Prediction(place, sum(same) / len(same), one.profile)
            rate = sum(seconds for _, seconds in samples) / sum(count for count, _ in samples)
            return Prediction(place, rate * units, one.profile, scaled=True)
    return Prediction(place)


def kind_of(parameters: StageParameters, frames: Any, pairs: int) -> tuple[Kind, int]:
    """The kind of a stage, and its number of steps, or of frames where it trains nothing."""
    work = work_of(parameters, frames, pairs)
    steps = sum(count for (_, unit), count in work.items() if unit == "step")
    networks = tuple(sorted({network for network, _ in work}))
    kind = (parameters.notebook, networks, getattr(parameters, "size", ""), step_batch(parameters))
    return kind, steps // step_batch(parameters) if steps else sum(work.values()) or 1


def measured(profile: str, root: Path | None = None) -> Measured:
    """What the committed results of a profile have measured, and what is finished below ``root``, if that is given."""
    folder = collected_folder(profile) or paths.root() / "figures" / profile / "results"
    path = folder / PROVENANCE
    runs: dict[str, dict] = files.read_json(path)["runs"] if path.is_file() else {}
    for path in root.glob(f"**/{stages.RUN_FILE}") if root else ():
        place = path.parent.relative_to(root).as_posix() if root else ""
        if place not in runs and (record := stages.read_run(path.parent)) and "restored" not in record:
            runs[place] = record | {"core_seconds": record["wall_seconds"] * record["threads"]}
    frames = frames_of(profile, paths.resolve(run_root(profile)))
    pairs = pairs_of(profile, frames)
    kinds: dict[Kind, list[tuple[int, float]]] = {}
    for run in runs.values():
        if parameters := _parameters_of(run):
            kind, units = kind_of(parameters, frames, pairs)
            kinds.setdefault(kind, []).append((units, run["core_seconds"]))
    return Measured(profile, kinds)


def _parameters_of(run: Mapping[str, Any]) -> StageParameters | None:
    """The parameters of a record in today's terms; None if the present code has other ones."""
    model = stage_model(stages.notebooks_of(run)[0])
    try:
        return model.checked(model.of_record(stages.parameters_of(run, model.model_fields)))
    except ParameterError:
        return None


def sentences(predictions: list[Prediction]) -> list[str]:
    """How many core-minutes are left, by whose times, and what was never measured."""
    if not predictions:
        return ["everything is done"]
    known = [one for one in predictions if one.core_seconds is not None]
    lines = [f"{plural(len(predictions), 'stage')} to do: about {_minutes(known)} core-minutes"]
    for name in dict.fromkeys(one.profile for one in known):
        own = [one for one in known if one.profile == name]
        scaled = sum(one.scaled for one in own)
        about = f", of which {scaled} scaled to other numbers of steps or frames" if scaled else ""
        lines.append(f"  {_minutes(own)} for {plural(len(own), 'stage')}, by the recorded times of {name}{about}")
    if unknown := [one.place for one in predictions if one.core_seconds is None]:
        named = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        lines.append(f"  not counted, since nothing like it was measured: {plural(len(unknown), 'stage')} ({named})")
    return lines


def _minutes(predictions: list[Prediction]) -> str:
    return f"{sum(one.core_seconds or 0.0 for one in predictions) / 60:.0f}"
