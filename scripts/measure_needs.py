"""Measure what the commands of the README need, and write docs/needs.md from the measurements.

    python scripts/measure_needs.py run "make figures"               run it and note time, memory and disk
    python scripts/measure_needs.py run "make import" FOLDER         the same; FOLDER has images/, masks/ and splits/
    python scripts/measure_needs.py records "make reproduce" runs/quick      read them from the records of a run
    python scripts/measure_needs.py committed "make real-study" docs/real_study      from the provenance.json there
    python scripts/measure_needs.py rehearsed "make rehearse PROFILE=paper" data/costs/paper.json   from its cost table
    python scripts/measure_needs.py write                            the table, from docs/needs.csv

``run`` starts the ``xpci`` command that the make target calls, in this environment, and watches it and its children.
Nothing is estimated: a command that was neither run nor recorded has no row, and rows of other machines say so.
``--interrupted`` leaves the minutes of a run out that was stopped and continued later.
"""

import argparse
import csv
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta

import psutil

from xpci_utils import files, paths
from xpci_utils.stages import RUN_FILE
from xpci_utils.stages.machine import processor
from xpci_utils.verification.page import write_part

NOTES, PAGE, MAKER = "docs/needs.csv", "docs/needs.md", "scripts/measure_needs.py"
INTERVAL = 0.5  # seconds between two looks at the memory
# README's words -> the arguments of xpci, and the folders that grow.
COMMANDS = {
    "make figures": ("figures --profile laptop", "figures"),
    "make dry-run PROFILE=paper": ("dry-run --profile paper", ""),
    "make status": ("status --profile quick", ""),
    "make reproduce PROFILE=smoke": ("reproduce --profile smoke", "runs/smoke"),
    "make reproduce": ("reproduce --profile quick", "runs/quick"),
    "make reproduce PROFILE=laptop START=shipped": ("reproduce --profile laptop_shipped", "runs/laptop_shipped"),
    "make report": ("report --profile quick", "runs/quick"),
    "make verify": ("verify --write", ""),  # the same, and its table goes into REPRODUCIBILITY.md
    "make verify OPTIONS=--without-training": ("verify --without-training", ""),
    "make import": (
        "import {place}/images {place}/masks runs/imported --classes data/examples/uhcs4_classes.yaml "
        "--splits {place}/splits --pixel-um 1.0",
        "runs/imported",
    ),
    "xpci video": ("video {place}/images", "runs/own_frames/video"),
}


@dataclass(frozen=True)
class Need:
    """What one command took: seconds on the clock and of all cores, memory and disk in GiB, and how that is known."""

    command: str
    minutes: float | None
    core_minutes: float
    memory_gib: float | None
    disk_gib: float | None
    source: str
    machine: str
    load: float | None  # processes that wanted the cores, on average over 15 minutes
    date: str


def main() -> int:
    """Measure, read or write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=[*KINDS, "write"])
    parser.add_argument("command", nargs="?", help="as README has it")
    parser.add_argument(
        "place", nargs="?", default="", help="folder of images, of a run or of a provenance.json; a cost table"
    )
    parser.add_argument("--interrupted", action="store_true", help="records: leave out the time on the clock")
    options = parser.parse_args()
    if options.what != "write":
        need = KINDS[options.what](options.command, options.place)
        note(replace(need, minutes=None) if options.interrupted else need)
    print(f"written: {paths.display(write_part(PAGE, MAKER, table(read())))}")
    return 0


def measured(command: str, place: str) -> Need:
    """Run a command and watch it; SystemExit if it fails."""
    arguments, folder = COMMANDS[command]
    arguments = arguments.format(place=shlex.quote(place))
    before, began = _disk(folder), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "xpci_utils.running.cli", *shlex.split(arguments)], cwd=paths.root()
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(INTERVAL)
    minutes, spent = (time.monotonic() - began) / 60, os.times()
    if process.returncode:
        raise SystemExit(f"error: {command} ended with exit code {process.returncode}")
    core_minutes = (spent.children_user + spent.children_system) / 60
    disk = max(_disk(folder) - before, 0) / 2**30 if folder else 0.0
    return Need(
        command,
        minutes,
        core_minutes,
        peak / 2**30,
        disk,
        "run",
        _machine(),
        os.getloadavg()[2],
        _date(datetime.now(UTC)),
    )


def _resident(pid: int) -> int:
    """Resident bytes of a process and its children, together."""
    try:
        process = psutil.Process(pid)
        return sum(_rss(one) for one in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def _rss(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _disk(folder: str) -> int:
    items = paths.resolve(folder).rglob("*") if folder else ()
    return sum(item.stat().st_size for item in items if item.is_file())


def recorded(command: str, place: str) -> Need:
    """From every run.json of a finished run, films aside: from the first beginning to the last end."""
    folder = paths.resolve(place)
    runs = [files.read_json(path) for path in folder.rglob(RUN_FILE) if "video" not in path.relative_to(folder).parts]
    if not runs:
        raise SystemExit(f"error: {paths.display(folder)} holds no finished stage")
    ends = [datetime.fromisoformat(run["finished"]) for run in runs]
    begins = [end - timedelta(seconds=run["wall_seconds"]) for end, run in zip(ends, runs, strict=True)]
    minutes = (max(ends) - min(begins)).total_seconds() / 60
    disk = sum(item.stat().st_size for item in folder.rglob("*") if item.is_file()) / 2**30
    return _of_runs(command, runs, minutes, disk)


def committed(command: str, place: str) -> Need:
    """From committed results; their records do not say how much disk was used."""
    runs = list(files.read_json(paths.resolve(place) / "provenance.json")["runs"].values())
    return _of_runs(command, runs, None, None)


def _of_runs(command: str, runs: list[Mapping], minutes: float | None, disk: float | None) -> Need:
    core_minutes = sum(run.get("core_seconds", run["wall_seconds"] * run["threads"]) for run in runs) / 60
    peaks = [run["peak_memory_mib"] for run in runs if "peak_memory_mib" in run]
    (device,) = {run.get("processor") or run.get("device", "not recorded") for run in runs}
    last = max(datetime.fromisoformat(run["finished"]) for run in runs)
    source = f"{len(runs)} records" + ("; memory of the largest stage" if peaks else "")
    return Need(
        command, minutes, core_minutes, max(peaks) / 1024 if peaks else None, disk, source, device, None, _date(last)
    )


def rehearsed(command: str, place: str) -> Need:
    """From the cost table that a rehearsal wrote: its stages ran one after the other."""
    costs = files.read_json(paths.resolve(place))
    stages, machine = costs["stages"].values(), costs["machine"]
    minutes = (sum(stage["wall_seconds"] for stage in stages) + costs["report_seconds"]) / 60
    memory = max(stage["peak_gib"] for stage in stages)
    source = f"{len(stages)} stages; memory of the largest"
    device = f"{machine['cpu']}, {machine['cores']} cores"
    day = _date(datetime.fromisoformat(costs["measured"]))
    return Need(command, minutes, minutes * costs["threads"], memory, None, source, device, machine["load"], day)


def _machine() -> str:
    return f"{processor()}, {os.cpu_count()} cores"


def _date(when: datetime) -> str:
    return when.date().isoformat()


def read() -> list[Need]:
    """What was noted so far."""
    path = paths.resolve(NOTES)
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [_need(row) for row in csv.DictReader(file)]


def _need(row: Mapping[str, str]) -> Need:
    texts = ("command", "source", "machine", "date")
    return Need(**{name: text if name in texts else float(text) if text else None for name, text in row.items()})  # type: ignore[arg-type]


def note(need: Need) -> None:
    """Add a row, or replace that of the same command."""
    rows = [one for one in read() if one.command != need.command] + [need]
    with files.atomic_path(paths.resolve(NOTES)) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Need)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(_rounded(asdict(row)) for row in rows)


def _rounded(row: dict) -> dict:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


def table(needs: Iterable[Need]) -> str:
    """The measurements as Markdown, one row per command."""
    lines = ["| command | minutes | core-minutes | memory, GiB | disk, GiB | known from | machine | load | day |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | --- | --- | ---: | --- |"]
    for need in needs:
        numbers = [need.minutes, need.core_minutes, need.memory_gib, need.disk_gib]
        cells = [f"`{need.command}`", *map(_text, numbers), need.source, need.machine, _text(need.load), need.date]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _text(number: float | None) -> str:
    return "-" if number is None else f"{number:.1f}" if number >= 0.1 or not number else f"{number:.2f}"


KINDS = {"run": measured, "records": recorded, "committed": committed, "rehearsed": rehearsed}

if __name__ == "__main__":
    sys.exit(main())
