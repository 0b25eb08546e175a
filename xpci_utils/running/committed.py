"""Keep the results of a finished run in figures/<profile>/results, and draw figures/<profile> from them.

``xpci collect`` reads the run and draws, ``xpci figures`` draws from what was kept, and ``xpci contrasts`` prints the
rows that the validation frames choose to be tested. None of them trains anything.
"""

from xpci_utils import paths
from xpci_utils.running.options import add_profile, parser_of
from xpci_utils.stages import StageError


def main(arguments: list[str]) -> int:
    """Collect, draw or choose, as the first argument says."""
    from xpci_utils.report import committed, use_style, write_report

    command, *rest = arguments
    parser = parser_of(command, __doc__)
    add_profile(parser, "laptop")
    profile = parser.parse_args(rest).profile
    target = paths.root() / "figures" / profile
    if command == "contrasts":
        committed.choose(profile)
        return 0
    if command == "collect":
        committed.collect(profile, target / "results")
    use_style()
    try:
        write_report(committed.load_results(target / "results"), target)
    except FileNotFoundError as error:
        raise StageError(str(error)) from None
    print(f"tables, figures and index.html are in {paths.display(target)}")
    return 0
