"""Names of cells, labellers and series: the one place that writes and parses them.

A cell is one trained segmentation network, ``<backbone>__r<annotated frames>__<labeller>__n<synthetic pairs>__
<arm>__s<seed>``: ``emcad__r0100__vit_b__n00500__mix__s0``, or ``emcad__r0100__none__n00000__mix__s0`` without
synthetic data. An arm says what a cell trains on and, after a dash each, how much the loss of pairs weighs and how
frames are augmented where that is not the profile's way: ``mix``, ``noaug`` (short for mix without augmentation),
``epochs-noaug``, ``added-w050-noaug``. A row is a cell without its seed: what a line of a table stands for. A series,
``<backbone>__<labeller>``, is one table of the paper.
"""

import re
from dataclasses import dataclass
from typing import Literal, Self

BACKBONES = ("transunet", "swin_unetr", "emcad")
VARIANTS = ("vit_t", "vit_b")
TRUE_LABELS = "true"  # the "labeller" of fresh simulated frames, whose labels are known

# What an arm changes; the pool that its pairs come from is "ddpm" unless said here.
ARMS = {
    "mix": "annotated frames and synthetic pairs, the paper's way",
    "added": "every batch of annotated frames whole, and as many synthetic pairs beside it",
    "halfbatch": "annotated frames alone, in the half batches that 'mix' takes of them",
    "noaug": "no flips, no turns",
    "flips": "flips and turns",
    "strongaug": "any rotation, scale, shift and contrast",
    "copypaste": "particles of other annotated frames pasted in",
    "synthonly": "synthetic pairs alone",
    "pretrain": "synthetic pairs first, annotated frames afterwards",
    "more": "annotated frames beyond the training split, from the fresh pool",
    "fresh": "newly simulated frames in place of generated ones",
    "clamped": "newly simulated frames with the masks that the diffusion model gives them",
    "unlabelled": "frames without annotation in place of generated ones, labelled by a SAM",
    "fixmatch": "annotated frames, and frames without annotation that the network labels itself",
    "epochs": "the paper's protocol: as many epochs in every cell, one shuffled set",
    "longer": "annotated frames alone, for the steps that n pairs bring under 'epochs'",
}
AUGMENTATIONS = {"noaug": "none", "flips": "symmetries", "strongaug": "affine"}  # field of a name -> augmentation
POOLS = {
    "more": "fresh",
    "fresh": "fresh",
    "clamped": "clamped",
    "unlabelled": "unlabelled",
    "fixmatch": "unlabelled",
}
MIXINGS: dict[str, Literal["concat", "pretrain", "added"]] = {
    "epochs": "concat",
    "pretrain": "pretrain",
    "added": "added",
    "unlabelled": "added",
}  # arm -> how its batches are made, where that is not the profile's way
WHOLE_BATCH_ARMS = ("added", "unlabelled", "fixmatch")  # batches of annotated frames stay whole, others come beside
REAL_ONLY_ARMS = ("halfbatch", "more", "longer", "fixmatch")  # no labeller has a say in them
COUNTED_ARMS = ("longer", "fixmatch")  # ... and yet their names count pairs, or frames without annotation
UNLABELLED_ARMS = tuple(arm for arm, pool in POOLS.items() if pool == "unlabelled")
SYNTHETIC_ARMS = ("added", "synthonly", "pretrain", "fresh", "clamped", "unlabelled", "epochs")
WEIGHT = re.compile(r"w(0\d\d)")  # field of an arm: the weight of the loss of pairs, in hundredths; none for 1

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

    ``labeller`` is "none" exactly when it sees no pairs that a labeller classified: ``synthetic`` is then 0, save in
    the arm "longer", where it only decides the number of steps, and in "fixmatch", where it counts the frames without
    annotation that the network labels itself.
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
        if (self.labeller == "none") != (self.synthetic == 0 or self.trains_on in COUNTED_ARMS):
            raise ValueError("a cell without synthetic pairs has labeller 'none', and only such a cell has")
        if self.trains_on == "fixmatch" and not self.synthetic:
            raise ValueError("the arm 'fixmatch' needs frames without annotation; without them it is the arm 'mix'")
        if self.labeller == TRUE_LABELS and self.trains_on != "fresh":
            raise ValueError("only pairs of the arm 'fresh' have true labels; choose a SAM")
        if self.trains_on in REAL_ONLY_ARMS and self.labeller != "none":
            raise ValueError(f"the arm {self.arm!r} takes labels from annotated frames alone: its labeller is 'none'")
        if self.trains_on in SYNTHETIC_ARMS and self.labeller == "none":
            raise ValueError(f"the arm {self.arm!r} needs synthetic pairs; without them it is the arm 'mix'")

    def _check_arm(self) -> None:
        first, *fields = self.arm.split("-")
        if first not in ARMS:
            raise ValueError(f"there is no arm {self.arm!r}; choose from {', '.join(ARMS)}")
        if fields and WEIGHT.fullmatch(fields[0]):
            weight = fields.pop(0)
            if first not in WHOLE_BATCH_ARMS or weight == "w000":
                raise ValueError(
                    f"there is no arm {self.arm!r}; the weight of pairs, w001 to w099 for 0.01 to 0.99, is a field of "
                    f"the arms {', '.join(WHOLE_BATCH_ARMS)} (without pairs the arm is 'mix')"
                )
        if fields and (first in ("mix", *AUGMENTATIONS) or len(fields) > 1 or fields[0] not in AUGMENTATIONS):
            raise ValueError(
                f"there is no arm {self.arm!r}; after a dash comes how frames are augmented, "
                f"{' or '.join(AUGMENTATIONS)}, and with 'mix' that stands alone; in 'added' the weight of pairs can "
                "precede it, as in 'added-w050-noaug' (a weight of 1 is no field)"
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

    @property
    def mixing(self) -> Literal["concat", "pretrain", "added", ""]:
        """How its batches are made where the arm says it; "" for the profile's way."""
        return MIXINGS.get(self.trains_on, "")

    @property
    def pair_weight(self) -> float:
        """Weight of the loss of pairs, or of unlabelled frames, beside that of annotated ones: 0.5 of "added-w050"."""
        match = WEIGHT.fullmatch(self.arm.partition("-")[2].partition("-")[0])
        return int(match[1]) / 100 if match else 1.0

    def frames_per_step(self, batch_size: int) -> int:
        """Frames, annotated and others, that a step sees where the profile has batches of ``batch_size``."""
        if self.whole_batches:
            return 2 * batch_size
        return batch_size - batch_size // 2 if self.trains_on == "halfbatch" else batch_size

    @property
    def whole_batches(self) -> bool:
        """Whether every batch of annotated frames stays whole, and as many other frames come beside it."""
        return self.trains_on in WHOLE_BATCH_ARMS

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
        """The pool of its pairs, of further annotated frames ("more") or unlabelled ones ("fixmatch"); "" if none."""
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
    match = LABELLER.fullmatch(name)
    if not match:
        raise ValueError(
            f"{name!r} is not a labeller; choose vit_b or vit_t, then '-noprompt' to leave the prompt out, '-frozen' "
            "to train the adapters alone ('-headed': with the class head, '-whole': all weights), '-fewblocks' for "
            "adapters where finetune-SAM has them, '-noaug', '-flips' or '-strongaug' for the augmentation, and "
            "'-informed1000' for 1,000 newly simulated frames that it learns from, too"
        )
    return Labeller(
        match["variant"],
        prompted=not match["noprompt"],
        trainable=TRAINED.get(match["trained"] or "", ""),
        adapter_blocks="reference" if match["blocks"] else "",
        augmentation=AUGMENTATIONS.get(match["augmentation"] or "", ""),
        knowledge_frames=int(match["knowledge"] or 0),
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
