"""How far a run is: done, running, failed and to come, with an estimate of the time left."""

from collections.abc import Iterable
from pathlib import Path

from xpci_utils import files, paths, stages

State = tuple[str, str, str]  # folder below run_root; done, running, failed or to do; a remark


def states_of(root: Path, folders: Iterable[str]) -> list[State]:
    """(folder, state, remark) of the stages in ``folders`` below ``root``."""
    return [(folder, *_state(root, folder)) for folder in folders]


def _state(root: Path, folder: str) -> tuple[str, str]:
    record = stages.read_run(root / folder)
    if record:
        return "done", f"{record['wall_seconds']:.0f} s"
    if stages.is_locked(root / folder):
        histories = [root / folder / "history.jsonl", *(root / "work" / folder).glob("history*.jsonl")]
        last = [records[-1] for path in histories if (records := files.read_jsonl(path))]
        return "running", "; ".join(progress_line(record) for record in last)
    log = root / "logs" / f"{folder.replace('/', '--')}.ipynb"
    return ("failed", f"see {paths.display(log)}") if log.is_file() else ("to do", "")


def show_states(root: Path, states: list[State]) -> None:
    """Print one line per stage and the counts of each state."""
    for folder, state, remark in states:
        print(f"{state:8} {folder:60} {remark}")
    counts = {state: sum(s == state for _, s, _ in states) for state in ("done", "running", "failed", "to do")}
    print("\n" + ", ".join(f"{number} {state}" for state, number in counts.items()) + f"  ({paths.display(root)})")


def time_left(states: Iterable[tuple[Path, str, str]]) -> str:
    """An estimate for (root, folder, state) from finished stages of the same kind, the first part of a folder."""
    known: dict[str, list[float]] = {}
    waiting = []
    for root, folder, state in states:
        kind, record = folder.split("/")[0], stages.read_run(root / folder)
        if state == "done" and record:
            known.setdefault(kind, []).append(record["wall_seconds"])
        else:
            waiting.append(kind)
    if not waiting:
        return "everything is done"
    if not known:
        return "time left unknown until something has finished"
    unknown = sorted({kind for kind in waiting if kind not in known})
    seconds = sum(sum(known[kind]) / len(known[kind]) for kind in waiting if kind in known)
    text = f"about {seconds / 60:.0f} minutes of one job's work left"
    return text + (f", not counting {', '.join(unknown)} (no such stage has finished yet)" if unknown else "")


def progress_line(record: dict) -> str:
    """One record of a history as a line: how far, loss or rate, and the time left.

    A record of training counts steps and may have a loss; one with a ``unit`` (pairs of a pool) has a rate.
    """
    step, steps, seconds = record["step"], record["steps"], record["seconds"]
    left = seconds / step * (steps - step)
    loss = f", loss {record['loss']:.4g}" if "loss" in record else ""
    rate = f" {record['unit']}, {step / max(seconds, 0.01):.2g} per s" if "unit" in record else ""
    return f"{step} of {steps}{rate}{loss}, {duration(left)} left"


def duration(seconds: float) -> str:
    """ "3 min 05 s" or "7 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
