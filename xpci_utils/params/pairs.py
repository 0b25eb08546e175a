"""Parameters of the notebooks about synthetic pairs: sampled (04a), labelled (04b) and audited (04c)."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from xpci_utils import paths
from xpci_utils.params.base import Content, LabellerName, SeededParameters, StageParameters
from xpci_utils.params.places import (
    DENOISER,
    FRAMES,
    PAIRS_OF,
    audit_place,
    labeller_place,
    labels_place,
    pairs_place,
    shard_place,
)
from xpci_utils.params.sweep import per_frame


class SamplePairs(SeededParameters):
    """04a: a pool of (frame, binary mask) pairs, drawn from the denoiser."""

    notebook = "04a_sample_pairs"
    products = ("images", "masks", "pairs.csv")
    retired = frozenset({"fresh_frames", "audit_particles"})  # they belong to 04c, and decided no pair

    pool: Literal["ddpm", "fresh", "clamped", "unlabelled", "heldout"] = Field(
        "ddpm", description="ddpm: the pool of the paper; the others are controls, or masks for the test frames"
    )
    source_folder: str = Field(
        "", description="your folder, of which the pool 'unlabelled' takes unlabelled/; empty: frames are simulated"
    )
    unlabelled_sampling: Literal["natural", "curated"] = Field(
        "natural", description="simulated frames of the pool 'unlabelled': any, as in a film, or as annotators choose"
    )
    pairs: int = Field(200, ge=1, description="synthetic pairs in the pool")
    pairs_per_frame: float = Field(
        0.0, ge=0, description="synthetic pairs for each annotated training frame, instead of pairs; 0: use pairs"
    )
    sampler: Literal["ddpm", "sde-dpmsolver++", "dpmsolver++", "ddim"] = Field(
        "sde-dpmsolver++", description="ddpm: the sampler of the paper"
    )
    sampling_steps: int = Field(20, ge=2, description="denoiser evaluations per pair; the paper: 250")
    min_component_px: int = Field(4, ge=1, description="smaller components are removed from the masks [px]")
    clamped_steps: int = Field(10, ge=1, description="noise levels on the way to the masks of known images")
    block_size: int = Field(25, ge=1, description="pairs sampled together; the block size affects rounding only")
    shard: int = Field(0, ge=0, description="index of the share of the pool that this run samples, counted from 0")
    shards: int = Field(
        1, ge=1, description="number of runs that sample the pool together, in any order or at the same time"
    )
    bf16: bool = Field(True, description="bfloat16 autocast")

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard >= self.shards:
            raise ValueError(f"shard is {self.shard}, but with shards {self.shards} the last one is {self.shards - 1}")
        if self.shards > 1 and self.pool != "ddpm":
            raise ValueError("shards is for the pool 'ddpm'; every other pool is made by one run")
        return self

    def pairs_for(self, training_frames: int) -> int:
        """Synthetic pairs in the pool of a run with so many annotated training frames."""
        return per_frame(self.pairs_per_frame, training_frames) or self.pairs

    @property
    def contents(self) -> dict[str, Content]:
        """Of a user's frames without annotation the content counts, and not how the path of their folder is spelt."""
        apart = Content("pictures", (paths.resolve(self.source_folder) / "unlabelled",))
        return {"source_content": apart} if self.pool == "unlabelled" and self.source_folder else {}

    def decisive(self) -> dict[str, Any]:
        """However many runs share a pool, its bytes are the same; what concerns one pool changes no other."""
        others = {"shard", "shards", "source_folder"}
        if self.pool != "unlabelled":
            others |= {"unlabelled_sampling"}
        return {name: value for name, value in super().decisive().items() if name not in others}

    @property
    def steps(self) -> int:
        """Noise levels on the way to a pair, or to the mask of an image that is known."""
        return self.sampling_steps if self.pool == "ddpm" else self.clamped_steps

    @property
    def history(self) -> Path:
        return self.work / "history.jsonl"  # a pool holds nothing but its pairs

    @property
    def place(self) -> str:
        if self.shards > 1:
            return shard_place(self.pool, self.shard, self.shards).folder
        return pairs_place(self.pool).folder

    @property
    def inputs(self) -> list[Path]:
        return [self.root / place.folder for place in PAIRS_OF[self.pool]]


class LabelPairs(StageParameters):
    """04b: an adapted SAM classifies the particles of a pool."""

    notebook = "04b_label_pairs"

    pool: Literal["ddpm", "fresh", "clamped", "unlabelled", "heldout"] = Field(
        "ddpm", description="pool whose pairs are labelled; ddpm: the paper's; heldout: its labels are scored"
    )
    labeller: LabellerName = Field("vit_b", description="name of the adapted SAM that classifies the particles")
    labeller_seed: int = Field(0, ge=0, description="seed of the labeller's training")
    symmetries: bool = Field(False, description="average the probabilities over flips and quarter turns of the frame")
    vote: Literal["pixel", "masked", "particle", "split"] = Field(
        "pixel", description="unit to which a class is assigned; the paper: each pixel"
    )
    min_confidence: float = Field(
        0.0, ge=0, lt=1, description="particles with a lower confidence are ignored; must be 0 for held-out frames"
    )
    kept_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the particles of each class that is kept, the most confident ones; 1 for held-out frames",
    )

    @model_validator(mode="after")
    def _whole_where_scored(self) -> Self:
        """Masks of held-out frames are labelled whole, since their labels are scored: an ignored particle has none."""
        if self.pool == "heldout" and self.min_confidence:
            raise ValueError("min_confidence must be 0 for the pool 'heldout', whose labels are scored whole")
        if self.pool == "heldout" and self.kept_share < 1:
            raise ValueError("kept_share must be 1 for the pool 'heldout', whose labels are scored whole")
        return self

    @property
    def scored_split(self) -> str:
        """The split whose frames the pool has masks for, so that its labels can be scored; empty: no truth is known."""
        return "test" if self.pool == "heldout" else ""

    @property
    def products(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("labels.csv", "particles.csv", *(("per_frame.csv",) if self.scored_split else ()))

    @property
    def pairs_folder(self) -> Path:
        """The pool whose pairs are labelled."""
        return self.root / pairs_place(self.pool).folder

    @property
    def labeller_folder(self) -> Path:
        """Where the labeller was adapted."""
        return self.root / labeller_place(self.labeller, self.labeller_seed).folder

    @property
    def place(self) -> str:
        return labels_place(self.pool, self.labeller, self.labeller_seed).folder

    @property
    def inputs(self) -> list[Path]:
        known = [self.root / FRAMES.folder] if self.scored_split else []
        return [self.pairs_folder, self.labeller_folder, *known]


class AuditPairs(SeededParameters):
    """04c: what a pool and the labels of its labeller are worth, measured against frames whose truth is known."""

    notebook = "04c_audit_pairs"
    products = (
        "fidelity.csv",
        "fidelity_edges.csv",
        "memorisation.json",
        "mask_agreement.csv",
        "classification.csv",
        "particles.csv",
    )

    pool: Literal["ddpm", "fresh", "clamped"] = Field(
        "ddpm", description="pool whose pairs are audited; ddpm: the paper's"
    )
    labeller: LabellerName = Field("vit_b", description="name of the adapted SAM whose classification is audited")
    labeller_seed: int = Field(0, ge=0, description="seed of the labeller's training")
    fresh_frames: int = Field(
        100, ge=0, description="new simulated frames that the pool is compared with; 0: use the annotated test frames"
    )
    audit_particles: int = Field(
        1000, ge=1, description="particles of each set that are compared with all training particles"
    )
    min_component_px: int = Field(4, ge=1, description="smaller components of a mask are not counted as particles [px]")
    clamped_steps: int = Field(10, ge=1, description="noise levels on the way to the masks of known images")
    block_size: int = Field(25, ge=1, description="masks drawn together; the block size affects rounding only")
    bf16: bool = Field(True, description="bfloat16 autocast")

    @property
    def pairs_folder(self) -> Path:
        """The pool that is audited."""
        return self.root / pairs_place(self.pool).folder

    @property
    def denoiser_folder(self) -> Path:
        """Where the denoiser was trained."""
        return self.root / DENOISER.folder

    @property
    def labeller_folder(self) -> Path:
        """Where the labeller was adapted."""
        return self.root / labeller_place(self.labeller, self.labeller_seed).folder

    @property
    def place(self) -> str:
        return audit_place(self.pool, self.labeller, self.labeller_seed).folder

    @property
    def inputs(self) -> list[Path]:
        return [self.root / FRAMES.folder, self.denoiser_folder, self.pairs_folder, self.labeller_folder]
