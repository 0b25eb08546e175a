"""Strip the notebooks of outputs, as git shall see them, except exact text that nbval compares.

With ``--from runs/quick`` the cells tagged ``keep_output`` take their text from the notebooks executed there. Those
cells keep ``execution_count`` 1, without which nbval compares nothing.
"""

import json
from pathlib import Path

from xpci_utils import files, paths
from xpci_utils.params import STAGES
from xpci_utils.running.options import parser_of

KEEP = "keep_output"


def normalise(notebook: dict, executed: dict | None = None) -> dict:
    """The notebook without outputs, counts and foreign metadata; ``executed`` gives tagged cells their text."""
    fresh = {cell.get("id"): cell for cell in executed["cells"]} if executed else {}
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            outputs = fresh.get(cell.get("id"), cell)["outputs"] if KEEP in tags else []
            cell["outputs"] = [_text(output) for output in outputs if output["output_type"] == "stream"]
            cell["execution_count"] = 1 if cell["outputs"] else None
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


def text_of(notebook: dict) -> str:
    """The JSON text as it is stored."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Normalise every notebook in place."""
    parser = parser_of("strip", __doc__)
    parser.add_argument("--from", dest="run_root", help="run whose executed notebooks give the kept outputs")
    run_root = parser.parse_args(arguments).run_root
    for path in sorted((paths.root() / "notebooks").glob("*.ipynb")):
        notebook = normalise(files.read_json(path), _executed(path, run_root) if run_root else None)
        if path.read_text(encoding="utf-8") != text_of(notebook):
            files.write_text(path, text_of(notebook))
            print(f"normalised: {paths.display(path)}")
    return 0


def _executed(path: Path, run_root: str) -> dict | None:
    """The executed copy of a notebook at its default parameters, if that run is finished."""
    if path.stem not in STAGES:
        return None
    copy = STAGES[path.stem](run_root=run_root).folder / "executed.ipynb"
    return files.read_json(copy) if copy.is_file() else None


def _text(output: dict) -> dict:
    return {"name": output["name"], "output_type": "stream", "text": output["text"]}
