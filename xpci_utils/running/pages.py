"""Write every notebook with its outputs as a Markdown page with pictures into docs/notebooks, for readers of the code.

A notebook whose kept copy was executed before its text changed is executed again first; its stage is finished, so that
nothing is computed anew.
"""

import sys
from pathlib import Path

from xpci_utils import paths, stages
from xpci_utils.params import APPENDICES, STAGES, StageParameters
from xpci_utils.params.profiles import notebook_parameters, overlay
from xpci_utils.report.pages import PAGES, notebook_digest, notebook_path, write_index, write_page
from xpci_utils.running.notebook import run_notebook
from xpci_utils.running.options import add_profile, parser_of


def main(arguments: list[str]) -> int:
    """Write the pages of a profile's run; exit code 1 names the notebooks that have none."""
    parser = parser_of("pages", __doc__)
    add_profile(parser)
    profile = parser.parse_args(arguments).profile
    target = paths.root() / PAGES
    missing = [name for name in _notebooks(profile) if not _write(notebook_parameters(profile, name), target)]
    print(f"pages with pictures: {paths.display(write_index(target, profile))}")
    if missing:
        print(f"error: no page was written for {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def _notebooks(profile: str) -> list[str]:
    """The notebooks for which the profile has parameters; ParameterError if there is no such profile."""
    return [name for name in STAGES | APPENDICES if name in overlay(profile).files]


def _write(parameters: StageParameters, target: Path) -> bool:
    """Write the page of one notebook from its finished stage; whether that was possible."""
    executed, notebook = parameters.folder / "executed.ipynb", parameters.notebook
    if not _is_finished(parameters):
        return False
    current = executed.is_file() and notebook_digest(executed) == notebook_digest(notebook_path(notebook))
    if not current and run_notebook(parameters):
        return False
    print(paths.display(write_page(executed, notebook, target)))
    return True


def _is_finished(parameters: StageParameters) -> bool:
    try:
        to_do = stages.inspect(parameters).to_do
    except stages.StageError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    if to_do:
        print(f"error: {paths.display(parameters.folder)} is not finished; 'xpci run' makes it", file=sys.stderr)
    return not to_do
