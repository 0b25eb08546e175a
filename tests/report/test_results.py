import math

import pandas as pd
import pytest
import yaml

from xpci_utils.params import Sweep
from xpci_utils.report import caution, compare_baselines, compare_claims, foreground_shares, read_results
from xpci_utils.report.claims import FEW_SEEDS, UNFINISHED
from xpci_utils.report.results import mean_of, spread
from xpci_utils.report.wording import change, listed, millions, plural, score


def test_every_cell_has_a_row_and_a_complete_run_misses_nothing(results):
    assert results.missing == []
    assert len(results.cells) == 11  # 3 without synthetic images, 4 series at 2 counts
    assert results.cells["finished"].all()
    assert {"dice", "dice_union_foreground", "dice_hollow_shell", "trivial_dice_foreground"} <= set(results.cells)
    assert results.labellers["parameters_total"].tolist() == [1_200_000] * 4


def test_unfinished_runs_are_named_and_have_no_scores(partial):
    assert partial.missing == ["sam/vit_t-noprompt__s0", "segmentation/emcad__r0004__vit_b__n00002__mix__s0"]
    unfinished = partial.cells[~partial.cells["finished"]]
    assert unfinished["cell"].tolist() == ["emcad__r0004__vit_b__n00002__mix__s0"]
    assert unfinished["dice"].isna().all()


def test_a_folder_without_its_products_is_not_finished(write_run):
    root = write_run()
    (root / "segmentation/emcad__r0004__none__n00000__mix__s0/model.safetensors").unlink()
    results = read_results(root, read_results(root, _sweep(root)).sweep)
    assert results.missing == ["segmentation/emcad__r0004__none__n00000__mix__s0"]


def test_pictures_take_the_next_best_labeller(write_run):
    after = [f"pools/{kind}/vit_b__s0" for kind in ("ddpm/labels", "heldout/labels", "ddpm/audit")]
    root = write_run(skip=["sam/vit_b__s0", *after, *_cells_of("vit_b")])
    results = read_results(root, _sweep(root))
    assert (results.labeller, results.pool_labeller) == ("vit_t", "vit_t")


def test_a_run_that_has_not_begun_can_be_read(nothing):
    assert not nothing.cells["finished"].any()
    assert nothing.frames is None
    assert foreground_shares(nothing) == {}
    assert compare_baselines(nothing).empty
    assert set(compare_claims(nothing)["reading"]) == {UNFINISHED}


def test_spread_of_one_two_and_no_seeds(results):
    one = results.cells.iloc[:1]
    mean, sd, by_seed = spread(one, "dice").values()
    assert (mean, by_seed) == (one["dice"].item(), f"{mean:.6f}")
    assert math.isnan(sd)
    two = pd.DataFrame({"seed": [7, 2], "dice": [0.25, 0.5]})
    assert spread(two, "dice") == {"dice": 0.375, "dice_sd": math.sqrt(2) / 8, "dice_by_seed": "0.500000 0.250000"}
    assert spread(results.cells.iloc[:0], "dice")["dice_by_seed"] == ""
    assert math.isnan(mean_of(results.cells, "no such metric"))


def test_claims_quote_the_paper_and_follow_this_run(results):
    claims = compare_claims(results).set_index("claim")
    prompt = claims.filter(like="prompt", axis=0).iloc[0]
    assert "SAM-t +0.1266, SAM-b +0.0054" in prompt["published"]
    rows = results.labellers.set_index("labeller")["dice"]
    gains = {name: rows[name] - rows[f"{name}-noprompt"] for name in ("vit_t", "vit_b")}
    assert f"SAM-t {change(gains['vit_t'])}, SAM-b {change(gains['vit_b'])}" in prompt["this run"]
    assert prompt["reading"] == FEW_SEEDS
    micro = claims.filter(like="Micro F1", axis=0).iloc[0]
    assert "true of 2 of 3 series" in micro["published"]  # the paper's own Table 2 disagrees
    peaks = claims.filter(like="peaks", axis=0).iloc[0]
    assert "2,000 (SAM-b), 5,000 (SAM-t)" in peaks["published"]


def test_a_claim_with_a_missing_run_is_left_open(partial):
    readings = compare_claims(partial).set_index("claim")["reading"]
    assert readings.filter(like="prompt").item() == UNFINISHED
    assert readings.filter(like="backbone").item() != UNFINISHED


def test_baselines_stand_beside_every_finished_network(results, partial):
    table = compare_baselines(results)
    assert len(table) == 1 + 4 + 3
    assert table["this run"][0] == f"{(0.3 + 0.1 + 0.05 + 0.01) / 4:.4f}"
    assert table["better"].tolist() == ["yes"] * 8
    assert len(compare_baselines(partial)) == 7


def test_caution_says_what_this_run_is(results):
    assert "one training" in caution(results)
    assert "simulated frames" in caution(results)
    assert "below the published scale" in caution(results)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (score(0.77914), "0.7791"),
        (score(0.5, float("nan"), (0.5,)), "0.5000"),
        (score(0.5, 0.1414, (0.4, 0.6)), "0.5000 (0.4000, 0.6000)"),
        (score(0.5, 0.1, (0.4, 0.5, 0.6)), "0.5000 ± 0.1000"),
        (score(float("nan")), "—"),
        (score(None), "—"),
        (change(-0.01), "−0.0100"),
        (millions(93_735_472), "93.7 M"),
        (millions(41_000), "41 k"),
        (plural(1, "seed"), "1 seed"),
        (plural(2000, "frame"), "2,000 frames"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (listed(["a"]), "a"),
        (listed([]), ""),
    ],
)
def test_wording(text, expected):
    assert text == expected


def _sweep(root):
    path = root / "sweep.yaml"
    path.write_text(yaml.safe_dump(Sweep(annotated=4, counts=[0, 2, 4]).model_dump()))
    return path


def _cells_of(labeller):
    backbones = ("transunet", "swin_unetr", "emcad")
    return [f"segmentation/{b}__r0004__{labeller}__n{n:05d}__mix__s0" for b in backbones for n in (2, 4)]
