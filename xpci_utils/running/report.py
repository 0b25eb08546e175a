"""Make tables, figures, index.html and the pages of executed notebooks again from all finished stages."""

from xpci_utils.params.profiles import notebook_parameters
from xpci_utils.running.notebook import run_notebook
from xpci_utils.running.options import add_profile, parser_of
from xpci_utils.running.reproduce import write_pages


def main(arguments: list[str]) -> int:
    """Run notebook 06 once more and render the executed notebooks; the exit code is the notebook's."""
    parser = parser_of("report", __doc__)
    add_profile(parser)
    profile = parser.parse_args(arguments).profile
    code = run_notebook(notebook_parameters(profile, "06_tables_and_figures", {"force": True}))
    if not code:
        write_pages(profile)
    return code
