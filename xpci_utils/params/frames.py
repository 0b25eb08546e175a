"""Parameters of the notebooks that make frames: annotated ones (01) and synthetic pairs (04)."""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from xpci_utils import paths
from xpci_utils.params.base import Content, SeededParameters
from xpci_utils.params.cells import parse_labeller
from xpci_utils.params.places import FRAMES, PAIRS_OF, labeller_place, labels_place, pairs_place, shard_place
from xpci_utils.params.sweep import per_frame


class PrepareFrames(SeededParameters):
    """01: where the annotated frames come from."""

    notebook = "01_prepare_frames"
    data_files = ("data/classes.yaml", "data/materials.csv")
    products = ("frames.csv", "frames.json", "images", "labels")

    source: Literal["simulator", "folder"] = Field("simulator", description="'simulator', or 'folder' for your own")
    source_folder: str = Field("", description="your folder: images/, masks/, optional splits/; see data/README.md")
    classes_file: str = Field("", description="YAML of classes; empty: classes.yaml of source_folder")
    pixel_size_um: float = Field(2.0, gt=0, description="size of a pixel in the sample plane [um]; imports may tell")
    tile: int = Field(0, ge=0, description="side of the square tiles that networks see [px]; 0: whole frames")
    largest_tile: int = Field(
        0,
        ge=0,
        multiple_of=32,
        description="where tile is 0, choose tiles of your folder, at most so wide [px]; 0: do not",
    )
    folds: int = Field(0, ge=0, description="folds of a cross-validation of your folder; 0: its splits, or dealt ones")
    fold: int = Field(0, ge=0, description="which of them is held out for the test, counted from 0")
    preset: Literal["aps32id_u18", "aps32id_shifted", "reduced"] = Field("reduced", description="simulator preset")
    sampling: Literal["curated", "natural"] = Field("curated", description="frames an annotator picks, or any")
    energy_kev: float = Field(0.0, ge=0, description="photon energy, 22 to 30 [keV]; 0: the preset's")
    distance_m: float = Field(0.0, ge=0, description="sample to scintillator [m]; 0: the preset's")
    psf_core_sigma_um: float = Field(0.0, ge=0, description="blur of scintillator and lens [um]; 0: the preset's")
    exposure_us: float = Field(0.0, ge=0, description="exposure [us]; 0: the preset's")
    quanta_per_pixel: float = Field(0.0, ge=0, description="electrons in the open beam; 0: the preset's range")
    read_noise_e: float = Field(0.0, ge=0, description="camera read noise [electrons]; 0: the preset's")
    mask_jitter_px: float = Field(0.0, ge=0, description="wander of hand-drawn boundaries [px]; 0: exact masks")
    window: Literal["linear", "log"] = Field("linear", description="8-bit window on intensity or on its logarithm")
    height: int = Field(64, ge=32, le=4096, description="height of a simulated frame [px]")
    width: int = Field(64, ge=32, le=4096, description="width of a simulated frame [px]")
    train_frames: int = Field(40, ge=1, description="simulated frames to train on")
    val_frames: int = Field(12, ge=1, description="simulated frames for choices during training")
    test_frames: int = Field(40, ge=1, description="simulated frames for the tables")
    shifted_test_frames: int = Field(20, ge=0, description="more of them, from a beamline set up otherwise; 0: none")

    @property
    def place(self) -> str:
        return "frames"

    @property
    def classes_path(self) -> Path:
        """The classes file in force: the one named, the folder's own, or ours."""
        if self.classes_file:
            return paths.resolve(self.classes_file)
        own = paths.resolve(self.source_folder) / "classes.yaml"
        return own if self.source == "folder" else paths.root() / "data/classes.yaml"

    @property
    def contents(self) -> dict[str, Content]:
        """Of a folder of one's own the content counts, and not how its path is spelt."""
        own = Content("folder", (paths.resolve(self.source_folder), self.classes_path))
        return {"source_content": own} if self.source == "folder" else {}

    def decisive(self) -> dict[str, Any]:
        values = super().decisive()
        if self.source == "folder":
            del values["source_folder"], values["classes_file"]
        return values

    @model_validator(mode="after")
    def _folder_named(self) -> Self:
        if self.source == "folder" and not self.source_folder:
            raise ValueError("source is 'folder', but source_folder names none")
        if self.source == "simulator" and self.source_folder:
            raise ValueError(
                f"source_folder is {self.source_folder!r}, but source is 'simulator' and would ignore it; set source "
                "to 'folder', or leave source_folder empty"
            )
        return self

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.folds and self.source == "simulator":
            raise ValueError("folds is for a folder of your own; simulated test frames are never scarce")
        if self.folds == 1 or self.fold >= max(self.folds, 1):
            raise ValueError(f"fold is {self.fold} of {self.folds} folds; there are two at least, counted from 0")
        return self


class GenerateSynthetic(SeededParameters):
    """04: sample the pool once (no labeller), then let each labeller name its particles."""

    notebook = "04_generate_synthetic"
    naming: ClassVar = ("labeller", "labeller_seed", "symmetries", "vote", "min_confidence")

    pool: Literal["ddpm", "fresh", "clamped", "heldout"] = Field(
        "ddpm", description="ddpm: the paper's; others: controls, and masks for the test frames"
    )
    labeller: str = Field("", description="empty: sample (frame, mask) pairs; else: name their particles with it")
    labeller_seed: int = Field(0, ge=0, description="seed of the labeller's training")
    pairs: int = Field(200, ge=1, description="synthetic pairs in the pool")
    pairs_per_frame: float = Field(
        0.0, ge=0, description="synthetic pairs for each annotated training frame, in place of pairs; 0: pairs"
    )
    sampler: Literal["ddpm", "sde-dpmsolver++", "dpmsolver++", "ddim"] = Field(
        "sde-dpmsolver++", description="ddpm: the paper's"
    )
    sampling_steps: int = Field(20, ge=2, description="denoiser evaluations per pair; the paper: 250")
    symmetries: bool = Field(False, description="labelling: average over the symmetries of the frame")
    vote: Literal["pixel", "masked", "particle", "split"] = Field(
        "pixel", description="labelling: who decides a class; the paper: each pixel"
    )
    min_confidence: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="labelling: ignore particles less certain; must be 0 where held-out frames are labelled",
    )
    min_component_px: int = Field(4, ge=1, description="smaller components are removed from the masks [px]")
    fresh_frames: int = Field(
        100, ge=0, description="new simulated frames the pool is compared with; 0: the annotated test frames"
    )
    clamped_steps: int = Field(10, ge=1, description="noise levels on the way to the masks of known images")
    audit_particles: int = Field(1000, ge=1, description="of each set, looked up among all training particles")
    block_size: int = Field(25, ge=1, description="pairs sampled together; part of the result's last bits")
    shard: int = Field(0, ge=0, description="which share of the pool this run samples, counted from 0")
    shards: int = Field(1, ge=1, description="runs that share the pool, in any order or at once")
    bf16: bool = Field(True, description="bfloat16 autocast")

    @field_validator("labeller")
    @classmethod
    def _labeller(cls, name: str) -> str:
        if name:
            parse_labeller(name)
        return name

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard >= self.shards:
            raise ValueError(f"shard is {self.shard}, but with shards {self.shards} the last one is {self.shards - 1}")
        if self.shards > 1 and (self.labeller or self.pool != "ddpm"):
            raise ValueError("shards is for sampling the pool of the denoiser; labelling and other pools are one run")
        return self

    @model_validator(mode="after")
    def _whole_where_scored(self) -> Self:
        """Masks of held-out frames are labelled whole, since their labels are scored: an ignored particle has none."""
        if self.labeller and self.pool == "heldout" and self.min_confidence:
            raise ValueError("min_confidence must be 0 for the pool 'heldout', whose labels are scored whole")
        return self

    def pairs_for(self, training_frames: int) -> int:
        """Synthetic pairs in the pool of a run with so many annotated training frames."""
        return per_frame(self.pairs_per_frame, training_frames) or self.pairs

    def decisive(self) -> dict[str, Any]:
        """Labels are given after sampling, so their options count for labelling alone, and only they do there.

        However many runs share a pool, its bytes are the same.
        """
        if not self.labeller:
            chosen = set(type(self).model_fields) - set(self.naming) - {"shard", "shards"}
        else:
            chosen = {"threads", "pool", *self.naming}
        return {name: value for name, value in super().decisive().items() if name in chosen}

    @property
    def history(self) -> Path:
        return self.work / "history.jsonl"  # a pool holds nothing but its pairs

    @property
    def products(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.labeller:
            return ("labels.csv", "particles.csv", *(("per_frame.csv",) if self.pool == "heldout" else ()))
        measured = ("fidelity.csv", "fidelity_edges.csv", "mask_agreement.csv", "memorisation.json")
        return ("images", "masks", "pairs.csv", *(measured if self.is_measured else ()))

    @property
    def is_measured(self) -> bool:
        """Whether the pool is compared with frames when it is complete: the paper's own is, and no share of it."""
        return self.pool == "ddpm" and not self.labeller and self.shards == 1

    @property
    def pairs_folder(self) -> Path:
        """The pool of (frame, mask) pairs: what sampling writes and labelling reads."""
        return self.root / pairs_place(self.pool).folder if self.labeller else self.folder

    @property
    def labeller_folder(self) -> Path:
        """Where the labeller was adapted."""
        return self.root / labeller_place(self.labeller, self.labeller_seed).folder

    @property
    def place(self) -> str:
        if self.labeller:
            return labels_place(self.pool, self.labeller, self.labeller_seed).folder
        if self.shards > 1:
            return shard_place(self.pool, self.shard, self.shards).folder
        return pairs_place(self.pool).folder

    @property
    def inputs(self) -> list[Path]:
        if self.labeller:
            known = [self.root / FRAMES.folder] if self.pool == "heldout" else []
            return [self.pairs_folder, self.labeller_folder, *known]
        return [self.root / place.folder for place in PAIRS_OF[self.pool]]
