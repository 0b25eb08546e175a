"""The command ``xpci``: one word for each thing that one does here.

Each command is a module with a ``main`` that takes its arguments and returns the exit code; only the one that is asked
for is loaded. The parsers are argparse's: it needs no further package, starts in milliseconds, which counts where a
grid starts a hundred runs, and keeps exit code 2 for what is wrong on the command line.
"""

import importlib
import sys
from typing import NamedTuple

from xpci_utils import __version__
from xpci_utils.params import ParameterError, suggest
from xpci_utils.stages import StageError

FAILED, BAD_PARAMETERS = 1, 2


class Command(NamedTuple):
    """A word of the command line, the module that answers it, and what it does."""

    module: str
    help: str


GROUPS: dict[str, dict[str, Command]] = {
    "Reproduce the paper": {
        "reproduce": Command("running.reproduce", "run everything of a profile, from raw frames to tables and figures"),
        "status": Command("costs.progress", "show what is done, running, failed and to do, and estimate the time left"),
        "lab": Command("running.lab", "open the notebooks in JupyterLab, with the parameters of a profile"),
        "run": Command("running.notebook", "run one notebook with one parameter file"),
        "report": Command("running.report", "make the tables, figures and pages again from all finished stages"),
        "dry-run": Command("costs.jobs", "list the jobs of a profile with predicted GPU hours, memory and disk"),
    },
    "Your own frames": {
        "import": Command("importing.__main__", "bring frames and annotations of other programs into a folder"),
        "check": Command("importing.checkup", "report on a folder of frames: counts, empty masks, near copies, advice"),
        "study": Command("running.study", "test by cross-validation whether synthetic pairs help on your frames"),
        "video": Command(
            "running.film", "apply a trained network to a film: particles, tracks, frames to annotate next"
        ),
        "export": Command(
            "exporting.__main__", "write synthetic frames, or a film's frames to annotate next, for other programs"
        ),
    },
    "Keep and maintain": {
        "collect": Command("running.committed", "keep the results of a run, few enough to be committed, and draw them"),
        "pages": Command("running.pages", "write the executed notebooks as Markdown with pictures into docs/notebooks"),
        "contrasts": Command("running.committed", "print the rows that are chosen on validation frames, to be tested"),
        "figures": Command("running.committed", "draw the committed tables and figures again; nothing is trained"),
        "verify": Command(
            "verification.__main__", "check every committed digest, table and figure, and train two networks again"
        ),
        "ship": Command("running.ship", "write denoiser and adapters of a finished run into data/weights"),
        "rehearse": Command(
            "costs.rehearsal", "run every notebook of a profile with every count reduced to one; write its costs"
        ),
        "params": Command("running.params", "write the parameter files and cells from models and profiles"),
        "strip": Command("running.strip", "remove the outputs of the notebooks, except the text that nbval compares"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 for what is wrong in what was asked for."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(overview())
        return 0
    if name == "--version":
        print(f"xpci {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"error: there is no command {name!r}{suggest(name, COMMANDS)}\n\n{overview()}", file=sys.stderr)
        return BAD_PARAMETERS
    module = importlib.import_module(f"xpci_utils.{COMMANDS[name].module}")
    try:
        return module.main(rest if COMMANDS[name].module != "running.committed" else [name, *rest])
    except (ParameterError, StageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_PARAMETERS
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue from there", file=sys.stderr)
        return 130


def overview() -> str:
    """What ``xpci --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [
        "usage: xpci COMMAND ...",
        "",
        "From raw X-ray phase contrast frames to the tables and figures of the paper.",
    ]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<{width}}  {command.help}" for name, command in commands.items())]
    return "\n".join([*lines, "", "'xpci COMMAND --help' explains one command. The make targets call these."])


if __name__ == "__main__":
    sys.exit(main())
