"""Show every stage of a profile's grid: done, running, failed or to do, with an estimate of the time left."""

from xpci_utils import paths
from xpci_utils.params.profiles import collected_folder, run_root
from xpci_utils.running.folder import grid_of
from xpci_utils.running.options import add_grid, add_own_frames, add_profile, own_frames, parser_of
from xpci_utils.running.sittings import chain_files, collected_places, folders_to_make
from xpci_utils.running.snakefile import check_grid
from xpci_utils.running.status import show_states, states_of, time_left

RESTORED = "committed: it will be restored"


def main(arguments: list[str]) -> int:
    """Print the states, and what is left to do."""
    parser = parser_of("status", __doc__)
    add_profile(parser)
    add_grid(parser)
    add_own_frames(parser)
    options = parser.parse_args(arguments)
    profile, root, grid = options.profile, paths.resolve(run_root(options.profile)), check_grid(options.grid)
    sweep = grid_of(profile, root, own_frames(options))
    states = states_of(root, folders_to_make(profile, root, sweep, grid))
    kept = chain_files(profile, sweep)
    show_states(root, [(p, s, RESTORED if s == "to do" and p in kept else remark) for p, s, remark in states])
    if (folder := collected_folder(profile)) is None:
        print(time_left([(root, place, state) for place, state, _ in states]))
        return 0
    from xpci_utils.costs.left import left, sentences  # which loads what `time_left` does without

    print(f"{len(collected_places(profile, root, sweep, grid))} more are collected in {paths.display(folder)}")
    print("\n".join(sentences(left(profile, root, sweep, grid))))
    return 0
