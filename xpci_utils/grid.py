"""Names of runs: the one place that writes and parses them, and the lists of runs that a sweep asks for.

A cell is one trained segmentation network, ``<backbone>__r<annotated frames>__<labeller>__n<synthetic pairs>__
<arm>__s<seed>``: ``emcad__r0100__vit_b__n00500__mix__s0``, or ``emcad__r0100__none__n00000__mix__s0`` without
synthetic data. A row is a cell without its seed: what a line of a table stands for. A series,
``<backbone>__<labeller>``, is one table of the paper.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, product
from typing import NamedTuple, Self

BACKBONES = ("transunet", "swin_unetr", "emcad")
VARIANTS = ("vit_t", "vit_b")
GRIDS = ("paper", "full", "controls", "extended")
TRUE_LABELS = "true"  # the "labeller" of fresh simulated frames, whose labels are known

# What an arm changes; the pool that its pairs come from is "ddpm" unless said here.
ARMS = {
    "mix": "annotated frames and synthetic pairs, the paper's way",
    "noaug": "no flips, no turns",
    "strongaug": "any rotation, scale, shift and contrast",
    "copypaste": "particles of other annotated frames pasted in",
    "synthonly": "synthetic pairs alone",
    "pretrain": "synthetic pairs first, annotated frames afterwards",
    "more": "annotated frames beyond the training split, from the fresh pool",
    "fresh": "newly simulated frames in place of generated ones",
    "clamped": "newly simulated frames with the masks that the diffusion model gives them",
    "epochs": "the paper's protocol: as many epochs in every cell, one shuffled set",
    "longer": "annotated frames alone, for the steps that n pairs bring under 'epochs'",
}
POOLS = {"more": "fresh", "fresh": "fresh", "clamped": "clamped"}
# Pool -> what its pairs are made from. No cell trains on "heldout": its masks prompt the labellers of Table 5.
PAIRS_OF = {
    "ddpm": ["frames", "ddpm"],
    "fresh": ["frames"],
    "clamped": ["frames", "ddpm", "pools/fresh/pairs"],
    "heldout": ["frames", "ddpm"],
}
REAL_ONLY_ARMS = ("more", "longer")
SYNTHETIC_ARMS = ("synthonly", "pretrain", "fresh", "clamped", "epochs")

LABELLER = re.compile(r"vit_[bt](?:-noprompt)?(?:-frozen)?")
CELL = re.compile(rf"([a-z0-9_]+?)__r(\d{{4}})__(none|true|{LABELLER.pattern})__n(\d{{5}})__([a-z0-9-]+)__s(\d+)")


@dataclass(frozen=True)
class Cell:
    """One cell of the grid.

    ``labeller`` is "none" exactly when it sees no synthetic pairs: ``synthetic`` is then 0, save in the arm "longer",
    where it only decides the number of steps.
    """

    backbone: str
    annotated: int
    labeller: str
    synthetic: int
    arm: str = "mix"
    seed: int = 0

    def __post_init__(self):
        if self.backbone not in BACKBONES:
            raise ValueError(f"there is no backbone {self.backbone!r}; choose from {', '.join(BACKBONES)}")
        if self.arm not in ARMS:
            raise ValueError(f"there is no arm {self.arm!r}; choose from {', '.join(ARMS)}")
        if (self.labeller == "none") != (self.synthetic == 0 or self.arm == "longer"):
            raise ValueError("a cell without synthetic pairs has labeller 'none', and only such a cell has")
        if self.labeller == TRUE_LABELS and self.arm != "fresh":
            raise ValueError("only pairs of the arm 'fresh' have true labels; name a SAM")
        if self.arm in REAL_ONLY_ARMS and self.labeller != "none":
            raise ValueError(f"the arm {self.arm!r} trains on annotated frames alone: its labeller is 'none'")
        if self.arm in SYNTHETIC_ARMS and self.labeller == "none":
            raise ValueError(f"the arm {self.arm!r} needs synthetic pairs; without them it is the arm 'mix'")

    @property
    def name(self) -> str:
        return f"{self.row}__s{self.seed}"

    @property
    def row(self) -> str:
        """The name without the seed."""
        return f"{self.backbone}__r{self.annotated:04d}__{self.labeller}__n{self.synthetic:05d}__{self.arm}"

    @property
    def series(self) -> str:
        """Backbone and labeller: "emcad__vit_b"."""
        return f"{self.backbone}__{self.labeller}"

    @property
    def pool(self) -> str:
        """The pool that its pairs (or, in the arm "more", its further annotated frames) come from; "" without any."""
        return POOLS.get(self.arm, "ddpm" if self.labeller != "none" else "")

    @property
    def reads(self) -> list[str]:
        """Folders below run_root of the stages that made its pairs and named them; [] without a pool."""
        if not self.pool:
            return []
        named = LABELLER.fullmatch(self.labeller)
        return [pairs_folder(self.pool), *([labels_folder(self.pool, self.labeller)] if named else [])]

    @property
    def sources(self) -> tuple[str, str] | None:
        """Folders below run_root of its pairs and of their labels, which lie with the pairs where they are true."""
        return (self.reads[0], (*self.reads, f"{self.reads[0]}/labels")[1]) if self.pool else None

    @classmethod
    def parse(cls, name: str) -> Self:
        """The cell of a name; ValueError shows the form of a name when it does not fit."""
        match = CELL.fullmatch(name)
        if not match:
            raise ValueError(
                f"{name!r} is not a cell; cells look like emcad__r0100__vit_b__n00500__mix__s0, "
                "or emcad__r0100__none__n00000__mix__s0 without synthetic pairs"
            )
        backbone, annotated, labeller, synthetic, arm, seed = match.groups()
        return cls(backbone, int(annotated), labeller, int(synthetic), arm, int(seed))


def parse_row(name: str) -> Cell:
    """The cell of seed 0 of a row such as emcad__r0100__vit_b__n00500__mix."""
    if CELL.fullmatch(name):
        raise ValueError(f"{name!r} is no row: leave out its seed, as in emcad__r0100__vit_b__n00500__mix")
    return Cell.parse(f"{name}__s0")


class Labeller(NamedTuple):
    """What the name of a labeller says: "vit_b", "vit_t-noprompt", "vit_b-frozen", "vit_t-noprompt-frozen"."""

    variant: str
    prompted: bool
    head_frozen: bool


def parse_labeller(name: str) -> Labeller:
    """The parts of a labeller's name; ValueError for anything else."""
    if not LABELLER.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a labeller; choose vit_b or vit_t, with '-noprompt' to leave the prompt out "
            "and '-frozen' to keep the class head as it starts"
        )
    return Labeller(name[: len("vit_b")], "-noprompt" not in name, name.endswith("-frozen"))


def labeller_folder(labeller: str, seed: int = 0) -> str:
    """Where a labeller lies below run_root that was adapted with ``seed``."""
    return f"sam/{labeller}__s{seed}"


def parse_series(name: str) -> tuple[str, str]:
    """(backbone, labeller) of a series such as "transunet__vit_t"."""
    backbone, _, labeller = name.partition("__")
    if backbone not in BACKBONES:
        raise ValueError(f"{name!r} is not a series; series look like transunet__vit_t")
    parse_labeller(labeller)
    return backbone, labeller


def pairs_folder(pool: str) -> str:
    """Where the (frame, mask) pairs of a pool lie below run_root."""
    return f"pools/{pool}/pairs"


def labels_folder(pool: str, labeller: str, seed: int = 0) -> str:
    """Where the names that a labeller, adapted with ``seed``, gave to a pool lie below run_root."""
    return f"pools/{pool}/labels/{labeller}__s{seed}"


def series_cell(series: str, annotated: int, synthetic: int, seed: int) -> Cell:
    """The cell of one series at one count; at 0 pairs all series of a backbone share one cell."""
    backbone, labeller = parse_series(series)
    return Cell(backbone, annotated, labeller if synthetic else "none", synthetic, seed=seed)


def real_only(cell: Cell) -> Cell:
    """The cell of the same backbone, annotated frames and seed without synthetic pairs."""
    return Cell(cell.backbone, cell.annotated, "none", 0, seed=cell.seed)


def cells(sweep, *grids: str) -> list[Cell]:
    """Every distinct cell of the named grids ("paper" without a name), in a fixed order.

    "paper" is what Tables 1-4 print, with the further seeds of the declared contrasts; "full" has every backbone with
    every labeller at every count; "controls" are the rows of Table C; "extended" is what takes a night.
    """
    return list(dict.fromkeys(chain.from_iterable(_CELLS_OF[name](sweep) for name in grids or ("paper",))))


def _paper(sweep) -> list[Cell]:
    return [*_series_cells(sweep, sweep.series), *_seeded(compared_rows(sweep), sweep.contrast_seeds)]


def _full(sweep) -> list[Cell]:
    return _series_cells(sweep, [f"{backbone}__{variant}" for backbone in BACKBONES for variant in VARIANTS])


def _controls(sweep) -> list[Cell]:
    return _seeded(sweep.controls, sweep.control_seeds)


def _extended(sweep) -> list[Cell]:
    return [*_seeded(sweep.extended, sweep.seeds[:1]), *_seeded(compared_rows(sweep), sweep.extended_seeds)]


_CELLS_OF = {"paper": _paper, "full": _full, "controls": _controls, "extended": _extended}


def _series_cells(sweep, series: Iterable[str]) -> list[Cell]:
    return [
        series_cell(name, sweep.annotated, count, seed)
        for count in sorted(sweep.counts)
        for seed in sweep.seeds
        for name in series
    ]


def compared_rows(sweep) -> list[str]:
    """The rows of the declared contrasts: each with synthetic pairs, after the same without."""
    declared = [parse_row(row) for row in sweep.contrasts]
    return list(dict.fromkeys(cell.row for cell in chain(map(real_only, declared), declared)))


def control_rows(
    annotated: int, synthetic: int, fewer: Iterable[int] = (), more: Iterable[int] = (), series: str = "emcad__vit_b"
) -> list[str]:
    """The rows of Table C: what else could explain a gain, and where on the way from true labels a gain is lost.

    ``fewer`` and ``more`` are numbers of annotated frames to compare with ``annotated``, all without synthetic pairs.
    """
    backbone, labeller = parse_series(series)

    def row(arm: str, with_pairs: bool, names: str = labeller, count: int = annotated) -> str:
        return Cell(backbone, count, names if with_pairs else "none", synthetic if with_pairs else 0, arm).row

    return [
        row("mix", False),
        row("mix", True),
        *(row(arm, False) for arm in ("noaug", "strongaug", "copypaste")),
        *(row(arm, True) for arm in ("noaug", "strongaug", "synthonly", "pretrain")),
        *(row("mix", False, count=count) for count in fewer),
        *(row("more", False, count=count) for count in more),
        row("fresh", True, TRUE_LABELS),
        row("fresh", True),
        row("clamped", True),
    ]


def protocol_rows(
    series: str, annotated: int, counts: Iterable[int], arms: Iterable[str] = ("epochs", "longer")
) -> list[str]:
    """The paper's protocol, equal epochs, at each count, and annotated frames alone for as many steps."""
    backbone, labeller = parse_series(series)
    names = {arm: "none" if arm in REAL_ONLY_ARMS else labeller for arm in arms}
    return [Cell(backbone, annotated, names[arm], count, arm).row for count in counts if count for arm in names]


def _seeded(rows: list[str], seeds: Iterable[int]) -> list[Cell]:
    return [Cell.parse(f"{row}__s{seed}") for seed in seeds for row in rows]


def upstream(cell: Cell) -> list[str]:
    """Folders below run_root of all that a cell's pairs took, annotated frames aside: networks, sampling, naming."""
    if not cell.pool:
        return []
    adapted = [labeller_folder(cell.labeller)] if LABELLER.fullmatch(cell.labeller) else []
    return [*(place for place in PAIRS_OF[cell.pool] if place != "frames"), *adapted, *cell.reads]


def pool_labellers(sweep, *grids: str) -> list[str]:
    """The labellers that name synthetic pairs, in order of first use."""
    return list(dict.fromkeys(name for _, name, _ in _labelled(sweep, *grids)))


def stage_folders(sweep, *grids: str) -> list[str]:
    """Folders below run_root of every stage of the named grids, in an order that can be executed."""
    wanted = cells(sweep, *grids)
    compared = list(product(sweep.labellers, sweep.labeller_seeds)) if not grids or "paper" in grids else []
    prompted = [one for one in compared if sweep.noisy_prompts and parse_labeller(one[0]).prompted]
    labelled = [*_labelled(sweep, *grids), *(("heldout", *one) for one in prompted)]
    adapted = dict.fromkeys([*compared, *((name, seed) for _, name, seed in labelled)])
    used = dict.fromkeys([*(cell.pool for cell in wanted if cell.pool), *(pool for pool, _, _ in labelled)])
    pools = {pairs_folder(pool): PAIRS_OF[pool] for pool in used}
    read = {place for places in pools.values() for place in places}
    return [
        "frames",
        *(["ddpm"] if "ddpm" in read else []),
        *(labeller_folder(*one) for one in adapted),
        *(place for place in map(pairs_folder, PAIRS_OF) if place in pools or place in read),
        *(labels_folder(*one) for one in labelled),
        *(f"segmentation/{cell.name}" for cell in wanted),
        "report",
    ]


def _labelled(sweep, *grids: str) -> list[tuple[str, str, int]]:
    """(pool, labeller, its seed) of every set of names that the grids' cells train on."""
    found = ((cell.pool, cell.labeller, 0) for cell in cells(sweep, *grids))
    return list(dict.fromkeys(one for one in found if LABELLER.fullmatch(one[1])))
