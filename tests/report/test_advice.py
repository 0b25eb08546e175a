"""Advice: its numbers are those of validation frames and of the committed study, and its verdicts follow from them."""

import math
import re
from dataclasses import replace

import pandas as pd
import pytest

from xpci_utils.report.advice import STUDY, advice, fold_advice, study_effects
from xpci_utils.report.committed import load_results
from xpci_utils.report.contrasts import difference


@pytest.fixture(scope="module")
def study():
    return load_results(STUDY)


def with_validation(results, labeller, network, gain=0.0):
    """The same results, with scores on validation frames: of labellers, of networks alone, and what pairs add."""
    labellers = results.labellers.assign(validation_micro_f1=labeller)
    cells = results.cells
    cells = cells.assign(validation_micro_f1=[network + gain * (count > 0) for count in cells["synthetic"]])
    return replace(results, labellers=labellers, cells=cells)


@pytest.mark.parametrize(("labeller", "better"), [(0.7, True), (0.5, False)])
def test_the_labeller_is_compared_with_the_network_that_it_would_teach(study, labeller, better):
    text = advice(with_validation(study, labeller, 0.6, 0.0125))
    assert f"with true masks has a micro-F1 of {labeller:.3f}" in text
    assert "trained on annotated frames alone, has 0.600" in text
    assert ("its labels can teach it" in text) == better
    assert ("labels of synthetic images add errors" in text) != better
    assert "there by +0.0125 (" in text


def test_without_scores_on_validation_frames_nothing_is_compared(study):
    bare = replace(
        study,
        cells=study.cells.drop(columns="validation_micro_f1", errors="ignore"),
        labellers=study.labellers.drop(columns="validation_micro_f1", errors="ignore"),
    )
    text = advice(bare)
    assert "cannot be compared yet" in text
    assert "No network with synthetic pairs has scores on validation frames yet" in text
    assert "GRID=unlabelled" in text


def test_numbers_of_the_study_are_those_of_its_results(study):
    effects = study_effects(10.0)
    bare, plain = "emcad__r0100__none__n00000__noaug", "emcad__r0100__none__n00000__mix"
    expected = difference(plain, bare, study, "micro_f1").mean
    assert effects["flips and turns instead of no augmentation"].mean == pytest.approx(expected, abs=1e-12)
    (pairs,) = [what for what in effects if "pairs" in what]
    assert pairs.startswith("1,000 synthetic pairs (10 of each frame)")


def test_what_to_try_next_is_ordered_by_gain_and_has_no_loss(study):
    line = advice(with_validation(study, 0.7, 0.6)).splitlines()[-1]
    gains = [float(one) for one in re.findall(r"\(([+−][0-9.]+)\)", line.replace("−", "-"))]
    assert gains
    assert gains == sorted(gains, reverse=True)
    assert min(gains) > 0


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.05, "help"), (-0.05, -0.01, "cost accuracy"), (-0.01, 0.07, "chance"), (math.nan, math.nan, "too few")],
)
def test_a_cross_validation_is_judged_by_its_interval(low, high, verdict):
    row = {"row": "emcad__r0016__vit_b__n00400__mix", "metric": "micro_f1", "difference": 0.03}
    text = fold_advice(pd.DataFrame([row | {"folds_low": low, "folds_high": high, "images": 24}]))
    assert verdict in text.splitlines()[0]
    assert "400 synthetic pairs changed the micro-F1 of EMCAD on 24 held-out images by +0.0300" in text
