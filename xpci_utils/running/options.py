"""Options that several commands share, each described once."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from xpci_utils.params.runs import GRIDS

GRID_HELP = (
    "which runs of the profile's sweep.yaml: paper (Tables 1 to 5), full (every backbone with every labeller), "
    "controls (Table C), readings (Table R: the protocol as it can be read), unlabelled (Table U: frames without "
    "annotation) or extended"
)


def parser_of(command: str, description: str | None) -> ArgumentParser:
    """The parser of ``xpci <command>``, with the first paragraph of a docstring as its description."""
    return ArgumentParser(prog=f"xpci {command}", description=(description or "").split("\n\n")[0])


def add_profile(parser: ArgumentParser, default: str = "quick") -> None:
    """--profile, a folder of params/."""
    parser.add_argument(
        "--profile", default=default, help=f"parameter profile, a folder of params/ (default: {default})"
    )


def add_parameters(parser: ArgumentParser) -> None:
    """-p NAME VALUE, which changes a parameter of a notebook."""
    parser.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="change a parameter"
    )


def add_grid(parser: ArgumentParser) -> None:
    """--grid; it is checked later, where a wrong one gets a suggestion."""
    parser.add_argument("--grid", default="paper", metavar="|".join(GRIDS), help=GRID_HELP)


def add_own_frames(parser: ArgumentParser, required: bool = False) -> None:
    """--frames and --classes: a folder of the user's own, and its classes file if it lies elsewhere."""
    parser.add_argument("--frames", metavar="FOLDER", required=required, help="folder of your own annotated frames")
    parser.add_argument(
        "--classes", metavar="FILE", help="YAML file of its classes; default: classes.yaml in the folder"
    )


def own_frames(options: Namespace) -> dict[str, str]:
    """The parameters of notebook 01 that name the user's folder; relative paths count from the working directory."""
    given = {"source_folder": options.frames, "classes_file": options.classes}
    return {name: str(absolute(path)) for name, path in given.items() if path}


def absolute(text: str) -> Path:
    """A path as it was typed at a prompt: it counts from where one stands."""
    return Path(text).expanduser().absolute()
