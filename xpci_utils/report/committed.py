"""Results small enough to be committed: from them every table and figure can be made again without any run.

``python -m xpci_utils.report.committed collect --profile laptop`` reads the finished stages of ``runs/laptop`` into
``figures/laptop/results``; ``draw`` makes ``figures/laptop`` from that folder alone; ``choose`` names the rows that the
validation frames choose for contrasts. None of them trains anything.
"""

import argparse
import gzip
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils import paths, workflow
from xpci_utils.artifacts import StageError, atomic_path, recipe_of
from xpci_utils.params import ParameterError, Sweep
from xpci_utils.report.build import write_report
from xpci_utils.report.contrasts import chosen_on_validation, validation_scores
from xpci_utils.report.pictures import FrameFacts
from xpci_utils.report.results import Results, labeller_rows, read_results
from xpci_utils.report.style import use_style

FILES = ("cells.csv", "per_frame.csv.gz", "pictures.npz", "provenance.json")


def save_results(results: Results, folder: str | Path) -> list[Path]:
    """Write cells.csv, per_frame.csv.gz, pictures.npz and provenance.json (parameters, recipe hashes, versions)."""
    folder = paths.resolve(folder)
    provenance = {
        "sweep": results.sweep.model_dump(),
        "frames": asdict(results.frames) if results.frames else None,
        "runs": results.runs,
        "measured": results.measured,
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
    with atomic_path(folder / "pictures.npz") as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **results.pictures)
    return [folder / name for name in FILES]


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
    )


def outdated(profile: str, results: Results) -> dict[str, str]:
    """Stages whose committed result does not belong to the code and parameters as they are now, and what differs.

    Inputs are taken as they were recorded: what is compared is the recipe, code without prose and comments.
    """
    found = {}
    for place, run in results.runs.items():
        parameters = workflow.stage_parameters(profile, place, paths.root() / "runs" / profile, {})
        hashed = parameters.hashed()
        if (run["recipe"], run["hashed"]) != (recipe_of(parameters), hashed):
            found[place] = ", ".join(n for n in hashed if run["hashed"].get(n) != hashed[n]) or "the code behind it"
    return found


def main(arguments: list[str] | None = None) -> int:
    """Collect results of a run, draw tables and figures from collected ones, or choose contrasts on validation."""
    parser = argparse.ArgumentParser(prog="python -m xpci_utils.report.committed", description=main.__doc__)
    parser.add_argument("what", choices=["collect", "draw", "choose"])
    parser.add_argument("--profile", default="laptop")
    options = parser.parse_args(arguments)
    target = paths.root() / "figures" / options.profile
    try:
        if options.what == "choose":
            return _choose(options.profile)
        if options.what == "collect":
            _collect(options.profile, target / "results")
        use_style()
        write_report(load_results(target / "results"), target)
    except (ParameterError, StageError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"tables, figures and index.html are in {paths.display(target)}")
    return 0


def _choose(profile: str) -> int:
    """Print validation scores and the rows to declare; the test frames are not looked at."""
    results = _results_of(profile)
    for row, mean in validation_scores(results).items():
        print(f"{mean:.4f}  {row}")
    print("contrasts:", ", ".join(chosen_on_validation(results).values()))
    return 0


def _results_of(profile: str) -> Results:
    root = paths.resolve(workflow.run_root(profile))
    results = read_results(root, f"params/{profile}/sweep.yaml")
    if not results.cells["finished"].any():
        raise StageError(f"{paths.display(root)} holds no finished cell; run 'make reproduce PROFILE={profile}' first")
    return results


def _collect(profile: str, folder: Path) -> None:
    results = _results_of(profile)
    save_results(results, folder)
    print(f"{len(results.runs)} finished stages, {len(results.missing)} missing, into {paths.display(folder)}")


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _read(path: Path) -> pd.DataFrame:
    """A table as it was written: numbers to the last digit, and names like "none" as names."""
    text = dict.fromkeys(("cell", "row", "place", "frame", "sequence", "labeller", "arm"), str)
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=text)


if __name__ == "__main__":
    sys.exit(main())
