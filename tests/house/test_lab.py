"""JupyterLab on another profile: copies with its parameters, and nothing that was changed by hand is lost."""

import json

import pytest

from xpci_utils import paths
from xpci_utils.params import APPENDICES, STAGES
from xpci_utils.params.generate import profile_values
from xpci_utils.running import lab


def code(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", [*STAGES, *APPENDICES])
def test_copies_have_the_profiles_parameters_and_the_same_code(tmp_path, name):
    copied = code(lab.write_copies("smoke", str(tmp_path)) / f"{name}.ipynb")
    assert all(not cell["outputs"] for cell in copied)
    source = code(paths.root() / "notebooks" / f"{name}.ipynb")
    differing = [cell for cell, other in zip(copied, source, strict=True) if cell["source"] != other["source"]]
    (changed,) = differing
    values = {}
    exec("".join(changed["source"]), values)
    del values["__builtins__"]
    assert values == profile_values("smoke", name) | {"run_root": str(tmp_path)}


def test_what_was_changed_by_hand_moves_aside_and_what_was_only_run_does_not(tmp_path):
    folder = lab.write_copies("smoke", str(tmp_path))
    edited, executed = folder / "02_train_ddpm.ipynb", folder / "05_train_segmentation.ipynb"
    fresh, unexecuted = edited.read_text(), executed.read_text()
    edited.write_text(fresh.replace("steps = 6 ", "steps = 7 "))
    notebook = json.loads(executed.read_text())
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["outputs"], cell["execution_count"] = [{"name": "stdout", "output_type": "stream", "text": ["ran"]}], 1
    executed.write_text(json.dumps(notebook))
    lab.write_copies("smoke", str(tmp_path))
    assert edited.read_text() == fresh
    assert "steps = 7 " in (folder / "earlier" / edited.name).read_text()
    assert [path.name for path in (folder / "earlier").iterdir()] == [edited.name]
    assert executed.read_text() == unexecuted
