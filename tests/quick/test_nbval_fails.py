"""The command that compares the notebooks with the quick grid can fail: every changed number is found."""

import re
import shlex
import subprocess
from xml.etree import ElementTree

from xpci_utils import files, paths
from xpci_utils.running import strip


def falsify(text):
    """The text with its first digit raised by one."""
    return re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), text, count=1)


def falsified_copy(notebook):
    """The notebook up to its last kept output, each of them falsified, and which code cells these are."""
    cells = notebook["cells"]
    kept = [number for number, cell in enumerate(cells) if cell.get("outputs")]
    notebook["cells"] = cells[: kept[-1] + 1]
    for number in kept:
        output = cells[number]["outputs"][0]
        output["text"] = falsify("".join(output["text"]))
    code = [number for number, cell in enumerate(cells) if cell["cell_type"] == "code"]
    return notebook, [code.index(number) for number in kept]


def nbval_command(folder, report):
    """What 'make test' runs on notebooks/, told to run on ``folder`` and to write a report."""
    plan = subprocess.run(["make", "-n", "test"], cwd=paths.root(), capture_output=True, text=True, check=True).stdout
    (command,) = [shlex.split(line) for line in plan.splitlines() if "--nbval" in line]
    assert command[-1] == "notebooks"
    return [*command[:-1], "-p", "no:cacheprovider", f"--junitxml={report}", str(folder)]


def test_every_kept_number_is_compared(tmp_path):
    """All cells with a kept output fail, and no other: each was compared, and what failed is the changed number."""
    expected = set()
    for path in sorted((paths.root() / "notebooks").glob("*.ipynb")):
        notebook = files.read_json(path)
        if any(cell.get("outputs") for cell in notebook["cells"]):
            notebook, changed = falsified_copy(notebook)
            (tmp_path / path.name).write_text(strip.text_of(notebook), encoding="utf-8")
            expected |= {(path.stem, f"Cell {number}") for number in changed}
    assert len(expected) >= 5
    command = nbval_command(tmp_path, tmp_path / "report.xml")
    done = subprocess.run(command, cwd=paths.root(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-3000:]
    cases = ElementTree.parse(tmp_path / "report.xml").iter("testcase")
    failed = {
        (next(name for name, _ in expected if name in case.get("classname")), case.get("name"))
        for case in cases
        if case.find("failure") is not None
    }
    assert failed == expected, done.stdout[-3000:]
    assert done.stdout.count("mismatch") >= len(expected)
