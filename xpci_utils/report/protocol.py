"""How the finished networks were trained, in words, and whether that is the paper's protocol.

A result that goes the other way contradicts the paper only where it was tested as the paper did it; else it is said
under which conditions it was found.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from xpci_utils.params import AdaptSam, TrainSegmentation
from xpci_utils.params.cells import Cell, parse_labeller
from xpci_utils.params.places import parse_place
from xpci_utils.report.results import Results
from xpci_utils.report.wording import AUGMENTATION_NAMES, TRAINED_NAMES

MIXING_NAMES = {
    "half": "half batches",
    "concat": "one shuffled set",
    "pretrain": "pairs first",
    "added": "pairs beside whole batches",
}
NETWORKS_AS_PUBLISHED = ("equal epochs", "one shuffled set", "no augmentation")
CONTRADICTED = "contradicted"


@dataclass(frozen=True)
class Protocol:
    """``conditions`` of a comparison, such as ("at equal steps", "half batches"); ``published``: they are the paper's,
    with networks of its size."""

    conditions: tuple[str, ...]
    published: bool


def of_networks(rows: Iterable[str], results: Results) -> Protocol:
    """The protocol of a comparison between the finished cells of ``rows``; of equal steps if any was trained so."""
    wanted = {f"segmentation/{row}" for row in rows}
    places = [place for place in results.runs if place.rpartition("__s")[0] in wanted]
    words = [dict.fromkeys(kind) for kind in zip(*(_of_cell(place, results) for place in places), strict=True)]
    if words and "equal steps" in words[0]:
        words[0] = {"equal steps": None}
    conditions = tuple(word for kind in words for word in kind if word)
    sizes = {results.parameters(place).get("size") for place in places}
    return Protocol(conditions, conditions == NETWORKS_AS_PUBLISHED and sizes == {"paper"})


def of_labellers(labellers: Iterable[str], results: Results) -> Protocol:
    """The same of adapted SAMs: their size, what was trained, and the augmentation."""
    wanted = {f"sam/{labeller}" for labeller in labellers}
    found = [_of_labeller(place, results) for place in results.runs if place.rpartition("__s")[0] in wanted]
    words = tuple(dict.fromkeys(word for one in found for word in one))
    return Protocol(words, bool(found) and all(_as_published(*one) for one in found))


def opposite(what: str, protocol: Protocol, has_run: bool) -> str:
    """The reading of a claim whose opposite was measured; ``has_run``: the paper's protocol is finished elsewhere."""
    if protocol.published:
        return CONTRADICTED
    rest = "what the paper's protocol gives is in Table R" if has_run else "the paper's protocol has not been run"
    return f"{what} {', '.join(protocol.conditions)}; {rest}"


def networks_have_run(results: Results) -> bool:
    """Whether any network with pairs was trained by the paper's protocol, of whatever size."""
    places = [place for place in results.runs if place.startswith("segmentation/")]
    return any(
        _of_cell(place, results) == NETWORKS_AS_PUBLISHED
        for place in places
        if Cell.parse(place.partition("/")[2]).synthetic
    )


def _of_cell(place: str, results: Results) -> tuple[str, str, str]:
    """("equal steps", "half batches", "flips and turns") of a finished cell; its arm goes before its parameters.

    How annotated frames and pairs are mixed says nothing about a cell without pairs: "".
    """
    settings = TrainSegmentation.defaults() | TrainSegmentation.of_record(results.parameters(place))
    cell = Cell.parse(settings["cell"])
    epochs = cell.trains_on == "epochs" or (settings["epochs"] > 0 and cell.trains_on not in ("longer", "added"))
    mixing = MIXING_NAMES[cell.mixing or settings["mixing"]] if cell.labeller != "none" else ""
    augmentation = AUGMENTATION_NAMES[cell.augmentation or settings["augmentation"]]
    return "equal epochs" if epochs else "equal steps", mixing, augmentation


def _of_labeller(place: str, results: Results) -> tuple[str, str, str]:
    labeller = str(parse_place(place).parameters["labeller"])
    settings = AdaptSam.defaults() | AdaptSam.of_record(results.parameters(place)) | parse_labeller(labeller).changes
    size = "SAM" if settings["size"] == "paper" and settings["weights"] == "pretrained" else "reduced SAMs"
    return size, TRAINED_NAMES[settings["trainable"]], AUGMENTATION_NAMES[settings["augmentation"]]


def _as_published(size: str, trained: str, augmentation: str) -> bool:
    return size == "SAM" and trained != TRAINED_NAMES["all"] and augmentation == AUGMENTATION_NAMES["none"]
