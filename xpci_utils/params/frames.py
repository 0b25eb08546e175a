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
