"""Names of cells: written and parsed in one place, so that no YAML reader turns 00500 into 320."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils import grid
from xpci_utils.params import Sweep

labellers = st.sampled_from(["vit_b", "vit_t", "vit_b-noprompt", "vit_t-noprompt"])


@given(st.sampled_from(grid.BACKBONES), st.integers(1, 9999), labellers, st.integers(0, 99999), st.integers(0, 99))
def test_a_name_parses_back(backbone, annotated, labeller, synthetic, seed):
    cell = grid.Cell(backbone, annotated, labeller if synthetic else "none", synthetic, "mix", seed)
    assert grid.Cell.parse(cell.name) == cell


def test_the_form_of_a_name():
    assert grid.Cell("emcad", 100, "vit_b", 500).name == "emcad__r0100__vit_b__n00500__mix__s0"
    assert grid.Cell("emcad", 100, "none", 0).name == "emcad__r0100__none__n00000__mix__s0"


@pytest.mark.parametrize(
    "name", ["", "emcad", "emcad__r100__vit_b__n00500__mix__s0", "unet__r0100__vit_b__n00500__mix__s0",
             "emcad__r0100__none__n00500__mix__s0", "emcad__r0100__vit_b__n00000__mix__s0",
             "emcad__r0100__vit_b__n00500__other__s0"],
)  # fmt: skip
def test_a_wrong_name_is_refused(name):
    with pytest.raises(ValueError, match=r"cell|backbone|arm"):
        grid.Cell.parse(name)


def test_the_papers_grid_has_23_runs():
    """Four series, five counts, and one real-only run per backbone (Tables 1-4 and Figure 6)."""
    sweep = Sweep(annotated=200, counts=[0, 500, 1000, 2000, 5000, 10000])
    cells = grid.cells(sweep)
    assert len(cells) == len({cell.name for cell in cells}) == 23
    assert sum(cell.synthetic == 0 for cell in cells) == 3


def test_stages_come_in_an_order_that_can_be_executed():
    folders = grid.stage_folders(Sweep())
    assert folders[0] == "frames"
    assert folders[-1] == "report"
    assert folders.index("pools/ddpm/pairs") < folders.index("pools/ddpm/labels/vit_b__s0")
    assert folders.index("sam/vit_b__s0") < folders.index("pools/ddpm/labels/vit_b__s0")
    assert len(folders) == len(set(folders))
