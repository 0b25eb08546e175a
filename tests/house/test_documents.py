"""Documents that reviewers read: links lead somewhere, numbers stand on their pages, generated parts are fresh."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from xpci_utils import __version__, paths
from xpci_utils.running import cli

ROOT = paths.root()
PAGES = [
    "README.md",
    "REPRODUCIBILITY.md",
    "CONTRIBUTING.md",
    *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
ZENODO = json.loads((ROOT / ".zenodo.json").read_text())


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_repository_leads_somewhere(page):
    path = ROOT / page
    links = re.sub(r"\s*\n\s*", " ", path.read_text())
    for link in LINK.findall(links):
        if re.match(r"https?://|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{page}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page}: {link}"


def rows_of_negative_findings():
    text = (ROOT / "docs/negative_findings.md").read_text()
    return [line for line in text.splitlines() if LINK.search(line)]


@pytest.mark.parametrize("row", rows_of_negative_findings())
def test_every_number_of_a_negative_finding_stands_on_its_page(row):
    """Decimals, so 0.655 for 0.665 is found; whole numbers are too common to be looked up."""
    claim = row.rpartition("|")[0].rpartition("|")[0]
    page = (ROOT / "docs" / LINK.findall(row)[-1].partition("#")[0]).resolve().read_text()
    numbers = re.findall(r"(?<![\d.])\d+\.\d+", claim)
    for number in numbers:
        assert re.search(rf"(?<![\d.]){re.escape(number)}", page), f"{number} of: {row}"


def test_the_version_stands_in_one_place_and_the_citation_has_it(capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "xpci_utils.__version__"}
    assert CITATION["version"] == __version__
    assert "version" not in ZENODO  # Zenodo takes it from the tag
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["xpci", __version__]
    assert re.search(rf"^## {re.escape(__version__)} ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_archive_and_the_citation_say_the_same():
    assert ZENODO["title"] == CITATION["title"]
    assert ZENODO["description"] == CITATION["abstract"]
    assert ZENODO["keywords"] == CITATION["keywords"]
    assert ZENODO["license"] == CITATION["license"]
    assert ZENODO["creators"] == CITATION["authors"]


def test_the_cards_are_those_of_the_committed_records():
    """Every file of weights has its card, with its sha256; a card of a former file is found."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/make_cards.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cards = (ROOT / "docs/model_cards.md").read_text()
    weights = sorted((ROOT / "data/weights").rglob("*.safetensors"))
    assert len(weights) == cards.count("\n### ")
    for path in weights:
        assert f"### {path.relative_to(ROOT)}\n" in cards


def test_containers_install_and_run_alike():
    """One install script, one list of Debian packages, one command; and no version but that of the lock file."""
    docker, apptainer = ((ROOT / "container" / name).read_text() for name in ("Dockerfile", "apptainer.def"))
    packages = "apt-get install -y --no-install-recommends ca-certificates make python3.11 python3.11-venv"
    for text in (docker, apptainer):
        assert packages in text
        assert "./container/install" in text
        assert "debian:bookworm-slim" in text
        assert "pip install --no-cache-dir --disable-pip-version-check --no-deps --editable ." in text
    install = (ROOT / "container/install").read_text()
    assert re.findall(r"-r (\S+)", install) == ['"$lock"']
    (pattern,) = re.findall(r"wanted='(\^.+)'", install)
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    left_out = [line for line in lock if re.search(pattern, line)]
    assert left_out == [line for line in lock if "platform_machine" in line]  # what only CUDA needs
