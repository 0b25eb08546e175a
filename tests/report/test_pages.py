"""Executed notebooks as Markdown: what a code host shows, and whether it belongs to the notebooks beside it."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from xpci_utils import paths
from xpci_utils.report.pages import LINK, PAGE, PAGES, notebook_digest, notebook_path, recorded_digest, write_page

FOLDER = paths.root() / PAGES
WRITTEN = sorted(path.parent.name for path in FOLDER.glob(f"*/{PAGE}"))
GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\n"
TABLE = "<div>\n<style scoped>\n .dataframe { color: red; }\n</style>\n<table><tr><td>7</td></tr></table>\n</div>"


def png():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def cell(kind, source, *outputs, **metadata):
    code = {"execution_count": 1, "outputs": list(outputs)} if kind == "code" else {}
    return {"cell_type": kind, "id": f"c{len(source)}", "metadata": metadata, "source": source} | code


def shown(**data):
    return {"output_type": "display_data", "metadata": {}, "data": {k.replace("_", "/"): v for k, v in data.items()}}


def executed(path, text="# Title\n[02](02_train_ddpm.ipynb#end), [docs](../docs/study.md), [web](https://doi.org/1)"):
    """A notebook with a picture, an animation and a table, and the parameters that papermill injected."""
    cells = [
        cell("markdown", text),
        cell("code", "steps = 3", tags=["injected-parameters"]),
        cell("code", "show()", shown(image_png=png()), shown(image_gif=GIF), shown(text_html=TABLE, text_plain="7")),
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def page(tmp_path):
    return write_page(executed(tmp_path / "executed.ipynb"), "01_prepare_frames", tmp_path / "pages")


def test_a_page_has_the_pictures_and_tables_of_its_notebook(page):
    text = page.read_text()
    pictures = re.findall(r"!\[\w+\]\((\S+)\)", text)
    assert sorted(path.name for path in page.parent.iterdir()) == sorted([*pictures, PAGE])
    assert sorted(name.rpartition(".")[2] for name in pictures) == ["gif", "png"]
    with Image.open(next(page.parent.glob("*.png"))) as picture:
        original = np.asarray(Image.open(io.BytesIO(base64.b64decode(png()))))
        np.testing.assert_array_equal(np.asarray(picture.convert("L")), original)  # 256 greys need no more colours
    assert "<td>7</td>" in text
    assert "color: red" not in text  # a code host would print the style
    assert "steps = 3" not in text


def test_links_are_those_of_the_page(page):
    text = page.read_text()
    assert f"[02](../02_train_ddpm/{PAGE}#end)" in text
    assert "[web](https://doi.org/1)" in text
    (docs,) = re.findall(r"\[docs\]\((\S+)\)", text)
    assert (page.parent / docs).resolve() == (paths.root() / "docs/study.md").resolve()


def test_a_page_is_replaced_with_all_its_files(page, tmp_path):
    (page.parent / "picture_of_an_earlier_cell.png").write_bytes(b"x")
    write_page(tmp_path / "executed.ipynb", "01_prepare_frames", tmp_path / "pages")
    assert not (page.parent / "picture_of_an_earlier_cell.png").exists()


def test_the_digest_is_that_of_the_cells_alone(page, tmp_path):
    """Outputs, injected parameters and the way JSON splits lines do not count; a changed letter does."""
    notebook, digest = recorded_digest(page)
    assert (notebook, digest) == ("01_prepare_frames", notebook_digest(tmp_path / "executed.ipynb"))
    content = json.loads((tmp_path / "executed.ipynb").read_text())
    plain = [{**one, "outputs": [], "source": one["source"].splitlines(keepends=True)} for one in content["cells"][::2]]
    (tmp_path / "plain.ipynb").write_text(json.dumps({**content, "cells": plain}))
    assert notebook_digest(tmp_path / "plain.ipynb") == digest
    assert notebook_digest(executed(tmp_path / "other.ipynb", "# Titel")) != digest


def test_a_long_animation_becomes_a_shorter_one_of_the_same_pace(tmp_path):
    """40 frames of 100 ms: every third frame, for three times as long."""
    frames = [Image.new("L", (8, 8), 6 * number) for number in range(40)]
    film = io.BytesIO()
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    notebook = executed(tmp_path / "executed.ipynb")
    notebook.write_text(
        notebook.read_text().replace(json.dumps(GIF), json.dumps(base64.b64encode(film.getvalue()).decode()))
    )
    page = write_page(notebook, "01_prepare_frames", tmp_path / "pages")
    with Image.open(next(page.parent.glob("*.gif"))) as short:
        assert short.n_frames == 14
        assert short.info["duration"] == 300
        short.seek(1)
        assert abs(int(np.asarray(short.convert("L"))[0, 0]) - 18) <= 2  # the fourth frame; palettes round


def test_a_page_of_other_origin_is_refused(tmp_path):
    (tmp_path / PAGE).write_text("# By hand\n")
    with pytest.raises(ValueError, match="does not say which notebook"):
        recorded_digest(tmp_path / PAGE)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_committed_page_belongs_to_the_present_notebook(name):
    notebook, digest = recorded_digest(FOLDER / name / PAGE)
    assert notebook == name
    assert digest == notebook_digest(notebook_path(name)), f"{name} has changed since: run 'xpci pages'"


@pytest.mark.parametrize("name", WRITTEN)
def test_links_and_pictures_of_a_committed_page_lead_somewhere(name):
    text = (FOLDER / name / PAGE).read_text()
    for link in LINK.finditer(text):
        assert (FOLDER / name / link["target"]).exists(), link["target"]
    pictures = {path.name for path in (FOLDER / name).iterdir()} - {PAGE}
    assert pictures == set(re.findall(r"!\[\w+\]\((\S+)\)", text))


def test_the_pages_are_small_and_all_of_them_are_listed():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6e6
    listed = re.findall(rf"\((\w+)/{PAGE}\)", (FOLDER / PAGE).read_text())
    assert sorted(listed) == WRITTEN == sorted(path.stem for path in (paths.root() / "notebooks").glob("*.ipynb"))
