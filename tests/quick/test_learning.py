"""What the quick grid must have learnt, read from the results of ``make reproduce PROFILE=quick``.

Scores of so short a run are no evidence about the paper; these tests say that every stage learns at all, against
the trivial answer to its own question. What quick cannot be held to is printed.
"""

import pandas as pd
import pytest

from xpci_utils import files, paths, stages
from xpci_utils.params import Sweep
from xpci_utils.params.places import audit_place
from xpci_utils.params.runs import cells_of

ROOT = paths.root() / "runs/quick"
SWEEP = Sweep.from_yaml("params/quick/sweep.yaml")
CELLS = [cell.name for cell in cells_of(SWEEP)]


def metrics(folder):
    if stages.read_run(ROOT / folder) is None:
        pytest.fail(f"runs/quick/{folder} is not finished; run 'make reproduce' first")
    return files.read_json(ROOT / folder / "metrics.json")


def losses(folder):
    records = files.read_jsonl(ROOT / folder / "history.jsonl")
    return [record["loss"] for record in records if "loss" in record]


@pytest.mark.parametrize(
    "folder", ["ddpm", *(f"sam/{name}__s0" for name in SWEEP.labellers), *(f"segmentation/{c}" for c in CELLS)]
)
def test_the_loss_falls(folder):
    values = losses(folder)
    tenth = max(1, len(values) // 10)
    assert sum(values[-tenth:]) / tenth < 0.8 * values[0], f"from {values[0]:.3g} to {values[-1]:.3g}"


def test_the_denoiser_beats_the_wiener_filter_on_held_out_frames():
    """In every quartile of t; the best linear guess knows the training frames' mean and power spectrum, no more."""
    scores = metrics("ddpm")
    error = scores["eps_error"]
    print(f"\neps error, held-out frames: {error}")
    share = scores["foreground_share"]
    print(f"foreground share: samples {share['samples']:.3f}, annotated frames {share['frames']:.3f}")
    assert all(ours < linear for ours, linear in zip(error["held_out"], error["wiener"], strict=True))


def test_the_pool_lies_between_new_frames_and_nonsense():
    """Measured: particles 0.5 (twice as many: 1.2), fringe_share 1 (masks of another frame: 0.4), floor AUC +-0.04."""
    table = pd.read_csv(ROOT / audit_place("ddpm", "vit_b").folder / "fidelity.csv", index_col="set")
    print("\n" + table.loc[:, "overall":"auc_edges"].T.round(3).to_string())
    synthetic, floor, ceiling = (table.loc[name] for name in ("synthetic", "fresh (floor)", "shifted (ceiling)"))
    assert ceiling.overall > 2 * floor.overall
    assert floor.auc == pytest.approx(0.5, abs=0.25)
    assert floor.overall < synthetic.overall
    assert synthetic.particles < 1
    assert synthetic.fringe_share > 0.8


@pytest.mark.parametrize("labeller", SWEEP.labellers)
def test_the_labeller_beats_naming_everything_after_the_most_frequent_class(labeller):
    scores = metrics(f"sam/{labeller}__s0")
    print(f"\n{labeller}: Dice of particles {scores['test']['dice_foreground']:.3f}, ", end="")
    print(f"most frequent class {scores['trivial']['dice_foreground']:.3f}")
    if not labeller.endswith("noprompt"):
        assert scores["test"]["dice_foreground"] > scores["trivial"]["dice_foreground"]


@pytest.mark.parametrize("cell", CELLS)
def test_every_network_beats_a_grey_level_table(cell):
    scores = metrics(f"segmentation/{cell}")
    print(f"\n{cell}: {scores['test']['dice_foreground']:.3f}, table {scores['trivial']['dice_foreground']:.3f}")
    assert scores["test"]["dice_foreground"] > scores["trivial"]["dice_foreground"]


def test_all_tables_and_figures_are_there():
    for number in range(1, 6):
        for suffix in ("csv", "md", "tex"):
            assert (ROOT / f"report/tables/table{number}.{suffix}").stat().st_size > 100
    for number in range(1, 7):
        for suffix in ("png", "pdf"):
            assert (ROOT / f"report/figures/figure{number}.{suffix}").stat().st_size > 5000
