"""Check what is committed: digests, tables and figures, and one network and one labeller trained again.

Takes at most 15 minutes on two cores. Exit code 0 only if every claim of the printed table holds.
"""

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from xpci_utils import paths
from xpci_utils.params.profiles import overlay
from xpci_utils.running.options import absolute, add_profile, parser_of
from xpci_utils.stages import StageError
from xpci_utils.stages.machine import memory_gib, processor
from xpci_utils.verification.check import Verdict, examine, table_of
from xpci_utils.verification.page import write_part
from xpci_utils.verification.repository import Repository

PAGE = "REPRODUCIBILITY.md"


def main(arguments: list[str] | None = None) -> int:
    """Verify; 0 if everything holds, 1 if something does not, 2 for what is wrong on the command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and options.without_training:
        parser.error("--write keeps whole tables only: leave out --without-training")
    overlay(options.profile)  # which there is, or ParameterError
    if not (results := paths.root() / "figures" / options.profile / "results").is_dir():
        raise StageError(f"{paths.display(results)} is not there: no results of {options.profile} are committed")
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="xpci-verify-") as scratch:
        runs = absolute(options.runs) if options.runs else Path(scratch, "runs")
        repository = Repository(options.profile, Path(scratch), runs)
        for check in repository.checks(training=not options.without_training):
            print(f"checking: {check.claim}", flush=True)
            verdicts.append(examine(check))
    failed = [verdict for verdict in verdicts if not verdict.finding.holds]
    print(f"\n{table_of(verdicts)}\n\n{summary(verdicts)}")
    if options.without_training:
        print("Nothing was trained: no claim about trainings was checked.")
    if options.write:
        page = write_part(PAGE, "xpci verify --write", f"{table_of(verdicts)}\n\n{summary(verdicts)} {about_machine()}")
        print(f"written: {paths.display(page)}")
    return int(bool(failed))


def summary(verdicts: list[Verdict]) -> str:
    """How many claims hold, and the minutes that this took to find out."""
    holding, minutes = sum(verdict.finding.holds for verdict in verdicts), sum(verdict.minutes for verdict in verdicts)
    return f"{holding} of {len(verdicts)} claims hold; {minutes:.1f} minutes."


def about_machine() -> str:
    """Where and when this was found."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "matplotlib"))
    python = ".".join(map(str, sys.version_info[:3]))
    day = datetime.now(UTC).date().isoformat()
    return (
        f"Found on {day} on {processor()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB of memory, "
        f"{os.getloadavg()[2]:.1f} processes wanting the cores on average; Python {python}, {versions}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("verify", __doc__)
    add_profile(parser, "laptop")
    parser.add_argument("--without-training", action="store_true", help="train nothing: takes about a minute")
    parser.add_argument(
        "--runs",
        metavar="FOLDER",
        help="where frames and trainings are made (default: a temporary folder); what is "
        "finished there is not repeated, so an interrupted call goes on",
    )
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE}, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
