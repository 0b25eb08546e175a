"""Which runs a sweep asks for: the cells of each grid, and every stage that they need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, product
from typing import TYPE_CHECKING

from xpci_utils.params.cells import BACKBONES, REAL_ONLY_ARMS, VARIANTS, Cell, parse_labeller, parse_row, parse_series
from xpci_utils.params.places import (
    DENOISER,
    FRAMES,
    PAIRS_OF,
    REPORT,
    Place,
    audit_place,
    cell_place,
    labeller_place,
    labels_place,
    pairs_place,
    upstream,
)

if TYPE_CHECKING:
    from xpci_utils.params.sweep import Sweep

GRIDS = ("paper", "full", "controls", "readings", "unlabelled", "extended")
CLAIMED_COUNT = 5000  # synthetic images at which the paper claims its gains (Section 3.2)


def series_cell(series: str, annotated: int, synthetic: int, seed: int) -> Cell:
    """The cell of one series at one count; at 0 pairs all series of a backbone share one cell."""
    backbone, labeller = parse_series(series)
    return Cell(backbone, annotated, labeller if synthetic else "none", synthetic, seed=seed)


def cells_of(sweep: Sweep, *grids: str) -> list[Cell]:
    """Every distinct cell of the named grids ("paper" without a name), in a fixed order.

    "paper" is what Tables 1-4 print, with the further seeds of the declared contrasts; "full" has every backbone with
    every labeller at every count; "controls" are the rows of Table C; "readings" are those of Table R, the paper's
    protocol as it can be read; "unlabelled" are those of Table U, with frames without annotation; "extended" is what
    takes a night.
    """
    return list(dict.fromkeys(chain.from_iterable(_CELLS_OF[name](sweep) for name in grids or ("paper",))))


def _paper(sweep: Sweep) -> list[Cell]:
    return [*_series_cells(sweep, sweep.series), *_seeded(compared_rows(sweep), sweep.contrast_seeds)]


def _full(sweep: Sweep) -> list[Cell]:
    return _series_cells(sweep, [f"{backbone}__{variant}" for backbone in BACKBONES for variant in VARIANTS])


def _controls(sweep: Sweep) -> list[Cell]:
    return [*_seeded(sweep.controls, sweep.control_seeds), *_seeded(sweep.repeated, sweep.repeated_seeds)]


def control_seeds(row: str, sweep: Sweep) -> list[int]:
    """The seeds with which a row of the controls is trained."""
    further = sweep.repeated_seeds if row in sweep.repeated else []
    return list(dict.fromkeys([*sweep.control_seeds, *further]))


def _readings(sweep: Sweep) -> list[Cell]:
    return _seeded(reading_rows(sweep), sweep.reading_seeds)


def reading_rows(sweep: Sweep) -> list[str]:
    """The rows of Table R: each with pairs, after the same without, and after that for as many steps if they differ."""
    rows: list[str] = []
    for cell in map(parse_row, sweep.readings):
        longer = [cell.alone("longer")] if cell.trains_on == "epochs" else []
        rows += [one.row for one in (cell.alone(), *longer, cell)]
    return list(dict.fromkeys(rows))


def _unlabelled(sweep: Sweep) -> list[Cell]:
    rows = unlabelled_rows(sweep)
    return _seeded([row for arms in rows.values() for row in arms], sweep.seeds)


def unlabelled_rows(sweep: Sweep) -> dict[str, list[str]]:
    """The rows of Table U by backbone: annotated frames alone, then each arm with frames without annotation.

    A backbone is taken with the labeller of its first series, as many frames as the sweep has pairs at most.
    """
    if not sweep.unlabelled:
        return {}
    rows: dict[str, list[str]] = {}
    for backbone, labeller in map(parse_series, sweep.series):
        if backbone in rows:
            continue
        alone, count = Cell(backbone, sweep.annotated, "none", 0), max(sweep.counts)
        names = {arm: "none" if arm.partition("-")[0] in REAL_ONLY_ARMS else labeller for arm in sweep.unlabelled}
        with_frames = [Cell(backbone, sweep.annotated, name, count, arm) for arm, name in names.items()]
        rows[backbone] = [cell.row for cell in (alone, *with_frames)]
    return rows


def _extended(sweep: Sweep) -> list[Cell]:
    return [*_seeded(sweep.extended, sweep.seeds[:1]), *_seeded(compared_rows(sweep), sweep.extended_seeds)]


_CELLS_OF = {
    "paper": _paper,
    "full": _full,
    "controls": _controls,
    "readings": _readings,
    "unlabelled": _unlabelled,
    "extended": _extended,
}


def _series_cells(sweep: Sweep, series: Iterable[str]) -> list[Cell]:
    if sweep.counts_per_frame:
        raise ValueError("the grid has counts for each frame of a folder; Sweep.for_frames makes numbers of them")
    return [
        series_cell(name, sweep.annotated, count, seed)
        for count in sorted(sweep.counts)
        for seed in sweep.seeds
        for name in series
    ]


def compared_rows(sweep: Sweep) -> list[str]:
    """The rows of the declared contrasts: each with synthetic pairs, after the same without."""
    declared = [parse_row(row) for row in sweep.contrasts]
    return list(dict.fromkeys(cell.row for cell in chain(map(Cell.alone, declared), declared)))


def claimed_rows(sweep: Sweep) -> dict[str, str]:
    """Backbone -> the row that claims are tested on.

    With labels of SAM-b at the count of the paper's claims where the sweep has it, else the declared contrast, else
    with labels of SAM-b at the largest count.
    """
    declared = {parse_row(row).backbone: row for row in sweep.contrasts}
    if CLAIMED_COUNT in sweep.counts:
        declared = {name: row for name, row in declared.items() if parse_row(row).synthetic == CLAIMED_COUNT}
    count = CLAIMED_COUNT if CLAIMED_COUNT in sweep.counts else max(sweep.counts)
    other = {name: series_cell(f"{name}__vit_b", sweep.annotated, count, 0).row for name in BACKBONES}
    return {name: declared.get(name, other[name]) for name in BACKBONES}


def _seeded(rows: list[str], seeds: Iterable[int]) -> list[Cell]:
    return [replace(parse_row(row), seed=seed) for seed in seeds for row in rows]


def pool_labellers(sweep: Sweep, *grids: str) -> list[str]:
    """The labellers that classify synthetic pairs, in order of first use."""
    return list(dict.fromkeys(name for _, name, _ in _labelled(sweep, *grids)))


def preference(labeller: str) -> tuple[bool, bool, str]:
    """Sorts labellers: with the prompt first, then as the profile adapts them, then SAM-b."""
    parts = parse_labeller(labeller)
    return not parts.prompted, bool(parts.changes), parts.variant


def _audits(sweep: Sweep, *grids: str) -> list[Place]:
    """The audit of the paper's pool, with the labeller that pictures show; the other grids ask for none."""
    labellers = pool_labellers(sweep) if not grids or "paper" in grids else []
    return [audit_place("ddpm", name) for name in sorted(labellers, key=preference)[:1]]


def stage_places(sweep: Sweep, *grids: str) -> list[Place]:
    """The places of every stage of the named grids, in an order that can be executed."""
    wanted = cells_of(sweep, *grids)
    compared = list(product(sweep.labellers, sweep.labeller_seeds)) if not grids or "paper" in grids else []
    prompted = [one for one in compared if sweep.noisy_prompts and parse_labeller(one[0]).prompted]
    labelled = [*_labelled(sweep, *grids), *(("heldout", *one) for one in prompted)]
    adapted = dict.fromkeys([*compared, *((name, seed) for _, name, seed in labelled)])
    used = dict.fromkeys([*(cell.pool for cell in wanted if cell.pool), *(pool for pool, _, _ in labelled)])
    read = [place for pool in used for place in PAIRS_OF[pool]]
    places = [
        FRAMES,
        *([DENOISER] if DENOISER in read else []),
        *(labeller_place(*one) for one in adapted),
        *(place for place in read if place.kind == "segmentation"),
        *(pairs_place(pool) for pool in PAIRS_OF if pool in used or pairs_place(pool) in read),
        *(labels_place(*one) for one in labelled),
        *_audits(sweep, *grids),
        *(cell_place(cell) for cell in wanted),
        REPORT,
    ]
    return list(dict.fromkeys(places))  # the network that masks a pool can be a cell of the grid, too


def chain_folders(sweep: Sweep) -> list[str]:
    """Folders below run_root of what the cells of all grids have in common: frames, and all that their pairs took."""
    taken = {place for cell in cells_of(sweep, *GRIDS) for place in upstream(cell)}
    return [place.folder for place in stage_places(sweep, *GRIDS) if place == FRAMES or place in taken]


def stage_folders(sweep: Sweep, *grids: str) -> list[str]:
    """Folders below run_root of every stage of the named grids, in an order that can be executed."""
    return [place.folder for place in stage_places(sweep, *grids)]


def _labelled(sweep: Sweep, *grids: str) -> list[tuple[str, str, int]]:
    """(pool, labeller, its seed) of every set of labels that the grids' cells train on."""
    return list(dict.fromkeys((cell.pool, cell.labeller, 0) for cell in cells_of(sweep, *grids) if cell.labelled))
