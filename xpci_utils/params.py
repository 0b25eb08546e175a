"""One parameter model per notebook: the single source of defaults, checks, YAML files and parameter cells.

The defaults are the ``quick`` profile. A parameter that is unknown, mistyped or out of range stops a run before
it starts, in the runner as in a notebook opened by hand.
"""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from xpci_utils import grid, paths
from xpci_utils.recipe import film_digest, folder_digest
from xpci_utils.strict import ParameterError, Parameters, assigned_names, suggest

Seed = Annotated[int, Field(ge=0)]
Pairs = Annotated[int, Field(ge=0, le=99_999)]  # names of cells have five digits for them


class StageParameters(Parameters):
    """Parameters of one notebook and the places it reads and writes."""

    notebook: ClassVar[str]
    rooms: ClassVar[tuple[str, ...]]
    data_files: ClassVar[tuple[str, ...]] = ()
    products: ClassVar[tuple[str, ...]]

    run_root: str = Field("runs/quick", min_length=1, description="folder of the run; relative to the repository root")
    output_folder: str = Field("", description="where the products go; empty: their place below run_root")
    force: bool = Field(False, description="repeat a finished stage and replace its products")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; part of the result's last bits")

    @property
    def root(self) -> Path:
        return paths.resolve(self.run_root)

    @property
    def folder(self) -> Path:
        """The one folder this stage writes."""
        return paths.resolve(self.output_folder) if self.output_folder else self.root / self.place

    @property
    def work(self) -> Path:
        """Where its checkpoints lie while it runs."""
        return self.folder / "work" if self.output_folder else self.root / "work" / self.place

    @property
    def part(self) -> str:
        """Which part of the stage this run does, where several share its folder; empty: all of it."""
        return ""

    @property
    def history(self) -> Path:
        """Where records of progress are appended."""
        return self.folder / "history.jsonl"

    @property
    def place(self) -> str:
        raise NotImplementedError

    @property
    def inputs(self) -> list[Path]:
        """Finished folders that this stage reads."""
        return []

    def hashed(self) -> dict:
        """The parameters that decide the result: all but where it lies and whether it is repeated."""
        return self.model_dump(exclude={"run_root", "output_folder", "force"})

    @classmethod
    def from_notebook(cls, namespace: dict) -> Self:
        """Collect the parameters from a notebook's globals.

        Every name that the cells just before this one assign (the parameter cell, and the one papermill injects) must
        be a parameter; IPython keeps the text of executed cells in ``In``.
        """
        given = {name: namespace[name] for name in cls.model_fields if name in namespace}
        assigned = {name: namespace[name] for name in assigned_names(namespace["In"][:-1])}
        return cls.checked({**assigned, **given}, "the parameters of this notebook")


class SeededParameters(StageParameters):
    """Parameters of a stage that draws random numbers."""

    seed: int = Field(0, ge=0, description="seed of everything random in this stage")


class ShippableParameters(SeededParameters):
    """Parameters of a training that weights which come with the repository can stand in for (`xpci_utils.shipped`)."""

    weights_file: ClassVar[str]

    shipped: str = Field("", description="folder of shipped weights to take instead of training; empty: train")

    @property
    def hash_note(self) -> str:
        """Name of the file with the sha256 of the weights, beside them."""
        return str(Path(self.weights_file).with_suffix(".sha256"))

    def hashed(self) -> dict:
        """Of shipped weights the content counts."""
        values = super().hashed()
        folder = values.pop("shipped")
        if folder:
            note = paths.resolve(folder) / self.place / self.hash_note
            values["shipped_sha256"] = note.read_text(encoding="utf-8").split()[0] if note.is_file() else ""
        return values


class PrepareFrames(SeededParameters):
    """01: where the annotated frames come from."""

    notebook = "01_prepare_frames"
    rooms = ("frames", "importing", "simulation")
    data_files = ("data/classes.yaml", "data/materials.csv")
    products = ("frames.csv", "frames.json", "images", "labels")

    source: Literal["simulator", "folder"] = Field("simulator", description="'simulator', or 'folder' for your own")
    source_folder: str = Field("", description="your folder: images/, masks/, optional splits/; see data/README.md")
    classes_file: str = Field("", description="YAML of classes; empty: classes.yaml of source_folder")
    pixel_size_um: float = Field(2.0, gt=0, description="size of a pixel in the sample plane [um]; imports may tell")
    tile: int = Field(0, ge=0, description="side of the square tiles that networks see [px]; 0: whole frames")
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

    def hashed(self) -> dict:
        """For a folder of one's own, its content counts and not how its path is spelt."""
        values = super().hashed()
        if self.source == "folder":
            del values["source_folder"], values["classes_file"]
            values["source_content"] = folder_digest(paths.resolve(self.source_folder), self.classes_path)
        return values

    @model_validator(mode="after")
    def _folder_named(self) -> Self:
        if self.source == "folder" and not self.source_folder:
            raise ValueError("source is 'folder', but source_folder names none")
        return self

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.folds and self.source == "simulator":
            raise ValueError("folds is for a folder of your own; simulated test frames are never scarce")
        if self.folds == 1 or self.fold >= max(self.folds, 1):
            raise ValueError(f"fold is {self.fold} of {self.folds} folds; there are two at least, counted from 0")
        return self


class TrainDdpm(ShippableParameters):
    """02: the denoiser of Section 2.1."""

    notebook = "02_train_ddpm"
    weights_file = "denoiser_ema.safetensors"
    rooms = ("diffusion", "frames", "training")
    products = ("denoiser_ema.safetensors", "history.jsonl", "metrics.json", "samples")

    size: Literal["quick", "paper"] = Field("quick", description="size of the denoiser; laptop trains quick longer")
    prediction: Literal["eps", "v"] = Field("v", description="target; paper: eps; v in reduced sizes: Wiener skip")
    diffusion_steps: int = Field(4000, ge=2, description="T, forward steps of the cosine schedule")
    steps: int = Field(1200, ge=1, description="optimiser steps")
    batch_size: int = Field(16, ge=1, description="frames per optimiser step")
    learning_rate: float = Field(1e-3, gt=0, description="AdamW learning rate")
    lr_decay: Literal["constant", "cosine"] = Field("cosine", description="constant as published, or down to 0")
    warmup_steps: int = Field(50, ge=0, description="steps in which the learning rate rises")
    gradient_clip: float = Field(1.0, ge=0, description="largest gradient norm; 0: no limit, as published")
    ema_decay: float = Field(0.9999, ge=0, lt=1, description="decay of the averaged weights, after warm-up")
    augment: bool = Field(True, description="flips and quarter turns; the paper's pipeline has none")
    bf16: bool = Field(True, description="bfloat16 autocast")
    evaluations: int = Field(4, ge=1, description="equally spaced looks at validation frames; the best is kept")
    preview_pairs: int = Field(16, ge=1, description="pairs sampled at each of those looks")
    preview_steps: int = Field(20, ge=2, description="solver steps per pair of those samples")
    probe_draws: int = Field(8, ge=1, description="noise levels per held-out frame at which the denoiser is judged")

    @property
    def place(self) -> str:
        return "ddpm"

    @property
    def inputs(self) -> list[Path]:
        return [self.root / "frames"]


class AdaptSam(ShippableParameters):
    """03: the labeller of Section 2.2."""

    notebook = "03_adapt_sam"
    weights_file = "adapters.safetensors"
    rooms = ("sam", "frames", "training", "evaluation")
    products = ("adapters.safetensors", "history.jsonl", "metrics.json", "per_frame.csv", "namings.csv", "predictions")

    labeller: str = Field("vit_b", description="vit_b or vit_t; '-noprompt': no mask; '-frozen': head not trained")
    size: Literal["reduced", "paper"] = Field("reduced", description="size of both SAM variants")
    weights: Literal["pretrained", "random"] = Field("pretrained", description="first weights: SAM's own, or A1's")
    trainable: Literal["all", "adapters+head", "adapters"] = Field("all", description="what is trained")
    prompt_scale: float = Field(10.0, gt=0, description="the mask prompt is +-this, as signed logits")
    unprompted: float = Field(0.0, ge=0, le=1, description="share of the steps, the first ones, without mask; paper: 0")
    steps: int = Field(1000, ge=1, description="optimiser steps; ignored when epochs > 0")
    epochs: int = Field(0, ge=0, description="passes over the annotated frames; 0: use steps")
    batch_size: int = Field(8, ge=1, description="frames per optimiser step")
    learning_rate: float = Field(3e-3, gt=0, description="AdamW learning rate, decayed by (1 - t/n)^0.9")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's first beta; the paper prints 0.99")
    dice: Literal["dice", "generalised"] = Field("dice", description="Dice term beside the cross-entropy")
    augmentation: Literal["symmetries", "affine"] = Field("affine", description="flips and turns, or any rotation")
    bf16: bool = Field(True, description="bfloat16 autocast")
    weights_folder: str = Field("data/weights", description="where SAM's weights lie, or go to")
    tolerance_px: float = Field(2.0, gt=0, description="tolerance of the normalised surface Dice [px]")

    _labeller = field_validator("labeller")(lambda name: grid.parse_labeller(name) and name)

    def hashed(self) -> dict:
        """Of pre-trained weights the content counts; the official ones, of size paper, have one content only."""
        values = super().hashed()
        if self.weights == "pretrained" and self.size == "reduced":
            variant = grid.parse_labeller(self.labeller)[0]
            note = paths.resolve(self.weights_folder) / variant / "sam.sha256"
            values["weights_sha256"] = note.read_text(encoding="utf-8").split()[0] if note.is_file() else ""
        return values

    @property
    def place(self) -> str:
        return grid.labeller_folder(self.labeller, self.seed)

    @property
    def inputs(self) -> list[Path]:
        return [self.root / "frames"]


class PretrainSam(SeededParameters):
    """A1: the weights from which a small SAM is adapted; their place in data/weights is given as output_folder."""

    notebook = "A1_pretrain_small_sam"
    rooms = ("sam", "training")
    products = ("sam.safetensors", "history.jsonl", "metrics.json")

    variant: Literal["vit_b", "vit_t"] = Field("vit_t", description="SAM-b or SAM-t, both of reduced size")
    steps: int = Field(60, ge=1, description="optimiser steps; params/weights has those of the shipped weights")
    batch_size: int = Field(8, ge=1, description="new pictures per optimiser step")
    learning_rate: float = Field(2e-3, gt=0, description="AdamW learning rate after warm-up, cosine decay")
    bf16: bool = Field(True, description="bfloat16 autocast")
    evaluations: int = Field(4, ge=1, description="equally spaced looks at pictures of held-out textures")
    held_out: int = Field(128, ge=1, description="pictures of held-out textures, at these looks and in the end")

    @property
    def place(self) -> str:
        return f"weights/{self.variant}__s{self.seed}"


class GenerateSynthetic(SeededParameters):
    """04: sample the pool once (no labeller), then let each labeller name its particles."""

    notebook = "04_generate_synthetic"

    pool: Literal["ddpm", "fresh", "clamped", "heldout"] = Field(
        "ddpm", description="ddpm: the paper's; others: controls, and masks for the test frames"
    )
    labeller: str = Field("", description="empty: sample (frame, mask) pairs; else: name their particles with it")
    labeller_seed: int = Field(0, ge=0, description="seed of the labeller's training")
    pairs: int = Field(200, ge=1, description="synthetic pairs in the pool")
    sampler: Literal["ddpm", "sde-dpmsolver++", "dpmsolver++", "ddim", "unipc"] = Field(
        "sde-dpmsolver++", description="ddpm: the paper's"
    )
    sampling_steps: int = Field(20, ge=2, description="denoiser evaluations per pair; the paper: 250")
    symmetries: bool = Field(False, description="labelling: average over the symmetries of the frame")
    vote: Literal["pixel", "masked", "particle", "split"] = Field(
        "pixel", description="labelling: who decides a class; the paper: each pixel"
    )
    min_confidence: float = Field(0.0, ge=0, lt=1, description="labelling: ignore particles that are less certain")
    min_component_px: int = Field(4, ge=1, description="smaller components are removed from the masks [px]")
    fresh_frames: int = Field(
        100, ge=0, description="new simulated frames the pool is compared with; 0: the annotated test frames"
    )
    clamped_steps: int = Field(10, ge=1, description="noise levels on the way to the masks of known images")
    audit_particles: int = Field(1000, ge=1, description="of each set, looked up among all training particles")
    block_size: int = Field(25, ge=1, description="pairs sampled together; part of the result's last bits")
    shard: int = Field(0, ge=0, description="which share of the pool this run samples, counted from 0")
    shards: int = Field(1, ge=1, description="runs that share the pool, in any order or at once; the last one finishes")
    bf16: bool = Field(True, description="bfloat16 autocast")

    @field_validator("labeller")
    @classmethod
    def _labeller(cls, name: str) -> str:
        return name and grid.parse_labeller(name) and name

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard >= self.shards:
            raise ValueError(f"shard is {self.shard}, but with shards {self.shards} the last one is {self.shards - 1}")
        if self.shards > 1 and (self.labeller or self.pool != "ddpm"):
            raise ValueError("shards is for sampling the pool of the denoiser; labelling and other pools are one run")
        return self

    def hashed(self) -> dict:
        """However many runs share a pool, its bytes are the same."""
        return {name: value for name, value in super().hashed().items() if name not in ("shard", "shards")}

    @property
    def part(self) -> str:
        return f"shard {self.shard} of {self.shards}" if self.shards > 1 else ""

    @property
    def history(self) -> Path:
        return self.work / f"history{self.part.replace(' ', '_')}.jsonl"  # a pool holds nothing but its pairs

    @property
    def rooms(self) -> tuple[str, ...]:
        maker = "simulation" if self.pool == "fresh" else "diffusion"
        scored = ("evaluation",) if self.labeller and self.pool == "heldout" else ()
        return ("sam" if self.labeller else maker, "frames", "training", *scored)

    @property
    def products(self) -> tuple[str, ...]:
        if self.labeller:
            return ("labels.csv", "particles.csv", *(("per_frame.csv",) if self.pool == "heldout" else ()))
        measured = ("fidelity.csv", "fidelity_edges.csv", "mask_agreement.csv", "memorisation.json")
        return ("images", "masks", "pairs.csv", *(measured if self.pool == "ddpm" else ()))

    @property
    def pairs_folder(self) -> Path:
        """The pool of (frame, mask) pairs: what sampling writes and labelling reads."""
        return self.root / grid.pairs_folder(self.pool) if self.labeller else self.folder

    @property
    def labeller_folder(self) -> Path:
        """Where the labeller was adapted."""
        return self.root / grid.labeller_folder(self.labeller, self.labeller_seed)

    @property
    def place(self) -> str:
        if not self.labeller:
            return grid.pairs_folder(self.pool)
        return grid.labels_folder(self.pool, self.labeller, self.labeller_seed)

    @property
    def inputs(self) -> list[Path]:
        if self.labeller:
            known = [self.root / "frames"] if self.pool == "heldout" else []
            return [self.pairs_folder, self.labeller_folder, *known]
        return [self.root / place for place in grid.PAIRS_OF[self.pool]]


class TrainSegmentation(StageParameters):
    """05: one cell of the grid of Section 3.2."""

    notebook = "05_train_segmentation"
    rooms = ("segmentation", "frames", "training", "evaluation")
    products = ("model.safetensors", "history.jsonl", "metrics.json", "per_frame.csv")

    cell: str = Field("emcad__r0040__vit_b__n00200__mix__s0", description="which cell of the grid; its seed is its own")
    size: Literal["quick", "laptop", "paper"] = Field("quick", description="size of the network")
    pretrained: bool = Field(False, description="start from ImageNet weights where timm has them")
    loss: Literal["published", "common"] = Field("published", description="the network's own, or CE + Dice for all")
    mixing: Literal["half", "concat"] = Field("half", description="batches half synthetic, or one shuffled set")
    steps: int = Field(450, ge=1, description="optimiser steps; ignored when epochs > 0")
    epochs: int = Field(0, ge=0, description="passes over the training set; 0: use steps")
    batch_size: int = Field(8, ge=1, description="frames per optimiser step")
    learning_rate: float = Field(6e-3, gt=0, description="AdamW learning rate, decayed by (1 - t/n)^0.9")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's first beta; the paper prints 0.99")
    evaluations: int = Field(20, ge=1, description="equally spaced looks at validation frames")
    bf16: bool = Field(False, description="bfloat16 autocast")
    tolerance_px: float = Field(2.0, gt=0, description="tolerance of the normalised surface Dice [px]")

    @field_validator("cell")
    @classmethod
    def _cell(cls, name: str) -> str:
        return grid.Cell.parse(name).name

    @property
    def place(self) -> str:
        return f"segmentation/{self.cell}"

    @property
    def inputs(self) -> list[Path]:
        return [self.root / place for place in ("frames", *grid.Cell.parse(self.cell).reads)]

    @property
    def pool(self) -> tuple[Path, Path] | None:
        """Folders of the pairs that the cell trains on and of their labels; None without any."""
        sources = grid.Cell.parse(self.cell).sources
        return sources and (self.root / sources[0], self.root / sources[1])


class TablesAndFigures(StageParameters):
    """06: every table and figure of the paper, from whatever cells are finished."""

    notebook = "06_tables_and_figures"
    rooms = ("report", "evaluation", "frames")
    data_files = tuple(f"data/paper/table{number}.csv" for number in range(1, 6))
    products = ("tables", "figures", "index.html")

    sweep: str = Field("params/quick/sweep.yaml", min_length=1, description="the grid that the tables show")

    @property
    def place(self) -> str:
        return "report"

    @property
    def inputs(self) -> list[Path]:
        from xpci_utils.artifacts import read_run

        wanted = grid.stage_folders(Sweep.from_yaml(paths.resolve(self.sweep)), *grid.GRIDS)[:-1]
        return [self.root / place for place in wanted if read_run(self.root / place)]


class ApplyToVideo(SeededParameters):
    """07: a trained network over a film of your own, or a simulated one."""

    notebook = "07_apply_to_video"
    rooms = ("video", "importing", "simulation", "segmentation", "frames")
    data_files = ("data/classes.yaml", "data/materials.csv")

    name: str = Field("film", description="what the result is called; its folder below run_root is video/<name>")
    cell: str = Field("emcad__r0040__vit_b__n00200__mix__s0", description="which trained network, by its cell")
    film_path: str = Field("", description="TIFF stack, HDF5, camera file or folder of frames; empty: a simulated film")
    flat_field: Literal["auto", "references", "median", "none"] = Field(
        "auto", description="by reference frames, by the median over time, or not at all; auto: where there are flats"
    )
    flats: str = Field("", description="frames of the open beam, if they lie outside the film")
    darks: str = Field("", description="frames without beam, if they lie outside the film")
    frame_interval_us: float = Field(20.0, gt=0, description="time between two frames [us]")
    preset: Literal["aps32id_u18", "aps32id_shifted", "reduced"] = Field("reduced", description="of a simulated film")
    sampling: Literal["curated", "natural"] = Field("curated", description="simulated film: rare classes raised or not")
    film_frames: int = Field(40, ge=1, description="frames of a simulated film")
    height: int = Field(128, ge=32, le=4096, description="height of a simulated film [px]")
    width: int = Field(128, ge=32, le=4096, description="width of a simulated film [px]")
    tile: int = Field(0, ge=0, description="side of the squares that the network sees [px]; 0: whole frames if it can")
    min_particle_px: int = Field(6, ge=1, description="smaller regions are no particles [px]")
    particle_probability: float = Field(
        0.99, ge=0, le=1, description="nor are regions in which the network is nowhere this sure of a particle"
    )
    block_frames: int = Field(16, ge=1, description="frames between two savings of what is done")
    max_speed_m_per_s: float = Field(3.0, gt=0, description="of a new particle, and change of speed per frame [m/s]")
    memory_frames: int = Field(1, ge=0, description="frames for which a particle may be missed")
    min_track_frames: int = Field(3, ge=2, description="shorter tracks have no speed and no score")
    suggestions: int = Field(10, ge=0, description="frames proposed for annotation")
    animation_frames: int = Field(40, ge=1, description="first frames of the film shown as an animation")

    @field_validator("cell")
    @classmethod
    def _cell(cls, name: str) -> str:
        return grid.Cell.parse(name).name

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise ValueError("a name of letters, digits, '_', '-' and '.', which becomes a folder")
        return name

    @property
    def place(self) -> str:
        return f"video/{self.name}"

    @property
    def inputs(self) -> list[Path]:
        return [self.root / f"segmentation/{self.cell}"]

    @property
    def products(self) -> tuple[str, ...]:
        film = () if self.film_path else ("film",)
        return ("labels.tif", "particles.csv", "tracks.csv", "frames.csv", "overlay.gif", "metrics.json", *film)

    def hashed(self) -> dict:
        """For a film of one's own, its content counts and not how its path is spelt."""
        values = super().hashed()
        if self.film_path:
            for name in ("film_path", "flats", "darks"):
                values[name] = film_digest(paths.resolve(values[name])) if values[name] else ""
        return values


class Sweep(Parameters):
    """The grids of runs: what the tables and figures compare. A row is the name of a cell without its seed."""

    annotated: int = Field(40, ge=0, le=9999, description="annotated frames in every cell; 0: the whole training split")
    counts: list[Pairs] = Field([0, 50, 100, 200], description="synthetic pairs added to them")
    series: list[str] = Field(
        ["transunet__vit_t", "swin_unetr__vit_b", "emcad__vit_b", "transunet__vit_b"],
        description="backbone and labeller of Tables 1, 2, 3 and 4",
    )
    labellers: list[str] = Field(
        ["vit_t-noprompt", "vit_t", "vit_b-noprompt", "vit_b"], description="rows of Table 5, adapted each"
    )
    labeller_seeds: list[Seed] = Field([0], description="seeds of the labellers; the first one names synthetic pairs")
    noisy_prompts: bool = Field(True, description="Table 5 also with the masks that the denoiser draws for test frames")
    seeds: list[Seed] = Field([0], description="seeds of the segmentation networks")
    contrasts: list[str] = Field([], description="one row per backbone, chosen on validation frames, to be claimed")
    contrast_seeds: list[Seed] = Field([], description="their seeds, and those of the same without synthetic pairs")
    controls: list[str] = Field([], description="rows of Table C (GRID=controls)")
    control_seeds: list[Seed] = Field([0], description="their seeds")
    extended: list[str] = Field([], description="rows that take a night (GRID=extended), with the first seed")
    extended_seeds: list[Seed] = Field([], description="further seeds of the contrasts, in the same grid")

    @field_validator("series", "labellers", "contrasts", "controls", "extended")
    @classmethod
    def _names(cls, names: list[str], info: ValidationInfo) -> list[str]:
        parse = {"series": grid.parse_series, "labellers": grid.parse_labeller}.get(info.field_name, grid.parse_row)
        for name in names:
            parse(name)
        return names

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [grid.parse_series(series)[1] for series in self.series]
        missing = [name for name in dict.fromkeys(named) if name not in self.labellers]
        if missing:
            raise ValueError(f"series use {', '.join(missing)}, which labellers does not list")
        if 0 not in self.counts or len(set(self.counts)) < len(self.counts):
            raise ValueError("counts must be distinct and contain 0, the row without synthetic pairs")
        for row in (*self.contrasts, *self.controls, *self.extended):
            cell = grid.parse_row(row)
            if cell.labeller != "none" and cell.annotated != self.annotated:
                raise ValueError(
                    f"{row}: its denoiser and its labeller have seen all {self.annotated or ''} annotated frames, "
                    "so it must have them too; fewer are for rows without synthetic pairs"
                )
        if self.labeller_seeds[:1] != [0]:
            raise ValueError("labeller_seeds must start with 0, the labeller that names synthetic pairs")
        if len({grid.parse_row(row).backbone for row in self.contrasts}) < len(self.contrasts):
            raise ValueError("contrasts declares one row per backbone, not several")
        if self.contrasts and len(set(self.contrast_seeds)) < 2:
            raise ValueError("contrasts need two contrast_seeds at least, better six: one training allows no interval")
        return self


STAGES: dict[str, type[StageParameters]] = {
    model.notebook: model
    for model in (
        PrepareFrames,
        TrainDdpm,
        AdaptSam,
        GenerateSynthetic,
        TrainSegmentation,
        TablesAndFigures,
        ApplyToVideo,
    )
}
APPENDICES: dict[str, type[StageParameters]] = {PretrainSam.notebook: PretrainSam}  # in no grid; results are shipped


def stage_model(notebook: str) -> type[StageParameters]:
    """The model of a notebook by its name; ParameterError suggests the nearest one."""
    models = STAGES | APPENDICES
    if notebook not in models:
        raise ParameterError(f"there is no notebook {notebook!r}{suggest(notebook, models)}")
    return models[notebook]
