"""Encoders of timm, with weights from its hub where asked for, and a plain answer where the hub is out of reach."""

import timm
from torch import nn


class WeightsUnavailable(RuntimeError):
    """Pretrained weights were asked for and could not be fetched."""


def create_timm(name: str, pretrained: bool, **arguments) -> nn.Module:
    """Build a timm model by name; with ``pretrained`` its published weights are downloaded or read from the cache.

    Raises `WeightsUnavailable`, in one sentence, when that fails: a run that should start from ImageNet must not
    start from random numbers unnoticed.
    """
    try:
        return timm.create_model(name, pretrained=pretrained, **arguments)
    except Exception as error:
        if not pretrained:
            raise
        raise WeightsUnavailable(
            f"The pretrained weights {name} could not be fetched by timm ({type(error).__name__}). Connect once so "
            "that they enter the cache of huggingface_hub (folder HF_HOME), or set pretrained to false to start from "
            "random weights; the tables say which was used."
        ) from error
