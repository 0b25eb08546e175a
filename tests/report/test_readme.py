"""What the README says of committed results is what they say."""

import re

import numpy as np
import pandas as pd
import pytest

from xpci_utils import paths
from xpci_utils.files import read_json
from xpci_utils.params import STAGES, Sweep
from xpci_utils.params.cells import parse_row
from xpci_utils.params.runs import stage_folders
from xpci_utils.report.committed import load_results, outdated
from xpci_utils.report.versions import earlier_sentences, earlier_versions

ROOT = paths.root()
COUNT_WORDS = {2: "two", 3: "three", 6: "six"}
AUGMENTED = {"added": "flips and turns", "added-noaug": "none"}
BACKBONES = {"transunet": "TransUNet", "swin_unetr": "SwinUNETR", "emcad": "EMCAD"}


def words(text):
    return " ".join(text.split())


def section(title):
    """One section of the README, as one line of text, without the addresses of its links."""
    (text,) = re.findall(rf"^## {title}$(.+?)(?=^## )", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    return words(re.sub(r"\]\s*\([^)]*\)", "]", text))


def table(name, edition="laptop"):
    return pd.read_csv(ROOT / f"figures/{edition}/tables/{name}.csv")


def difference(row, metric, digits):
    """ "-0.044 [-0.064, -0.023]" of a row of Table D or L."""
    mean, low, high = (f"{row[f'{metric}{end}']:+.{digits}f}" for end in ("", "_low", "_high"))
    return f"{mean} [{low}, {high}]"


def probability(p):
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def readings(arm):
    """The rows of Table R of the study with this arm, by backbone, in the order of the README."""
    rows = table("tabler", "study")
    cells = [parse_row(row) for row in rows["row"]]
    rows = rows.assign(backbone=[cell.backbone for cell in cells])[[cell.arm == arm for cell in cells]]
    return rows.set_index("backbone", verify_integrity=True).loc[list(BACKBONES)]


def reading_lines():
    """The rows of the README's table of the second edition, from Table R of the study."""
    seeds = load_results("figures/study/results").sweep.reading_seeds
    lines = []
    for arm, augmentation in AUGMENTED.items():
        rows = readings(arm)
        for backbone, name in BACKBONES.items():
            row = rows.loc[backbone]
            assert row.seeds == len(seeds)
            gains = " | ".join(difference(row, f"{metric}_gain", 3) for metric in ("dice", "micro_f1"))
            lines.append(
                f"| {augmentation} | {name} | {row.dice_alone:.3f} | {gains} | {probability(row.dice_gain_p_holm)} |"
            )
    return lines


def sentences_of_the_study():
    """Frames, trainings and labeller of the second edition, in the words of the README."""
    results = load_results("figures/study/results")
    sweep, counts = results.sweep, results.frames.counts
    (synthetic,) = {parse_row(row).synthetic for row in sweep.readings}
    labeller = results.measured["sam/vit_b__s0"]["test"]
    alone = readings("added").micro_f1_alone["transunet"]
    return [
        f"{counts['train']} annotated frames, each of another sequence, {counts['val']} validation frames and "
        f"{counts['test']} test frames",
        f"and {synthetic:,} pairs",
        f"{COUNT_WORDS[len(sweep.reading_seeds)]} trainings per row",
        f"{COUNT_WORDS[len(sweep.readings)]} comparisons",
        f"micro-F1 of {labeller['micro_f1']:.2f}; TransUNet, trained on the same annotated frames, reaches "
        f"{alone:.2f} without any mask",
    ]


def declared_lines():
    """The rows of the README's table of results, from Table D and the cells without pairs of the same seeds."""
    cells, lines = table("cells"), []
    seeds = load_results("figures/laptop/results").sweep.contrast_seeds
    rows = table("tabled").query("kind == 'declared'").set_index("series")
    for series, row in sorted(rows.iterrows(), key=lambda item: list(BACKBONES).index(item[0].split("__")[0])):
        backbone, labeller = series.split("__")
        assert labeller == "vit_b"
        assert row.seeds == len(seeds)
        alone = cells[(cells.row == row.reference) & cells.seed.isin(seeds)].dice
        assert len(alone) == len(seeds)
        p = probability(row.dice_p_holm)
        scores = f"{alone.mean():.3f} | {difference(row, 'dice', 3)} | {difference(row, 'micro_f1', 3)}"
        lines.append(f"| {BACKBONES[backbone]} | {row.synthetic:,} | {scores} | {p} |")
    return lines


def of_two_seeds(*steps, word=""):
    """ "0.12 (0.11 and 0.14": the change of Dice by some steps of Table L together, its mean and that of each seed."""
    seeds = sum(np.array([float(value) for value in step.dice_by_seed.split()]) for step in steps)
    assert seeds.mean() == pytest.approx(sum(step.dice for step in steps), abs=2e-6)
    return f"{seeds.mean():.2f}{word} ({seeds[0]:.2f} and {seeds[1]:.2f}"


def sentences_of_the_loss():
    """Where the gain is lost, in the words of the README: Tables L, 5 and C, and the records of the small SAMs."""
    steps = table("tablel").set_index("step")
    best, labels, masks, frames = (
        steps[steps.index.str.startswith(start)].iloc[0] for start in ("at best", "i −", "ii −", "iii −")
    )
    scores, alone = table("table5").set_index("labeller").micro_f1, table("tables").set_index("row").micro_f1
    controls = table("tablec").set_index("row").dice
    records = [read_json(path)["parameters"] for path in (ROOT / "data/weights/study").glob("*/run.json")]
    (drawings,) = {record["steps"] * record["batch_size"] for record in records}
    new = int(re.search(r"__n(\d+)__fresh$", best.before)[1])
    without, with_pairs = controls["emcad__r0100__none__n00000__noaug"], controls["emcad__r0100__vit_b__n01000__noaug"]
    return [
        f"With {COUNT_WORDS[best.seeds]} seeds, {new:,} new simulated frames with *true* labels raise the Dice of "
        f"EMCAD by {of_two_seeds(best)}).",
        f"If SAM-b labels the same frames from their true masks, the gain is {of_two_seeds(labels, word=' smaller')}).",
        f"Masks and frames of the diffusion model reduce it by another {of_two_seeds(masks, frames)}; ",
        f"micro-F1 of {scores['vit_t']:.2f} (SAM-t) and {scores['vit_b']:.2f} (SAM-b).",
        "TransUNet, trained on the same 100 frames, "
        f"reaches {alone['transunet__r0100__none__n00000__mix']:.2f} without any mask.",
        f"the reduced SAMs of this study on {drawings:,} drawings",
        f"its Dice rises with pairs from {without:.2f} to {with_pairs:.2f}.",
    ]


def test_every_number_of_the_results_comes_from_the_committed_tables():
    """The whole section: what the tables give stands there word for word, and no other number does."""
    text = section("Results")
    facts = load_results("figures/laptop/results")
    counts = f"{COUNT_WORDS[len(facts.sweep.contrast_seeds)]} seeds, {facts.frames.counts['test']} test frames"
    first = [*declared_lines(), *sentences_of_the_loss(), counts]
    for piece in [*reading_lines(), *sentences_of_the_study(), *first]:
        assert text.count(piece) == 1, f"the README lacks, or has twice: {piece}"
        text = text.replace(piece, "")
    without_names = re.sub(r"F1|SAM-\w|95 %|are 1 for a perfect prediction|contains? 0\b", "", text)
    assert re.findall(r"\d[\d.,]*", without_names) == []


def test_the_signs_that_the_readme_states():
    """Pairs lower each declared score; they raise it without flips and turns, whose own effect is larger."""
    assert (table("tabled").query("kind == 'declared'")[["dice", "micro_f1"]] < 0).all(axis=None)
    row = table("tablec").set_index("row").dice
    usual = row["emcad__r0100__none__n00000__mix"], row["emcad__r0100__vit_b__n01000__mix"]
    plain = row["emcad__r0100__none__n00000__noaug"], row["emcad__r0100__vit_b__n01000__noaug"]
    assert plain[1] > plain[0]
    assert usual[1] < usual[0]
    assert usual[0] - plain[0] > max(abs(plain[1] - plain[0]), abs(usual[1] - usual[0]))


def test_what_the_readme_concludes_from_the_second_edition():
    """The four sentences below its table: signs, intervals, Holm's p values, and the effect of flips and turns."""
    plain, flipped = readings("added-noaug"), readings("added")
    for metric in ("dice", "micro_f1"):
        assert (plain[f"{metric}_gain"] > 0).all()
        excludes = plain[f"{metric}_gain_low"] > 0
        assert excludes.to_dict() == {"emcad": True, "transunet": True, "swin_unetr": False}
        assert (flipped[f"{metric}_gain_low"] < 0).all()
        assert (flipped[f"{metric}_gain_high"] > 0).all()
    assert (pd.concat([plain, flipped]).dice_gain_p_holm > 0.05).all()
    assert (flipped.dice_alone - plain.dice_alone > plain.dice_gain).all()


def test_what_the_page_of_the_study_says_of_its_second_edition():
    """Its changes, p values, and computing time are those of Table R and of the records."""
    page = words(re.search(r"^## Second edition$(.+?)^## ", (ROOT / "docs/study.md").read_text(), re.M | re.S)[1])
    flipped, plain = readings("added"), readings("added-noaug")
    losses = [f"{gain:+.3f}" for gain in flipped.dice_gain]
    gains = [[f"{gain:+.3f}" for gain in plain[f"{metric}_gain"]] for metric in ("dice", "micro_f1")]
    turned = [f"{gain:+.3f}" for gain in flipped.dice_alone - plain.dice_alone]
    p = [f"{value:.3f}" for value in plain.dice_gain_p_holm]
    runs = load_results("figures/study/results").runs
    minutes = {
        kind: sum(one["wall_seconds"] * one["threads"] / 60 for place, one in runs.items() if place.startswith(kind))
        for kind in ("ddpm", "sam", "pools", "segmentation")
    }
    for piece in (
        f"by {losses[0]} (TransUNet), {losses[1]} (SwinUNETR) and {losses[2]} (EMCAD)",
        f"changes by {gains[0][0]}, {gains[0][1]} and {gains[0][2]}, "
        f"micro-F1 by {gains[1][0]}, {gains[1][1]} and {gains[1][2]}",
        f"of Dice are {p[0]}, {p[1]} and {p[2]}",
        f"raise the Dice by {turned[0]}, {turned[1]} and {turned[2]}",
        f"{minutes['ddpm']:.0f} for the denoiser, {minutes['sam']:.0f} for the labeller, "
        f"{minutes['pools']:.0f} for the pool and its labels, {minutes['segmentation']:.0f} for",
    ):
        assert piece in page, f"docs/study.md lacks: {piece}"
    assert f"{sum('segmentation/' in place for place in runs)} networks" in page


def test_the_numbers_of_the_micrographs_are_those_of_their_page_and_table():
    text, page = section("Your own frames"), (ROOT / "docs/real_micrographs.md").read_text()
    gain = pd.read_csv(ROOT / "docs/real_study/gains.csv").set_index("metric").loc["dice"]
    assert f"{gain.difference:+.2f} [{gain.folds_low:+.2f}, {gain.folds_high:+.2f}] over the folds." in text
    assert "200 tiles change EMCAD's Dice by" in text
    assert f"We tried this on {gain.images} real steel micrographs." in text
    minutes, seconds = map(int, re.search(r"(\d+) min (\d+) s and \d+ s on 2 cores", page).groups())
    first, last = map(int, re.search(r"(\d+) s, \d+ min \d+ s and (\d+) s", page).groups())
    assert f"One run took {round(minutes + (first + seconds + last) / 60)} minutes" in text
    rows = re.findall(r"^\| (\w+) \(labels by SAM-.\) \| (.+) \|$", page, re.MULTILINE)
    scores = [[float(score) for score in row.split(" | ")] for _, row in rows]
    assert len({network for network, _ in rows}) == len(BACKBONES)
    # No better: a difference of 0.001 of one seed counts as none.
    assert all(with_tiles <= alone + 0.001 + 1e-9 for dice in scores for alone, with_tiles in (dice[:2], dice[2:]))
    head = re.search(r"Dice, (\d+) annotated \| \+ (\d+) synthetic tiles", page)
    assert f"on {head[1]} of the images learn to segment" in text
    assert f"and {head[2]} synthetic tiles made no network better" in text


@pytest.mark.parametrize(("profile", "column"), [("paper", 3), ("paper_fast", 4)])
def test_predicted_gpu_hours_are_those_of_the_cost_page(profile, column):
    """To ten hours; docs/costs.md is compared with the cost tables by a test of its own."""
    row = re.search(r"^\| \*\*together\*\* \|.+$", (ROOT / "docs/costs.md").read_text(), re.MULTILINE)[0]
    together = [cell.strip() for cell in row.split("|")[1:]]
    (line,) = re.findall(rf"^.*`make reproduce PROFILE={profile} .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert line.startswith(f"| about {round(float(together[column]), -1):.0f} GPU hours")
    assert f"| {together[1]} jobs, each with a GPU if it needs one" in (ROOT / "README.md").read_text()


def test_the_output_that_the_readme_shows_has_the_number_of_stages_of_quick():
    stages = stage_folders(Sweep.from_yaml("params/quick/sweep.yaml"))
    assert f"profile quick: all {len(stages)} stages are done\n" in (ROOT / "README.md").read_text()


def test_the_time_of_the_study_is_that_of_its_page():
    minutes = int(re.search(r"The run took (\d+) minutes on 2 cores", (ROOT / "docs/study.md").read_text())[1])
    (line,) = re.findall(r"^.*`make reproduce PROFILE=laptop`.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert line.startswith(f"| {minutes // 60} hours {minutes % 60} minutes ")


def test_the_readme_lists_results_of_an_earlier_version():
    """The sentences stand in the README word for word, and no sentence of former results is left over."""
    readme = words((paths.root() / "README.md").read_text())
    sentences = earlier_sentences(load_results("figures/laptop/results"))
    for sentence in sentences:
        assert words(sentence) in readme, f"the README lacks: {sentence}"
    assert readme.count(": version ") == len(sentences)


def test_every_outdated_result_is_listed():
    """What is printed is all that there is: no result differs from the present code or parameters without a word."""
    results = load_results("figures/laptop/results")
    printed, listing = earlier_versions(results), outdated("laptop", results)
    assert sorted(printed["place"]) == sorted(listing["place"])


def choices():
    """Rows of the README's table of what the paper leaves open: (open, chosen, alternative, parameter)."""
    readme = (paths.root() / "README.md").read_text()
    section = readme[readme.index("## What the paper leaves open") : readme.index("## Tests")]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


def test_every_choice_names_a_parameter_of_the_notebooks_it_says():
    """`augmentation` (02, 03, 05): each notebook has it. Where nothing switches a choice, the table says so."""
    models = {name[:2]: model for name, model in STAGES.items()}
    switches = [(*row[2:], names, numbers) for row in choices() for names, numbers in switched_by(row[-1])]
    assert len(switches) >= 18
    for *_, names, numbers in switches:
        for name in names:
            assert all(name in models[number].model_fields for number in numbers), (name, numbers)


def switched_by(text):
    """[(["keep", "evaluations"], ["02"]), ...] of "`keep`, `evaluations` (02)"."""
    mentions = re.findall(r"((?:`[a-z_0-9]+`(?:, )?)+) \((\d\d(?:, \d\d)*)\)", text)
    return [(re.findall(r"`([a-z_0-9]+)`", names), numbers.split(", ")) for names, numbers in mentions]


@pytest.mark.parametrize(
    ("subject", "parameter"),
    [
        ("augmentation", "augmentation"),
        ("only the adapter layers", "trainable"),
        ("blocks of SAM's encoder", "adapter_blocks"),
        ("generalised Dice is cited", "dice"),
        ("beta 1", "beta1"),
        ("time that the U-Net sees", "rescale_timesteps"),
        ("average of the denoiser's weights", "ema_warmup"),
        ("weights of the denoiser are kept", "keep"),
        ("batch 1: per card", "batch_size"),
        ("schedule of the three networks", "-"),
        ("ImageNet start", "pretrained"),
        ("mixing", "mixing"),
        ("equal epochs or equal steps", "epochs"),
        ("no tolerance is stated", "tolerance_px"),
        ("unlabelled frames", "-"),
    ],
)
def test_every_open_choice_is_listed_with_what_switches_it(subject, parameter):
    (row,) = [row for row in choices() if subject in row[0]]
    assert len(row) == 4
    assert all(row), "the choice and its alternative are said"
    assert parameter in row[-1]
