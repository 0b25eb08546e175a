import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xpci_utils.files import read_json
from xpci_utils.params import Sweep
from xpci_utils.report import build_tables, read_published, read_results
from xpci_utils.report.tables import SERIES_OF_TABLE, latex
from xpci_utils.report.wording import DASH

METRICS = {"dice": "Dice", "nsd": "NSD", "micro_f1": "Micro F1"}


@pytest.fixture(scope="module")
def tables(results):
    return {table.name: table for table in build_tables(results)}


@pytest.mark.parametrize(
    ("number", "synthetic", "dice", "nsd", "micro_f1"),
    [
        (1, 500, 0.7807, 0.5195, 0.6854),
        (2, 5000, 0.7884, 0.5576, 0.7531),
        (3, 0, 0.8170, 0.6246, 0.7613),
        (3, 2000, 0.8306, 0.6398, 0.8128),
        (4, 1000, 0.8100, 0.6034, 0.7752),
    ],
)
def test_published_rows_are_the_papers(number, synthetic, dice, nsd, micro_f1):
    row = read_published(number).set_index("synthetic_images").loc[synthetic]
    assert (row["dice"], row["nsd"], row["micro_f1"]) == (dice, nsd, micro_f1)
    assert row["real_images"] == 200


def test_published_columns_add_up():
    """Sums over the printed columns of the paper: any mistyped digit changes them."""
    sums = [read_published(number)[list(METRICS)].sum().round(4).tolist() for number in range(1, 5)]
    assert sums == [
        [3.9553, 2.7801, 3.6437],
        [3.8669, 2.6471, 3.6863],
        [4.1164, 3.1432, 4.0087],
        [3.9952, 2.9001, 3.6838],
    ]
    assert read_published(5)["dice"].tolist() == [0.6610, 0.7876, 0.8127, 0.8181]


@pytest.mark.parametrize("number", SERIES_OF_TABLE)
def test_cells_of_a_table_are_the_metrics_that_the_runs_wrote(number, tables, run_root):
    table, (backbone, labeller) = tables[f"table {number}"], SERIES_OF_TABLE[number].split("__")
    for position, count in enumerate([0, 2, 4]):
        cell = f"{backbone}__r0004__{labeller if count else 'none'}__n{count:05d}__mix__s0"
        test = read_json(run_root / "segmentation" / cell / "metrics.json")["test"]
        for metric, name in METRICS.items():
            assert table.data[metric][position] == test[metric]
            assert table.printed[name][position] == f"{test[metric]:.4f}"
        assert table.printed["Dice, no background"][position] == f"{test['dice_foreground']:.4f}"
        assert table.data["dice_union"][position] == test["dice_union"]


def test_rows_are_matched_by_position_and_unmatched_ones_are_dashes(tables):
    printed = tables["table 4"].printed
    assert printed["Training set"].tolist() == [
        "4 simulated",
        "4 simulated + 2 synthetic",
        "4 simulated + 4 synthetic",
        DASH,
        DASH,
    ]
    assert printed["Paper's training set"][4] == "200 real + 5,000 synthetic"
    assert printed["Dice, paper"].tolist() == ["0.7791", "0.7807", "0.8100", "0.8196", "0.8058"]
    assert printed["Dice"].tolist()[3:] == [DASH, DASH]


def test_a_longer_sweep_leaves_the_papers_side_empty(run_root):
    sweep = Sweep(annotated=4, counts=[0, 2, 4, 5, 6, 7])
    printed = build_tables(read_results(run_root, sweep))[2].printed
    assert len(printed) == 6
    assert printed["Dice, paper"][5] == printed["Paper's training set"][5] == DASH


def test_a_sweep_over_the_whole_training_split_counts_its_frames(run_root, nothing):
    sweep = Sweep(annotated=0, counts=[0, 2])
    table = build_tables(read_results(run_root, sweep))[0]
    assert table.printed["Training set"].tolist()[:2] == ["4 simulated", "4 simulated + 2 synthetic"]
    assert table.data["missing"][0] == "transunet__r0000__none__n00000__mix__s0"
    assert build_tables(replace(nothing, sweep=sweep))[0].printed["Training set"][0] == "all annotated"


def test_missing_runs_are_dashes_and_are_named(partial):
    tables = {table.name: table for table in build_tables(partial)}
    emcad, sam = tables["table 3"], tables["table 5"]
    assert emcad.printed.loc[1, ["Dice", "NSD", "Micro F1"]].tolist() == [DASH] * 3
    assert emcad.data["missing"][1] == "emcad__r0004__vit_b__n00002__mix__s0"
    assert sam.printed.loc[0, ["Network of this run", "Dice", "Micro F1"]].tolist() == [DASH] * 3
    assert sam.printed["Dice, paper"][0] == "0.6610"
    assert sam.data["missing"].tolist() == ["sam/vit_t-noprompt__s0", "", "", ""]


def test_tables_of_a_run_that_has_not_begun_hold_only_published_numbers(nothing):
    for table in build_tables(nothing):
        assert set(table.printed["Dice"]) == {DASH}
        assert "paper" in table.caption


def test_a_series_that_the_sweep_leaves_out_is_explained(nothing):
    sweep = Sweep(annotated=4, counts=[0, 2], series=["emcad__vit_b"], labellers=["vit_b"])
    table = build_tables(replace(nothing, sweep=sweep))[0]
    assert table.data["missing"][1] == "the sweep leaves this series out"
    assert set(table.printed["Dice"]) == {DASH}


@pytest.mark.parametrize(
    ("more", "printed"), [((0.1,), "{mean:.4f} ({first:.4f}, {last:.4f})"), ((0.1, 0.2), "{mean:.4f} ± 0.1000")]
)
def test_seeds_are_averaged_with_their_spread(results, more, printed):
    """Two seeds are printed as they are; from three on they have a standard deviation."""
    first = results.cells[results.cells["cell"].str.startswith("emcad__r0004__none")]
    others = [
        first.assign(cell=f"emcad__r0004__none__n00000__mix__s{seed}", seed=seed, dice=first["dice"] + plus)
        for seed, plus in enumerate(more, start=1)
    ]
    sweep = results.sweep.model_copy(update={"seeds": range(len(more) + 1)})
    cells = pd.concat([*reversed(others), results.cells], ignore_index=True)
    table = build_tables(replace(results, sweep=sweep, cells=cells))[2]
    values = first["dice"].item() + np.array([0, *more])
    assert table.data["dice"][0] == pytest.approx(values.mean())
    assert table.data["dice_sd"][0] == pytest.approx(np.std([0, *more], ddof=1))
    assert table.printed["Dice"][0] == printed.format(mean=values.mean(), first=values[0], last=values[-1])
    assert table.data["seeds"].tolist()[:2] == [len(more) + 1, 1]
    assert "over training seeds" in table.caption


def test_table_5_names_the_network_that_stands_in(tables):
    assert set(tables["table 5"].printed["Network of this run"]) == {"stand-in ViT, 1.2 M"}
    assert "reduced" in tables["table 5"].caption


def test_table_5_shows_what_drawn_masks_make_of_prompted_labellers_alone(tables):
    data = tables["table 5"].data.set_index("labeller")
    noisy = data[["noisy_dice_foreground", "noisy_binary_dice", "noisy_particles_named_right"]]
    assert noisy.loc[["vit_t", "vit_b"]].to_numpy().tolist() == [[0.31, 0.71, 0.51]] * 2
    assert noisy.filter(like="noprompt", axis=0).isna().all(axis=None)
    assert "drawn mask" in tables["table 5"].caption


def test_simulated_frames_are_never_called_real(tables):
    for table in tables.values():
        ours = table.printed.drop(columns="Paper's training set", errors="ignore")
        assert not re.search(r"\breal\b", table.caption + ours.to_string())
        assert "simulated" in table.caption


def test_frames_of_a_folder_are_called_annotated(write_run):
    results = read_results(write_run(simulated=False), Sweep(annotated=4, counts=[0, 2, 4]))
    table = build_tables(results)[2]
    assert table.printed["Training set"][1] == "4 annotated + 2 synthetic"
    assert "simulated" not in table.caption


def test_latex_is_balanced_and_escaped(tables):
    for table in tables.values():
        text = table.latex()
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin{") == text.count(r"\end{") == 2
        body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
        columns = len(table.printed.columns)
        assert all(len(re.findall(r"(?<!\\)&", row)) == columns - 1 and row.endswith(r"\\") for row in body)
        assert not re.search(r"(?<!\\)[%#_]", text)
        assert text.isascii()
    assert latex("50 % of a_b & 3 × 4 ± —") == r"50 \% of a\_b \& 3 $\times$ 4 $\pm$ ---"


def test_markdown_has_as_many_fields_in_every_row(tables):
    for table in tables.values():
        rows = [line for line in table.markdown().splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1
        assert len(rows) == len(table.printed) + 2


def test_saved_csv_reads_back_as_it_was(tables, tmp_path):
    table = tables["table 3"]
    assert [path.name for path in table.save(tmp_path)] == ["table3.csv", "table3.md", "table3.tex"]
    read = pd.read_csv(tmp_path / "table3.csv")
    np.testing.assert_array_equal(read["dice"], table.data["dice"])
    assert read["published_synthetic"].tolist() == [0, 500, 1000, 2000, 5000]
