"""Tables and figures of the study itself, against scores that were made up to have a known answer."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xpci_utils.evaluation import paired_difference
from xpci_utils.params import Sweep
from xpci_utils.params.cells import BACKBONES, Cell, parse_row
from xpci_utils.params.runs import compared_rows
from xpci_utils.report import captions, compare_claims
from xpci_utils.report.claims import FEW_SEEDS, SUPPORTED, UNDECIDED, UNFINISHED, claims_html
from xpci_utils.report.contrasts import chosen_on_validation, claimed_rows, cost_core_seconds, gain, reference_row
from xpci_utils.report.drawing import Waiting
from xpci_utils.report.inconsistencies import inconsistencies_html
from xpci_utils.report.protocol import CONTRADICTED
from xpci_utils.report.study import annotations_worth, controls_table, ladder_steps, readings_table, study_tables
from xpci_utils.report.study_figures import (
    class_gains,
    control_gains,
    gain_and_cost,
    gain_of_classes,
    gain_of_readings,
    reading_gains,
    surface_tolerance,
)
from xpci_utils.report.wording import BACKBONE_NAMES, DASH, INFORMED, interval, labeller_title, p_value

EMCAD = "emcad__r0004__vit_b__n00004__mix"


@pytest.fixture(scope="module")
def tables(study):
    return {table.name: table for table in study_tables(study)}


def test_every_table_of_the_study_is_there_and_complete(tables, study):
    assert list(tables) == ["table c", "table d", "table l", "table p", "table s"]
    assert study.missing == []
    for table in tables.values():
        assert (
            DASH
            not in table.printed[
                "Seeds" if "Seeds" in table.printed else "Class" if "Class" in table.printed else "Dice"
            ]
        )
        assert not table.printed.empty
        assert "95 % intervals" in table.caption


def test_captions_name_the_networks_and_rows_that_are_shown(tables, study):
    assert tables["table c"].caption.startswith("Controls, EMCAD on ")
    assert "a gain of EMCAD is lost" in tables["table l"].caption
    assert "4 labelled by SAM-b for TransUNet, 4 labelled by SAM-b for SwinUNETR and 4 labelled by SAM-b for EMCAD" in (
        tables["table p"].caption
    )
    shown = tables["table s"].printed
    assert shown["Seeds"].tolist() == tables["table s"].data["seeds"].tolist()
    cells = study.cells.assign(finished=study.cells["finished"] & (study.cells["backbone"] == "emcad"))
    (table,) = (table for table in study_tables(replace(study, cells=cells)) if table.name == "table p")
    assert "(4 labelled by SAM-b for EMCAD)" in table.caption


def test_an_informed_labeller_is_called_so_wherever_its_row_stands(tables, study):
    """In the column that says who labelled, in the caption of the table and of the figure; elsewhere nobody is."""
    row = tables["table c"].data.set_index("row").index.get_loc("emcad__r0004__vit_b-informed4__n00004__mix")
    assert "labelled by informed SAM-b (4 more frames)" in tables["table c"].printed["Training set"].iloc[row]
    assert tables["table c"].printed["Training set"].str.contains("informed").sum() == 1
    assert INFORMED in tables["table c"].caption
    assert INFORMED in captions.figures(study)["figurec"]
    assert all("nformed" not in table.caption for name, table in tables.items() if name != "table c")
    rows = [row for row in study.sweep.controls if "informed" not in row]
    without = replace(study, sweep=study.sweep.model_copy(update={"controls": rows}))
    assert "nformed" not in captions.figures(without)["figurec"]
    assert labeller_title("vit_t-noprompt-informed1000") == "informed SAM-t (1,000 more frames) without mask prompt"


def test_a_run_without_seeds_or_controls_still_has_the_tables_it_can_have(results, nothing):
    names = [table.name for table in study_tables(results)]
    assert names == ["table d", "table p", "table s"]
    (differences, *_) = study_tables(results)
    assert differences.printed["Kind"].tolist() == ["exploratory"] * 8
    assert not differences.printed["Dice"].str.contains(r"\[").any()  # one seed: a difference without an interval
    assert [table.name for table in study_tables(nothing)] == ["table d"]


def test_differences_are_paired_by_seed_and_declared_ones_have_their_own_seeds(tables, study):
    data = tables["table d"].data.set_index("row")
    assert data.loc[EMCAD, ["seeds", "kind"]].tolist() == [3, "declared"]
    assert data.loc[EMCAD.replace("n00004", "n00002"), ["seeds", "kind"]].tolist() == [2, "exploratory"]
    scores = [study.scores(f"segmentation/{row}") for row in (EMCAD, data.loc[EMCAD, "reference"])]
    expected = paired_difference(*scores, "nsd")
    assert data.loc[EMCAD, ["nsd", "nsd_low", "nsd_high"]].tolist() == [expected.mean, expected.low, expected.high]
    assert tables["table d"].printed["NSD"][list(data.index).index(EMCAD)] == interval(expected)


def test_two_seeds_have_their_values_in_place_of_an_interval(tables, study):
    """The differences of the cells' own scores, in every table with gains; an interval needs three seeds."""
    row = EMCAD.replace("n00004", "n00002")
    scores = study.cells.set_index(["row", "seed"])["dice"]
    gains = [scores[row, seed] - scores["emcad__r0004__none__n00000__mix", seed] for seed in (0, 1)]
    data = tables["table d"].data.set_index("row")
    assert np.isnan(data.loc[row, ["dice_low", "dice_high", "dice_p"]].astype(float)).all()
    np.testing.assert_allclose([float(text) for text in data.loc[row, "dice_by_seed"].split()], gains, atol=1e-5)
    mean, *values = re.findall(r"[+−]0\.\d{4}", tables["table d"].printed["Dice"][list(data.index).index(row)])
    numbers = [float(text.replace("−", "-")) for text in (mean, *values)]
    np.testing.assert_allclose(numbers, [np.mean(gains), *gains], atol=1e-4)
    for name, columns in {"c": ["Gain in Dice", "Gain in Micro F1"], "l": ["Dice", "Micro F1"]}.items():
        printed = tables[f"table {name}"].printed[columns].to_numpy().ravel()
        assert all("(" in text and "[" not in text for text in printed if text != DASH)
    for name in "cdlps":
        assert "Parentheses show the values of two seeds: the variance between" in tables[f"table {name}"].caption
    assert tables["table d"].printed["Dice"][list(data.index).index(EMCAD)].count("[") == 1


def test_shifted_frames_have_scores_of_their_own(tables, study):
    """The made-up run loses 0.1 in Dice on them, in every row alike, so that gains are the same."""
    data = tables["table s"].data
    assert len(data) == 3 + 8
    np.testing.assert_allclose(data["dice"] - data["shifted_dice"], 0.1, atol=1e-9)
    differences = tables["table d"].data.set_index("row")["dice"]
    gains = data.dropna(subset="gain").set_index("row")["gain"]
    np.testing.assert_allclose(gains, differences[gains.index], atol=1e-6)


def test_holm_is_over_the_declared_contrasts(tables):
    data = tables["table d"].data
    declared = data[data["kind"] == "declared"].drop_duplicates("row")
    p, adjusted = declared["dice_p"].to_numpy(), declared["dice_p_holm"].to_numpy()
    assert len(p) == 3
    assert adjusted.min() == pytest.approx(min(1.0, 3 * p.min()))
    assert (adjusted >= p).all()
    assert data.loc[data["kind"] == "exploratory", "dice_p_holm"].isna().all()


def test_a_row_is_compared_with_annotated_frames_alone_at_equal_steps(study):
    """The rows of equal epochs have twice the steps here; their reference is the one that was trained as long."""
    assert reference_row(EMCAD, study) == "emcad__r0004__none__n00000__mix"
    assert reference_row("emcad__r0004__vit_b__n00004__epochs", study) == "emcad__r0004__none__n00004__longer"


def test_the_ladder_adds_up_to_what_is_left(tables):
    """Gain at best minus the three losses is the gain of generated pairs: the same runs, so to the last digit."""
    data = tables["table l"].data
    best, *losses, left = data["dice"]
    assert len(losses) == 3
    assert best - sum(losses) == pytest.approx(left, abs=1e-12)
    assert data["seeds"].tolist() == [2] * 5


def test_the_ladder_needs_its_rows(results):
    assert ladder_steps(results) == {}


def test_a_declared_row_without_augmentation_is_compared_with_annotated_frames_without_it(study):
    """Any other row has the one reference of Table C, with flips and turns."""
    row, alone = "emcad__r0004__vit_b__n00004__added-w025-noaug", "emcad__r0004__none__n00000__"
    assert reference_row(row, study) == f"{alone}mix"
    declared = study.sweep.model_copy(update={"contrasts": [row]})
    assert reference_row(row, replace(study, sweep=declared)) == f"{alone}noaug"
    assert compared_rows(declared) == [f"{alone}noaug", row]


def test_table_c_says_how_many_annotated_frames_a_step_sees_where_arms_ask_about_it(study, tables):
    sentence = "A step of most rows with pairs sees half a batch of annotated frames"
    assert sentence in tables["table c"].caption
    rows = [row for row in study.sweep.controls if parse_row(row).trains_on not in ("added", "halfbatch")]
    table = controls_table(replace(study, sweep=study.sweep.model_copy(update={"controls": rows})))
    assert sentence not in table.caption
    assert "Network" not in table.printed
    both = [*rows, "transunet__r0004__none__n00000__mix"]
    table = controls_table(replace(study, sweep=study.sweep.model_copy(update={"controls": both})))
    assert table.printed["Network"].tolist() == ["EMCAD"] * len(rows) + ["TransUNet"]


def test_controls_name_what_is_missing(study):
    gone = "emcad__r0004__none__n00000__copypaste__s1"
    cells = study.cells[study.cells["cell"] != gone]
    table = next(table for table in study_tables(replace(study, cells=cells)) if table.name == "table c")
    row = table.data.set_index("arm").loc["copypaste"]
    assert (row["missing"], row["seeds"]) == (gone, 1)


def test_cost_counts_everything_that_the_pairs_took(study):
    seconds = {place: 2.0**k for k, place in enumerate(study.runs)}
    runs = {place: run | {"core_seconds": seconds[place]} for place, run in study.runs.items()}
    other = replace(study, runs=runs, cells=study.cells.assign(core_seconds=0.5))
    expected = {
        "emcad__r0004__none__n00000__mix": [],
        EMCAD: ["ddpm", "sam/vit_b__s0", "pools/ddpm/pairs", "pools/ddpm/labels/vit_b__s0"],
        "emcad__r0004__true__n00004__fresh": ["pools/fresh/pairs"],
        "emcad__r0006__none__n00000__more": ["pools/fresh/pairs"],
        "emcad__r0004__vit_b__n00004__clamped": [
            "ddpm", "pools/fresh/pairs", "sam/vit_b__s0", "pools/clamped/pairs", "pools/clamped/labels/vit_b__s0"
        ],
    }  # fmt: skip
    for row, places in expected.items():
        assert cost_core_seconds(row, other) == 0.5 + sum(seconds[place] for place in places), row


def test_worth_of_synthetic_pairs_in_annotated_frames(study):
    """Dice 0.5, 0.6, 0.7 with 2, 4, 6 frames; pairs that reach 0.65 are worth the geometric mean of 4 and 6."""
    dice = {"emcad__r0002__none__n00000__mix": 0.5, "emcad__r0004__none__n00000__mix": 0.6}
    dice |= {"emcad__r0006__none__n00000__more": 0.7, EMCAD: 0.65}
    cells = study.cells.assign(dice=study.cells["row"].map(dice).fillna(study.cells["dice"]))
    assert annotations_worth(replace(study, cells=cells))["frames"] == pytest.approx(24**0.5)
    informed = [row for row in study.sweep.controls if "informed" in row]
    controls = [*informed, *(row for row in study.sweep.controls if row not in informed)]
    first = replace(study, cells=cells, sweep=study.sweep.model_copy(update={"controls": controls}))
    assert informed
    assert annotations_worth(first)["frames"] == pytest.approx(24**0.5), "an informed labeller's pairs, listed first"
    falling = replace(study, cells=cells.assign(dice=cells["dice"].where(cells["annotated"] != 6, 0.1)))
    assert "frames" not in annotations_worth(falling)


def test_the_count_is_chosen_on_validation_frames_by_the_first_seeds(study):
    best = {
        backbone: f"{backbone}__r0004__vit_b__n{n:05d}__mix" for backbone, n in zip(BACKBONES, (2, 4, 2), strict=True)
    }
    score = study.cells["row"].isin(best.values()).astype(float)
    misleading = (study.cells["seed"] == 2) & (study.cells["synthetic"] == 4)  # not one of the seeds that choose
    cells = study.cells.assign(validation_score=score + 5 * misleading, dice=1 - score)
    assert chosen_on_validation(replace(study, cells=cells)) == best


def test_every_control_stands_beside_its_own_reference(study):
    """Pairs without augmentation are compared with annotated frames without it, not with flips and turns."""
    table = control_gains(study).drop_duplicates("row").set_index("row")
    assert len(table) == len(study.sweep.controls) - 1  # all but the reference of most
    assert table.loc["emcad__r0004__vit_b__n00004__noaug", "reference"] == "emcad__r0004__none__n00000__noaug"
    assert table.loc["emcad__r0004__none__n00000__noaug", "reference"] == "emcad__r0004__none__n00000__mix"
    assert table.loc["emcad__r0004__vit_b__n00004__pretrain", "reference"] == "emcad__r0004__none__n00000__mix"
    for arm, other in {"vit_b__n00004__added-w050": "mix", "vit_b__n00004__added-w025-noaug": "noaug",
                       "none__n00000__halfbatch": "mix", "none__n00000__halfbatch-noaug": "noaug"}.items():  # fmt: skip
        assert table.loc[f"emcad__r0004__{arm}", "reference"] == f"emcad__r0004__none__n00000__{other}", arm
    name = table.loc["emcad__r0004__vit_b__n00004__added-w025-noaug", "name"]
    assert name.startswith(
        "pairs beside whole batches, weighted 0.25, no augmentation: 4 + 4 synthetic by SAM-b\nover no augmentation: 4"
    )
    scores = study.cells.set_index("cell")["dice"]
    gains = control_gains(study).query("row == 'emcad__r0004__vit_b__n00004__noaug'").set_index("seed")["gain"]
    for seed in (0, 1):
        pair = [f"emcad__r0004__{frames}__noaug__s{seed}" for frames in ("vit_b__n00004", "none__n00000")]
        assert gains[seed] == pytest.approx(scores[pair[0]] - scores[pair[1]], abs=1e-4)


def test_two_seeds_are_dots_without_an_interval_and_three_have_one(study):
    gains, costs = gain_and_cost(study).axes
    assert all(not container.lines[2] for container in gains.containers)  # two seeds per control
    rows = len(study.sweep.controls) - 1
    assert len(gains.get_yticklabels()) == sum(len(group.get_offsets()) for group in costs.collections) == rows
    assert sum(len(group.get_offsets()) for group in gains.collections) == 2 * rows
    classes = gain_of_classes(study).axes[0]
    assert all(container.lines[2] for container in classes.containers)  # three seeds per declared row
    counts = [tick.get_text().split("\n")[-1] for tick in classes.get_xticklabels()]
    assert counts == ["8", "12", "14", "14"]  # rarest first
    one = gain(EMCAD, study, "dice_fragment")
    fragments = class_gains(study).query("kind == 'emcad' and `class` == 'fragment'")
    assert fragments[["mean", "low", "high"]].drop_duplicates().to_numpy()[0].tolist() == [one.mean, one.low, one.high]


def test_the_curve_of_nsd_waits_for_scores_and_shows_both_rows(study):
    curve = {f"nsd_{px}px": study.cells["nsd"] + 0.01 * px for px in range(5)}
    older = replace(study, cells=study.cells.drop(columns=list(curve)))
    assert isinstance(surface_tolerance(older), Waiting), "older results have one tolerance"
    panels = surface_tolerance(replace(study, cells=study.cells.assign(**curve))).axes
    assert [ax.get_title() for ax in panels] == [*BACKBONE_NAMES.values()]
    cells = study.cells.query("row == @EMCAD")
    alone, pairs = (line.get_ydata() for line in panels[2].lines[:2])
    assert pairs == pytest.approx([cells["nsd"].mean() + 0.01 * px for px in range(5)])
    assert alone[0] != pytest.approx(pairs[0])
    assert panels[2].lines[3].get_ydata()[0] == pytest.approx(cells["dice"].mean())


def test_a_gain_beyond_the_clip_is_an_arrow_with_its_number(study):
    row = study.per_frame["place"] == "segmentation/emcad__r0004__none__n00000__copypaste"
    per_frame = study.per_frame.assign(dice=study.per_frame["dice"].where(~row, 0.1))
    gains = gain_and_cost(replace(study, per_frame=per_frame)).axes[0]
    (text,) = gains.texts
    assert float(text.get_text()) < -0.2
    assert text.xy[0] == -0.2
    assert gains.get_xlim()[0] > -0.25


def table_d(results):
    return next(table for table in study_tables(results) if table.name == "table d")


def test_table_d_says_for_how_many_steps_each_row_and_its_reference_were_trained(tables, study):
    """Equal steps are claimed only where they are; as in the paper, rows with pairs can have had more of them."""
    assert "trained for as many steps, seed by seed" in tables["table d"].caption
    assert "Steps" not in tables["table d"].printed
    of_one = study.cells["row"] == EMCAD
    more = replace(study, cells=study.cells.assign(steps=study.cells["steps"].where(~of_one, 26 * 300)))
    table = table_d(more)
    assert "trained for as many steps in 7 of 8 finished rows and for fewer in the others" in table.caption
    assert "(at most 26 times as many: column Steps)" in table.caption
    assert table.printed["Steps"][table.data["row"] == EMCAD].tolist() == ["7,800 against 300"]
    with_pairs = study.cells["labeller"] != "none"
    table = table_d(replace(study, cells=study.cells.assign(steps=study.cells["steps"].where(~with_pairs, 5000))))
    assert "trained for fewer steps (a row has at most" in table.caption
    assert "trained for as many" not in table.caption


def test_table_d_says_that_rows_were_chosen_on_validation_frames_only_if_they_were(study):
    declared = set(study.sweep.contrasts)
    score = study.cells["row"].isin(declared).astype(float)
    best = table_d(replace(study, cells=study.cells.assign(validation_score=score)))
    assert "Declared rows were chosen on validation frames; their intervals use seeds 0, 1 and 2 alone" in best.caption
    worst = table_d(replace(study, cells=study.cells.assign(validation_score=1 - score)))
    assert "Declared rows are those that the profile declares, at 4; " in worst.caption
    assert "chosen" not in worst.caption


SEEDS, SEQUENCES = range(4), range(20)


def made_up(results, dice_gains, f1_gains=None, spread=0.01, counts=(0, 2, 4)):
    """``results`` with scores in which each row gains what is said, by seed and sequence with a little noise."""
    rng, tables = np.random.default_rng(0), []
    for row, gain_ in dice_gains.items():
        for seed in SEEDS:
            dice = 0.6 + gain_ + spread * rng.normal(size=len(SEQUENCES))
            hits = 1000 * (0.6 + (f1_gains or dice_gains)[row] + spread * rng.normal(size=len(SEQUENCES)))
            table = {"sequence": [f"s{q:02d}" for q in SEQUENCES], "dice": dice, "nsd": dice, "tp": hits}
            misses = {"fp": 1000 - hits, "fn": 1000 - hits}
            place = row if row.startswith("sam/") else f"segmentation/{row}"
            tables.append(pd.DataFrame(table | misses).assign(place=place, seed=seed, test_set="test"))
    names = [f"{row}__s{seed}" for row in dice_gains for seed in SEEDS if not row.startswith("sam/")]
    cells = [
        {"cell": n, "row": n.rpartition("__")[0], "finished": True, "steps": 300, **vars(Cell.parse(n))} for n in names
    ]
    scores = [{"dice": 0.6 + dice_gains[cell["row"]]} for cell in cells]
    cells = pd.DataFrame([cell | score for cell, score in zip(cells, scores, strict=True)])
    sweep = Sweep(annotated=4, counts=list(counts), seeds=list(SEEDS), contrasts=[], contrast_seeds=[])
    return replace(results, sweep=sweep, cells=cells, per_frame=pd.concat(tables, ignore_index=True))


def rows(**gains):
    """Gains at 2 and 4 synthetic images, by backbone (SAM-b) and for TransUNet with SAM-t."""
    gain_of = {f"{backbone}__r0004__none__n00000__mix": 0.0 for backbone in BACKBONES}
    for name, (few, many) in gains.items():
        backbone, labeller = ("transunet", "vit_t") if name == "small" else (name, "vit_b")
        gain_of |= {f"{backbone}__r0004__{labeller}__n{n:05d}__mix": g for n, g in ((2, few), (4, many))}
    return gain_of


GOOD = {"transunet": (0.05, 0.03), "swin_unetr": (0.03, 0.031), "emcad": (0.02, 0.022), "small": (0.01, 0.04)}


def readings(results):
    claims = compare_claims(results)
    assert claims["claim"].is_unique
    return dict(zip(["every", "f1", "plateau", "peaks", "prompt"], claims["reading"], strict=True))


def test_claims_are_supported_by_scores_that_support_them(results):
    more = {row: 1.5 * gain_ for row, gain_ in rows(**GOOD).items()}
    prompt = {"sam/vit_t": 0.1, "sam/vit_t-noprompt": 0.0, "sam/vit_b": 0.02, "sam/vit_b-noprompt": 0.01}
    by_claim = readings(made_up(results, rows(**GOOD) | prompt, more | prompt, spread=0.002))
    assert by_claim == dict.fromkeys(by_claim, SUPPORTED)


PUBLISHED_SETTINGS = {
    "size": "paper",
    "epochs": 100,
    "mixing": "concat",
    "augmentation": "none",
    "trainable": "adapters",
}


def as_published(results, **changes):
    """``results`` whose stages say that they were trained by the paper's protocol, but for ``changes``."""
    runs = {
        place: run | {"parameters": run["parameters"] | PUBLISHED_SETTINGS | changes}
        for place, run in results.runs.items()
    }
    return replace(results, runs=runs)


def opposites(results):
    """Scores that say the opposite of every claim."""
    bad = {"transunet": (0.01, 0.06), "swin_unetr": (0.0, -0.02), "emcad": (0.02, 0.05), "small": (0.05, 0.01)}
    less = {row: 0.2 * abs(gain_) - 0.02 * ("vit" in row) for row, gain_ in rows(**bad).items()}
    prompt = {"sam/vit_t": 0.0, "sam/vit_t-noprompt": 0.0, "sam/vit_b": 0.1, "sam/vit_b-noprompt": 0.0}
    return made_up(results, rows(**bad) | prompt, less | prompt, spread=0.002)


def test_an_opposite_contradicts_the_paper_only_under_its_protocol(results):
    """Else the reading says what was measured, and that the protocol has not been run."""
    by_claim = readings(opposites(as_published(results)))
    assert by_claim == dict.fromkeys(by_claim, CONTRADICTED)
    here, rest = "at equal steps, half batches, flips and turns", "the paper's protocol has not been run"
    assert readings(opposites(results)) == {
        "every": f"opposite sign {here}; {rest}",
        "f1": f"opposite sign {here}; {rest}",
        "plateau": f"a further gain {here}; {rest}",
        "peaks": f"opposite order {here}; {rest}",
        "prompt": f"opposite sign with reduced SAMs, all weights, any rotation; {rest}",
    }


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"epochs": 0}, "at equal steps, one shuffled set, no augmentation"),
        ({"mixing": "half"}, "at equal epochs, half batches, no augmentation"),
        ({"augmentation": "symmetries"}, "at equal epochs, one shuffled set, flips and turns"),
        (
            {"size": "laptop"},
            "at equal epochs, one shuffled set, no augmentation; what the paper's protocol gives is in",
        ),
    ],
)
def test_each_departure_from_the_protocol_is_said(results, setting, words):
    by_claim = readings(opposites(as_published(results, **setting)))
    assert CONTRADICTED not in (by_claim["every"], by_claim["f1"], by_claim["plateau"], by_claim["peaks"])
    assert words in by_claim["every"]


def test_claims_are_tested_at_the_counts_of_the_paper_where_they_were_run(results):
    """5,000 and, beyond it, 10,000 images; with other counts the claims say which ones they compare."""
    gains = {f"{backbone}__r0004__none__n00000__mix": 0.0 for backbone in BACKBONES}
    for n, gain_ in {500: 0.01, 1000: 0.02, 2000: 0.03, 5000: 0.05, 10_000: 0.04, 20_000: -0.3}.items():
        series = [*(f"{backbone}__r0004__vit_b" for backbone in BACKBONES), "transunet__r0004__vit_t"]
        gains |= {f"{name}__n{n:05d}__mix": gain_ for name in series}
    counts = sorted({parse_row(row).synthetic for row in gains})
    run = made_up(results, gains, spread=0.002, counts=counts)
    assert {row.split("__")[3] for row in claimed_rows(run).values()} == {"n05000"}
    claims = compare_claims(run)
    assert claims["reading"][:1].tolist() == [SUPPORTED]
    assert claims["reading"][2] == SUPPORTED, "nothing more from 5,000 to 10,000"
    assert claims["this run"][2].startswith("Dice from 5,000 to 10,000 synthetic images")
    assert claims["this run"][3].startswith("highest Dice at 5,000 (SAM-b), 5,000 (SAM-t)")
    assert "does not have" not in " ".join(claims["this run"])
    other = compare_claims(made_up(results, rows(**GOOD)))["this run"]
    tested = "(tested with 4, 4 and 4 synthetic images; the paper claims it at 5,000, which this grid does not have)"
    assert tested in other[0]
    assert tested in other[1]
    assert other[2].startswith("Dice from 2 to 4 synthetic images")
    assert other[2].endswith("(the paper claims it at 5,000 and 10,000, which this grid does not have)")
    assert other[3].endswith("(of 0, 2 and 4 synthetic images; the paper's tables have 0, 500, 1,000, 2,000 and 5,000)")


def test_a_declared_row_of_other_counts_stands_in_only_where_the_papers_count_was_not_run(results):
    row = "emcad__r0004__vit_b__n00500__mix"
    declared = {"annotated": 4, "contrasts": [row], "contrast_seeds": [0, 1, 2]}
    without, with_it = (Sweep(counts=counts, **declared) for counts in ([0, 500], [0, 500, 5000, 10_000]))
    assert claimed_rows(replace(results, sweep=without))["emcad"] == row
    assert set(claimed_rows(replace(results, sweep=with_it)).values()) == {
        f"{backbone}__r0004__vit_b__n05000__mix" for backbone in BACKBONES
    }


def test_claims_name_what_the_paper_says_against_itself(results):
    """By the numbers and sections of docs/paper_inconsistencies.md; on the page each number leads to its row."""
    claims = compare_claims(results).set_index("claim")["inconsistencies"]
    assert dict(zip(["every", "f1", "plateau", "peaks", "prompt"], claims, strict=True)) == {
        "every": "Numbers: 4; Words and numbers: 5; Comparisons that compare two things: 11, 12",
        "f1": "Words and numbers: 6",
        "plateau": "Words and numbers: 7, 10",
        "peaks": "Words and numbers: 8, 9",
        "prompt": DASH,
    }
    page = claims_html(results) + inconsistencies_html()
    linked = re.findall(r'href="#(inconsistency\d+)"', page)
    assert sorted(linked) == sorted(f"inconsistency{n}" for n in (4, 5, 6, 7, 8, 9, 10, 11, 12))
    assert all(f'id="{name}"' in page for name in linked)


def test_each_reading_of_the_protocol_is_a_claim_of_its_own(results):
    """Pairs help at equal epochs without augmentation, and cost something at equal steps: two rows, two readings."""
    gains = {}
    for backbone in BACKBONES:
        name = f"{backbone}__r0004__"
        gains |= {f"{name}none__n00000__{arm}": 0.0 for arm in ("mix", "noaug")}
        gains |= {f"{name}none__n00004__longer-noaug": 0.02, f"{name}vit_b__n00004__epochs-noaug": 0.05}
        gains |= {f"{name}vit_b__n00004__added": -0.05}
    run = made_up(results, gains, spread=0.002)
    declared = [f"{b}__r0004__vit_b__n00004__{arm}" for arm in ("epochs-noaug", "added") for b in BACKBONES]
    run = replace(
        run, sweep=run.sweep.model_copy(update={"readings": [*declared, declared[0].replace("4__e", "8__e")]})
    )
    epochs, added = (claim for claim in compare_claims(run).to_dict("records") if "read as" in claim["claim"])
    assert epochs["claim"].endswith("read as: equal epochs (the paper's protocol), no augmentation, 4 images"), (
        "a reading that was not run, with 8 images, is no row"
    )
    assert epochs["reading"] == SUPPORTED
    for one in (epochs["this run"], added["this run"]):
        assert [part.partition(" + ")[0] for part in one.split("; ") if "SAM-b" in part] == [*BACKBONE_NAMES.values()]
    assert len(re.findall(r"over as many steps without pairs, Dice \+0\.0(29|30)", epochs["this run"])) == 3
    assert added["reading"].startswith("opposite sign at equal steps")
    assert "as many steps" not in added["this run"]


def test_all_rows_of_table_r_are_one_family_of_tests(results):
    """Holm's p values over the gains in Dice of all rows, a row that has not been run included."""
    gains = {f"emcad__r0004__none__n00000__{arm}": 0.0 for arm in ("mix", "noaug")}
    gains |= {"emcad__r0004__vit_b__n00004__added": 0.01, "emcad__r0004__vit_b__n00004__added-noaug": 0.03}
    run = made_up(results, gains, spread=0.01)
    rows = [row for row in gains if "vit_b" in row] + ["transunet__r0004__vit_b__n00004__added"]
    run = replace(run, sweep=run.sweep.model_copy(update={"readings": rows}))
    table = readings_table(run)
    p = table.data.set_index("row")["dice_gain_p"]
    smaller, larger = sorted(p[rows[:2]])
    adjusted = table.data.set_index("row")["dice_gain_p_holm"]
    assert sorted(adjusted[rows[:2]]) == pytest.approx([min(1, 3 * smaller), min(1, max(3 * smaller, 2 * larger))])
    assert table.printed["Holm p, gain in Dice"].iloc[2] == DASH
    text = "; ".join(claim["this run"] for claim in compare_claims(run).to_dict("records"))
    assert all(f"(Holm {p_value(adjusted[row])})" in text for row in rows[:2])


def test_figure_r_shows_every_row_of_table_r_that_has_been_run(results):
    """One group of marks per reading; mean and interval are those of the table, a row that was not run is no mark."""
    gains = {f"{b}__r0004__none__n00000__{arm}": 0.0 for b in BACKBONES for arm in ("mix", "noaug")}
    gains |= {f"{b}__r0004__vit_b__n00004__added": 0.02 for b in BACKBONES}
    gains |= {"emcad__r0004__vit_b__n00004__added-noaug": 0.04}
    run = made_up(results, gains, spread=0.01)
    rows = [f"{b}__r0004__vit_b__n00004__{arm}" for arm in ("added", "added-noaug") for b in BACKBONES]
    run = replace(run, sweep=run.sweep.model_copy(update={"readings": rows}))
    figure = gain_of_readings(run)
    assert len(figure.axes) == 2
    assert len(figure.axes[0].get_yticklabels()) == 2
    table = readings_table(run).data.set_index("row")
    drawn = reading_gains(run)
    assert set(drawn["row"]) == {row for row in gains if "vit_b" in row}
    for (row, metric), lines in drawn.groupby(["row", "metric"]):
        expected = [table.loc[row, f"{metric}_gain{end}"] for end in ("", "_low", "_high")]
        assert lines[["mean", "low", "high"]].to_numpy()[0] == pytest.approx(expected)
    assert drawn.groupby("row")["place"].nunique().eq(1).all()
    assert isinstance(gain_of_readings(replace(run, sweep=run.sweep.model_copy(update={"readings": []}))), Waiting)


def test_right_signs_within_the_noise_support_nothing(results):
    """The same gains as in the supporting case, under noise that hides them."""
    prompt = {"sam/vit_t": 0.03, "sam/vit_t-noprompt": 0.0, "sam/vit_b": 0.02, "sam/vit_b-noprompt": 0.0}
    by_claim = readings(made_up(results, rows(**GOOD) | prompt, spread=0.3))
    assert SUPPORTED not in by_claim.values()
    assert not [reading for reading in by_claim.values() if "opposite" in reading or "further" in reading]
    assert by_claim["every"] == by_claim["prompt"] == UNDECIDED


def test_few_seeds_support_nothing_and_missing_runs_leave_claims_open(results, nothing):
    assert set(readings(results).values()) <= {FEW_SEEDS, "not decided: both peak at the same count"}
    assert set(readings(nothing).values()) == {UNFINISHED}
    assert gain(EMCAD, nothing, "dice").seeds == 0


def test_the_papers_own_disagreement_is_quoted(results):
    published = compare_claims(results)["published"][1]
    assert "SwinUNETR + SAM-b: Dice +0.0256, NSD +0.0434, Micro F1 +0.0288" in published
    assert "true of 2 of 3 series, not of SwinUNETR + SAM-b" in published
