"""What to do next with these frames, in sentences whose numbers are measured.

Scores of the user's own run are those on validation frames, since a choice follows from them. What a run has not tried
is taken from the committed study, whose frames are simulated, and the sentence says so.
"""

from functools import cache

import pandas as pd

from xpci_utils.evaluation.statistics import FEWEST, Difference
from xpci_utils.params.cells import Cell, parse_row
from xpci_utils.params.runs import unlabelled_rows
from xpci_utils.report.committed import load_results
from xpci_utils.report.contrasts import difference, own_reference, validation_change
from xpci_utils.report.results import Results, mean_of
from xpci_utils.report.wording import BACKBONE_NAMES, arm_name, change, interval, is_missing, labeller_name, plural

STUDY = "figures/laptop/results"
STUDY_BACKBONE = "emcad"  # the network that has run every control of the study
METRIC, SCORE = "micro_f1", "validation_micro_f1"
AUGMENTED = "flips and turns instead of no augmentation"  # a change that the study measured


def advice(results: Results) -> str:
    """The sentences of `advice_lines` as a list in Markdown."""
    return "\n".join(f"* {line}" for line in advice_lines(results))


def advice_lines(results: Results) -> list[str]:
    """Labeller beside networks, what pairs and frames without annotation changed, the study, and what to try next."""
    lines = [_labeller_and_network(results), *_pairs(results), *_unlabelled(results)]
    return [*lines, study_sentence(_ratio(results)), _next(results)]


def _labeller_and_network(results: Results) -> str:
    """Whether the labeller knows more than the network that learns from it."""
    labeller, ours = _best_labeller(results)
    backbone, alone = _best_network(results)
    if not labeller or not backbone:
        return "A labeller and a network cannot be compared yet: both need scores on validation frames."
    verdict = (
        "The labeller classifies better than the network, so its labels can teach it."
        if ours > alone
        else "The network knows more than the labeller that would teach it, so labels of synthetic images add errors. "
        "Improve the labeller (more annotated frames, longer adaptation) before you generate more pairs."
    )
    return (
        f"On {_validation_frames(results)}, {labeller_name(labeller)} with true masks has a micro-F1 of {ours:.3f}. "
        f"{BACKBONE_NAMES[backbone]}, trained on annotated frames alone, has {alone:.3f}, and finds the particles "
        f"itself. {verdict}"
    )


def _pairs(results: Results) -> list[str]:
    """One sentence per network: what its best row with synthetic pairs changed."""
    sentences = []
    for backbone, rows in _finished_rows(results, "mix").items():
        with_pairs = {row: mean_of(results.of_row(row), SCORE) for row in rows if parse_row(row).synthetic}
        if not with_pairs:
            continue
        row = max(with_pairs, key=with_pairs.__getitem__)
        gain, seeds = validation_change(row, own_reference(row, results), results, METRIC)
        cell = parse_row(row)
        sentences.append(
            f"{cell.synthetic:,} synthetic pairs labelled by {labeller_name(cell.labeller)}, the best count on "
            f"validation frames, changed the micro-F1 of {BACKBONE_NAMES[backbone]} there by {change(gain)} "
            f"({plural(seeds, 'seed')}{', so this may be chance' if seeds < FEWEST else ''})."
        )
    return sentences or ["No network with synthetic pairs has scores on validation frames yet."]


def _unlabelled(results: Results) -> list[str]:
    """What frames without annotation changed, by arm; how to try them where they were not tried."""
    sentences = []
    for row, (gain, seeds) in _unlabelled_changes(results).items():
        cell = parse_row(row)
        sentences.append(
            f"{cell.synthetic:,} {arm_name(cell.arm)}, changed the micro-F1 of {BACKBONE_NAMES[cell.backbone]} on "
            f"validation frames by {change(gain)} ({plural(seeds, 'seed')})."
        )
    return sentences or [
        "Frames of the film without annotation have not been tried. `GRID=unlabelled` trains with them and writes what "
        "they change on validation frames."
    ]


def _unlabelled_changes(results: Results) -> dict[str, tuple[float, int]]:
    """Row of Table U -> its change against annotated frames alone, and its seeds; of rows that have been trained."""
    changes = {
        row: validation_change(row, alone, results, METRIC)
        for alone, *rows in unlabelled_rows(results.sweep).values()
        for row in rows
    }
    return {row: one for row, one in changes.items() if one[1]}


def study_sentence(ratio: float) -> str:
    """What the study of this repository measured, for ``ratio`` pairs of each annotated frame or the nearest count."""
    parts = [f"{what} {interval(one)}" for what, one in study_effects(ratio).items()]
    return (
        f"The study of this repository, on simulated frames, measured these changes of the micro-F1 of "
        f"{BACKBONE_NAMES[STUDY_BACKBONE]} (in square brackets a 95 % interval, in round ones each of two trainings): "
        f"{'; '.join(parts)}."
    )


@cache
def study_effects(ratio: float) -> dict[str, Difference]:
    """Changes of micro-F1 on the test frames of the committed study, by what was changed."""
    study = load_results(STUDY)
    plain = Cell(STUDY_BACKBONE, study.sweep.annotated, "none", 0)
    done = set(study.cells.loc[study.cells["finished"], "row"])
    effects = {}
    bare = Cell(plain.backbone, plain.annotated, "none", 0, "noaug").row
    if bare in done:
        effects[AUGMENTED] = difference(plain.row, bare, study, METRIC)
    for row in sorted(done):
        cell = parse_row(row)
        if cell.backbone == STUDY_BACKBONE and cell.arm == "more":
            more = f"{cell.annotated - plain.annotated} more annotated frames, from other sequences,"
            effects[f"{more} beside {plain.annotated}"] = difference(row, plain.row, study, METRIC)
    pairs = [cell for row in done if (cell := parse_row(row)).backbone == STUDY_BACKBONE and cell.arm == "mix"]
    counts = [cell for cell in pairs if cell.synthetic and cell.annotated == plain.annotated]
    if counts:
        nearest = min(counts, key=lambda cell: (abs(cell.synthetic / plain.annotated - ratio), cell.row))
        what = f"{nearest.synthetic:,} synthetic pairs ({nearest.synthetic / plain.annotated:g} of each frame)"
        effects[what] = difference(nearest.row, plain.row, study, METRIC)
    return effects


def _next(results: Results) -> str:
    """The measured gains in order, largest first: what to try next."""
    gains = {what: one.mean for what, one in study_effects(_ratio(results)).items()}
    if any(run["parameters"].get("augmentation") == "symmetries" for run in results.runs.values()):
        gains.pop(AUGMENTED, None)
    for row, (gain, _) in _unlabelled_changes(results).items():
        cell = parse_row(row)
        gains[f"{arm_name(cell.arm)} ({BACKBONE_NAMES[cell.backbone]}, here)"] = gain
    helpful = sorted((what for what in gains if gains[what] > 0), key=gains.__getitem__, reverse=True)
    if not helpful:
        return "None of these changes was a gain, so none of them can be recommended."
    ordered = "; ".join(f"{what} ({change(gains[what])})" for what in helpful)
    return f"To try next, by the size of the measured gain: {ordered}."


def _best_labeller(results: Results) -> tuple[str, float]:
    """The labeller with mask prompt that is best on validation frames, and its score; "" without any."""
    done = results.labellers[results.labellers["finished"] & results.labellers["mask_prompt"]]
    return _best(done, "labeller")


def _best_network(results: Results) -> tuple[str, float]:
    """The backbone that is best on validation frames when trained on annotated frames alone, and its score."""
    done = results.cells[results.cells["finished"]]
    return _best(done[(done["labeller"] == "none") & (done["arm"] == "mix")], "backbone")


def _best(rows: pd.DataFrame, name: str) -> tuple[str, float]:
    """The value of column ``name`` with the highest mean score on validation frames; ("", NaN) without scores."""
    scored = rows.reindex(columns=[name, SCORE]).dropna()
    if scored.empty:
        return "", float("nan")
    means = scored.groupby(name)[SCORE].mean()
    return str(means.idxmax()), float(means.max())


def _finished_rows(results: Results, arm: str) -> dict[str, list[str]]:
    """Backbone -> the finished rows of an arm that have scores on validation frames."""
    done = results.cells[results.cells["finished"] & (results.cells["arm"] == arm)]
    scored = done.reindex(columns=["backbone", "row", SCORE]).dropna()
    return {str(name): list(rows["row"].unique()) for name, rows in scored.groupby("backbone", sort=False)}


def _ratio(results: Results) -> float:
    """Synthetic pairs of each annotated frame, at the largest count of the sweep."""
    annotated = results.annotated
    return max(results.sweep.counts) / annotated if annotated else 0.0


def _validation_frames(results: Results) -> str:
    return plural(results.frames.counts["val"], "validation frame") if results.frames else "validation frames"


def fold_advice(gains: pd.DataFrame) -> str:
    """The same for a cross-validation, from the rows of its gains.csv."""
    lines = []
    for one in gains[gains["metric"] == METRIC].to_dict("records"):
        cell = parse_row(one["row"])
        low, high = one["folds_low"], one["folds_high"]
        if is_missing(low):
            verdict = "There are too few folds for an interval, so this may be chance."
        elif low > 0:
            verdict = "The pairs help on your images."
        elif high < 0:
            verdict = "The pairs cost accuracy on your images, so train without them."
        else:
            verdict = "This may be chance: the interval contains 0."
        lines.append(
            f"{cell.synthetic:,} synthetic pairs changed the micro-F1 of {BACKBONE_NAMES[cell.backbone]} on "
            f"{plural(one['images'], 'held-out image')} by {change(one['difference'])} (95 % interval over folds: "
            f"{change(low)} to {change(high)}). {verdict}"
        )
    lines.append(study_sentence(0.0))
    lines.append(
        "Frames of your film without annotation can be tried with `make reproduce PROFILE=own_frames FRAMES=... "
        "GRID=unlabelled`, which writes what they change on validation frames."
    )
    return "\n".join(f"* {line}" for line in lines) + "\n"
