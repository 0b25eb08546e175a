"""Cross-validation of a folder of real images: what is scheduled, what is counted, and what survives a failed fold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from xpci_utils import files, paths
from xpci_utils.params.runs import cells_of
from xpci_utils.report import crossvalidation
from xpci_utils.report.wording import DASH
from xpci_utils.running import study as cross_study

ROW, ALONE = "emcad__r0000__vit_t__n00200__mix", "emcad__r0000__none__n00000__mix"
CLASSES = "classes:\n  - {index: 1, name: drop, colour: '#cc3311'}\n"


def scores(gain, folds=3, images=4, seeds=2, of_fold=0.0, seed=0):
    """Scores of both rows: every image has its own level; pairs add ``gain``, and ``of_fold`` more by fold."""
    rng, rows = np.random.default_rng(seed), []
    for fold in range(folds):
        extra = gain + of_fold * (fold - (folds - 1) / 2)
        for name in (f"image{fold}{i}" for i in range(images)):
            level, errors = rng.uniform(0.3, 0.6), rng.integers(20, 60, 2)
            for s in range(seeds):
                noise = rng.normal(0, 0.01)
                for row, more in ((ALONE, 0.0), (ROW, extra)):
                    dice = dict.fromkeys(("dice", "dice_foreground", "nsd", "dice_drop"), level + noise + more)
                    counts = {"tp": 100 + 10 * (row == ROW), "fp": errors[0], "fn": errors[1]}
                    about = {"fold": fold, "row": row, "seed": s, "frame": name, "sequence": name}
                    rows.append(about | dice | counts)
    return pd.DataFrame(rows)


@pytest.fixture
def study(tmp_path):
    """A study of twelve images of two values."""
    for kind in ("images", "masks"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        for i in range(12):
            picture = np.full((8, 8), i, np.uint8) % 2 if kind == "masks" else np.full((8, 8), 20 * i, np.uint8)
            Image.fromarray(picture + (kind == "masks")).save(tmp_path / f"mine/{kind}/f{i:02d}.png")
    (tmp_path / "mine/classes.yaml").write_text(CLASSES + "  - {index: 2, name: shell, colour: '#4477aa'}\n")
    return crossvalidation.Study(tmp_path / "study", {"source_folder": str(tmp_path / "mine")})


def test_every_fold_schedules_its_own_stages_and_nothing_else(study):
    """Each fold trains denoiser and labeller anew: nothing of another fold is an input."""
    command = cross_study.command(study, 2, 2, "--dry-run", "--quiet", "progress")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=paths.root(), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    root = os.path.relpath(study.fold_root(2), paths.root())
    outputs = {line.split("output: ")[1] for line in (done.stdout + done.stderr).splitlines() if "output: " in line}
    assert outputs == {f"{root}/{place}/run.json" for place in study.places}
    assert not any(name in done.stdout + done.stderr for name in ("fold_0", "fold_1"))


def test_gains_are_paired_means_and_pooled_counts():
    per_frame = scores(gain=0.1)
    table = crossvalidation.gains(per_frame, ROW).data.set_index("metric")
    by_image = per_frame.pivot_table(index="frame", columns="row", values="dice")
    assert table.loc["dice", "difference"] == pytest.approx((by_image[ROW] - by_image[ALONE]).mean(), abs=1e-12)
    assert table.loc["dice", "with_pairs"] == pytest.approx(by_image[ROW].mean(), abs=1e-12)
    pooled = per_frame[per_frame["seed"] == 0].groupby("row")[["tp", "fp", "fn"]].sum()
    f1 = 2 * pooled["tp"] / (2 * pooled["tp"] + pooled["fp"] + pooled["fn"])  # counts are equal for both seeds
    assert table.loc["micro_f1", "difference"] == pytest.approx(f1[ROW] - f1[ALONE], abs=1e-12)
    assert tuple(table.loc["dice", ["seeds", "images"]]) == (2, 12)
    assert table.loc["dice_drop", "folds_low"] == pytest.approx(0.1, abs=1e-9)  # the same everywhere: no spread


@pytest.mark.parametrize(("images", "seeds"), [(4, 1), (4, 2), (40, 2), (4, 20)])
def test_a_fold_counts_once_however_many_images_and_seeds_it_has(images, seeds):
    """They share denoiser and labeller: as independent witnesses they would claim too much."""
    table = crossvalidation.gains(scores(gain=0.05, of_fold=0.08, images=images, seeds=seeds), ROW)
    line = table.data.set_index("metric").loc["dice"]
    expected = stats.t.interval(0.95, 2, loc=0.05, scale=stats.sem([-0.03, 0.05, 0.13]))
    assert (line["folds_low"], line["folds_high"]) == pytest.approx(expected, abs=1e-9)
    assert table.printed.loc[0, "in each fold"] == "−0.0300, +0.0500, +0.1300"
    assert "t distribution with 2 degrees of freedom" in table.caption


def test_a_class_that_a_fold_does_not_show_is_a_dash_there():
    """Two folds are left, which allow no interval."""
    per_frame = scores(gain=0.1)
    per_frame.loc[per_frame["fold"] == 1, "dice_drop"] = float("nan")
    line = crossvalidation.gains(per_frame, ROW).printed.set_index("").loc["Dice of drop"]
    assert line["difference, interval over folds"] == "+0.1000"
    assert line["in each fold"] == f"+0.1000, {DASH}, +0.1000"


def test_a_failed_fold_is_named_and_the_others_are_told(study, monkeypatch, capsys):
    def finish_or_fail(study, fold, cores):
        if fold == 1:
            return 1
        of_fold = scores(gain=0.1).query("fold == @fold")
        for place in study.places:
            record = {"identity": "x", "version": 2, "products": {}, "threads": 1, "wall_seconds": 30.0}
            files.write_json(study.fold_root(fold) / place / "run.json", record | {"finished": "now"})
        metrics = {"test": {"dice_foreground": 0.5}, "trivial": {"dice_foreground": 0.4}}
        files.write_json(study.fold_root(fold) / "sam/vit_t__s0/metrics.json", metrics)
        for cell in cells_of(study.sweep):
            folder = study.fold_root(fold) / f"segmentation/{cell.name}"
            files.write_json(folder / "metrics.json", metrics)
            rows = of_fold.query("row == @cell.row and seed == @cell.seed").assign(dice_union=0.1)
            rows.drop(columns=["fold", "row", "seed"]).to_csv(folder / "per_frame.csv", index=False)
        split = pd.DataFrame({"split": ["train"] * 6 + ["val"] * 2 + ["test"] * 4})
        split.to_csv(study.fold_root(fold) / "frames/frames.csv", index=False)
        return 0

    monkeypatch.setattr(cross_study, "run_fold", finish_or_fail)
    assert cross_study.run(study, 1) == 1
    printed = capsys.readouterr()
    assert "fold_0, of 3: 0 of 27 stages done, time left unknown until something has finished" in printed.out
    assert "fold_2, of 3: 9 of 27 stages done, about 9 minutes of one job's work left" in printed.out
    assert "2 of 3 folds are finished" in printed.out
    assert "fold_1 failed" in printed.err
    provenance = json.loads((study.root / "provenance.json").read_text())
    assert provenance["finished"] == [0, 2]
    kept = {"version": 2, "identity": "x", "threads": 1, "wall_seconds": 30.0, "finished": "now"}
    assert provenance["runs"] == {f"fold_{fold}/{place}": kept for fold in (0, 2) for place in study.places}
    assert sorted(pd.read_csv(study.root / "folds.csv")["fold"]) == [0, 2]
    kept = pd.read_csv(study.root / "per_image.csv")
    assert sorted(kept["fold"].unique()) == [0, 2]
    assert not any("union" in name for name in kept)
    written = (study.root / "gains.md").read_text()
    assert "8 held-out images of 2 folds, 2 seeds" in written
    assert "Fewer than 3 folds allow no interval." in written


def test_a_folder_that_cannot_be_folded_stops_before_anything_is_trained(study, monkeypatch, capsys):
    monkeypatch.setattr(cross_study, "run_fold", lambda *_: pytest.fail("trained"))
    names = "\n".join(f"f{i:02d},one" for i in range(12))
    (Path(study.own["source_folder"]) / "sequences.csv").write_text(f"name,sequence\n{names}\n")
    assert cross_study.main(["--frames", study.own["source_folder"], "--cores", "1"]) == 2
    assert "there are 1 sequences; 3 folds need one each" in capsys.readouterr().err
    assert cross_study.main(["--frames", str(study.root / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
