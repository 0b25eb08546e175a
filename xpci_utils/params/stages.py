"""The parameter model of every notebook, by its name."""

from xpci_utils.params.base import StageParameters
from xpci_utils.params.frames import PrepareFrames
from xpci_utils.params.model import ParameterError, suggest
from xpci_utils.params.pairs import AuditPairs, LabelPairs, SamplePairs
from xpci_utils.params.results import ApplyToVideo, TablesAndFigures
from xpci_utils.params.training import AdaptSam, PretrainSam, TrainDdpm, TrainSegmentation

STAGES: dict[str, type[StageParameters]] = {
    model.notebook: model
    for model in (
        PrepareFrames,
        TrainDdpm,
        AdaptSam,
        SamplePairs,
        LabelPairs,
        AuditPairs,
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
