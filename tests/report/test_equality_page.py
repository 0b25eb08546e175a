"""docs/equality.md names tests that exist and parameters that they hold."""

import re

import pytest

from xpci_utils import paths

PAGE = (paths.root() / "docs" / "equality.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+/test_\w+\.py)`", PAGE))))
def test_every_named_test_exists(name):
    assert (paths.root() / "tests" / name).is_file()


@pytest.mark.parametrize(
    "total",
    ["26,773,663", "106,355,498", "25,138,372", "124,053,252", "93,735,472", "10,130,092", "2,366,976", "189,408"],
)
def test_every_total_is_held_by_a_test_that_the_page_names(total):
    row = next(line for line in PAGE.splitlines() if total in line)
    table = PAGE[PAGE.index("## Parameters") :].splitlines()
    named = next(
        re.findall(r"`(\w+/test_\w+\.py)`", line) for line in reversed(table[: table.index(row) + 1]) if "test_" in line
    )
    digits = total.replace(",", "_")
    assert any(digits in (paths.root() / "tests" / name).read_text(encoding="utf-8") for name in named)
