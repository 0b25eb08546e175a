"""Form of the notebooks: stories without code of their own, stored without outputs."""

import ast
import importlib
import json
import re

import pytest

from xpci_utils import paths
from xpci_utils.params import APPENDICES, STAGES

NOTEBOOKS = sorted((paths.root() / "notebooks").glob("*.ipynb"))


def cells(path, kind=None):
    all_cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in all_cells if kind in (None, cell["cell_type"])]


def source(cell):
    return "".join(cell["source"])


def test_there_is_one_notebook_per_stage():
    assert [path.stem for path in NOTEBOOKS if path.stem[0].isdigit()] == list(STAGES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestForm:
    def test_prose_accompanies_code(self, path):
        assert len(cells(path, "markdown")) >= len(cells(path, "code"))
        assert source(cells(path)[0]).startswith("# ")

    def test_cells_are_short_and_define_nothing(self, path):
        for cell in cells(path, "code"):
            assert len(source(cell).splitlines()) <= 30
            tree = ast.parse(source(cell))
            assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda) for node in ast.walk(tree))
        assert len(cells(path, "code")) <= 25

    def test_outputs_are_kept_only_where_they_are_compared(self, path):
        for cell in cells(path, "code"):
            keep = "keep_output" in cell["metadata"].get("tags", [])
            assert keep or (not cell["outputs"] and cell["execution_count"] is None)

    def test_it_runs_on_any_python_3_kernel(self, path):
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        assert metadata["kernelspec"]["name"] == "python3"
        assert "papermill" not in metadata


@pytest.mark.parametrize("name", [*STAGES, *APPENDICES])
def test_a_stage_checks_its_parameters_first_and_finishes_last(name):
    code = [source(cell) for cell in cells(paths.root() / "notebooks" / f"{name}.ipynb", "code")]
    tags = [cell["metadata"].get("tags", []) for cell in cells(paths.root() / "notebooks" / f"{name}.ipynb", "code")]
    assert "parameters" in tags[1]
    assert f"{(STAGES | APPENDICES)[name].__name__}.from_notebook(globals())" in code[2]
    assert "stages.begin(parameters)" in code[2]
    assert "stage.finish(" in code[-1]


LINKED = ["04a_sample_pairs", "04b_label_pairs", "04c_audit_pairs"]


@pytest.mark.parametrize("name", LINKED)
def test_a_story_leads_on_and_ties_its_equations_to_functions(name):
    """Links to the notebooks before and after it, what is learnt, how long it takes; code that no parameter switches
    off, and a displayed equation beside the function of the package that computes it."""
    path = paths.root() / "notebooks" / f"{name}.ipynb"
    place, names = list(STAGES).index(name), list(STAGES)
    header = source(cells(path)[0])
    assert f"({names[place - 1]}.ipynb)" in header
    assert f"({names[place + 1]}.ipynb)" in header
    assert "**You learn**" in header
    assert "**Time:**" in header
    equations = [source(cell) for cell in cells(path, "markdown") if "$$" in source(cell)]
    assert equations
    for text in equations:
        (function, *_) = re.findall(r"`(xpci_utils(?:\.\w+)+)`", text)
        module, _, attribute = function.rpartition(".")
        assert callable(getattr(importlib.import_module(module), attribute)), function
    guards = [ast.unparse(node.test) for cell in cells(path, "code") for node in ast.walk(ast.parse(source(cell)))
              if isinstance(node, ast.If)]  # fmt: skip
    assert not [guard for guard in guards if "parameters." in guard]
