"""Write params/<profile>/*.yaml and the notebooks' parameter cells from the models and from params/<profile>.yaml."""

from xpci_utils.params.generate import write_files
from xpci_utils.running.options import parser_of


def main(arguments: list[str]) -> int:
    """Write the files; with --check write nothing, and return 1 if one differs."""
    parser = parser_of("params", __doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file differs")
    check = parser.parse_args(arguments).check
    return int(bool(write_files(check)) and check)
