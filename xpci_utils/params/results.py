"""Parameters of the notebooks that show and apply what was trained: tables and figures (06), films (07)."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from xpci_utils import paths
from xpci_utils.params.base import CellName, Change, Content, SeededParameters, StageParameters
from xpci_utils.params.cells import Cell
from xpci_utils.params.places import REPORT, cell_place

COLLECTED_NOTE = "results.sha256"  # of collected results: the sha256 of each of their files


class TablesAndFigures(StageParameters):
    """06: every table and figure of the paper, from whatever cells are finished."""

    notebook = "06_tables_and_figures"
    is_read = False
    changes = {
        2: Change("figures with shared axes and single trainings; Table F, Figures F and N"),
        3: Change("two seeds have their values in place of an interval; class numbers in Figures 1 and 2"),
        4: Change("two seeds have their values in place of a standard deviation; SwinUNETR as the printed name"),
        5: Change("whether particles are detected whole, in Tables 1 to 4; a claim for each reading; Figure T"),
        6: Change("Table R and the claims adjust the p values of all readings for their number; Figure R"),
    }
    data_files = tuple(f"data/paper/table{number}.csv" for number in range(1, 6))
    products = ("tables", "figures", "index.html")

    sweep: str = Field("params/quick/sweep.yaml", min_length=1, description="file of the grid that the tables show")
    collected: str = Field("", description="folder of results of earlier sittings, which are shown, too; empty: none")

    @property
    def place(self) -> str:
        return REPORT.folder

    @property
    def sweep_file(self) -> str:  # type: ignore[override]
        """The grid that is shown, of which the report reads whatever is finished."""
        return self.sweep

    @property
    def contents(self) -> dict[str, Content]:
        """Of collected results the content counts."""
        note = paths.resolve(self.collected) / COLLECTED_NOTE
        return {"collected_sha256": Content("sha256", (note,))} if self.collected else {}

    def decisive(self) -> dict[str, Any]:
        values = super().decisive()
        del values["collected"]
        return values


class ApplyToVideo(SeededParameters):
    """07: a trained network over a film of your own, or a simulated one."""

    notebook = "07_apply_to_video"
    is_read = False
    data_files = ("data/classes.yaml", "data/materials.csv")
    changes = {
        2: Change("frames to annotate next are called as the import calls them"),
        3: Change("frames to annotate next keep a distance in time, also from annotated frames in what they show"),
    }

    name: str = Field("film", description="name of the result; its folder is video/<name> below run_root")
    cell: CellName = Field("emcad__r0040__none__n00000__mix__s0", description="cell of the trained network")
    film_path: str = Field(
        "", description="TIFF stack, HDF5 file, camera file or folder of frames; empty: a simulated film"
    )
    flat_field: Literal["auto", "references", "median", "none"] = Field(
        "auto", description="by reference frames, by the median over time, or none; auto: by flats if there are any"
    )
    flats: str = Field("", description="file with frames of the open beam, if they are not in the film")
    darks: str = Field("", description="file with frames without beam, if they are not in the film")
    frame_interval_us: float = Field(20.0, gt=0, description="time between two frames [us]")
    preset: Literal["aps32id_u18", "aps32id_shifted", "reduced"] = Field(
        "reduced", description="preset of a simulated film"
    )
    sampling: Literal["curated", "natural"] = Field(
        "curated", description="simulated film: curated raises the share of rare classes"
    )
    film_frames: int = Field(40, ge=1, description="frames of a simulated film")
    height: int = Field(128, ge=32, le=4096, description="height of a simulated film [px]")
    width: int = Field(128, ge=32, le=4096, description="width of a simulated film [px]")
    tile: int = Field(
        0, ge=0, description="side of the square tiles that the network sees [px]; 0: whole frames if possible"
    )
    min_particle_px: int = Field(6, ge=1, description="smaller regions are not counted as particles [px]")
    particle_probability: float = Field(
        0.99, ge=0, le=1, description="a particle must have one pixel with at least this foreground probability"
    )
    block_frames: int = Field(16, ge=1, description="frames that are saved together as one block")
    max_speed_m_per_s: float = Field(
        3.0, gt=0, description="largest speed of a new particle, and largest change of speed per frame [m/s]"
    )
    memory_frames: int = Field(1, ge=0, description="frames in which a tracked particle may be undetected")
    min_track_frames: int = Field(3, ge=2, description="shorter tracks have no speed and no score")
    suggestions: int = Field(10, ge=0, description="number of frames proposed for annotation")
    animation_frames: int = Field(40, ge=1, description="number of frames, from the first, that the animation shows")

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
        return [self.root / cell_place(Cell.parse(self.cell)).folder]

    @property
    def products(self) -> tuple[str, ...]:  # type: ignore[override]
        film = () if self.film_path else ("film",)
        return ("labels.tif", "particles.csv", "tracks.csv", "frames.csv", "overlay.gif", "metrics.json", *film)

    @property
    def contents(self) -> dict[str, Content]:
        """Of a film of one's own the content counts, and not how its path is spelt."""
        given = {name: getattr(self, name) for name in ("film_path", "flats", "darks")}
        files = {name: Content("film", (paths.resolve(path),)) for name, path in given.items() if path}
        return files if self.film_path else {}
