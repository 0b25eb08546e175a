"""Development frames of a small run: scored as anybody would, once each, and never mixed with other results."""

import importlib.util
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from xpci_utils import files, paths, stages
from xpci_utils.development import COLUMNS, METRICS, SCORES_FILE, development_frames, score_run, scoring
from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.params import AdaptSam, PrepareFrames, TrainSegmentation
from xpci_utils.sam import adapt_sam, load_labeller, predict_scores
from xpci_utils.segmentation import build_network, class_scores, load_network, save_network
from xpci_utils.simulation import fresh_examples, write_simulated_frames

SIDE, COUNT, SHORT = 32, 6, {"steps": 2, "batch_size": 2}
LABELLER, CELLS = "vit_t-informed2", [f"emcad__r0006__none__n00000__mix__s{seed}" for seed in (0, 1)]
WEIGHTS = {"labeller": "adapters.safetensors", "cell": "model.safetensors"}


@pytest.fixture(autouse=True)
def every_test_on_one_thread(one_thread):
    """All tests of this folder compare bits."""


def finish(parameters, make):
    """A finished stage that ``make`` wrote something for; other products are a byte."""
    stage = stages.begin(parameters)
    make(stage)
    for name in parameters.products:
        if not (stage.folder / name).exists():
            (stage.folder / name).write_text("x")
    stage.finish({})


def train(root, cell):
    frames = FrameSet.open(root / "frames")
    network = build_network("emcad", frames.num_classes, size="quick", image_size=(SIDE, SIDE), seed=int(cell[-1]))
    made = TrainSegmentation(run_root=str(root), cell=cell)
    finish(made, lambda stage: save_network(stage.folder / "model.safetensors", network, frames))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of simulated frames, an informed labeller and one network with its first weights."""
    root = tmp_path_factory.mktemp("run")
    counts = {"train": 6, "val": 1, "test": 1}
    sizes = {"train_frames": 6, "val_frames": 1, "test_frames": 1, "height": SIDE, "width": SIDE}
    made = PrepareFrames(run_root=str(root), **sizes, shifted_test_frames=0)
    finish(made, lambda stage: write_simulated_frames(stage.folder, counts, SIDE, SIDE, 0, "reduced"))
    adapting = AdaptSam(run_root=str(root), labeller=LABELLER, **SHORT)
    finish(adapting, lambda stage: adapt_sam(FrameSet.open(root / "frames"), adapting.settings(), stage))
    train(root, CELLS[0])
    return root


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def scored(monkeypatch):
    """The folders that were scored, in order."""
    names, original = [], scoring.frame_scores

    def watched(frames, place, *rest):
        names.append(place.folder)
        return original(frames, place, *rest)

    monkeypatch.setattr(scoring, "frame_scores", watched)
    return names


def test_scores_are_those_of_an_independent_computation(run):
    """Micro F1 of scikit-learn over the particle classes of all labelled pixels, on frames drawn in memory: equal but
    for rounding. A wrong frame, a mask that is not given or a mean over frames in place of the pool would show.
    Frames go through the labeller one by one: after two steps some of its classes tie to the last bit."""
    table = score_run(run, COUNT)
    assert table.columns.tolist() == [*COLUMNS]
    assert table.groupby("row")["metric"].agg(list).tolist() == [[*METRICS]] * 2
    new = list(fresh_examples(FrameSet.open(run / "frames"), COUNT, 0, "development"))
    images, truth = (np.stack(arrays) for arrays in zip(*new, strict=True))
    network = load_network(run / f"segmentation/{CELLS[0]}/model.safetensors")[0]
    labeller = load_labeller(run / f"sam/{LABELLER}__s0/adapters.safetensors")
    predicted = {
        "emcad__r0006__none__n00000__mix": class_scores(network, images).argmax(1),
        "labeller": np.concatenate(
            [predict_scores(labeller, image[None], binary_mask(labels)[None]).argmax(1) for image, labels in new]
        ),
    }
    for row, labels in predicted.items():
        known = truth != 255
        expected = f1_score(truth[known], labels[known], labels=range(1, 10), average="micro", zero_division=0)
        rows = table[(table["row"] == row) & (table["metric"] == "micro_f1")]
        assert rows["value"].tolist() == [pytest.approx(expected, abs=1e-9)], row
    assert table.groupby("row")["labeller"].first().to_dict() == {"labeller": LABELLER, CELLS[0][:-4]: "none"}
    record = stages.read_run(run / "segmentation" / CELLS[0])
    assert set(table.loc[table["row"] != "labeller", "identity"]) == {record["identity"]}


def test_scores_of_every_frame_are_kept_beside_the_table(run):
    table = score_run(run, COUNT)
    frames = pd.read_csv(run / f"development/per_frame/segmentation__{CELLS[0]}.csv")
    mean = table[(table["row"] != "labeller") & (table["metric"] == "dice")]["value"].item()
    assert len(frames) == frames["sequence"].nunique() == COUNT
    assert frames["dice"].mean() == pytest.approx(mean)


def test_what_is_scored_is_not_scored_again(run, scored):
    first = score_run(run, COUNT)
    train(run, CELLS[1])
    second = score_run(run, COUNT)
    assert scored == [f"sam/{LABELLER}__s0", *(f"segmentation/{cell}" for cell in CELLS)]
    pd.testing.assert_frame_equal(second[: len(first)], first, check_exact=True)
    pd.testing.assert_frame_equal(score_run(run, COUNT), second, check_exact=True)
    assert len(scored) == 3


def test_a_stopped_table_goes_on(run, scored, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "load_network", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            score_run(run, COUNT)
    assert len(pd.read_csv(run / SCORES_FILE)) == len(METRICS)
    score_run(run, COUNT)
    assert [name.split("/")[0] for name in scored] == ["sam", "segmentation", "segmentation"]


@pytest.mark.parametrize("change", ["made again", "gone", "another number"])
def test_scores_of_another_result_are_refused_and_replaced_on_demand(run, scored, change):
    """A table that mixes results, or frames, would look like any other."""
    score_run(run, COUNT)
    record, count = run / "segmentation" / CELLS[0] / "run.json", COUNT - 1 if change == "another number" else COUNT
    if change == "made again":
        files.write_json(record, files.read_json(record) | {"identity": "12345"})
    elif change == "gone":
        record.unlink()
    with pytest.raises(stages.StageError, match=r"emcad__r0006__none__n00000__mix \(none, seed 0\).*--again"):
        score_run(run, count)
    table = score_run(run, count, again=True)
    assert set(table["frames"]) == {count}
    assert "12345" in set(table["identity"]) or change != "made again"
    assert {*table["row"]} == ({"labeller"} if change == "gone" else {"labeller", CELLS[0][:-4]})
    assert len(scored) == {"made again": 3, "gone": 2, "another number": 4}[change]
    pd.testing.assert_frame_equal(score_run(run, count), table)


def test_what_learnt_from_other_frames_is_refused(run):
    record = run / "frames/run.json"
    files.write_json(record, files.read_json(record) | {"identity": "another"})
    with pytest.raises(stages.StageError, match="was made from other frames than frames/ holds now"):
        score_run(run, COUNT)


def test_frames_of_ones_own_have_no_development_frames(run):
    table = run / "frames/frames.csv"
    table.write_bytes(table.read_bytes().replace(b"true", b"false"))
    with pytest.raises(ValueError, match="holds no simulated frames"):
        development_frames(run, COUNT)
    (run / "frames/run.json").unlink()
    with pytest.raises(stages.StageError, match="run notebook 01 first"):
        development_frames(run, COUNT)


@pytest.fixture
def script(monkeypatch):
    path = paths.root() / "scripts/score_development.py"
    spec = importlib.util.spec_from_file_location("score_development", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", [path.name, *map(str, arguments)])
        return module.main()

    return call


def test_the_command_prints_the_table_or_a_sentence(run, script, capsys):
    assert script(run, "--frames", COUNT) == 0
    printed = capsys.readouterr().out
    assert LABELLER in printed
    value = pd.read_csv(run / SCORES_FILE).query("row == 'labeller' and metric == 'micro_f1'")["value"].item()
    assert f"{value:.4f}" in printed
    assert script(run, "--frames", COUNT - 1) == 1
    assert "error: " in capsys.readouterr().err
    assert script(run / "nowhere") == 1
