"""The grids of runs that a profile compares."""

from collections.abc import Callable
from math import ceil
from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from xpci_utils.params.cells import (
    BACKBONES,
    REAL_ONLY_ARMS,
    UNLABELLED_ARMS,
    Cell,
    knowledge_of,
    parse_labeller,
    parse_row,
    parse_series,
)
from xpci_utils.params.model import Parameters

Seed = Annotated[int, Field(ge=0)]
Pairs = Annotated[int, Field(ge=0, le=99_999)]  # names of cells have five digits for them
Multiple = Annotated[float, Field(ge=0)]


def per_frame(multiple: float, training_frames: int) -> int:
    """Synthetic pairs that are ``multiple`` times as many as annotated training frames, rounded up."""
    return ceil(multiple * training_frames)


class Sweep(Parameters):
    """The grids of runs: what the tables and figures compare. A row is the name of a cell without its seed."""

    annotated: int = Field(40, ge=0, le=9999, description="annotated frames in every cell; 0: the whole training split")
    counts: list[Pairs] = Field([0, 100, 200], description="synthetic pairs added to them")
    counts_per_frame: list[Multiple] = Field(
        [],
        description="synthetic pairs for each annotated training frame of your folder, in place of counts; []: counts",
    )
    series: list[str] = Field(
        ["transunet__vit_t", "swin_unetr__vit_b", "emcad__vit_b", "transunet__vit_b"],
        description="backbone and labeller of Tables 1, 2, 3 and 4",
    )
    labellers: list[str] = Field(
        ["vit_t-noprompt", "vit_t", "vit_b-noprompt", "vit_b"],
        description="labellers that are adapted: the rows of Table 5",
    )
    labeller_seeds: list[Seed] = Field([0], description="seeds of the labellers; the first labels the synthetic pairs")
    noisy_prompts: bool = Field(True, description="Table 5 also with masks that the denoiser draws for test frames")
    seeds: list[Seed] = Field([0], description="seeds of the segmentation networks")
    contrasts: list[str] = Field([], description="declared rows, one per backbone, chosen on validation frames")
    contrast_seeds: list[Seed] = Field(
        [], description="seeds of the contrasts and of their references without synthetic pairs"
    )
    controls: list[str] = Field([], description="rows of Table C (GRID=controls)")
    control_seeds: list[Seed] = Field([0], description="seeds of the controls")
    repeated: list[str] = Field([], description="rows of Table C that are trained with further seeds")
    repeated_seeds: list[Seed] = Field([], description="these further seeds")
    readings: list[str] = Field(
        [], description="rows of Table R (GRID=readings): readings of the paper's protocol, with pairs"
    )
    reading_seeds: list[Seed] = Field([0], description="seeds of the readings, with and without synthetic pairs")
    unlabelled: list[str] = Field(
        [],
        description="arms of Table U (GRID=unlabelled), with frames without annotation, as many as the largest count",
    )
    extended: list[str] = Field([], description="rows that take a night (GRID=extended), trained with the first seed")
    extended_seeds: list[Seed] = Field([], description="further seeds of the contrasts, in the grid extended")

    @field_validator("series", "labellers", "contrasts", "controls", "repeated", "readings", "extended")
    @classmethod
    def _names(cls, names: list[str], info: ValidationInfo) -> list[str]:
        parsers: dict[str | None, Callable[[str], object]] = {"series": parse_series, "labellers": parse_labeller}
        for name in names:
            parsers.get(info.field_name, parse_row)(name)
        return names

    @field_validator("unlabelled")
    @classmethod
    def _arms(cls, names: list[str]) -> list[str]:
        for name in names:
            first = name.partition("-")[0]
            if first not in UNLABELLED_ARMS:
                raise ValueError(f"{name!r} takes no unlabelled frames; choose from {', '.join(UNLABELLED_ARMS)}")
            Cell(BACKBONES[0], 1, "none" if first in REAL_ONLY_ARMS else "vit_b", 1, name)  # refuses a wrong field
        return names

    @model_validator(mode="after")
    def _informed_in_controls_alone(self) -> Self:
        """What an informed labeller learnt from no user has: it explains, and is no part of a recipe or of Table 5."""
        named = {"labellers": self.labellers, "series": [parse_series(name)[1] for name in self.series]}
        for field in ("contrasts", "readings", "extended"):
            named[field] = [parse_row(row).labeller for row in getattr(self, field)]
        for field, labellers in named.items():
            if informed := [name for name in labellers if knowledge_of(name)]:
                raise ValueError(
                    f"{field} has the informed labeller {informed[0]}, which stands in for SAM's pre-training: it "
                    "learnt from annotated frames that no user has, so only controls may have it"
                )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [parse_series(series)[1] for series in self.series]
        missing = [name for name in dict.fromkeys(named) if name not in self.labellers]
        if missing:
            raise ValueError(f"series use {', '.join(missing)}, which labellers does not list")
        for name, counts in (("counts", self.counts), ("counts_per_frame", self.counts_per_frame or [0])):
            if 0 not in counts or len(set(counts)) < len(counts):
                raise ValueError(f"{name} must be distinct and contain 0, the row without synthetic pairs")
        for row in (*self.contrasts, *self.controls, *self.readings, *self.extended):
            cell = parse_row(row)
            if cell.labeller != "none" and cell.annotated != self.annotated:
                raise ValueError(
                    f"{row}: its denoiser and its labeller have seen all {self.annotated or ''} annotated frames, "
                    "so it must have them too; fewer are for rows without synthetic pairs"
                )
        if other := [row for row in self.repeated if row not in self.controls]:
            raise ValueError(f"repeated has {other[0]}, which is none of the controls")
        if self.labeller_seeds[:1] != [0]:
            raise ValueError("labeller_seeds must start with 0, the labeller that names synthetic pairs")
        if len({parse_row(row).backbone for row in self.contrasts}) < len(self.contrasts):
            raise ValueError("contrasts declares one row per backbone, not several")
        if self.contrasts and len(set(self.contrast_seeds)) < 2:
            raise ValueError("contrasts need two contrast_seeds at least, better six: one training allows no interval")
        return self

    def for_frames(self, training_frames: int) -> Self:
        """The grids of a run with so many annotated training frames: ``counts_per_frame`` has become ``counts``.

        Nothing changes where counts are given as numbers. ParameterError if there are more pairs than names can hold.
        """
        if not self.counts_per_frame:
            return self
        counts = sorted({per_frame(multiple, training_frames) for multiple in self.counts_per_frame})
        about = f"counts_per_frame, with {training_frames} training frames,"
        return self.checked({**self.model_dump(), "counts": counts, "counts_per_frame": []}, about)
