"""Open the notebooks in JupyterLab, with the parameters of a profile; further options go to JupyterLab.

The notebooks in ``notebooks/`` have the parameters of ``quick``. For another profile, copies with its parameters are
written to ``runs/<profile>/notebooks``, so that "Run All" shows what ``make reproduce PROFILE=...`` made there.
"""

import json
import os
import sys
from pathlib import Path

from xpci_utils import files, paths
from xpci_utils.params import APPENDICES, STAGES
from xpci_utils.params.generate import parameter_cell
from xpci_utils.params.profiles import overlay
from xpci_utils.running.options import add_profile, parser_of
from xpci_utils.running.strip import normalise, text_of


def write_copies(profile: str, run_root: str = "") -> Path:
    """Copies of all notebooks with a profile's parameters, and no outputs, in ``<run_root>/notebooks``.

    An earlier copy whose cells were changed by hand moves to ``notebooks/earlier`` first.
    """
    run_root = run_root or f"runs/{profile}"
    folder = paths.resolve(run_root) / "notebooks"
    for name in STAGES | APPENDICES:
        source = json.loads((paths.root() / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        for cell in source["cells"]:
            tags = cell["metadata"]["tags"] = [tag for tag in cell["metadata"].get("tags", []) if tag != "keep_output"]
            if "parameters" in tags:
                cell["source"] = parameter_cell(name, profile, run_root=run_root).splitlines(keepends=True)
        _replace(folder / f"{name}.ipynb", normalise(source))
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Write the copies if they are needed, and become JupyterLab."""
    parser = parser_of("lab", __doc__)
    add_profile(parser)
    parser.add_argument("--run-root", default="", help="folder of the run, if it is not the profile's own")
    options, others = parser.parse_known_args(arguments)
    overlay(options.profile)  # an unknown profile is refused before anything is written
    folder = paths.root() / "notebooks"
    if options.profile != "quick" or options.run_root:
        folder = write_copies(options.profile, options.run_root)
        print(f"notebooks with the parameters of profile {options.profile}: {paths.display(folder)}", flush=True)
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", *others]
    os.execv(command[0], command)


def _replace(path: Path, notebook: dict) -> None:
    text = text_of(notebook)
    if path.is_file() and text_of(normalise(json.loads(path.read_text(encoding="utf-8")))) != text:
        earlier = path.parent / "earlier" / path.name
        earlier.parent.mkdir(exist_ok=True)
        os.replace(path, earlier)
    files.write_text(path, text)
