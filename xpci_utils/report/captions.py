"""Captions that say what was measured: on which frames, with networks of which size, started from which weights."""

from collections.abc import Collection, Iterable

import pandas as pd

from xpci_utils.params.cells import TRUE_LABELS, Cell, knowledge_of, parse_row, parse_series
from xpci_utils.params.places import labeller_place, pairs_place, parse_place
from xpci_utils.report.results import Results
from xpci_utils.report.wording import BACKBONE_NAMES, DASH, INFORMED, labeller_name, listed, millions, plural

PUBLISHED = "Columns 'paper' show published values, measured on the authors' frames, which are not public"


def training_set(count: int | None, results: Results) -> str:
    """ "40 simulated + 50 synthetic" for a row; a dash for a row that this sweep does not have."""
    if count is None:
        return DASH
    annotated = annotated_frames(results)
    return f"{annotated} + {count:,} synthetic" if count else annotated


def trained_on(cell: Cell, results: Results) -> str:
    """ "100 simulated + 500 fresh with true labels": the training set of the cells of a control."""
    count = cell.annotated or results.annotated
    frames = f"{'all' if count is None else f'{count:,}'} {results.source_word}"
    if cell.trains_on == "fixmatch":
        return f"{frames} + {cell.synthetic:,} without annotation"
    if cell.labeller == "none":
        return frames
    kind = {"ddpm": "synthetic", "unlabelled": "without annotation,"}.get(cell.pool, "fresh")
    names = "with true labels" if cell.labeller == TRUE_LABELS else f"labelled by {labeller_name(cell.labeller)}"
    pairs = f"{cell.synthetic:,} {kind} {names}"
    return pairs if cell.trains_on == "synthonly" else f"{frames} + {pairs}"


def annotated_frames(results: Results) -> str:
    """ "40 simulated": how many frames with annotations every cell has, and of which kind."""
    count = results.annotated
    return f"{'all' if count is None else f'{count:,}'} {results.source_word}"


def segmentation(number: int, series: str, data: pd.DataFrame, results: Results) -> str:
    """Caption of Tables 1-4; ``data`` are the rows of the table."""
    backbone, labeller = parse_series(series)
    sentences = [
        f"Semantic segmentation performance of {BACKBONE_NAMES[backbone]} with different numbers of synthetic images "
        f"annotated by {labeller_name(labeller)}, on {test_frames(results)}.",
        networks(data, series, results),
        "Dice and NSD: mean over the classes present in the reference, background included "
        f"(NSD tolerance {tolerance(results)}); micro F1: particle pixels, pooled over the frames.",
        "Detection F1 and the predicted particles per true one tell whether particles are detected, and as one piece; "
        "the paper does not report them.",
        seeds(results),
        shipped(results),
        not_comparable(results),
    ]
    return " ".join(filter(None, sentences))


def labellers(results: Results) -> str:
    """Caption of Table 5."""
    small = "reduced networks" if results.reduced else "networks of the published size"
    sentences = [
        f"Semantic segmentation performance of adapted SAM in different configurations ({small}), "
        f"on {test_frames(results)}. The mask prompt, if there is one, is the binary mask of the reference.",
        'A "drawn mask" is a mask that the diffusion model draws for the test frame instead.'
        if results.sweep.noisy_prompts
        else "",
        "SAM-t and SAM-b are the paper's names. The second column states which network was used here."
        if results.reduced
        else "",
        'The paper updates "only the adapter layers". A column states which parameters were trained here.',
        SPREAD if len(results.sweep.labeller_seeds) > 1 else "",
        shipped(results),
        not_comparable(results),
    ]
    return " ".join(filter(None, sentences))


OVER = "95 % intervals over training seeds and test sequences (two-way analysis of jackknife pseudo-values"
INTERVAL = (
    f"Brackets show {OVER}), from three seeds on. Parentheses show the values of two seeds: the variance between two "
    "has one degree of freedom, so that their interval would be narrow or wide by chance. A value alone comes from one "
    "seed"
)
SPREAD = (
    "Scores are means over training seeds, with ± their standard deviation from three seeds on. Parentheses show the "
    "values of two seeds; a value alone comes from one."
)
BARS = f"Each dot is one training. Hollow marks are means; bars, with three seeds or more, are {OVER})"


def differences(data: pd.DataFrame, chosen: Collection[str], results: Results) -> str:
    """Caption of Table D, whose rows are ``data``; ``chosen`` are the rows that validation frames choose."""
    return (
        "Effect of synthetic images: the score minus the score of the same backbone without them, "
        f"{_reference_steps(data)}seed by seed on the same {test_frames(results)}. {INTERVAL}. "
        f"{_declared(data, chosen, results)}"
    )


def _reference_steps(data: pd.DataFrame) -> str:
    """For how many steps the rows without synthetic images were trained, as far as both are finished."""
    times = (data["steps"] / data["reference_steps"]).dropna()
    if times.empty:
        return ""
    if (times == 1).all():
        return "trained for as many steps, "
    at_most = f"at most {times.max():.3g} times"
    if (times > 1).all():
        return f"trained for fewer steps (a row has {at_most} as many: column Steps), "
    equal = f"{(times == 1).sum()} of {plural(len(times), 'finished row')}"
    return f"trained for as many steps in {equal} and for fewer in the others ({at_most} as many: column Steps), "


def _declared(data: pd.DataFrame, chosen: Collection[str], results: Results) -> str:
    """How the declared rows were chosen, and what their intervals and p values rest on."""
    rows = data.loc[data["kind"] == "declared", "row"].unique()
    if not len(rows):
        return "No row is declared: all rows are exploratory."
    counts = listed([f"{n:,}" for n in sorted({parse_row(row).synthetic for row in rows})])
    how = (
        "were chosen on validation frames"
        if {*rows} <= {*chosen}
        else f"are those that the profile declares, at {counts}"
    )
    seeds, contrasts = listed([str(seed) for seed in results.sweep.contrast_seeds]), len(results.sweep.contrasts)
    return (
        f"Declared rows {how}; their intervals use seeds {seeds} alone, and their p values are adjusted by Holm's "
        f"method over the {plural(contrasts, 'contrast')}. All other rows are exploratory."
    )


def shifted(results: Results) -> str:
    """Caption of Table S."""
    return (
        f"The same networks on {test_frames(results)} and on {results.source_word} frames of another beamline set-up "
        "(longer distance, softer lens, larger source, half the photons), which no network has seen. Scores are means "
        "over all seeds of a row. Gains compare equal seeds; for declared rows these are the seeds that took no part "
        f"in the choice. Therefore a gain is not the difference of two printed scores. {INTERVAL}."
    )


def classes(results: Results, rows: Iterable[str]) -> str:
    """Caption of Table P, which shows the gain of ``rows``."""
    cells = [parse_row(row) for row in rows]
    pairs = [f"{c.synthetic:,} labelled by {labeller_name(c.labeller)} for {BACKBONE_NAMES[c.backbone]}" for c in cells]
    return (
        f"Effect of synthetic images ({listed(pairs)}) on the Dice of each class, over the test frames that contain "
        "the class, beside the number of its annotated particles in the "
        f"{results.source_word} training frames. {INTERVAL}."
    )


def controls(results: Results, worth: dict[str, float]) -> str:
    """Caption of Table C; ``worth`` is what `study.annotations_worth` found."""
    parts = [
        f"Controls, {_control_backbones(results)} on {test_frames(results)}: what else could explain a gain. Synthetic "
        "images are drawn by the diffusion model; fresh frames are newly simulated, so that their true labels are "
        "known. Scores are means over the seeds, with ± their standard deviation from three seeds on. The reference of "
        "each gain is annotated frames alone, with the usual flips and turns, at equal steps. Core-minutes include "
        "everything that was trained and sampled for a row. "
        f"{INTERVAL}.",
        _batches(results),
        *_informed(results),
    ]
    if "frames" in worth:
        pairs = max(parse_row(row).synthetic for row in results.sweep.controls)
        parts.append(
            f"By interpolation between the rows of annotated frames alone, {results.annotated:,} of them and {pairs:,} "
            f"synthetic pairs reach the Dice of {worth['frames']:.0f} annotated frames."
        )
    return " ".join(filter(None, parts))


def _batches(results: Results) -> str:
    """How many annotated frames a step sees in the rows that ask about it."""
    if not {parse_row(row).trains_on for row in results.sweep.controls} & {"added", "halfbatch"}:
        return ""
    return (
        "A step of most rows with pairs sees half a batch of annotated frames and half a batch of pairs. Half batches "
        "without pairs are the same annotated frames alone. Pairs beside whole batches take no annotated frame away: a "
        "step sees a whole batch of each, and averages the loss of both. A weighted row counts the loss of pairs less."
    )


def _informed(results: Results) -> list[str]:
    """What an informed labeller is, where a control has one."""
    informed = any(knowledge_of(parse_row(row).labeller) for row in results.sweep.controls)
    return [INFORMED] if informed else []


def pairs_add_steps(results: Results) -> bool:
    """Whether a reading of Table R trains for equal epochs, so that pairs make its training longer."""
    return any(parse_row(row).trains_on == "epochs" for row in results.sweep.readings)


def readings(results: Results) -> str:
    """Caption of Table R."""
    alone = " and, where pairs add steps, to annotated frames alone, trained for as many steps"
    longer = alone if pairs_add_steps(results) else ""
    return (
        "Effect of synthetic pairs under each reading of the paper's protocol, which states no augmentation, equal "
        f"epochs and one shuffled set. Differences are to the same reading without pairs{longer}. {INTERVAL}. Dice is "
        f"the primary outcome: Holm's p values take account of all {len(results.sweep.readings)} rows. "
        f"{not_comparable(results)}"
    )


def unlabelled(results: Results) -> str:
    """Caption of Table U."""
    validation = results.frames.counts["val"] if results.frames else 0
    return (
        f"What frames without annotation bring, on {plural(validation, 'validation frame')} by which to choose, and on "
        f"{test_frames(results)}. Changes are to the same network on annotated frames alone, at as many steps and with "
        "the same batches of annotated frames. Frames that a labeller classified have masks by a network that was "
        "trained on annotated frames alone; with FixMatch the network labels them itself. Changes on validation frames "
        f"are means over the seeds, without interval: few frames choose, and only test frames show. {INTERVAL}."
    )


def ladder(results: Results) -> str:
    """Caption of Table L."""
    return (
        f"Where a gain of {_control_backbones(results)} is lost, at equal counts and steps: (i) fresh simulated frames "
        "with true labels, (ii) the same frames labelled by the adapted SAM from true masks, (iii) labelled from "
        f"masks that the denoiser draws for them, (iv) generated pairs labelled by the adapted SAM. {INTERVAL}."
    )


def _control_backbones(results: Results) -> str:
    """The networks that the controls train."""
    return listed([*dict.fromkeys(BACKBONE_NAMES[parse_row(row).backbone] for row in results.sweep.controls)])


def test_frames(results: Results) -> str:
    """ "40 simulated test frames of 64 × 64 px"."""
    frames = results.frames
    if frames is None:
        return "test frames that are not prepared yet"
    return (
        f"{plural(frames.counts['test'], f'{results.source_word} test frame')} of {frames.height} × {frames.width} px"
    )


def networks(data: pd.DataFrame, series: str, results: Results) -> str:
    """One sentence on the size and the start of the networks behind a table."""
    done = data[data["seeds"] > 0]
    if done.empty:
        return "No run of this table is finished."
    size, parameters, weights = (done[name].iloc[0] for name in ("size", "parameters", "weights"))
    kind = "Network of the published size" if size == "paper" else f"Reduced network (size '{size}')"
    labeller = results.metrics(labeller_place(parse_series(series)[1]).folder).get("description")
    by = f" The labeller is a {labeller}." if labeller and (data["synthetic"] > 0).any() else ""
    return f"{kind}: {millions(parameters)} parameters, start: {weights} weights.{by}"


def seeds(results: Results) -> str:
    """How many trainings a number stands for."""
    if not several_seeds(results):
        return "One training per row, as in the paper; small differences may be due to chance."
    return f"{SPREAD} Rows with few seeds are exploratory."


def several_seeds(results: Results) -> bool:
    """Whether any row of Tables 1-4 has more than one training."""
    return len({*results.sweep.seeds, *results.sweep.contrast_seeds}) > 1


def not_comparable(results: Results) -> str:
    """Why our numbers and the published ones must not be compared in level."""
    ours = "These frames are simulated" if results.source_word == "simulated" else "These are other frames"
    return f"{PUBLISHED}. {ours}, so compare the signs of differences, not the levels."


def shipped(results: Results) -> str:
    """Which networks this run did not train but took as they come with the repository; empty if it trained all."""
    origins = {place: metrics["shipped"] for place, metrics in results.measured.items() if metrics.get("shipped")}
    names = {place: "the denoiser" if place == "ddpm" else labeller_name(_labeller_of(place)) for place in origins}
    parts = [f"{names[place]} (sha256 {origin['sha256'][:8]})" for place, origin in origins.items()]
    return f"Shipped weights, trained elsewhere: {listed(parts)}." if parts else ""


def _labeller_of(place: str) -> str:
    return str(parse_place(place).parameters["labeller"])


def tolerance(results: Results) -> str:
    """ "2 px", from the finished cells."""
    if "tolerance_px" not in results.cells:
        return DASH
    tolerances = sorted(results.cells["tolerance_px"].dropna().unique())
    return listed([f"{value:g} px" for value in tolerances]) or DASH


def pool(results: Results) -> str:
    """Caption of Table F."""
    evidence = results.evidence
    pairs = results.parameters(pairs_place("ddpm").folder).get("pairs")
    sets = [name for name in evidence.get("fidelity", {}) if name != "synthetic"]
    sentences = [
        f"The pool of {pairs:,} synthetic pairs with which the networks of this run are trained." if pairs else "",
        f"The rows of fidelity compare sets of frames with frames that took no part in training: {listed(sets)}."
        if sets
        else "",
    ]
    if agreement := evidence.get("mask_agreement"):
        sentences.append(
            f"Agreement of masks: the denoiser draws masks for {plural(agreement['frames'], 'validation frame')}."
        )
    if "memorisation" in evidence:
        sentences.append(
            "Copies: the floor is the share of flagged particles in held-out frames, for which the threshold is set to "
            "5 %; the ceiling is the share of planted copies that is found."
        )
    return " ".join(filter(None, sentences))


def figures(results: Results) -> dict[str, str]:
    """Captions of all figures by the name of the figure's file."""
    word, labeller = results.source_word, labeller_name(results.labeller)
    prompted = "without a mask prompt" if results.labeller.endswith("noprompt") else "prompted by the reference's mask"
    first, indices = "the first by index, not the best", "Numbers are class indices"
    test = _shown_frames(results)
    informed = " ".join(["", *_informed(results)])
    return {
        "figure1": "The pipeline with this run's own pictures: a diffusion model turns noise into an image and its "
        "binary mask, and the adapted SAM, prompted by the mask, classifies every particle. Dashed arrows show what "
        f"the {word} frames train. {indices}.",
        "figure2": f"Adaptation of {labeller}: which blocks are trained (flame) and which are frozen (snowflake), in "
        "this run (left mark) and at the published settings (right mark, and colour of the block), and how many "
        f"parameters each has in this run. {indices}.",
        "figure3": f"Annotation of {word} test frames by adapted {labeller}, {prompted}, above the reference "
        f"({test}). {indices}.",
        "figure4": f"Synthetic images and the binary masks drawn together with them ({first}).",
        "figure5": f"{word.capitalize()} training {_pieces(results)} (first row) and synthetic images (second row); "
        f"{first}.",
        "figure6": "Gain of each score over the same network without synthetic pairs, against the number of pairs per "
        f"annotated frame (spaced by its square root). Above: this run on its test frames, {_curves(results)}. Below: "
        "the published tables, on the authors' frames, one training per point. Both rows share their axes.",
        "figurec": "Gain in Dice of the controls (Table C) over their own reference, which the second line of each row "
        "states, and the computing time of a row (its training, and everything that its pairs needed). Numbers count "
        f"{word} frames and what is added to them. Gains beyond ±0.2 are drawn at the edge. {BARS}.{informed}",
        "figuref": f"Particles of each class per frame: {word} training frames, and the pool as each labeller "
        "classified it. A particle is a connected region of the mask. Right: cumulative distribution of the share of "
        "particle pixels in a frame.",
        "figuren": f"Errors of the labellers: pixels of the {word} test frames by their true class and the class that "
        f"each labeller assigns, {prompted}. Each row adds up to 100 %.",
        "figurep": "Gain in Dice of every class against the number of its annotated training particles (Table P). "
        f"{BARS}.",
        "figurer": "Gain in Dice and Micro F1 by synthetic pairs under each reading of the paper's protocol (Table R), "
        f"over the same reading without pairs, on the {word} test frames. {BARS}.",
        "figuret": "Normalised surface Dice against its tolerance, of networks with synthetic pairs and without, on "
        f"the {word} test frames; background included, as in Tables 1 to 4. Dotted lines are the Dice of both. A "
        "tolerance of 2 px is a larger part of a small frame than of the paper's. A line is the mean of the trainings, "
        "a dot is one.",
        "predictions": f"Predictions of the networks for {word} test frames: {_networks_shown(results)} ({test}). "
        f"{indices}.",
    }


def _curves(results: Results) -> str:
    """What a point of Figure 6 stands for."""
    if not several_seeds(results):
        return "one training per point"
    chosen = listed([str(seed) for seed in results.sweep.seeds])
    text = f"lines: mean over the seeds {chosen}; dots: single trainings" if len(results.sweep.seeds) > 1 else ""
    declared = (
        "hollow marks: rows declared on validation frames, with 95 % intervals over their own seeds and sequences"
    )
    return "; ".join(filter(None, [text, declared if results.sweep.contrasts else ""]))


def _shown_frames(results: Results) -> str:
    """How the test frames of the pictures were chosen."""
    tests = results.per_frame.drop_duplicates("frame").set_index("frame")["sequence"]
    names = results.frames.test_names if results.frames else []
    if len(names) > 1 and all(name in tests.index for name in names) and tests[names].is_unique:
        return "the first frame of each of the first sequences, not the best"
    return "the first frames in the order of their names, not the best; several may be of one sequence"


def _networks_shown(results: Results) -> str:
    """Which networks' predictions are among the pictures."""
    shown = [Cell.parse(place.removeprefix("segmentation/")) for place in results.pictures if "segmentation/" in place]
    with_pairs, alone = ([cell for cell in shown if bool(cell.synthetic) is wanted] for wanted in (True, False))
    counts = listed([f"{cell.synthetic:,} for {BACKBONE_NAMES[cell.backbone]}" for cell in with_pairs])
    if alone:
        return f"each without synthetic pairs, and with the declared or else the largest number of them ({counts})"
    return f"each with synthetic pairs ({counts}); these results contain no predictions of networks without them"


def _pieces(results: Results) -> str:
    """What the networks see: whole frames, or tiles of large ones."""
    return "tiles" if results.frames is not None and results.frames.tile else "frames"
