"""Names of cells, labellers and series: the one place that writes and parses them.

A cell is one trained segmentation network, ``<backbone>__r<annotated frames>__<labeller>__n<synthetic pairs>__
<arm>__s<seed>``: ``emcad__r0100__vit_b__n00500__mix__s0``, or ``emcad__r0100__none__n00000__mix__s0`` without
synthetic data. An arm says what a cell trains on and, after a dash, how frames are augmented where that is not the
profile's way: ``mix``, ``noaug`` (short for mix without augmentation), ``epochs-noaug``. A row is a cell without its
seed: what a line of a table stands for. A series, ``<backbone>__<labeller>``, is one table of the paper.
"""

import re
from dataclasses import dataclass
from typing import Self

BACKBONES = ("transunet", "swin_unetr", "emcad")
VARIANTS = ("vit_t", "vit_b")
TRUE_LABELS = "true"  # the "labeller" of fresh simulated frames, whose labels are known

# What an arm changes; the pool that its pairs come from is "ddpm" unless said here.
ARMS = {
    "mix": "annotated frames and synthetic pairs, the paper's way",
    "noaug": "no flips, no turns",
    "flips": "flips and turns",
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
AUGMENTATIONS = {"noaug": "none", "flips": "symmetries", "strongaug": "affine"}  # field of a name -> augmentation
POOLS = {"more": "fresh", "fresh": "fresh", "clamped": "clamped"}
REAL_ONLY_ARMS = ("more", "longer")
SYNTHETIC_ARMS = ("synthonly", "pretrain", "fresh", "clamped", "epochs")

TRAINED = {"frozen": "adapters", "headed": "adapters+head", "whole": "all"}  # field of a labeller's name -> trainable
LABELLER = re.compile(
    r"(?P<variant>vit_[bt])(?P<noprompt>-noprompt)?(?:-(?P<trained>frozen|headed|whole))?(?P<blocks>-fewblocks)?"
    r"(?:-(?P<augmentation>noaug|flips|strongaug))?(?:-informed(?P<knowledge>[1-9]\d*))?"
)
LABELLER_PATTERN = re.sub(r"\(\?P<\w+>", "(?:", LABELLER.pattern)  # without names of groups, for other patterns
CELL = re.compile(rf"([a-z0-9_]+?)__r(\d{{4}})__(none|true|{LABELLER_PATTERN})__n(\d{{5}})__([a-z0-9-]+)__s(\d+)")


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
        self._check_arm()
        if (self.labeller == "none") != (self.synthetic == 0 or self.trains_on == "longer"):
            raise ValueError("a cell without synthetic pairs has labeller 'none', and only such a cell has")
        if self.labeller == TRUE_LABELS and self.trains_on != "fresh":
            raise ValueError("only pairs of the arm 'fresh' have true labels; choose a SAM")
        if self.trains_on in REAL_ONLY_ARMS and self.labeller != "none":
            raise ValueError(f"the arm {self.arm!r} trains on annotated frames alone: its labeller is 'none'")
        if self.trains_on in SYNTHETIC_ARMS and self.labeller == "none":
            raise ValueError(f"the arm {self.arm!r} needs synthetic pairs; without them it is the arm 'mix'")

    def _check_arm(self) -> None:
        first, *fields = self.arm.split("-")
        if first not in ARMS or len(fields) > 1:
            raise ValueError(f"there is no arm {self.arm!r}; choose from {', '.join(ARMS)}")
        if fields and (first in ("mix", *AUGMENTATIONS) or fields[0] not in AUGMENTATIONS):
            raise ValueError(
                f"there is no arm {self.arm!r}; after a dash comes how frames are augmented, "
                f"{' or '.join(AUGMENTATIONS)}, and with 'mix' that stands alone"
            )

    @property
    def trains_on(self) -> str:
        """The first field of the arm: "epochs" of "epochs-noaug", "mix" of "noaug"."""
        first = self.arm.split("-")[0]
        return "mix" if first in AUGMENTATIONS else first

    @property
    def augmentation(self) -> str:
        """How its frames are augmented where the arm says it: none, symmetries or affine; "" for the profile's way."""
        return AUGMENTATIONS.get(self.arm.split("-")[-1], "")

    def alone(self, arm: str = "mix") -> "Cell":
        """The cell without pairs of the same frames, seed and augmentation; ``arm`` "longer": for as many steps."""
        field = next((name for name, kind in AUGMENTATIONS.items() if kind == self.augmentation), "")
        joined = "-".join(filter(None, ("" if arm == "mix" and field else arm, field)))
        return Cell(self.backbone, self.annotated, "none", self.synthetic if arm == "longer" else 0, joined, self.seed)

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
        return POOLS.get(self.trains_on, "ddpm" if self.labeller != "none" else "")

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


@dataclass(frozen=True)
class Labeller:
    """What the name of a labeller says: "vit_b", "vit_t-noprompt", "vit_b-frozen", "vit_t-noprompt-headed-noaug".

    ``trainable``, ``adapter_blocks`` and ``augmentation`` are empty where the profile's settings hold. An informed
    labeller, "vit_t-informed1000", learns from so many newly simulated annotated frames (``knowledge_frames``) beside
    those of the run. It stands in for SAM's pre-training; no user has such frames.
    """

    variant: str
    prompted: bool
    trainable: str = ""
    adapter_blocks: str = ""
    augmentation: str = ""
    knowledge_frames: int = 0

    @property
    def changes(self) -> dict[str, str | int]:
        """The settings that the name decides."""
        names = ("trainable", "adapter_blocks", "augmentation", "knowledge_frames")
        return {name: value for name in names if (value := getattr(self, name))}


def parse_labeller(name: str) -> Labeller:
    """The parts of a labeller's name; ValueError for anything else."""
    found = LABELLER.fullmatch(name)
    if not found:
        raise ValueError(
            f"{name!r} is not a labeller; choose vit_b or vit_t, then '-noprompt' to leave the prompt out, '-frozen' "
            "to train the adapters alone ('-headed': with the class head, '-whole': all weights), '-fewblocks' for "
            "adapters where finetune-SAM has them, '-noaug', '-flips' or '-strongaug' for the augmentation, and "
            "'-informed1000' for 1,000 newly simulated frames that it learns from, too"
        )
    return Labeller(
        found["variant"],
        prompted=not found["noprompt"],
        trainable=TRAINED.get(found["trained"] or "", ""),
        adapter_blocks="reference" if found["blocks"] else "",
        augmentation=AUGMENTATIONS.get(found["augmentation"] or "", ""),
        knowledge_frames=int(found["knowledge"] or 0),
    )


def knowledge_of(labeller: str) -> int:
    """Newly simulated frames that a labeller learnt from beside the annotated ones; 0 also for "none" and "true"."""
    return parse_labeller(labeller).knowledge_frames if LABELLER.fullmatch(labeller) else 0


def parse_series(name: str) -> tuple[str, str]:
    """(backbone, labeller) of a series such as "transunet__vit_t"."""
    backbone, _, labeller = name.partition("__")
    if backbone not in BACKBONES:
        raise ValueError(f"{name!r} is not a series; series look like transunet__vit_t")
    parse_labeller(labeller)
    return backbone, labeller
