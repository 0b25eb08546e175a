"""One parameter model per notebook: the single source of defaults, checks, YAML files and parameter cells.

The defaults are the ``quick`` profile. A parameter that is unknown, mistyped or out of range stops a run before
it starts, in the runner as in a notebook opened by hand.
"""

from xpci_utils.params.base import SeededParameters, ShippableParameters, StageParameters
from xpci_utils.params.pairs import GenerateSynthetic, PrepareFrames
from xpci_utils.params.results import ApplyToVideo, TablesAndFigures
from xpci_utils.params.sweep import Sweep
from xpci_utils.params.training import AdaptSam, PretrainSam, TrainDdpm, TrainSegmentation
from xpci_utils.strict import ParameterError, Parameters, suggest

__all__ = [
    "APPENDICES",
    "STAGES",
    "AdaptSam",
    "ApplyToVideo",
    "GenerateSynthetic",
    "ParameterError",
    "Parameters",
    "PrepareFrames",
    "PretrainSam",
    "SeededParameters",
    "ShippableParameters",
    "StageParameters",
    "Sweep",
    "TablesAndFigures",
    "TrainDdpm",
    "TrainSegmentation",
    "stage_model",
]

STAGES: dict[str, type[StageParameters]] = {
    model.notebook: model
    for model in (
        PrepareFrames,
        TrainDdpm,
        AdaptSam,
        GenerateSynthetic,
        TrainSegmentation,
        TablesAndFigures,
        ApplyToVideo,
    )
}
APPENDICES: dict[str, type[StageParameters]] = {PretrainSam.notebook: PretrainSam}  # in no grid; results are shipped


def stage_model(notebook: str) -> type[StageParameters]:
    """The model of a notebook by its name; ParameterError suggests the nearest one."""
    models = STAGES | APPENDICES
    if notebook not in models:
        raise ParameterError(f"there is no notebook {notebook!r}{suggest(notebook, models)}")
    return models[notebook]
