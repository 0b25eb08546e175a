"""nbval compares what is tagged: a changed number makes it fail."""

import json
import subprocess
import sys

import pytest

from xpci_utils.running import strip

CELL = {"cell_type": "code", "id": "count", "metadata": {"tags": ["keep_output"]}, "execution_count": 7, "outputs": [],
        "source": "print(f'{6 * 7} particles')"}  # fmt: skip
PRINTED = {"name": "stdout", "output_type": "stream", "text": ["42 particles\n"]}


def small_notebook(printed):
    plain = {
        **CELL,
        "id": "plain",
        "metadata": {"papermill": {"duration": 3}},
        "outputs": [PRINTED],
        "source": "print(1)",
    }
    return {"cells": [plain, {**CELL, "outputs": [printed]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def nbval(path):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        str(path),
    ]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("text", "code"), [("42 particles\n", 0), ("43 particles\n", 1)])
def test_a_changed_number_fails(tmp_path, text, code):
    path = tmp_path / "small.ipynb"
    path.write_text(strip.text_of(strip.normalise(small_notebook({**PRINTED, "text": [text]}))))
    done = nbval(path)
    assert done.returncode == code, done.stdout


def test_only_tagged_text_is_kept():
    kept = strip.normalise(small_notebook(PRINTED))
    assert [cell["outputs"] for cell in kept["cells"]] == [[], [PRINTED]]
    assert [cell["execution_count"] for cell in kept["cells"]] == [None, 1]
    assert kept["cells"][0]["metadata"] == {}
    assert strip.normalise(json.loads(json.dumps(kept))) == kept


def test_outputs_come_from_the_executed_copy():
    executed = small_notebook({**PRINTED, "text": ["41 particles\n"]})
    taken = strip.normalise(small_notebook(PRINTED), executed)
    assert taken["cells"][1]["outputs"][0]["text"] == ["41 particles\n"]
