"""Two trainings again: a network and a labeller, from the committed bytes, against their committed scores.

Bits are those of a processor, a number of threads and the versions of a few libraries. Where all of them are the
recorded ones, the repetition has to be equal to the last bit. Elsewhere rounding differs, and a training amplifies that
until it is one more draw from the seeds: two draws x and y of a normal distribution differ by less than
t(0.975; n - 1) * sqrt(2) * s in 95 of 100 cases, s being the standard deviation of the n committed seeds.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import stats

from xpci_utils import files
from xpci_utils.frames.facts import facts_of
from xpci_utils.params.places import parse_place
from xpci_utils.params.profiles import stage_parameters
from xpci_utils.report.committed import outdated
from xpci_utils.report.results import Results, read_results
from xpci_utils.running.notebook import run_stage
from xpci_utils.stages import StageError, read_run
from xpci_utils.verification.check import Finding

EXACT = "none: made on such a machine"
SCORES = ("dice", "nsd", "micro_f1")
FIRST_LOSS = 0.02  # relative; before rounding is amplified. Two processors differed by 0.004
GREY, PIXELS = 0.01, 0.001  # of the mean grey level [0, 255], and of the pixels of a class, of simulated frames
MADE_BY = ("device", "processor", "threads", "versions")  # what bits depend on, as a record says it


def cheapest(profile: str, results: Results, kind: str, shipped: Path | None = None) -> str:
    """The committed result of a kind ("segmentation" or "sam") that takes least time to be made again.

    It has to be of the present version and parameters and to need nothing but annotated frames; with ``shipped`` its
    weights have to lie there. StageError if there is none.
    """
    stale = set(outdated(profile, results)["place"])
    places = [place for place in results.runs if parse_place(place).kind == kind and place not in stale]
    places = [place for place in places if set(results.runs[place]["inputs"]) == {"frames"}]
    places = [place for place in places if shipped is None or (shipped / place / "run.json").is_file()]
    if not places or "frames" in stale:
        raise StageError(f"no committed result of {kind} is of the present version and needs nothing but frames")
    return min(places, key=lambda place: results.runs[place]["core_seconds"])


def make_again(profile: str, place: str, root: Path) -> float:
    """Make one stage of a profile again below ``root``, and its frames first.

    What is finished there stays; returns the minutes that the stage had taken if it was, else 0.
    """
    done = read_run(root / place)
    for folder in dict.fromkeys(("frames", place)):
        if code := run_stage(stage_parameters(profile, folder, root)):
            raise StageError(f"{folder} could not be made again: exit code {code}; what it said stands above")
    return done["wall_seconds"] / 60 if done else 0.0


def compare(place: str, committed: Results, root: Path, shipped: Path | None = None) -> Finding:
    """A result made again below ``root`` against the committed one; with ``shipped`` its weights, too."""
    again = read_results(root, committed.sweep)
    parts = parse_place(place)
    seeds = seed_scores(place, committed)
    expected, now = seeds[parts.seed], seed_scores(place, again)[parts.seed]
    limits = limits_of(seeds)
    exact = equal_results(place, committed, again) and (shipped is None or equal_weights(shipped / place, root / place))
    must_be_exact = same_machine(committed.runs[place], again.runs[place])
    near = all(abs(now[name] - expected[name]) <= limits[name] for name in SCORES)
    tolerance = f"{_text(limits)} (95 % of {len(seeds)} seeds)"
    expected_text, result = f"{parts.folder}: {_text(expected)}", _text(now)
    if shipped is not None:
        losses = [files.read_jsonl(folder / place / "history.jsonl")[0]["loss"] for folder in (shipped, root)]
        near = near and abs(losses[1] / losses[0] - 1) <= FIRST_LOSS
        expected_text, result = f"{expected_text}, first loss {losses[0]:.4f}", f"{result}, first loss {losses[1]:.4f}"
        tolerance += f", first loss {FIRST_LOSS:.0%}"
    return Finding(
        expected_text,
        f"{result}; {'equal' if exact else 'not equal'} to the last bit",
        EXACT if must_be_exact else tolerance,
        exact or (near and not must_be_exact),
    )


def compare_frames(noted: Mapping, folder: Path, machine: str) -> Finding:
    """Frames simulated again in ``folder`` on ``machine``, a processor, against the facts of those in the data card.

    Equal to the last bit on the same processor; elsewhere a grey level may round otherwise.
    """
    facts = facts_of(folder)
    counts = [np.array(list(one["pixels"].values()), float) for one in (noted, facts)]
    near = noted["splits"] == facts["splits"] and abs(noted["mean_grey"] - facts["mean_grey"]) <= GREY
    near = near and bool(np.all(np.abs(counts[0] - counts[1]) <= PIXELS * counts[0]))
    exact, must_be_exact = noted["sha256"] == facts["sha256"], noted["processor"] == machine
    tolerance = f"mean grey level {GREY}, pixels of a class {PIXELS:.1%}, same particles"
    texts = [f"sha256 {one['sha256'][:12]}, mean grey level {one['mean_grey']:.3f}" for one in (noted, facts)]
    holds = exact or (near and not must_be_exact)
    return Finding(texts[0], texts[1], EXACT if must_be_exact else tolerance, holds)


def seed_scores(place: str, results: Results) -> dict[int, dict[str, float]]:
    """Seed -> `SCORES` on the test frames, of every finished result that differs from ``place`` in its seed alone."""
    parts = parse_place(place)
    if parts.kind == "sam":
        rows = results.of_labeller(str(parts.parameters["labeller"]))
    else:
        rows = results.of_row(parts.seedless.removeprefix("segmentation/"))
    return {int(row["seed"]): {name: float(row[name]) for name in SCORES} for row in rows.to_dict("records")}


def limits_of(seeds: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Score -> by how much two trainings of other rounding may differ; 0 if only one seed is known."""
    count = len(seeds)
    factor = math.sqrt(2) * stats.t.ppf(0.975, count - 1) if count > 1 else 0.0
    spread = {name: np.std([s[name] for s in seeds.values()], ddof=1) if count > 1 else 0.0 for name in SCORES}
    return {name: float(factor * value) for name, value in spread.items()}


def equal_results(place: str, committed: Results, again: Results) -> bool:
    """Whether every committed score of a result, of all frames together and of each, is the same to the last digit."""
    parts = parse_place(place)
    if parts.kind == "sam":
        whole = _holds(committed.measured[place], again.measured[place])
    else:
        whole = _holds(_cell(committed, place), _cell(again, place))
    kept, new = (results.scores(parts.seedless, "test").get(parts.seed) for results in (committed, again))
    if kept is None or new is None:
        return False
    return whole and kept.reset_index(drop=True).equals(new[list(kept)].reset_index(drop=True))


def _cell(results: Results, place: str) -> dict:
    rows = results.cells[results.cells["cell"] == place.removeprefix("segmentation/")]
    return rows.dropna(axis=1).drop(columns="core_seconds").iloc[0].to_dict()


def _holds(committed: object, again: object) -> bool:
    """Whether ``again`` has everything that ``committed`` has, and perhaps more: records gain entries over time."""
    if isinstance(committed, Mapping):
        return isinstance(again, Mapping) and all(k in again and _holds(v, again[k]) for k, v in committed.items())
    return committed == again


def equal_weights(shipped: Path, again: Path) -> bool:
    """Whether weights made again are the shipped ones, rounded to half precision where those are."""
    from xpci_utils.training.storage import load_tensors

    (file,) = shipped.glob("*.safetensors")
    kept, _ = load_tensors(file)
    new, _ = load_tensors(again / file.name)
    return kept.keys() == new.keys() and all(new[name].to(kept[name].dtype).equal(kept[name]) for name in kept)


def same_machine(committed: Mapping, again: Mapping) -> bool:
    """Whether two records name the same processor, threads and versions; a record that does not say is not the same."""
    return all(name in committed and committed[name] == again.get(name) for name in MADE_BY)


def _text(scores: Mapping[str, float]) -> str:
    names = {"dice": "Dice", "nsd": "NSD", "micro_f1": "micro-F1"}
    return ", ".join(f"{names[name]} {scores[name]:.4f}" for name in SCORES)
