"""A claim of this repository beside the check that can refute it, and the table of both."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

COLUMNS = ("claim", "command", "expected", "result", "tolerance", "minutes", "holds")


@dataclass(frozen=True)
class Finding:
    """What a check expected, what it got, how far the two may differ, and whether they agree.

    ``earlier_minutes`` are those that an interrupted call had spent on it.
    """

    expected: str
    result: str
    tolerance: str
    holds: bool
    earlier_minutes: float = 0.0


@dataclass(frozen=True)
class Check:
    """A claim, the command by which a reader checks it alone, and the function that does the same here."""

    claim: str
    command: str
    test: Callable[[], Finding]


@dataclass(frozen=True)
class Verdict:
    """A claim after its check, with the minutes that it took."""

    check: Check
    finding: Finding
    minutes: float

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of the printed table, in the order of `COLUMNS`."""
        finding, check = self.finding, self.check
        answer = "yes" if finding.holds else "**no**"
        texts = (check.claim, f"`{check.command}`", finding.expected, finding.result, finding.tolerance)
        return (*texts, f"{self.minutes:.1f}", answer)


def examine(check: Check) -> Verdict:
    """Run one check. One that stops with an error does not hold: files are damaged in more ways than one foresees."""
    began = time.monotonic()
    try:
        finding = check.test()
    except Exception as error:
        finding = Finding("no error", f"{type(error).__name__}: {error}".replace("\n", " "), "none", False)
    return Verdict(check, finding, finding.earlier_minutes + (time.monotonic() - began) / 60)


def table_of(verdicts: Iterable[Verdict]) -> str:
    """The verdicts as a Markdown table, one row per claim."""
    rows = [[text.replace("|", "\\|") for text in verdict.row] for verdict in verdicts]
    lines = [COLUMNS, ["---"] * (len(COLUMNS) - 2) + ["---:", "---"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
