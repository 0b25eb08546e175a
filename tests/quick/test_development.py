"""Development frames are scored as stages 03 and 05 score test frames."""

import pytest

from xpci_utils import files, paths, stages
from xpci_utils.development import METRICS, frame_scores
from xpci_utils.evaluation import summarise
from xpci_utils.frames import FrameSet
from xpci_utils.params.places import parse_place

ROOT = paths.root() / "runs/quick"


@pytest.mark.parametrize(
    "folder", ["sam/vit_b__s0", "sam/vit_t-noprompt__s0", "segmentation/emcad__r0040__none__n00000__mix__s0"]
)
def test_on_test_frames_it_gives_the_scores_of_the_stage(folder, one_thread):
    """Equal but for the rounding of a CSV: predicted again from the weights, by the same metrics and tolerance."""
    record = stages.read_run(ROOT / folder)
    if record is None:
        pytest.fail(f"runs/quick/{folder} is not finished; run 'make reproduce' first")
    test = FrameSet.open(ROOT / "frames").split("test")
    table = frame_scores(test, parse_place(folder), ROOT / folder, record["parameters"]["tolerance_px"])
    scores, expected = summarise(table), files.read_json(ROOT / folder / "metrics.json")["test"]
    assert {name: scores[name] for name in METRICS} == pytest.approx({name: expected[name] for name in METRICS})
