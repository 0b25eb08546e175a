"""Parameters of the notebook that makes or reads annotated frames (01)."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from xpci_utils import paths
from xpci_utils.params.base import Content, SeededParameters


class PrepareFrames(SeededParameters):
    """01: where the annotated frames come from."""

    notebook = "01_prepare_frames"
    data_files = ("data/classes.yaml", "data/materials.csv")
    products = ("frames.csv", "frames.json", "images", "labels")

    source: Literal["simulator", "folder"] = Field(
        "simulator", description="'simulator', or 'folder' for your own frames"
    )
    source_folder: str = Field(
        "", description="your folder with images/, masks/ and optional splits/; see data/README.md"
    )
    classes_file: str = Field("", description="YAML of classes; empty: classes.yaml of source_folder")
    pixel_size_um: float = Field(
        2.0, gt=0, description="pixel size in the sample plane [um]; the value in an import.json is used first"
    )
    tile: int = Field(0, ge=0, description="side of the square tiles that networks see [px]; 0: whole frames")
    largest_tile: int = Field(
        0,
        ge=0,
        multiple_of=32,
        description="largest tile that may be chosen for your folder where tile is 0 [px]; 0: whole frames",
    )
    folds: int = Field(
        0, ge=0, description="folds of a cross-validation of your folder; 0: use its splits, or make them"
    )
    fold: int = Field(0, ge=0, description="index of the fold that is held out as test set, counted from 0")
    preset: Literal["aps32id_u18", "aps32id_shifted", "reduced"] = Field("reduced", description="simulator preset")
    sampling: Literal["curated", "natural"] = Field(
        "curated", description="'curated': frames that an annotator would choose; 'natural': any frames"
    )
    energy_kev: float = Field(0.0, ge=0, description="photon energy, 22 to 30 [keV]; 0: the preset's")
    distance_m: float = Field(0.0, ge=0, description="distance from sample to scintillator [m]; 0: the preset's")
    psf_core_sigma_um: float = Field(
        0.0, ge=0, description="sigma of the blur of scintillator and lens [um]; 0: the preset's"
    )
    exposure_us: float = Field(0.0, ge=0, description="exposure time [us]; 0: the preset's")
    quanta_per_pixel: float = Field(
        0.0, ge=0, description="electrons per pixel in the open beam; 0: the preset's range"
    )
    read_noise_e: float = Field(0.0, ge=0, description="camera read noise [electrons]; 0: the preset's")
    mask_jitter_px: float = Field(
        0.0, ge=0, description="random shift of mask boundaries, as if drawn by hand [px]; 0: exact masks"
    )
    window: Literal["linear", "log"] = Field("linear", description="8-bit window on the intensity, or on its logarithm")
    height: int = Field(64, ge=32, le=4096, description="height of a simulated frame [px]")
    width: int = Field(64, ge=32, le=4096, description="width of a simulated frame [px]")
    train_frames: int = Field(40, ge=1, description="simulated training frames")
    train_per_sequence: int = Field(
        4,
        ge=1,
        le=4,
        description="training frames of each simulated sequence; 1: as many distinct particles as possible",
    )
    val_frames: int = Field(12, ge=1, description="simulated validation frames")
    test_frames: int = Field(40, ge=1, description="simulated test frames")
    shifted_test_frames: int = Field(20, ge=0, description="further test frames, from another beamline set-up; 0: none")

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
        if self.train_per_sequence == 4:
            del values["train_per_sequence"]  # results that are older than this parameter stay the same
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
