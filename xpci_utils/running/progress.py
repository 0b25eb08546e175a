"""Show every stage of a profile's grid: done, running, failed or to do, with an estimate of the time left."""

from xpci_utils import paths
from xpci_utils.params.profiles import run_root
from xpci_utils.params.runs import stage_folders
from xpci_utils.running.folder import grid_of
from xpci_utils.running.options import add_grid, add_own_frames, add_profile, own_frames, parser_of
from xpci_utils.running.snakefile import check_grid
from xpci_utils.running.status import show_states, states_of


def main(arguments: list[str]) -> int:
    """Print the states."""
    parser = parser_of("status", __doc__)
    add_profile(parser)
    add_grid(parser)
    add_own_frames(parser)
    options = parser.parse_args(arguments)
    root, grid = paths.resolve(run_root(options.profile)), check_grid(options.grid)
    show_states(root, states_of(root, stage_folders(grid_of(options.profile, root, own_frames(options)), grid)))
    return 0
