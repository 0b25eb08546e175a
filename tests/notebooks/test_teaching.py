"""The notebooks as teaching material: a reader finds the way, the goals, the time, and equations tied to functions.

Plumbing is what neither computes nor shows anything of the method: statements before the first section (imports and
the parameters cell are not counted, they say where things come from), and, wherever they stand, the calls that set
style and threads or close the stage.
"""

import ast
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

import xpci_utils.diffusion
import xpci_utils.evaluation
import xpci_utils.sam
import xpci_utils.segmentation
import xpci_utils.simulation
import xpci_utils.training
import xpci_utils.video
from xpci_utils import paths
from xpci_utils.diffusion import Denoiser, NoiseSchedule
from xpci_utils.sam import SemanticSam
from xpci_utils.sam.pretraining import training as sam_pretraining
from xpci_utils.segmentation import build_network, count_parameters, losses, outline
from xpci_utils.training import cross_entropy_dice

FOLDER = paths.root() / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EVERY = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
METHOD = {"01", "02", "03", "05", "07", "A1"}
MOST_PLUMBING = 6
SETTING_UP = ("use_style", "set_threads", "stages.begin", "stage.finish")
DISPLAYED = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
# Where a function that stands behind an equation may live.
ROOMS = (
    xpci_utils.diffusion, xpci_utils.evaluation, xpci_utils.sam, xpci_utils.training, xpci_utils.segmentation,
    xpci_utils.simulation, xpci_utils.video, sam_pretraining, losses, NoiseSchedule, Denoiser, SemanticSam,
)  # fmt: skip


def cells(path: Path) -> list[dict]:
    all_cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in all_cells]


def plumbing(path: Path) -> list[str]:
    """The statements of a notebook that are plumbing, as the head of this file defines it."""
    statements, before_first_section = [], True
    for cell in cells(path):
        if cell["cell_type"] == "markdown":
            before_first_section &= "\n## " not in f"\n{cell['source']}"
        elif "parameters" not in cell["metadata"].get("tags", []):
            for node in ast.parse(cell["source"]).body:
                text = ast.unparse(node)
                if not isinstance(node, ast.Import | ast.ImportFrom) and (
                    before_first_section or text.startswith(SETTING_UP)
                ):
                    statements.append(text)
    return statements


def functions_named(text: str) -> list[str]:
    """Names in code quotes that are functions or methods of the package, e.g. `NoiseSchedule.q_sample`."""
    names = [quoted.split("(")[0].split(".")[-1] for quoted in re.findall(r"`([A-Za-z0-9_.]+(?:\([^`]*\))?)`", text)]
    return [name for name in names if any(callable(getattr(room, name, None)) for room in ROOMS)]


@EVERY
class TestAReaderFindsTheWay:
    def test_links_to_the_notebooks_before_and_after(self, path):
        place, head = NOTEBOOKS.index(path), cells(path)[0]["source"]
        neighbours = [NOTEBOOKS[i] for i in (place - 1, place + 1) if 0 <= i < len(NOTEBOOKS)]
        line = next(line for line in head.splitlines() if line.startswith("["))
        links = re.findall(r"\]\(([^)]+)\)", line)
        assert [link for link in links if link.endswith(".ipynb")] == [other.name for other in neighbours]
        assert len(links) == 2

    def test_every_link_leads_somewhere(self, path):
        for cell in cells(path):
            if cell["cell_type"] == "markdown":
                for link in re.findall(r"\]\((?!http)([^)#]+)", cell["source"]):
                    assert (FOLDER / link).exists(), link

    def test_goals_in_two_lines_and_the_time(self, path):
        head = cells(path)[0]["source"]
        goals = next(part for part in head.split("\n\n") if part.startswith("**You learn** "))
        assert len(goals.splitlines()) == 2
        assert all(len(line) <= 130 for line in goals.splitlines())
        assert re.search(r"^\*\*Time:\*\* .*(minute|second|hour)", head, re.MULTILINE)


@EVERY
def test_little_plumbing(path):
    assert len(plumbing(path)) <= MOST_PLUMBING, plumbing(path)


@EVERY
def test_no_variable_hides_what_was_imported(path):
    """Cells share one namespace, and guarded cells run on fresh stages alone: a hidden function would fail there."""
    code = [cell["source"] for cell in cells(path) if cell["cell_type"] == "code"]
    nodes = list(ast.walk(ast.parse("\n".join(code))))
    imported = {
        (alias.asname or alias.name).split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assert not imported & assigned


def test_plumbing_is_what_it_is_said_to_be(tmp_path):
    """Imports and parameters count nothing, statements before the first section and the four calls count."""
    code = ["import os", "steps = 3", "stage = stages.begin(p)\nother = 1", "use_style()\nx = 2\nstage.finish(x)"]
    tags = [[], ["parameters"], [], []]
    made = [
        {"cell_type": "code", "metadata": {"tags": tag}, "source": [text]} for tag, text in zip(tags, code, strict=True)
    ]
    section = {"cell_type": "markdown", "metadata": {}, "source": ["words\n\n## Section"]}
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": [*made[:3], section, made[3]]}))
    assert plumbing(tmp_path / "one.ipynb") == [
        "stage = stages.begin(p)",
        "other = 1",
        "use_style()",
        "stage.finish(x)",
    ]


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.stem[:2] in METHOD], ids=lambda path: path.stem)
def test_every_displayed_equation_stands_beside_its_function(path):
    """The cell of an equation names a public function or class of the package in code quotes."""
    count = 0
    for cell in cells(path):
        if cell["cell_type"] == "markdown" and DISPLAYED.search(cell["source"]):
            assert functions_named(cell["source"]), cell["source"]
            count += len(DISPLAYED.findall(cell["source"]))
    assert count >= 1


def table_below(notebook: str, first_column: str) -> pd.DataFrame:
    """The Markdown table of a notebook whose head line begins with ``first_column``; its cells as text."""
    text = "\n".join(c["source"] for c in cells(FOLDER / f"{notebook}.ipynb") if c["cell_type"] == "markdown")
    lines = text[text.index(f"| {first_column}") :].split("\n\n")[0].splitlines()
    head, _, *rows = ([field.strip() for field in line.strip("|").split("|")] for line in lines)
    return pd.DataFrame(rows, columns=head).set_index(head[0])


@pytest.mark.parametrize(
    ("name", "title"), [("transunet", "TransUNet"), ("swin_unetr", "SwinUNETR"), ("emcad", "EMCAD")]
)
def test_the_structure_that_notebook_05_prints_is_the_published_one(name, title):
    """The table in the prose is what `outline` measures of the network of size paper."""
    network = build_network(name, 10, size="paper", image_size=640)
    stages, printed = outline(network), table_below("05_train_segmentation", "|")[title]
    assert sum(stage.parameters for stage in stages) == count_parameters(network)
    for part in ("encoder", "decoder"):
        shown = [stage for stage in stages if stage.part == part and stage.name != "classes"]
        assert printed[f"{part}: size of the map, channels"] == ", ".join(f"1/{s.stride}: {s.channels}" for s in shown)
        parameters = sum(stage.parameters for stage in stages if stage.part == part)
        assert printed[f"parameters of the {part}"] == f"{parameters:,}"


@pytest.mark.parametrize(
    ("title", "loss"),
    [("TransUNet", "transunet_loss"), ("SwinUNETR", "dice_ce_loss"), ("EMCAD", "mutation_loss")],
)
def test_the_weights_of_the_losses_that_notebook_05_prints(title, loss):
    """a, b, s and the extent of the Dice sums, as printed, give the value of the published loss."""
    row = table_below("05_train_segmentation", "network").loc[title]
    assert row.iloc[-1] == f"`{loss}`"
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    labels = torch.randint(0, 2, (2, 8, 8), generator=generator)
    printed = {"ce_weight": float(row["a"]), "dice_weight": float(row["b"]), "smooth": float(row["s"])}
    per_image = row["sums of Dice over"] == "each image"
    function = getattr(losses, loss)
    value = function([logits] if title == "EMCAD" else logits, labels)
    torch.testing.assert_close(value, cross_entropy_dice([logits], labels, per_image=per_image, **printed))
