"""Results of several sittings put together: what was collected before, and what this run has finished since.

Cells of two studies never share a table: `conflicts` says what keeps them apart.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from xpci_utils.params import Sweep
from xpci_utils.params.places import parse_place
from xpci_utils.params.runs import GRIDS, stage_folders
from xpci_utils.report.results import TEST_SETS, Results, labeller_rows, printed_cells, shown_places
from xpci_utils.stages import StageError, version_of

Records = Mapping[str, Mapping[str, Any]]


def conflicts(kept: Records, new: Records) -> list[str]:
    """Why results with these records (by place) are not of one study, one sentence each; [] if they are.

    What other stages read must have one content in both, and what a new result was made from must have the content of
    what is kept, or of what lies there now. The same parameters give another content where another computer made it.
    """
    sentences = []
    read = {source for run in new.values() for source in run.get("made_from", {})}
    contents = {place: run["content"] for place, run in {**new, **kept}.items() if "content" in run}
    for place, run in new.items():
        own = {place: run["content"]} if place in read and "content" in run else {}
        for source, content in {**own, **run.get("made_from", {})}.items():
            known = contents.get(source, content)
            if known != content:
                about = source if source == place else f"{place} was made from {source}, which"
                sentences.append(f"{about} has the content {content}, not {known}")
    return sentences


def refuse_conflicts(kept: Records, new: Records) -> None:
    """StageError that lists the `conflicts`, if there are any."""
    if sentences := conflicts(kept, new):
        more = f"; and {len(sentences) - 5} more" if len(sentences) > 5 else ""
        raise StageError(
            f"these results do not belong to those that were collected: {'; '.join(sentences[:5])}{more}. Delete the "
            "stages that are named first and run 'make reproduce' again: it starts from the committed chain"
        )


def merge(kept: Results, new: Results) -> Results:
    """Both results as one, in the order of the sweep of ``new``: what is kept stays, what is new is added.

    A new result takes the place of a kept one of an earlier version of its stage. StageError as of `refuse_conflicts`.
    """
    refuse_conflicts(kept.runs, new.runs)
    fresh = {place for place, run in new.runs.items() if version_of(kept.runs.get(place, run)) < version_of(run)}
    fresh |= new.runs.keys() - kept.runs.keys()
    runs = _ordered({**new.runs, **{place: run for place, run in kept.runs.items() if place not in fresh}}, new.sweep)
    sources = {place: (new if place in fresh else kept).measured for place in runs}
    measured = {place: metrics[place] for place, metrics in sources.items() if place in metrics}
    same_frames = kept.frames is None or new.frames is None or kept.frames.test_names == new.frames.test_names
    pictures = {**(new.pictures if same_frames else {}), **kept.pictures}
    shown = shown_places(new.sweep, runs, pictures)
    return Results(
        new.sweep,
        cells=_cells(kept, new, runs, fresh),
        labellers=labeller_rows(new.sweep, runs, measured),
        per_frame=_per_frame(kept, new, runs, fresh),
        runs=runs,
        measured=measured,
        frames=kept.frames or new.frames,
        pictures=_pictures(pictures, shown),
        evidence={name: _together(kept.evidence, new.evidence, name) for name in {**kept.evidence, **new.evidence}},
    )


def _ordered(runs: dict[str, dict], sweep: Sweep) -> dict[str, dict]:
    """The records in the order of the sweep's stages; what the sweep no longer has comes last."""
    order = [place for place in stage_folders(sweep, *GRIDS) if place in runs]
    return {place: runs[place] for place in dict.fromkeys([*order, *runs])}


def _cells(kept: Results, new: Results, runs: Mapping, fresh: set[str]) -> pd.DataFrame:
    """One row per cell, from where it was finished."""
    rows: dict[str, dict] = {}
    for results, is_fresh in ((kept, False), (new, True)):
        finished = results.cells[results.cells["finished"]].to_dict("records")
        rows |= {row["cell"]: row for row in finished if (f"segmentation/{row['cell']}" in fresh) == is_fresh}
    printed = printed_cells(new.sweep, runs)
    waiting = {cell.name: {"cell": cell.name, "row": cell.row, "finished": False, **vars(cell)} for cell in printed}
    names = dict.fromkeys([*waiting, *rows])  # cells that the sweep no longer has come last
    return pd.DataFrame([rows.get(name) or waiting[name] for name in names])


def _per_frame(kept: Results, new: Results, runs: Mapping, fresh: set[str]) -> pd.DataFrame:
    """The scores of every frame, in the order of ``runs``, of each from where it was finished."""
    tables = []
    for place in map(parse_place, runs):
        if place.kind in ("sam", "segmentation"):
            results = new if place.folder in fresh else kept
            scores = [results.scores(place.seedless, test_set).get(place.seed) for test_set in TEST_SETS]
            tables += [table for table in scores if table is not None]
    return pd.concat(tables, ignore_index=True) if tables else kept.per_frame


def _pictures(pictures: dict[str, np.ndarray], shown: list[str]) -> dict[str, np.ndarray]:
    """Those of frames and pool, and of predictions those that are ``shown``."""
    others = [name for name in pictures if "/" not in name]
    return {name: pictures[name] for name in [*others, *shown] if name in pictures}


def _together(kept: Mapping[str, Any], new: Mapping[str, Any], name: str) -> Any:
    """One entry of the evidence, kept values before new ones."""
    if name in kept and name in new:
        return {**kept[name], **new[name], **kept[name]}
    return kept.get(name, new.get(name))
