"""Committed bytes against the digests committed beside them, and committed records against each other."""

import subprocess
import sys
from pathlib import Path

from xpci_utils import files, paths
from xpci_utils.evaluation.overlap import f1
from xpci_utils.params.places import parse_place
from xpci_utils.report.results import DIGITS, Results
from xpci_utils.verification.check import Finding

SUMS = ("tp", "fp", "fn", "particles_true", "particles_predicted", "particles_matched")


def digests(*folders: Path, required: str = "*.safetensors") -> Finding:
    """Every line of every ``.sha256`` file below ``folders`` names a file that has this sha256.

    A file that matches ``required`` and that no such line names does not hold either.
    """
    notes = sorted(note for folder in folders for note in folder.rglob("*.sha256"))
    noted = {note.parent / name: digest for note in notes for digest, name in _lines(note)}
    present = {path for folder in folders for path in folder.rglob(required)} - set(notes)
    wanted = sorted(present | set(noted))
    faults = [sentence for path in wanted if (sentence := _fault(path, noted.get(path, "")))]
    result = "; ".join(faults) or f"{len(wanted)} files have it"
    return Finding(f"{len(wanted)} files have their sha256", result, "none", bool(wanted) and not faults)


def _lines(note: Path) -> list[tuple[str, str]]:
    pairs = [line.split(maxsplit=1) for line in note.read_text(encoding="utf-8").splitlines()]
    return [(digest, name.lstrip("*")) for digest, name in pairs]


def _fault(path: Path, noted: str) -> str:
    if not path.is_file():
        return f"{paths.display(path)} is missing"
    if not noted:
        return f"{paths.display(path)} has no digest"
    return "" if files.sha256(path) == noted else f"{paths.display(path)} has another sha256"


def shipped_records(shipped: Path, results: Results) -> Finding:
    """The records of shipped weights are those of the committed results: identity, inputs, scores, first weights."""
    places = sorted(path.parent.relative_to(shipped).as_posix() for path in shipped.rglob("run.json"))
    faults = []
    for place in places:
        record, committed = files.read_json(shipped / place / "run.json"), results.runs.get(place, {})
        keys = ("identity", "inputs", "hashed", "versions", "threads", "finished")
        faults += [f"{place}: {key} differs" for key in keys if record.get(key) != committed.get(key)]
        metrics = shipped / place / "metrics.json"
        kept = parse_place(place).kind != "segmentation"  # cells keep their scores elsewhere: `scores_of_frames`
        measured = results.measured.get(place, {})
        if kept and metrics.is_file() and not files.read_json(metrics).items() <= measured.items():
            faults.append(f"{place}: scores differ")
    result = "; ".join(faults) or f"{len(places)} records agree"
    return Finding(f"{len(places)} records agree", result, "none", bool(places) and not faults)


def scores_of_frames(results: Results) -> Finding:
    """Every score of every network that is a mean or a sum over frames, computed again from the scores of its frames.

    Those are kept with `DIGITS` digits, so means may differ by half a unit of the last one; sums may not differ.
    """
    worst, wrong, cells = 0.0, [], results.cells[results.cells["finished"]]
    for cell in cells.to_dict("records"):
        for test_set, prefix in (("test", ""), ("shifted", "shifted_")):
            frames = results.scores(f"segmentation/{cell['row']}", test_set).get(cell["seed"])
            if frames is None:
                wrong.append(f"{cell['cell']} has no scores of {test_set} frames")
                continue
            sums = {name: int(frames[name].sum()) for name in SUMS}
            exact = sums | {"micro_f1": f1(sums["tp"], sums["fp"], sums["fn"])}
            wrong += [f"{prefix}{name} of {cell['cell']}" for name in exact if exact[name] != cell[prefix + name]]
            worst = max(worst, *(abs(frames[name].mean() - cell[prefix + name]) for name in ("dice", "nsd")))
    tolerance = 0.5 * 10**-DIGITS
    holds = bool(len(cells)) and not wrong and worst <= tolerance
    result = "; ".join(wrong[:3]) or f"sums equal, means differ by {worst:.1e}"
    return Finding(f"{len(cells)} networks agree", result, f"sums: none; means: {tolerance:.0e}", holds)


def command_agrees(*arguments: str) -> Finding:
    """A command of this repository that exits with 0 when what is committed agrees; its last line is the result."""
    done = subprocess.run([sys.executable, *arguments], cwd=paths.root(), capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines() or ["nothing was printed"]
    return Finding("exit code 0", f"{done.returncode}: {lines[-1]}", "none", done.returncode == 0)
