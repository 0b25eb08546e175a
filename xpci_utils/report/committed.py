"""Results small enough to be committed: from them every table and figure can be made again without any run.

``xpci collect`` reads the finished stages of ``runs/<profile>`` into ``figures/<profile>/results``, beside what earlier
sittings collected there if the profile has sittings; ``xpci figures`` makes ``figures/<profile>`` from that folder
alone; ``xpci contrasts`` prints the rows that the validation frames choose for contrasts. None of them trains anything.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xpci_utils import paths
from xpci_utils.files import files_together, finish_moving, sha256, write_text
from xpci_utils.params import StageParameters, Sweep
from xpci_utils.params.profiles import collected_folder, run_root, stage_parameters
from xpci_utils.params.results import COLLECTED_NOTE
from xpci_utils.report.contrasts import chosen_on_validation, validation_scores
from xpci_utils.report.merging import merge
from xpci_utils.report.pictures import FrameFacts
from xpci_utils.report.results import Results, labeller_rows, read_results, whole_numbers
from xpci_utils.report.versions import COLUMNS, earlier_versions
from xpci_utils.stages import StageError, decisive, differences, version_of

FILES = ("cells.csv", "per_frame.csv.gz", "pictures.npz", "provenance.json")


def save_results(results: Results, folder: str | Path) -> list[Path]:
    """Write cells.csv, per_frame.csv.gz, pictures.npz, provenance.json (parameters, versions) and their digests."""
    folder = paths.resolve(folder)
    provenance = {
        "sweep": results.sweep.model_dump(),
        "frames": asdict(results.frames) if results.frames else None,
        "runs": results.runs,
        "measured": results.measured,
        "evidence": dict(sorted(results.evidence.items())),
    }
    text = json.dumps(provenance, indent=1, allow_nan=False) + "\n"
    content = {
        "cells.csv": _csv(whole_numbers(results.cells)),
        "per_frame.csv.gz": gzip.compress(_csv(results.per_frame), mtime=0),  # equal results give equal bytes
        "provenance.json": text.encode(),
    }
    pictures: dict[str, Any] = results.pictures
    with files_together(folder) as part:
        for name, data in content.items():
            (part / name).write_bytes(data)
        with open(part / "pictures.npz", "wb") as file:
            np.savez_compressed(file, **pictures)
        note_digests(part)
    return [folder / name for name in FILES]


def note_digests(folder: Path) -> None:
    """Write the sha256 of every file of committed results beside them."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in FILES]
    write_text(folder / COLLECTED_NOTE, "".join(lines))


def load_results(folder: str | Path) -> Results:
    """The results that `save_results` wrote; FileNotFoundError names a file that is missing."""
    folder = paths.resolve(folder)
    finish_moving(folder)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{paths.display(folder)} lacks {', '.join(missing)}; 'make collect' writes them")
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    sweep, runs, measured = Sweep(**provenance["sweep"]), provenance["runs"], provenance["measured"]
    with np.load(folder / "pictures.npz") as archive:
        pictures = {name: archive[name] for name in archive.files}
    return Results(
        sweep,
        cells=_read(folder / "cells.csv"),
        labellers=labeller_rows(sweep, runs, measured),
        per_frame=_read(folder / "per_frame.csv.gz"),
        runs=runs,
        measured=measured,
        frames=FrameFacts(**provenance["frames"]) if provenance["frames"] else None,
        pictures=pictures,
        evidence=provenance.get("evidence", {}),
    )


def results_so_far(run_root: str | Path, sweep: Sweep | str | Path, collected: str | Path = "") -> Results:
    """What is finished below ``run_root``, as `read_results`, and what the folder ``collected`` holds beside it.

    StageError if they do not belong to one study, or if the folder lacks a file.
    """
    new = read_results(run_root, sweep)
    if not collected or not paths.resolve(collected).exists():
        return new
    try:
        return merge(load_results(collected), new)
    except FileNotFoundError as error:
        raise StageError(str(error)) from None


def outdated(profile: str, results: Results) -> pd.DataFrame:
    """Committed results of an earlier version of their stage, or of other parameters than the profile's, and why.

    Columns as of `earlier_versions`. Inputs are taken as they were recorded.
    """
    other = other_parameters(profile, results.runs)
    rows = [
        (place, run["notebook"], version_of(run), str(_asked_for(profile, place).version), "; ".join(other[place]))
        for place, run in results.runs.items()
        if place in other
    ]
    return pd.concat([earlier_versions(results), pd.DataFrame(rows, columns=COLUMNS)], ignore_index=True)


def other_parameters(profile: str, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Place -> what a result was made with and the profile has otherwise today ("steps: 400 -> 900"), if anything."""
    asked = {place: _asked_for(profile, place) for place in runs}
    changed = {place: differences(run, decisive(asked[place]), asked[place]) for place, run in runs.items()}
    return {place: sentences for place, sentences in changed.items() if sentences}


def refuse_other_parameters(profile: str, runs: Mapping[str, Mapping[str, Any]]) -> None:
    """StageError if results with these records have other parameters than the profile: they would be of two studies."""
    if other := other_parameters(profile, runs):
        place, sentences = next(iter(other.items()))
        raise StageError(
            f"{len(other)} results have other parameters than profile {profile} today: {place} "
            f"({'; '.join(sentences)}). They would be of two studies: change the parameters back, or begin another "
            "edition, with a profile of its own"
        )


def _asked_for(profile: str, place: str) -> StageParameters:
    return stage_parameters(profile, place, paths.root() / "runs" / profile)


def choose(profile: str) -> None:
    """Print validation scores and the rows to declare; the test frames are not looked at."""
    results = _results_of(profile)
    for row, mean in validation_scores(results).items():
        print(f"{mean:.4f}  {row}")
    print("contrasts:", ", ".join(chosen_on_validation(results).values()))


def _results_of(profile: str) -> Results:
    """The results of a profile's run, beside those that its earlier sittings collected."""
    root = paths.resolve(run_root(profile))
    results = results_so_far(root, f"params/{profile}/sweep.yaml", collected_folder(profile) or "")
    if not results.cells["finished"].any():
        raise StageError(f"{paths.display(root)} holds no finished cell; run 'make reproduce PROFILE={profile}' first")
    return results


def collect(profile: str, folder: Path) -> None:
    """Keep the results of every finished stage of a profile's run in ``folder``, beside those of earlier sittings.

    StageError, and nothing is written, if the results are of two studies: from other parameters than the profile's, or
    from a chain of another content.
    """
    results = _results_of(profile)
    if collected_folder(profile):
        refuse_other_parameters(profile, results.runs)
    save_results(results, folder)
    print(f"{len(results.runs)} finished stages, {len(results.missing)} missing, into {paths.display(folder)}")


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _read(path: Path) -> pd.DataFrame:
    """A table as it was written: numbers to the last digit, and names like "none" as names."""
    text = dict.fromkeys(("cell", "row", "place", "frame", "sequence", "labeller", "arm"), str)
    table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=text, float_precision="round_trip")
    return table.copy()  # in one piece: to add a column to as many pieces as there are columns is slow
