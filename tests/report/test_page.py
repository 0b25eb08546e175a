import dataclasses
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from xpci_utils.report import build_tables, caution, compare_claims, html_table, use_style, write_report


class Checker(HTMLParser):
    """Collects references and checks that tags close in order."""

    VOID = {"meta", "img", "link", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.references, self.ids = [], [], set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.references += [values[name] for name in ("href", "src") if name in values]
        self.ids.add(values.get("id"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    """(folder, metrics) of a complete run's report."""
    use_style()
    folder = tmp_path_factory.mktemp("report")
    return folder, write_report(results, folder)


def test_the_report_is_whole_and_stands_alone(results, written):
    folder, metrics = written
    text = (folder / "index.html").read_text()
    page = Checker()
    page.feed(text)
    assert page.open == []
    for reference in page.references:
        assert reference.removeprefix("#") in page.ids if reference.startswith("#") else (folder / reference).is_file()
    assert "http" not in text  # nothing is fetched
    assert not re.search(r"20\d\d-\d\d-\d\dT", text)  # nor dated
    assert "Not finished" not in text
    assert text.count("<figure") == 11  # Figures 1-6, F, N, P and T, predictions; no controls, no Figure C
    assert "<b>Figure C.</b> This figure waits for the controls" in text
    for place in results.runs:
        assert f"{place}/run.json" in text
    assert metrics["finished_cells"] == metrics["cells"] == 11
    assert metrics["baselines_beaten"] == metrics["baselines"] == 8
    assert pd.read_csv(folder / "tables/cells.csv")["dice"].tolist() == results.cells["dice"].tolist()


def test_the_report_of_an_unfinished_run_names_what_is_missing(partial, tmp_path):
    use_style()
    metrics = write_report(partial, tmp_path)
    text = (tmp_path / "index.html").read_text()
    for place in metrics["missing"]:
        assert f"<code>{place}</code>" in text
    assert "<td>—</td>" in text


def test_the_same_run_gives_the_same_files(results, written, tmp_path):
    first, _ = written
    write_report(results, tmp_path)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 1 + 11 * 2 + 9 * 3 + 5  # page; figures; Tables 1-5, D, F, P, S; tidy tables, earlier versions
    assert [name for name in files if (first / name).read_bytes() != (tmp_path / name).read_bytes()] == []


def test_cells_of_a_table_are_escaped(results):
    assert "&lt;b&gt;" in html_table(pd.DataFrame({"<i>": ["<b>"]}))
    assert "&lt;i&gt;" in html_table(pd.DataFrame({"<i>": ["<b>"]}))
    assert html_table(compare_claims(results)).count("<tr>") == 6


def test_shipped_weights_are_said_in_captions_and_on_the_page(results):
    """A reader of any table must see that this run did not train what stands behind it."""
    origin = {"ddpm": "1a2b3c4d", "sam/vit_b__s0": "5e6f7081"}
    measured = {
        place: {**record, "shipped": origin.get(place) and {"version": 1, "sha256": origin[place] + 56 * "0"}}
        for place, record in results.measured.items()
    }
    taken = dataclasses.replace(results, measured=measured)
    sentence = "Shipped weights, trained elsewhere: the denoiser (sha256 1a2b3c4d) and SAM-b (sha256 5e6f7081)."
    assert sentence in caution(taken)
    assert all(sentence in table.caption for table in build_tables(taken))
    assert "hipped" not in caution(results) + "".join(table.caption for table in build_tables(results))
