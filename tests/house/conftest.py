"""A small repository of its own, with one notebook, for the mechanics of runner and stages."""

import json
from pathlib import Path

import pytest
from pydantic import Field

from xpci_utils import params, stages

NOTEBOOK = "99_count"
CELLS = {
    "setup": "import os, signal, time\nfrom xpci_utils import stages\nfrom xpci_utils.params import stage_model",
    "parameters": 'run_root = "runs/test"',
    "begin": "parameters = stage_model('99_count').from_notebook(globals())\nstage = stages.begin(parameters)",
    "work": "if parameters.behave == 'fail':\n    raise RuntimeError('the beam is off')\n"
    "if parameters.behave == 'die':\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    "if parameters.behave == 'large':\n    from xpci_utils.files import atomic_path\n"
    "    with atomic_path(stage.folder / 'count.txt') as part:\n        part.write_bytes(bytes(300_000))\n"
    "if parameters.behave == 'late':\n    from xpci_utils.training import StoppedForTime\n"
    "    raise StoppedForTime('stopped for time at step 3 of 9')",
    "write": "if stage.to_do and parameters.behave not in ('forget', 'large'):\n"
    "    (stage.folder / 'count.txt').write_text(str(parameters.count))",
    "finish": "stage.finish({'count': parameters.count})",
}


class Count(params.StageParameters):
    """A stage that writes a number."""

    notebook = NOTEBOOK
    products = ("count.txt",)

    count: int = Field(3, ge=1, description="what is written")
    behave: str = Field("well", description="what goes wrong")
    reads: str = Field("", description="input folder")

    @property
    def place(self) -> str:
        return "count"

    @property
    def inputs(self) -> list[Path]:
        return [self.root / self.reads] if self.reads else []


def write_notebook(path: Path, cells: dict[str, str]) -> None:
    content = [
        {"cell_type": "code", "id": name, "metadata": {"tags": ["parameters"]} if name == "parameters" else {},
         "execution_count": None, "outputs": [], "source": source}
        for name, source in cells.items()
    ]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": content, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


@pytest.fixture
def small_house(tmp_path, monkeypatch):
    """Root of a repository that holds only the counting notebook."""
    write_notebook(tmp_path / "notebooks" / f"{NOTEBOOK}.ipynb", CELLS)
    monkeypatch.setenv("XPCI_ROOT", str(tmp_path))
    monkeypatch.setitem(params.STAGES, NOTEBOOK, Count)
    yield tmp_path
    for held in stages.lock._HELD.values():
        held.close()
    stages.lock._HELD.clear()


@pytest.fixture
def count_stage():
    return Count


@pytest.fixture
def kernel_house(small_house, monkeypatch):
    """The same for tests that start kernels: another process has to know the counting stage too."""
    site = small_house / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from xpci_utils import params\n"
        "from conftest import Count\n"
        "params.STAGES['99_count'] = Count\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    return small_house
