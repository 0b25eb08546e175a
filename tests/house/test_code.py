"""How the package hangs together, and that a changed computation is never taken for the old one."""

import ast
import json
import sys

import pytest

from xpci_utils import paths
from xpci_utils.params import APPENDICES, STAGES

sys.path.insert(0, str(paths.root() / "scripts"))
import code_digests
import imports

ANSWER = (
    "Do results stay the same? 'make same-results' notes the code as it is. Are they others? Raise the version of the "
    "stage first, with a reason, in `changes` of its model in xpci_utils/params/ (see CONTRIBUTING.md)."
)
LOOSE = 5


def test_the_code_of_every_stage_is_that_of_its_version():
    """It fails when code changed that a stage runs, until somebody says what that does to its results."""
    sentences = code_digests.unanswered(json.loads(code_digests.NOTED.read_text()))
    assert not sentences, "\n".join([*sentences, ANSWER])


def test_rooms_and_modules_have_no_circles():
    imports.ordered_rooms()
    assert imports.circles() == []


def test_few_modules_lie_loose():
    loose = [name for name, path in imports.modules().items() if name.count(".") == 1 and path.stem != "__init__"]
    assert len(loose) <= LOOSE, loose


def test_contributing_shows_the_rooms_as_they_are():
    text = (paths.root() / "CONTRIBUTING.md").read_text()
    assert imports.in_contributing(text) == text, "python scripts/imports.py writes the list anew"


@pytest.mark.parametrize("room", ["params", "stages", "running"])
def test_the_machinery_does_not_load_torch(room):
    """Not even by way of others, functions that import when they are called aside."""
    code = f"import sys, xpci_utils.{room}\n"
    if room == "running":
        code += "from xpci_utils.running import checks, cli, notebook, reproduce, sittings, snakefile\n"
    code += "assert not {'torch', 'monai', 'diffusers', 'timm'} & set(sys.modules)"
    import subprocess

    subprocess.run([sys.executable, "-c", code], check=True, cwd=paths.root())


SENTENCES = [
    ('raise ValueError("no")', 'raise ValueError("there is none")'),
    ("x = 1", "x = 1  # why"),
    ('def f():\n    """Old."""\n    return 1', 'def f() -> int:\n    """New."""\n    return 1'),
    ('y = Field(1, description="steps")', 'y = Field(1, description="optimiser steps")'),
    ('print("a")', 'print("b")'),
]
COMPUTATIONS = [("x = 1", "x = 2"), ("f(x)", "f(x, 1)"), ("if x: raise E", "if not x: raise E"), ("x + y", "x - y")]


@pytest.mark.parametrize(("before", "after"), SENTENCES)
def test_a_changed_sentence_is_no_changed_code(before, after):
    assert digest(before) == digest(after)


@pytest.mark.parametrize(("before", "after"), COMPUTATIONS)
def test_a_changed_computation_is(before, after):
    assert digest(before) != digest(after)


def digest(source):
    return code_digests.digest_of(ast.parse(source))


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The package's modules as files that a test may change."""
    import shutil

    shutil.copytree(paths.root() / "xpci_utils", tmp_path / "xpci_utils", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(paths.root() / "notebooks", tmp_path / "notebooks")
    shutil.copytree(paths.root() / "data", tmp_path / "data", ignore=shutil.ignore_patterns("weights", "my_*"))
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    caches = (imports.modules, imports.exports, imports.needs, code_digests.module_digest)
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


# A module that only this stage's own work needs, a line of it, and the line with another computation.
WORK = {
    "01_prepare_frames": ("simulation/optics.py", "np.exp(-1j", "np.exp(-2j"),
    "02_train_ddpm": ("diffusion/loss.py", "import torch\n", "import torch\n\nSCALE = 2\n"),
    "03_adapt_sam": ("sam/adapters.py", "import torch\n", "import torch\n\nSCALE = 2\n"),
    "04a_sample_pairs": ("diffusion/clamping.py", "import torch\n", "import torch\n\nSCALE = 2\n"),
    "04b_label_pairs": ("sam/naming.py", "import numpy as np\n", "import numpy as np\n\nSCALE = 2\n"),
    "04c_audit_pairs": ("evaluation/memorisation.py", "import numpy as np\n", "import numpy as np\n\nSCALE = 2\n"),
    "05_train_segmentation": ("segmentation/emcad.py", "import torch\n", "import torch\n\nSCALE = 2\n"),
    "06_tables_and_figures": ("report/tables.py", "import pandas as pd\n", "import pandas as pd\n\nSCALE = 2\n"),
    "07_apply_to_video": ("video/tracks.py", "import pandas as pd\n", "import pandas as pd\n\nSCALE = 2\n"),
    "A1_pretrain_small_sam": ("sam/pretraining/shapes.py", "import numpy as np\n", "import numpy as np\n\nSCALE = 2\n"),
}


@pytest.mark.parametrize("notebook", STAGES | APPENDICES)
def test_sentences_of_a_stage_concern_no_version_and_computations_do(copied, notebook):
    """Through the files that the stage really imports: a docstring and a comment change nothing, one line does."""
    noted = code_digests.present()
    name, line, other = WORK[notebook]
    path = copied / "xpci_utils" / name
    text = path.read_text()
    assert line in text
    path.write_text(text.replace('"""', '"""Reworded: ', 1) + "\n# a comment\n")
    code_digests.module_digest.cache_clear()
    assert code_digests.unanswered(noted) == []
    path.write_text(text.replace(line, other, 1))
    code_digests.module_digest.cache_clear()
    assert any(sentence.startswith(notebook) for sentence in code_digests.unanswered(noted))
