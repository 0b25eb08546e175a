"""Show every stage of a profile's grid: done, running, failed or to do, with an estimate of the time left."""

from xpci_utils import paths
from xpci_utils.params.profiles import run_root, sweep_of
from xpci_utils.params.runs import stage_folders
from xpci_utils.running.options import add_grid, add_profile, parser_of
from xpci_utils.running.snakefile import check_grid
from xpci_utils.running.status import show_states, states_of


def main(arguments: list[str]) -> int:
    """Print the states."""
    parser = parser_of("status", __doc__)
    add_profile(parser)
    add_grid(parser)
    options = parser.parse_args(arguments)
    root = paths.resolve(run_root(options.profile))
    show_states(root, states_of(root, stage_folders(sweep_of(options.profile), check_grid(options.grid))))
    return 0
