"""Executed notebooks as pages: complete, linked to each other, and in need of no network."""

import json
import re

import pytest

from xpci_utils.files import write_json
from xpci_utils.report.executed import executed_runs, with_mathml, with_pages, write_notebooks

GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\n"


SOURCE = """# Title

[← 02 Train](02_train_ddpm.ipynb) · [03 Adapt →](03_adapt_sam.ipynb) · [README](../README.md) · [Web](https://a.org/b.md)

$$\\frac{a}{b}$$ and `$HOME`"""


def stage(root, place, notebook, finished=True):
    """A stage with an executed notebook: a formula, a picture that moves, a table."""
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": SOURCE},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "execution_count": 1,
            "source": "1 + 1",
            "outputs": [
                {"output_type": "display_data", "metadata": {}, "data": {"image/gif": GIF, "text/plain": "<an Image>"}},
                {"output_type": "stream", "name": "stdout", "text": "2 < 3"},
            ],
        },
    ]
    notebook_file = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    write_json(root / place / "executed.ipynb", notebook_file)
    if finished:
        write_json(root / place / "run.json", {"notebook": notebook, "products": {}, "wall_seconds": 3.2})


@pytest.fixture
def pages(tmp_path):
    stage(tmp_path, "frames", "01_prepare_frames")
    stage(tmp_path, "sam/vit_b__s0", "03_adapt_sam")
    stage(tmp_path, "sam/vit_t__s0", "03_adapt_sam")
    stage(tmp_path, "ddpm", "02_train_ddpm", finished=False)
    return {path.name: path.read_text() for path in write_notebooks(tmp_path, tmp_path / "report/notebooks")}


def test_finished_stages_become_pages_that_know_each_other(pages):
    names = {"frames.html", "sam--vit_b__s0.html", "sam--vit_t__s0.html"}
    assert set(pages) == names | {"index.html"}
    for name, text in pages.items():
        linked = set(re.findall(r'href="([^"]+\.html)"', text))
        assert linked <= names | {"index.html", "../index.html"}
        assert {"../index.html"} | ({"index.html"} - {name}) <= linked
    assert "sam--vit_t__s0.html" in pages["sam--vit_b__s0.html"]  # the other run of the same notebook


def test_links_between_notebooks_lead_to_their_pages(pages):
    """Of a notebook that was not run, and of a file that lies elsewhere, the words are left."""
    text = pages["frames.html"]
    assert re.search(r'<a href="sam--vit_b__s0.html">03 Adapt', text)
    assert "← 02 Train ·" in re.sub(r"</?a[^>]*>", "", text)
    assert ".ipynb" not in text
    assert "README.md" not in text
    assert 'href="https://a.org/b.md"' in text


def test_nothing_is_fetched_and_nothing_is_lost(pages):
    text = pages["frames.html"]
    assert not re.search(r'(src|href)="(https?:)?//', text.replace("https://a.org/b.md", ""))
    assert "<script src" not in text
    assert "<mfrac>" in text
    assert "$$" not in text
    assert "<code>$HOME</code>" in text
    assert f"data:image/gif;base64,{GIF.strip()}" in text
    assert "an Image" not in text
    assert "2 &lt; 3" in text


def test_a_link_to_a_notebook_leads_to_its_page_and_is_words_without_one():
    text = "[← 03](03_adapt_sam.ipynb) and [05 →](05_train_segmentation.ipynb), [a film](docs/video.md)"
    expected = "[← 03](sam--vit_b__s0.html) and 05 →, a film"  # no file lies beside a page
    assert with_pages(text, {"03_adapt_sam": "sam--vit_b__s0.html"}) == expected


def test_every_formula_of_the_notebooks_is_converted():
    from xpci_utils import paths

    count = 0
    for path in (paths.root() / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "markdown":
                text = with_mathml("".join(cell["source"]))
                count += text.count("<math ")
                assert "$" not in re.sub("`[^`]*`", "", text), text
                assert not re.search(r"<mi>\\", text), text  # a command that the converter does not know
    assert count > 10


def test_an_empty_run_is_told(tmp_path):
    assert executed_runs(tmp_path) == []
    (page,) = write_notebooks(tmp_path, tmp_path / "report/notebooks")
    assert "No stage in" in page.read_text()
