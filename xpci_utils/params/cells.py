"""Names of cells, labellers and series: the one place that writes and parses them.

A cell is one trained segmentation network, ``<backbone>__r<annotated frames>__<labeller>__n<synthetic pairs>__
<arm>__s<seed>``: ``emcad__r0100__vit_b__n00500__mix__s0``, or ``emcad__r0100__none__n00000__mix__s0`` without
synthetic data. A row is a cell without its seed: what a line of a table stands for. A series,
``<backbone>__<labeller>``, is one table of the paper.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple, Self

BACKBONES = ("transunet", "swin_unetr", "emcad")
VARIANTS = ("vit_t", "vit_b")
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
    def labelled(self) -> bool:
        """Whether a SAM labels its pairs; the labels of fresh frames can be true instead."""
        return bool(LABELLER.fullmatch(self.labeller))

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


def parse_series(name: str) -> tuple[str, str]:
    """(backbone, labeller) of a series such as "transunet__vit_t"."""
    backbone, _, labeller = name.partition("__")
    if backbone not in BACKBONES:
        raise ValueError(f"{name!r} is not a series; series look like transunet__vit_t")
    parse_labeller(labeller)
    return backbone, labeller
