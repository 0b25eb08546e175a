"""Places: where each stage lies below run_root, and which notebook with which parameters writes it.

This is the one module that writes and parses these folders. ``parse_place`` is the inverse of all the others::

    frames                                annotated frames               01
    ddpm                                  the denoiser                   02
    sam/<labeller>__s<seed>               an adapted SAM                 03
    pools/<pool>/pairs                    (frame, mask) pairs            04a
    pools/<pool>/shards/<k>_of_<n>        a share of such pairs          04a
    pools/<pool>/labels/<labeller>__s<seed>   their labels               04b
    pools/<pool>/audit/<labeller>__s<seed>    what both are worth        04c
    segmentation/<cell>                   a segmentation network         05
    report                                tables and figures             06
    weights/<variant>__s<seed>            a small SAM                    A1
"""

import re
from dataclasses import dataclass, field

from xpci_utils.params.cells import Cell, parse_labeller

SEEDED = re.compile(r"(?P<labeller>[a-z_]+(?:-[a-z]+\d*)*)__s(?P<seed>\d+)")
SHARD = re.compile(r"(?P<shard>\d+)_of_(?P<shards>\d+)")


@dataclass(frozen=True)
class Place:
    """The place of one stage: ``folder`` below run_root, and the notebook and the parameters that it differs in."""

    folder: str
    notebook: str
    parameters: dict[str, object] = field(default_factory=dict, hash=False)

    @property
    def kind(self) -> str:
        """The first part of the folder: frames, ddpm, sam, pools, segmentation or report."""
        return self.folder.split("/")[0]

    @property
    def seedless(self) -> str:
        """The folder without its seed: what the seeds of one labeller, or of one row of a table, have in common."""
        return self.folder.rpartition("__s")[0]

    @property
    def seed(self) -> int:
        """The seed in the folder's name."""
        return int(self.folder.rpartition("__s")[2])


FRAMES = Place("frames", "01_prepare_frames")
DENOISER = Place("ddpm", "02_train_ddpm")
REPORT = Place("report", "06_tables_and_figures")


def labeller_place(labeller: str, seed: int = 0) -> Place:
    """A labeller that was adapted with ``seed``."""
    parse_labeller(labeller)
    return Place(f"sam/{labeller}__s{seed}", "03_adapt_sam", {"labeller": labeller, "seed": seed})


def pairs_place(pool: str) -> Place:
    """The (frame, mask) pairs of a pool."""
    return Place(f"pools/{pool}/pairs", "04a_sample_pairs", {"pool": pool})


def shard_place(pool: str, shard: int, shards: int) -> Place:
    """One share of the pairs of a pool, sampled by a run of its own; ``pairs_place`` gathers them."""
    parameters = {"pool": pool, "shard": shard, "shards": shards}
    return Place(f"pools/{pool}/shards/{shard}_of_{shards}", "04a_sample_pairs", parameters)


def labels_place(pool: str, labeller: str, seed: int = 0) -> Place:
    """The labels that a labeller, adapted with ``seed``, gave to the pairs of a pool."""
    parse_labeller(labeller)
    parameters: dict[str, object] = {"pool": pool, "labeller": labeller, "labeller_seed": seed}
    if pool == "heldout":
        parameters |= {"min_confidence": 0.0, "kept_share": 1.0}  # their labels are scored whole
    return Place(f"pools/{pool}/labels/{labeller}__s{seed}", "04b_label_pairs", parameters)


def audit_place(pool: str, labeller: str, seed: int = 0) -> Place:
    """What the pairs of a pool are worth, and the classification by a labeller that was adapted with ``seed``."""
    parse_labeller(labeller)
    parameters = {"pool": pool, "labeller": labeller, "labeller_seed": seed}
    return Place(f"pools/{pool}/audit/{labeller}__s{seed}", "04c_audit_pairs", parameters)


def cell_place(cell: Cell) -> Place:
    """The segmentation network of a cell."""
    return Place(f"segmentation/{cell.name}", "05_train_segmentation", {"cell": cell.name})


def pretraining_place(variant: str, seed: int = 0) -> Place:
    """A small SAM that was pre-trained on drawn pictures; what is shipped lies in data/weights."""
    return Place(f"weights/{variant}__s{seed}", "A1_pretrain_small_sam", {"variant": variant, "seed": seed})


def parse_place(folder: str) -> Place:
    """The place of a folder below run_root; ValueError if no stage writes such a folder."""
    try:
        place = _place_of(folder)
    except ValueError:
        place = None
    if place is None or place.folder != folder:
        raise ValueError(f"no stage writes a folder {folder!r}")
    return place


def _place_of(folder: str) -> Place | None:
    for place in (FRAMES, DENOISER, REPORT):
        if folder == place.folder:
            return place
    match folder.split("/"):
        case ["sam", name] if parts := SEEDED.fullmatch(name):
            return labeller_place(parts["labeller"], int(parts["seed"]))
        case ["pools", pool, "pairs"] if pool in PAIRS_OF:
            return pairs_place(pool)
        case ["pools", pool, "shards", name] if pool in PAIRS_OF and (parts := SHARD.fullmatch(name)):
            shard, shards = int(parts["shard"]), int(parts["shards"])
            return shard_place(pool, shard, shards) if shard < shards else None
        case ["pools", pool, "labels", name] if pool in PAIRS_OF and (parts := SEEDED.fullmatch(name)):
            return labels_place(pool, parts["labeller"], int(parts["seed"]))
        case ["pools", pool, "audit", name] if pool in AUDITED and (parts := SEEDED.fullmatch(name)):
            return audit_place(pool, parts["labeller"], int(parts["seed"]))
        case ["segmentation", name]:
            return cell_place(Cell.parse(name))
        case ["weights", name] if parts := SEEDED.fullmatch(name):
            return pretraining_place(parts["labeller"], int(parts["seed"]))
    return None


# The network that says where the particles of frames without annotation are, trained on all annotated frames alone. All
# three find them far better than the denoiser; TransUNet takes half the time of the others (docs/levers.md).
MASKING = Cell("transunet", 0, "none", 0)

# Pool -> what its pairs are made from. No cell trains on "heldout": its masks prompt the labellers of Table 5.
PAIRS_OF: dict[str, tuple[Place, ...]] = {
    "ddpm": (FRAMES, DENOISER),
    "fresh": (FRAMES,),
    "clamped": (FRAMES, DENOISER, pairs_place("fresh")),
    "unlabelled": (FRAMES, cell_place(MASKING)),
    "heldout": (FRAMES, DENOISER),
}

AUDITED = ("ddpm", "fresh", "clamped")  # pools that 04c compares with frames; "heldout" holds such frames itself


def sources(cell: Cell) -> list[Place]:
    """The stages that made a cell's pairs and labelled them, in this order; [] for a cell without a pool."""
    if not cell.pool:
        return []
    return [pairs_place(cell.pool), *([labels_place(cell.pool, cell.labeller)] if cell.labelled else [])]


def upstream(cell: Cell) -> list[Place]:
    """All that a cell's pairs took, annotated frames aside: networks, sampling and labelling."""
    if not cell.pool:
        return []
    adapted = [labeller_place(cell.labeller)] if cell.labelled else []
    return [*(place for place in PAIRS_OF[cell.pool] if place != FRAMES), *adapted, *sources(cell)]
