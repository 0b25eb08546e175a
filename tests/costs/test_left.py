"""Core-minutes that are left: means of recorded seconds, scaled where no training was as long, and never invented."""

import json

import pytest

from xpci_utils import paths
from xpci_utils.costs import left as left_module
from xpci_utils.costs.left import Prediction, kind_of, left, measured, predict, sentences
from xpci_utils.costs.work import frames_of, pairs_of
from xpci_utils.params import TrainSegmentation
from xpci_utils.params.profiles import collected_folder, stage_parameters, sweep_of
from xpci_utils.params.runs import stage_folders
from xpci_utils.running import cli

ROOT = paths.root() / "runs/nowhere"
FRAMES = frames_of("study", ROOT)
SIZES = FRAMES, pairs_of("study", FRAMES)
LAPTOP = json.loads((paths.root() / "figures/laptop/results/provenance.json").read_text())["runs"]


def seconds_in_laptop(*parts):
    """Mean core-seconds of the committed cells whose names have all ``parts``."""
    cells = {place: run for place, run in LAPTOP.items() if place.startswith("segmentation/")}
    seconds = [run["core_seconds"] for place, run in cells.items() if all(part in place for part in parts)]
    return sum(seconds) / len(seconds)


def of_place(place, known):
    return predict(place, stage_parameters("study", place, ROOT), SIZES, known)


@pytest.fixture(scope="module")
def laptop():
    return [measured("laptop")]


def test_a_cell_takes_the_mean_of_all_of_its_backbone_and_length(laptop):
    """Rows with as many steps and as large batches in the committed results of the first edition."""
    place = "segmentation/swin_unetr__r0100__vit_b__n01000__mix__s9"
    prediction = of_place(place, laptop)
    assert prediction.core_seconds == pytest.approx(seconds_in_laptop("swin_unetr"), rel=1e-9)
    assert (prediction.profile, prediction.scaled) == ("laptop", False)


def test_a_longer_training_is_scaled_and_says_so(laptop):
    """Equal epochs with 1,000 pairs beside 100 frames: eleven times the steps."""
    place = "segmentation/swin_unetr__r0100__vit_b__n01000__epochs__s0"
    prediction = of_place(place, laptop)
    assert prediction.core_seconds == pytest.approx(11 * seconds_in_laptop("swin_unetr"), rel=1e-9)
    assert prediction.scaled


def test_batches_of_another_size_are_another_kind(laptop):
    place = "segmentation/emcad__r0100__vit_b__n01000__added__s0"
    assert of_place(place, laptop) == Prediction(place)
    kinds = {
        arm: kind_of(TrainSegmentation(cell=f"emcad__r0100__{rest}__{arm}__s0"), *SIZES)[0]
        for arm, rest in {"mix": "vit_b__n01000", "noaug": "none__n00000", "halfbatch": "none__n00000"}.items()
    }
    assert kinds["mix"] == kinds["noaug"] != kinds["halfbatch"]


def test_the_profiles_own_times_come_first(laptop, tmp_path, monkeypatch):
    place = "segmentation/emcad__r0100__none__n00000__mix__s0"
    run = LAPTOP[place] | {"core_seconds": 7.0}
    (tmp_path / "provenance.json").write_text(json.dumps({"runs": {place: run}}))
    monkeypatch.setattr(left_module, "collected_folder", lambda profile: tmp_path if profile == "study" else None)
    own = measured("study")
    prediction = of_place("segmentation/emcad__r0100__vit_b__n01000__mix__s3", [own, *laptop])
    assert prediction == Prediction("segmentation/emcad__r0100__vit_b__n01000__mix__s3", 7.0, "study")


def test_everything_left_is_listed_and_what_was_never_measured_is_not_counted(tmp_path):
    sweep = sweep_of("study")
    predictions = left("study", tmp_path, sweep, "readings")
    folders = stage_folders(sweep, "readings")
    if not (collected_folder("study") / "provenance.json").is_file():
        assert [one.place for one in predictions] == folders
    lines = sentences([Prediction("a", 60.0, "laptop"), Prediction("b", 90.0, "study", True), Prediction("c")])
    assert lines == [
        "3 stages to do: about 2 core-minutes",
        "  1 for 1 stage, by the recorded times of laptop",
        "  2 for 1 stage, by the recorded times of study, of which 1 scaled to other numbers of steps or frames",
        "  not counted, since nothing like it was measured: 1 stage (c)",
    ]
    assert sentences([]) == ["everything is done"]


def test_dry_run_and_status_print_it_before_anything_starts(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("xpci_utils.costs.progress.run_root", lambda profile: str(tmp_path))
    for command in ("dry-run", "status"):
        assert cli.main([command, "--profile", "study_printed", "--grid", "readings"]) == 0
        assert "by the recorded times of " in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [], "status restores nothing"
