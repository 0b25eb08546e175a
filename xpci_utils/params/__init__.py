"""What a stage is told: one parameter model per notebook, profiles, and the cells and places of a grid.

The models are the single source of defaults, checks, YAML files and parameter cells; their defaults are the ``quick``
profile. A parameter that is unknown, mistyped or out of range stops a run before it starts, in the runner as in a
notebook opened by hand.
"""

from xpci_utils.params.base import Change, Content, SeededParameters, ShippableParameters, StageParameters
from xpci_utils.params.frames import PrepareFrames
from xpci_utils.params.model import ParameterError, Parameters, suggest
from xpci_utils.params.pairs import AuditPairs, LabelPairs, SamplePairs
from xpci_utils.params.results import ApplyToVideo, TablesAndFigures
from xpci_utils.params.stages import APPENDICES, STAGES, stage_model
from xpci_utils.params.sweep import Sweep
from xpci_utils.params.training import AdaptSam, PretrainSam, TrainDdpm, TrainSegmentation

__all__ = [
    "APPENDICES",
    "STAGES",
    "AdaptSam",
    "ApplyToVideo",
    "AuditPairs",
    "Change",
    "Content",
    "LabelPairs",
    "ParameterError",
    "Parameters",
    "PrepareFrames",
    "PretrainSam",
    "SamplePairs",
    "SeededParameters",
    "ShippableParameters",
    "StageParameters",
    "Sweep",
    "TablesAndFigures",
    "TrainDdpm",
    "TrainSegmentation",
    "stage_model",
    "suggest",
]
