"""Names of runs: the one place that writes and parses them, and the list of runs that a sweep asks for.

A cell is one trained segmentation network, ``<backbone>__r<annotated frames>__<labeller>__n<synthetic pairs>__
<arm>__s<seed>``: ``emcad__r0100__vit_b__n00500__mix__s0``, or ``emcad__r0100__none__n00000__mix__s0`` without
synthetic data. A series, ``<backbone>__<labeller>``, is one table of the paper.
"""

import re
from dataclasses import dataclass
from typing import Self

BACKBONES = ("transunet", "swin_unetr", "emcad")
ARMS = ("mix",)
LABELLER = re.compile(r"vit_[bt](-noprompt)?")
CELL = re.compile(r"([a-z0-9_]+?)__r(\d{4})__(none|vit_[bt](?:-noprompt)?)__n(\d{5})__([a-z0-9-]+)__s(\d+)")


@dataclass(frozen=True)
class Cell:
    """One cell of the grid. ``labeller`` is "none" exactly when ``synthetic`` is 0."""

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
        if (self.labeller == "none") != (self.synthetic == 0):
            raise ValueError("a cell without synthetic pairs has labeller 'none', and only such a cell has")

    @property
    def name(self) -> str:
        return (
            f"{self.backbone}__r{self.annotated:04d}__{self.labeller}__n{self.synthetic:05d}__{self.arm}__s{self.seed}"
        )

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


def parse_labeller(name: str) -> tuple[str, bool]:
    """(SAM variant, mask prompt?) of "vit_b", "vit_t-noprompt", ...; ValueError for anything else."""
    if not LABELLER.fullmatch(name):
        raise ValueError(f"{name!r} is not a labeller; choose vit_b or vit_t, with '-noprompt' to leave the prompt out")
    return name.removesuffix("-noprompt"), not name.endswith("-noprompt")


def parse_series(name: str) -> tuple[str, str]:
    """(backbone, labeller) of a series such as "transunet__vit_t"."""
    backbone, _, labeller = name.partition("__")
    if backbone not in BACKBONES:
        raise ValueError(f"{name!r} is not a series; series look like transunet__vit_t")
    parse_labeller(labeller)
    return backbone, labeller


def series_cell(series: str, annotated: int, synthetic: int, seed: int) -> Cell:
    """The cell of one series at one count; at 0 pairs all series of a backbone share one cell."""
    backbone, labeller = parse_series(series)
    return Cell(backbone, annotated, labeller if synthetic else "none", synthetic, seed=seed)


def cells(sweep) -> list[Cell]:
    """Every distinct cell of a sweep, real-only ones first, in a fixed order."""
    found = {
        series_cell(series, sweep.annotated, count, seed): None
        for count in sorted(sweep.counts)
        for seed in sweep.seeds
        for series in sweep.series
    }
    return list(found)


def pool_labellers(sweep) -> list[str]:
    """The labellers that name the synthetic pool, in order of first use."""
    return list(dict.fromkeys(parse_series(series)[1] for series in sweep.series))


def stage_folders(sweep) -> list[str]:
    """Folders below run_root of every stage of the sweep, in an order that can be executed."""
    return [
        "frames",
        "ddpm",
        *(f"sam/{labeller}__s0" for labeller in sweep.labellers),
        "pools/ddpm/pairs",
        *(f"pools/ddpm/labels/{labeller}__s0" for labeller in pool_labellers(sweep)),
        *(f"segmentation/{cell.name}" for cell in cells(sweep)),
        "report",
    ]
