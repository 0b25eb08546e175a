"""docs/costs.md: made from the committed cost tables, with both profiles side by side."""

import pytest

from xpci_utils import paths
from xpci_utils.costs import jobs, page
from xpci_utils.params.profiles import sweep_of
from xpci_utils.params.runs import GRIDS, stage_folders

PAGE = (paths.root() / "docs/costs.md").read_text(encoding="utf-8")


def test_the_page_is_made_from_the_committed_tables():
    assert page.page_text(*page.committed_tables()) == PAGE


@pytest.mark.parametrize("profile", [page.PAGE_PROFILE, page.FAST_PROFILE])
@pytest.mark.parametrize("grid", GRIDS)
def test_every_job_fits_on_a_card_of_the_papers_workstation(profile, grid):
    """24 GB (1e9 bytes): readings, controls and what takes a night as well as the paper's grid."""
    listing = jobs.dry_run(profile, stage_folders(sweep_of(profile), grid), jobs.table_of(profile))
    assert all(job.gpu_gib is not None for job in listing)
    assert not [(job.folder, job.gpu_gib) for job in listing if jobs.exceeds(job, jobs.CARD_GB)]


def test_both_profiles_stand_side_by_side():
    """Hours and memory of a line are those of the jobs of each profile, from its own table."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith("| **together**")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    totals = []
    for profile in (page.PAGE_PROFILE, page.FAST_PROFILE):
        folders = stage_folders(sweep_of(profile), "paper")
        totals.append(jobs.total(jobs.dry_run(profile, folders, jobs.table_of(profile))))
    expected = [*(one.gpu_hours for one in totals), *(one.gpu_gib for one in totals)]
    assert cells[3:7] == [f"{value:,.1f}" for value in expected]


def test_a_profile_that_was_not_rehearsed_has_dashes_for_what_is_measured():
    table, _ = page.committed_tables()
    text = page.page_text(table, table)
    assert page.NOT_REHEARSED in text
    header, rows = page.units_table(table, table)
    assert len(header) == 12
    assert all(row[-3:] == ["-"] * 3 for row in rows)
    assert all(row[-1] == "-" for row in page.stages_table(table, table)[1])


def test_a_job_that_does_not_fit_is_named(monkeypatch):
    monkeypatch.setattr(jobs, "CARD_GB", 17.0)
    assert "Jobs that need more than a card of 17 GB (15.8 GiB): ddpm" in page.page_text(*page.committed_tables())
