"""Apply a trained network to a film, as notebook 07 does: particles, tracks, and the frames to annotate next.

FILM is a TIFF stack, an HDF5 file, a camera file or a folder of frames; without it a film is simulated.
"""

from xpci_utils.params.profiles import notebook_parameters
from xpci_utils.running.notebook import run_stage, value_of
from xpci_utils.running.options import absolute, add_parameters, add_profile, parser_of


def main(arguments: list[str]) -> int:
    """Run notebook 07; the exit code is the runner's."""
    parser = parser_of("video", __doc__)
    parser.add_argument("film", nargs="?", metavar="FILM", help="the film; without it, one is simulated")
    add_profile(parser, "own_frames")
    parser.add_argument("--cell", help="cell of the trained network (default: the profile's)")
    parser.add_argument("--name", help="name of the result, a folder below runs/<profile>/video (default: film)")
    parser.add_argument("--frame-interval-us", type=float, help="time between two frames [us]")
    add_parameters(parser)
    parser.add_argument("--force", action="store_true", help="repeat a finished result and replace it")
    options = parser.parse_args(arguments)
    given = {"cell": options.cell, "name": options.name, "frame_interval_us": options.frame_interval_us}
    overrides = {name: value_of(text) for name, text in options.parameter}
    overrides |= {name: value for name, value in given.items() if value is not None}
    overrides |= {"film_path": str(absolute(options.film)) if options.film else ""}
    overrides |= {"force": True} if options.force else {}
    return run_stage(notebook_parameters(options.profile, "07_apply_to_video", overrides))
