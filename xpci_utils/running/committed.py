"""Results that are committed: collected from a run, drawn again, or looked at for the rows to be tested."""

from xpci_utils import paths
from xpci_utils.running.options import add_profile, parser_of
from xpci_utils.running.sittings import keep_chain
from xpci_utils.stages import StageError

ABOUT = {
    "collect": "Keep the results of a run's finished stages in figures/<profile>/results, few enough to be committed, "
    "and draw figures/<profile> from them. For a profile with several sittings, results of earlier ones stay, and what "
    "all cells have in common is kept in figures/<profile>/chain.",
    "figures": "Draw the tables, figures and index.html in figures/<profile> again from figures/<profile>/results; "
    "nothing is trained and no run is needed.",
    "contrasts": "Print the score of every row on the validation frames and, for each backbone, the best row. Declare "
    "this row in params/<profile>.yaml; it is then tested with new seeds. Test frames are not used.",
}


def main(arguments: list[str]) -> int:
    """Collect, draw or choose, as the first argument says."""
    from xpci_utils.report import committed, use_style, write_report

    command, *rest = arguments
    parser = parser_of(command, ABOUT[command])
    add_profile(parser, "laptop")
    profile = parser.parse_args(rest).profile
    target = paths.root() / "figures" / profile
    if command == "contrasts":
        committed.choose(profile)
        return 0
    if command == "collect":
        committed.collect(profile, target / "results")
        keep_chain(profile)
    use_style()
    try:
        write_report(committed.load_results(target / "results"), target)
    except FileNotFoundError as error:
        raise StageError(str(error)) from None
    print(f"tables, figures and index.html are in {paths.display(target)}")
    return 0
