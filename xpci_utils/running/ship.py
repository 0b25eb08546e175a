"""Write the denoiser and the adapters of a finished run into data/weights/<profile>, for START=shipped."""

from xpci_utils import paths, weights
from xpci_utils.params import ShippableParameters
from xpci_utils.params.profiles import run_root, stage_parameters, sweep_of
from xpci_utils.params.runs import stage_folders
from xpci_utils.running.checks import other_results, refuse_others
from xpci_utils.running.options import add_profile, parser_of
from xpci_utils.running.sittings import chain_folder
from xpci_utils.stages import StageError


def main(arguments: list[str]) -> int:
    """Ship what ``<profile>_shipped`` takes; 2 if a stage holds another result or the target exists."""
    parser = parser_of("ship", __doc__)
    add_profile(parser, "laptop")
    profile = parser.parse_args(arguments).profile
    if chain := chain_folder(profile):
        raise StageError(f"the weights of profile {profile} belong to {paths.display(chain)}: use 'make collect'")
    root = paths.resolve(run_root(profile))
    stages = {place: stage_parameters(profile, place, root) for place in stage_folders(sweep_of(f"{profile}_shipped"))}
    shippable = {place: stage for place, stage in stages.items() if isinstance(stage, ShippableParameters)}
    if refuse_others(other_results(profile, root, ["frames", *shippable], {}), force=False):
        return 2
    try:
        weights.ship(shippable.values(), paths.root() / "data/weights" / profile)
    except FileExistsError as error:
        raise weights.ShippedError(str(error)) from None
    return 0
