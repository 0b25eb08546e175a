"""Table U: changes by frames without annotation, recomputed from the files of each run."""

import json

import pandas as pd
import pytest

from xpci_utils.params import ParameterError, Sweep
from xpci_utils.params.runs import cells_of, unlabelled_rows
from xpci_utils.report import read_results
from xpci_utils.report.study import study_tables

SWEEP = Sweep(annotated=4, counts=[0, 4], seeds=[0, 1], unlabelled=["fixmatch", "unlabelled-w050"])


def test_the_grid_has_each_network_alone_and_with_each_arm():
    """With as many frames as the sweep has pairs at most; the labeller of a network is that of its first series."""
    sweep = Sweep(annotated=0, counts=[0], counts_per_frame=[0, 2.5], unlabelled=["fixmatch", "unlabelled"])
    rows = unlabelled_rows(sweep.for_frames(6))
    assert list(rows) == ["transunet", "swin_unetr", "emcad"]
    assert rows["transunet"] == [
        "transunet__r0000__none__n00000__mix",
        "transunet__r0000__none__n00015__fixmatch",
        "transunet__r0000__vit_t__n00015__unlabelled",
    ]
    assert rows["emcad"][2] == "emcad__r0000__vit_b__n00015__unlabelled"
    assert cells_of(Sweep(), "unlabelled") == []


@pytest.mark.parametrize("arm", ["mix", "added", "fixmatch-w100", "unlabelled-other"])
def test_an_arm_without_such_frames_or_with_a_wrong_field_is_refused(arm):
    with pytest.raises(ParameterError, match=r"takes no unlabelled frames|there is no arm"):
        Sweep.checked({"unlabelled": [arm]})


@pytest.fixture(scope="module")
def root(write_run):
    return write_run(sweep=SWEEP, skip=["segmentation/swin_unetr__r0004__none__n00004__fixmatch__s1"])


def test_changes_are_paired_by_seed_on_validation_frames(root):
    (table,) = (table for table in study_tables(read_results(root, SWEEP)) if table.name == "table u")
    data = table.data.set_index("row")
    assert len(data) == 9

    def scores(row, metric):
        by_seed = {}
        for seed in (0, 1):
            path = root / f"segmentation/{row}__s{seed}/metrics.json"
            if path.is_file():
                by_seed[seed] = json.loads(path.read_text())["validation"][metric]
        return pd.Series(by_seed)

    for row, line in data.iterrows():
        alone = f"{row.partition('__')[0]}__r0004__none__n00000__mix"
        assert line["alone"] == alone
        for metric in ("dice", "micro_f1"):
            assert line[f"validation_{metric}"] == pytest.approx(scores(row, metric).mean())
            expected = (scores(row, metric) - scores(alone, metric)).mean()
            if row == alone:
                assert pd.isna(line[f"validation_{metric}_change"])
            else:
                assert line[f"validation_{metric}_change"] == pytest.approx(expected)
                assert line[f"test_{metric}_change"] != 0
    assert data.loc["swin_unetr__r0004__none__n00004__fixmatch", "seeds"] == 1
    assert "4 without annotation" in " ".join(table.printed["Training set"])
    assert "1 validation frame" in table.caption


def test_without_such_arms_there_is_no_table(results):
    assert "table u" not in {table.name for table in study_tables(results)}
