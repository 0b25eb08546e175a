"""A reader's two ways in, in a real browser: the notebooks in JupyterLab, and the report opened as a file.

Screenshots of everything are left in ``runs/browser``.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest

from xpci_utils import files, paths
from xpci_utils.params import APPENDICES, STAGES
from xpci_utils.report.web import html_table, save_page
from xpci_utils.running.reproduce import write_pages

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = paths.root() / "runs/browser"
TOKEN = "browser-test"
PATIENCE = 300_000  # ms; a busy computer is no failure
# What JupyterLab would ask a reader or leave out of the page: news, and cells that are out of sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}

pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium is installed: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra 'test'")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=BROWSER, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def products(smoke_grid, tmp_path_factory):
    """A copy of the smoke grid: notebooks 07 and A1 add to it."""
    return shutil.copytree(smoke_grid.root, tmp_path_factory.mktemp("lab") / "smoke", symlinks=True)


@pytest.fixture(scope="module")
def lab(smoke_grid, products):
    """Address of a JupyterLab that ``make lab PROFILE=smoke`` started on ``products``, with settings of its own."""
    home = products.parent
    for name, values in SETTINGS.items():
        files.write_json(home / f"settings/@jupyterlab/{name}.jupyterlab-settings", values)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"--run-root {products} --no-browser --allow-root --port={port} --ServerApp.port_retries=0"
    folders = {"SETTINGS_DIR": "settings", "WORKSPACES_DIR": "workspaces"}
    environment = {**os.environ, "JUPYTER_TOKEN": TOKEN, "JUPYTER_CONFIG_DIR": str(home / "config")}
    environment |= {f"JUPYTERLAB_{name}": str(home / place) for name, place in folders.items()}
    with open(home / "lab.log", "w") as log:
        command = ["make", "lab", "PROFILE=smoke", f"OPTIONS={options}"]
        process = subprocess.Popen(command, cwd=paths.root(), env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process, home / "lab.log")
        yield address
    finally:
        smoke_grid.kill(process)


def request(address, place, method="GET"):
    return urllib.request.Request(address + place, headers={"Authorization": f"token {TOKEN}"}, method=method)


def wait_for(address, process, log, seconds=PATIENCE // 1000):
    for _ in range(seconds):
        assert process.poll() is None, log.read_text()
        try:
            return urllib.request.urlopen(request(address, "/api/status")).read()
        except OSError:
            time.sleep(1)
    raise AssertionError(f"JupyterLab did not answer in {seconds} s:\n{log.read_text()}")


def test_run_all_in_jupyterlab(browser, lab, products):
    """Every cell of every notebook runs, no output is an error, every picture is drawn, and what was finished stays.

    One test, so that a JupyterLab that does not answer is waited for once.
    """
    for name in (*STAGES, *APPENDICES):
        finished = {path: path.read_bytes() for path in products.rglob("run.json")}
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{lab}/lab/tree/{name}.ipynb?reset&token={TOKEN}")
        page.get_by_text(re.compile(r"^Python 3.*\| Idle$")).wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Run All Cells")).click()
        assert wait_for_cells(page) == "done", name
        check_pictures(page, name)
        page.keyboard.press("Control+s")
        page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
        check_outputs(nbformat.read(products / "notebooks" / f"{name}.ipynb", as_version=4), name)
        assert {path: path.read_bytes() for path in finished} == finished, name
        page.close()
        stop_kernels(lab)


def check_pictures(page, name):
    """There are pictures, all are drawn, and a photograph of the whole notebook is taken."""
    pictures = page.locator(".jp-OutputArea-output img")
    widths = pictures.evaluate_all("all => all.map(one => Math.min(one.naturalWidth, one.clientWidth))")
    assert widths, f"{name} shows no picture"
    assert min(widths) > 50, name
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    page.set_viewport_size({"width": 1300, "height": min(height + 150, 12_000)})
    page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0)")
    page.wait_for_timeout(1000)  # JupyterLab lays its cells out again
    page.screenshot(path=PICTURES / f"{name}.png")


def check_outputs(notebook, name):
    """What JupyterLab saved: cells ran once each in their order, no error, no warning (bars of progress are fine)."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), name
    outputs = [output for cell in code for output in cell.outputs]
    assert [one for one in outputs if one.output_type == "error"] == [], name
    messages = "".join(one.text for one in outputs if one.get("name") == "stderr")
    assert not re.search("warning|error", messages, re.IGNORECASE), f"{name}: {messages}"


def wait_for_cells(page):
    """ "done" when every code cell has its number, or the text of the first error."""
    handle = page.wait_for_function(
        """() => {
          const error = document.querySelector('[data-mime-type="application/vnd.jupyter.error"]');
          if (error) return error.textContent;
          const prompts = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt")];
          return prompts.length && prompts.every(one => /\\[\\d+\\]/.test(one.textContent)) && "done";
        }"""
    )
    return handle.json_value()


def stop_kernels(lab):
    for session in json.loads(urllib.request.urlopen(request(lab, "/api/sessions")).read()):
        urllib.request.urlopen(request(lab, f"/api/sessions/{session['id']}", "DELETE"))


@pytest.fixture(scope="module")
def site(smoke_grid, tmp_path_factory):
    """The smoke grid's report as ``make report`` leaves it, its own notebook included."""
    root = tmp_path_factory.mktemp("site") / "smoke"
    shutil.copytree(smoke_grid.root, root, symlinks=True)
    write_pages("smoke", str(root))
    return root / "report"


@pytest.fixture
def offline(browser):
    """A page without network that keeps what it asked for and what went wrong."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.asked, page.complaints = [], []
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def test_every_page_of_the_site_opens_as_a_file_and_its_links_lead_somewhere(site, offline):
    waiting, pages = [site / "index.html"], set()
    while waiting:
        path = waiting.pop()
        pages.add(path)
        offline.goto(path.as_uri())
        assert offline.evaluate("() => [...document.querySelectorAll('img[src]')].every(one => one.naturalWidth)"), path
        assert not offline.get_by_text("$$").count()
        anchors = offline.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
        for link in offline.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))"):
            place, _, anchor = link.partition("#")
            target = (path.parent / place).resolve() if place else path
            assert target.is_file(), f"{path} links to {link}"
            assert place or unquote(anchor) in [unquote(one) for one in anchors], f"{path} links to {link}"
            if target.suffix == ".html" and target not in pages | set(waiting):
                waiting.append(target)
    stages = [path.parent for path in site.parent.rglob("executed.ipynb")]
    assert len(pages) == len(stages) + 2  # the report and the list of notebooks
    assert site / "notebooks/report.html" in pages
    assert offline.complaints == []
    assert {url.split(":")[0] for url in offline.asked} <= {"file", "data"}


def test_a_click_on_a_column_sorts_its_rows(site, offline):
    offline.goto((site / "notebooks/index.html").as_uri())
    seconds = "() => [...document.querySelectorAll('tbody tr')].map(row => parseFloat(row.cells[2].textContent))"
    before = offline.evaluate(seconds)
    offline.get_by_role("columnheader", name="wall time").click()
    assert offline.evaluate(seconds) == sorted(before) != before
    offline.get_by_role("columnheader", name="wall time").press("Enter")
    assert offline.evaluate(seconds) == sorted(before, reverse=True)
    offline.screenshot(path=PICTURES / "site_notebooks.png")


@pytest.mark.parametrize(
    "values",
    [
        ["−0.5", "−0.05", "0.3 ± 0.01", "2", "20%", "1,000", "—"],
        ["40 simulated", "40 simulated + 50 synthetic", "40 simulated + 1,000 synthetic", "41 simulated", "—"],
    ],
)
def test_columns_sort_by_value_and_missing_values_stay_last(tmp_path, offline, values):
    """Minus signs, thousands, spreads and numbers within text, as the report's tables have them."""
    shuffled = [values[index] for index in np.random.default_rng(0).permutation(len(values))]
    page = save_page(tmp_path / "page.html", "Sorting", html_table(pd.DataFrame({"value": shuffled})))
    offline.goto(page.as_uri())
    for expected in (values, [*values[-2::-1], values[-1]]):
        offline.get_by_role("columnheader", name="value").click()
        assert offline.locator("tbody td").all_inner_texts() == expected


def test_a_click_on_a_figure_shows_it_large(site, offline):
    offline.goto((site / "index.html").as_uri())
    offline.screenshot(path=PICTURES / "site_report.png", full_page=True)
    figure, large = offline.locator("#figure6 img"), offline.locator("dialog img")
    small = figure.bounding_box()["width"]
    figure.click()
    assert large.bounding_box()["width"] > small
    assert large.get_attribute("src") == figure.evaluate("one => one.src")
    offline.screenshot(path=PICTURES / "site_zoom.png")
    large.click()
    assert large.bounding_box()["width"] > 2 * small
    offline.keyboard.press("Escape")
    assert not large.is_visible()
    assert offline.url.endswith("index.html")


def test_code_can_be_hidden(site, offline):
    offline.goto((site / "notebooks/ddpm.html").as_uri())
    offline.screenshot(path=PICTURES / "site_ddpm.png", full_page=True)
    code = offline.locator(".input").first
    assert code.is_visible()
    offline.get_by_role("button", name="Hide code").click()
    assert not code.is_visible()
    assert offline.locator(".output_area img").first.is_visible()
