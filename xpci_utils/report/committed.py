"""Results small enough to be committed: from them every table and figure can be made again without any run.

``xpci collect`` reads the finished stages of ``runs/laptop`` into ``figures/laptop/results``; ``xpci figures`` makes
``figures/laptop`` from that folder alone; ``xpci contrasts`` prints the rows that the validation frames choose for
contrasts. None of them trains anything.
"""

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xpci_utils import paths
from xpci_utils.files import atomic_path, sha256, write_text
from xpci_utils.params import Sweep
from xpci_utils.params.profiles import run_root, stage_parameters
from xpci_utils.report.contrasts import chosen_on_validation, validation_scores
from xpci_utils.report.pictures import FrameFacts
from xpci_utils.report.results import Results, labeller_rows, read_results
from xpci_utils.report.versions import COLUMNS, earlier_versions
from xpci_utils.stages import StageError, decisive, differences, version_of

FILES = ("cells.csv", "per_frame.csv.gz", "pictures.npz", "provenance.json")
DIGESTS = "results.sha256"  # of these files, as ``sha256sum -c`` reads it


def save_results(results: Results, folder: str | Path) -> list[Path]:
    """Write cells.csv, per_frame.csv.gz, pictures.npz, provenance.json (parameters, versions) and their digests."""
    folder = paths.resolve(folder)
    provenance = {
        "sweep": results.sweep.model_dump(),
        "frames": asdict(results.frames) if results.frames else None,
        "runs": results.runs,
        "measured": results.measured,
        "evidence": results.evidence,
    }
    text = json.dumps(provenance, indent=1, allow_nan=False) + "\n"
    content = {
        "cells.csv": _csv(results.cells),
        "per_frame.csv.gz": gzip.compress(_csv(results.per_frame), mtime=0),  # equal results give equal bytes
        "provenance.json": text.encode(),
    }
    for name, data in content.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(data)
    pictures: dict[str, Any] = results.pictures
    with atomic_path(folder / "pictures.npz") as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **pictures)
    note_digests(folder)
    return [folder / name for name in FILES]


def note_digests(folder: Path) -> None:
    """Write the sha256 of every file of committed results beside them."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in FILES]
    write_text(folder / DIGESTS, "".join(lines))


def load_results(folder: str | Path) -> Results:
    """The results that `save_results` wrote; FileNotFoundError names a file that is missing."""
    folder = paths.resolve(folder)
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


def outdated(profile: str, results: Results) -> pd.DataFrame:
    """Committed results of an earlier version of their stage, or of other parameters than the profile's, and why.

    Columns as of `earlier_versions`. Inputs are taken as they were recorded.
    """
    rows = []
    for place, run in results.runs.items():
        parameters = stage_parameters(profile, place, paths.root() / "runs" / profile)
        if changed := differences(run, decisive(parameters), parameters):
            rows.append((place, run["notebook"], version_of(run), str(parameters.version), "; ".join(changed)))
    return pd.concat([earlier_versions(results), pd.DataFrame(rows, columns=COLUMNS)], ignore_index=True)


def choose(profile: str) -> None:
    """Print validation scores and the rows to declare; the test frames are not looked at."""
    results = _results_of(profile)
    for row, mean in validation_scores(results).items():
        print(f"{mean:.4f}  {row}")
    print("contrasts:", ", ".join(chosen_on_validation(results).values()))


def _results_of(profile: str) -> Results:
    root = paths.resolve(run_root(profile))
    results = read_results(root, f"params/{profile}/sweep.yaml")
    if not results.cells["finished"].any():
        raise StageError(f"{paths.display(root)} holds no finished cell; run 'make reproduce PROFILE={profile}' first")
    return results


def collect(profile: str, folder: Path) -> None:
    """Keep the results of every finished stage of a profile's run in ``folder``."""
    results = _results_of(profile)
    save_results(results, folder)
    print(f"{len(results.runs)} finished stages, {len(results.missing)} missing, into {paths.display(folder)}")


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _read(path: Path) -> pd.DataFrame:
    """A table as it was written: numbers to the last digit, and names like "none" as names."""
    text = dict.fromkeys(("cell", "row", "place", "frame", "sequence", "labeller", "arm"), str)
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=text)
