"""Tables that the paper does not have: paired differences, controls, the error ladder, shifted frames, classes."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from xpci_utils.evaluation.statistics import NOTHING, Difference
from xpci_utils.params.cells import TRUE_LABELS, Cell, knowledge_of, parse_row
from xpci_utils.params.runs import cells_of, control_seeds, series_cell
from xpci_utils.report import captions
from xpci_utils.report.contrasts import (
    DECLARED,
    adjusted_p,
    adjusted_p_of_readings,
    chosen_on_validation,
    claimed_rows,
    cost_core_seconds,
    difference,
    gain,
    kind_of,
    reference_row,
)
from xpci_utils.report.results import Results, mean_of, spread
from xpci_utils.report.tables import SERIES_OF_TABLE, Table, scores_of, values_of
from xpci_utils.report.unlabelled import unlabelled_table
from xpci_utils.report.wording import (
    BACKBONE_NAMES,
    DASH,
    METRIC_NAMES,
    arm_name,
    interval,
    is_missing,
    labeller_title,
    p_value,
    score,
    series_name,
)

GAINS = {"dice": "Dice", "dice_foreground": "Dice, no background", "nsd": "NSD", "micro_f1": "Micro F1"}


def study_tables(results: Results) -> list[Table]:
    """Tables C (controls), D (differences), L (error ladder), P (classes), R (readings), S (shifted frames) and U
    (frames without annotation).

    A table whose runs the sweep does not have is left out.
    """
    tables = [differences_table(results), shifted_table(results), classes_table(results), unlabelled_table(results)]
    if results.sweep.readings:
        tables.append(readings_table(results))
    if results.sweep.controls:
        tables += [controls_table(results), ladder_table(results)]
    return sorted((table for table in tables if len(table.data)), key=lambda table: table.name)


def differences_table(results: Results) -> Table:
    """Table D: what synthetic images add, seed by seed on the same frames, with intervals.

    Where the row without images was trained for other steps than the row with them, a column has both.
    """
    rows = list(_series_rows(results, counts=[count for count in results.sweep.counts if count]))
    adjusted = {metric: adjusted_p(results, metric) for metric in METRIC_NAMES}
    data = pd.DataFrame([_difference_row(row, results, adjusted) for row in rows])
    printed = pd.DataFrame({"Backbone and labeller": [series_name(parse_row(row).series) for row in rows]})
    printed["Synthetic images"] = [f"{parse_row(row).synthetic:,}" for row in rows]
    printed["Seeds"] = data["seeds"]
    if (data["steps"] / data["reference_steps"]).dropna().ne(1).any():
        printed["Steps"] = [_steps(row) for row in data.to_dict("records")]
    for metric, name in GAINS.items():
        printed[name] = _intervals(data, metric)
    printed["Kind"] = [_kind(row) for row in data.to_dict("records")]
    chosen = chosen_on_validation(results).values()
    return Table("table d", captions.differences(data, chosen, results), data, printed)


def shifted_table(results: Results) -> Table:
    """Table S: every row of Tables 1-4 on test frames of the beamline that was set up otherwise."""
    rows = list(_series_rows(results, results.sweep.counts)) if _has_shifted(results) else []
    data = pd.DataFrame([_shifted_row(row, results) for row in rows])
    if data.empty:
        return Table("table s", "", data, data)
    cells = [parse_row(row) for row in rows]
    printed = pd.DataFrame({"Backbone": [BACKBONE_NAMES[cell.backbone] for cell in cells]})
    printed["Training set"] = [captions.trained_on(cell, results) for cell in cells]
    printed["Seeds"] = data["seeds"]
    for metric in ("dice", "micro_f1"):
        printed[METRIC_NAMES[metric]] = data[metric].map(score)
        printed[f"{METRIC_NAMES[metric]}, shifted"] = data[f"shifted_{metric}"].map(score)
    printed["Gain in Dice, shifted"] = _intervals(data, "gain")
    return Table("table s", captions.shifted(results), data, printed)


def classes_table(results: Results) -> Table:
    """Table P: what synthetic images add to each class, beside the number of its annotated training particles."""
    rows = claimed_rows(results)
    names = results.frames.class_names[1:] if results.frames else []
    data = pd.DataFrame([_class_row(name, backbone, row, results) for name in names for backbone, row in rows.items()])
    if data.empty or not data["seeds"].any():
        return Table("table p", "", data.iloc[:0], data.iloc[:0])
    finished = data.loc[data["seeds"] > 0, "row"].unique()
    printed = pd.DataFrame({"Class": [name.replace("_", " ") for name in names]})
    printed["Training particles"] = [results.facts.particles.get(name, DASH) for name in names]
    for backbone in rows:
        printed[BACKBONE_NAMES[backbone]] = _intervals(data[data["backbone"] == backbone], "gain")
    return Table("table p", captions.classes(results, finished), data, printed)


def controls_table(results: Results) -> Table:
    """Table C: what else could explain a gain."""
    data = pd.DataFrame([_control_row(row, results) for row in results.sweep.controls])
    cells = [parse_row(row) for row in data["row"]]
    printed = pd.DataFrame({"Network": [BACKBONE_NAMES[cell.backbone] for cell in cells]})
    if printed["Network"].nunique() == 1:  # which the caption says
        printed = printed.drop(columns="Network")
    printed["Arm"] = [arm_name(cell.arm) for cell in cells]
    printed["Training set"] = [captions.trained_on(cell, results) for cell in cells]
    printed["Seeds"] = data["seeds"]
    for metric in ("dice", "micro_f1"):
        printed[METRIC_NAMES[metric]] = scores_of(data, metric)
    for metric in ("dice", "micro_f1"):
        printed[f"Gain in {METRIC_NAMES[metric]}"] = _intervals(data, f"{metric}_gain")
    printed["Core-minutes"] = [DASH if is_missing(value) else f"{value / 60:.0f}" for value in data["core_seconds"]]
    return Table("table c", captions.controls(results, annotations_worth(results)), data, printed)


def readings_table(results: Results) -> Table:
    """Table R: what pairs add under each reading of the paper's protocol, over the same reading without them."""
    data = pd.DataFrame([_reading_row(row, results) for row in results.sweep.readings])
    cells = [parse_row(row) for row in data["row"]]
    printed = pd.DataFrame({"Network": [BACKBONE_NAMES[cell.backbone] for cell in cells]})
    printed["Reading"] = [arm_name(cell.arm) for cell in cells]
    printed["Labeller"] = [labeller_title(cell.labeller) for cell in cells]
    printed["Synthetic images"] = [f"{cell.synthetic:,}" for cell in cells]
    printed["Seeds"] = data["seeds"]
    for metric in ("dice", "micro_f1"):
        printed[f"{METRIC_NAMES[metric]} without"] = data[f"{metric}_alone"].map(score)
        printed[f"Gain in {METRIC_NAMES[metric]}"] = _intervals(data, f"{metric}_gain")
        if captions.pairs_add_steps(results):
            printed[f"Gain over as many steps, {METRIC_NAMES[metric]}"] = _intervals(data, f"{metric}_gain_equal_steps")
    data["dice_gain_p_holm"] = data["row"].map(adjusted_p_of_readings(results))
    printed["Holm p, gain in Dice"] = [DASH if is_missing(p) else p_value(p) for p in data["dice_gain_p_holm"]]
    return Table("table r", captions.readings(results), data, printed)


def _reading_row(row: str, results: Results) -> dict:
    """Gains of one row over the same reading without pairs, and over as many steps without them."""
    cell = parse_row(row)
    alone = cell.alone().row
    longer = cell.alone("longer").row if cell.trains_on == "epochs" else alone
    about: dict = {"row": row, "alone": alone, "longer": longer, "seeds": len(results.of_row(row))}
    gains = {}
    steps = [mean_of(results.of_row(name), "steps") for name in (row, longer)]
    for metric in ("dice", "micro_f1"):
        about[metric], about[f"{metric}_alone"] = (mean_of(results.of_row(name), metric) for name in (row, alone))
        gains[f"{metric}_gain"] = difference(row, alone, results, metric)
        equal = difference(row, longer, results, metric) if steps[0] == steps[1] else NOTHING
        gains[f"{metric}_gain_equal_steps"] = equal
    return about | _columns(gains)


def ladder_table(results: Results) -> Table:
    """Table L: from fresh frames with true labels down to generated pairs, what each step loses."""
    steps = ladder_steps(results)
    data = pd.DataFrame([_ladder_row(name, *rows, results) for name, rows in steps.items()])
    if data.empty:
        return Table("table l", "", data, data)
    printed = pd.DataFrame({"Step": data["step"], "Seeds": data["seeds"]})
    for metric in ("dice", "dice_foreground", "micro_f1"):
        printed[GAINS[metric]] = _intervals(data, metric)
    return Table("table l", captions.ladder(results), data, printed)


def ladder_steps(results: Results) -> dict[str, tuple[str, str]]:
    """What each step of the error ladder costs: its name -> the rows (before, after); {} without the ladder."""
    rows = {(cell.arm, cell.labeller): cell.row for cell in map(parse_row, results.sweep.controls)}
    labeller = next((name for arm, name in rows if arm == "clamped"), None)
    if labeller is None or ("fresh", TRUE_LABELS) not in rows:
        return {}
    true, labelled, masked = rows["fresh", TRUE_LABELS], rows["fresh", labeller], rows["clamped", labeller]
    cell = parse_row(labelled)
    generated = Cell(cell.backbone, cell.annotated, labeller, cell.synthetic).row
    alone = cell.alone().row
    return {
        "at best: fresh frames with true labels, over annotated alone": (true, alone),
        "i − ii: labels by the labeller": (true, labelled),
        "ii − iii: masks by the denoiser": (labelled, masked),
        "iii − iv: frames by the denoiser": (masked, generated),
        "remaining: generated pairs, over annotated alone": (generated, alone),
    }


def annotations_worth(results: Results) -> dict[str, float]:
    """Dice by number of annotated frames alone, and the number that the generated pairs are worth.

    Of the first network of the controls. Keys "dice at <frames>" and, where Dice rises with the frames and both are
    finished, "frames": interpolated in the logarithm of the number, held at the ends.
    """
    cells = [parse_row(row) for row in results.sweep.controls]
    cells = [cell for cell in cells if cell.backbone == cells[0].backbone]
    alone = {
        c.annotated or results.annotated: c.row for c in cells if c.arm in ("mix", "more") and c.labeller == "none"
    }
    dice = {frames: mean_of(results.of_row(row), "dice") for frames, row in sorted(alone.items()) if frames}
    worth = {f"dice at {frames}": value for frames, value in dice.items()}
    honest = (cell for cell in cells if not knowledge_of(cell.labeller))
    generated = next((cell.row for cell in honest if cell.arm == "mix" and cell.labeller != "none"), None)
    reached = mean_of(results.of_row(generated), "dice") if generated else float("nan")
    values = np.array(list(dice.values()))
    if len(dice) > 1 and np.isfinite([*values, reached]).all() and (np.diff(values) > 0).all():
        worth["frames"] = float(np.exp(np.interp(reached, values, np.log(list(dice)))))
    return worth


def _series_rows(results: Results, counts: Iterable[int]) -> Iterable[str]:
    """The rows of Tables 4, 1, 2 and 3 that the sweep has, each once."""
    series = [name for name in SERIES_OF_TABLE.values() if name in results.sweep.series]
    annotated = results.sweep.annotated
    return dict.fromkeys(series_cell(name, annotated, n, 0).row for name in series for n in sorted(counts))


def _difference_row(row: str, results: Results, adjusted: dict[str, dict[str, float]]) -> dict:
    cell, gains = parse_row(row), {metric: gain(row, results, metric) for metric in GAINS}
    reference = reference_row(row, results)
    about = {"row": row, "reference": reference, "series": cell.series, "synthetic": cell.synthetic}
    for name, one in (("steps", row), ("reference_steps", reference)):
        about[name] = mean_of(results.of_row(one), "steps")
    about |= {"kind": kind_of(row, results), "seeds": gains["dice"].seeds, "sequences": gains["dice"].sequences}
    p_values = {f"{metric}_p_holm": p.get(row, float("nan")) for metric, p in adjusted.items()}
    return about | _columns(gains) | p_values


def _shifted_row(row: str, results: Results) -> dict:
    done = results.of_row(row)
    scores = {f"{kind}{m}": mean_of(done, f"{kind}{m}") for m in METRIC_NAMES for kind in ("", "shifted_")}
    one = gain(row, results, "dice", "shifted") if parse_row(row).synthetic else NOTHING
    return {"row": row, "seeds": len(done)} | scores | _columns({"gain": one})


def _class_row(name: str, backbone: str, row: str, results: Results) -> dict:
    one = gain(row, results, f"dice_{name}") if len(results.of_row(row)) else NOTHING
    about = {"class": name, "backbone": backbone, "row": row, "seeds": one.seeds, "sequences": one.sequences}
    return about | {"particles": results.facts.particles.get(name)} | _columns({"gain": one})


def _control_row(row: str, results: Results) -> dict:
    seeds, cell = control_seeds(row, results.sweep), parse_row(row)
    done = results.of_row(row).query("seed in @seeds")
    scores: dict = {}
    for metric in ("dice", "dice_foreground", "nsd", "micro_f1"):
        scores |= spread(done, metric)
    plain = row == reference_row(row, results)
    gains = {
        f"{metric}_gain": NOTHING if plain else gain(row, results, metric, seeds=seeds)
        for metric in ("dice", "micro_f1")
    }
    about = {"row": row, "arm": cell.arm, "seeds": len(done), "steps": mean_of(done, "steps")}
    wanted = [c.name for c in cells_of(results.sweep, "controls") if c.row == row]
    missing = " ".join(name for name in wanted if name not in set(done["cell"]))
    return about | scores | _columns(gains) | {"core_seconds": cost_core_seconds(row, results), "missing": missing}


def _ladder_row(name: str, before: str, after: str, results: Results) -> dict:
    seeds = control_seeds(before, results.sweep)
    losses = {metric: difference(before, after, results, metric, seeds=seeds) for metric in GAINS}
    about = {"step": name, "before": before, "after": after, "seeds": losses["dice"].seeds}
    return about | _columns(losses)


def _columns(gains: dict[str, Difference]) -> dict:
    """``dice``, ``dice_low``, ``dice_high``, ``dice_p`` and ``dice_by_seed`` ("-0.035312 -0.020512") of each."""
    parts = {"": "mean", "_low": "low", "_high": "high", "_p": "p"}
    numbers = {f"{name}{end}": getattr(one, part) for name, one in gains.items() for end, part in parts.items()}
    return numbers | {f"{name}_by_seed": " ".join(f"{v:.6f}" for v in one.by_seed) for name, one in gains.items()}


def _intervals(data: pd.DataFrame, name: str) -> list[str]:
    columns = [data[f"{name}{end}"] for end in ("", "_low", "_high", "_p", "_by_seed")]
    rows = ((*numbers, 0, 0, values_of(text)) for *numbers, text in zip(*columns, strict=True))
    return [interval(Difference(*row)) for row in rows]


def _kind(row: dict) -> str:
    if row["kind"] != DECLARED:
        return row["kind"]
    p = {METRIC_NAMES[name]: row[f"{name}_p_holm"] for name in ("dice", "micro_f1")}
    return DECLARED + ", Holm " + ", ".join(f"{p_value(value)} ({name})" for name, value in p.items())


def _steps(row: dict) -> str:
    """ "130,000 against 5,000" of a row and its reference; a dash while one is not finished."""
    both = row["steps"], row["reference_steps"]
    return DASH if any(map(is_missing, both)) else " against ".join(f"{steps:,.0f}" for steps in both)


def _has_shifted(results: Results) -> bool:
    return bool((results.per_frame["test_set"] == "shifted").any())
