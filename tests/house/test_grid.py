"""Names of cells: written and parsed in one place, so that no YAML reader turns 00500 into 320."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils import paths
from xpci_utils.params import Sweep
from xpci_utils.params.cells import ARMS, BACKBONES, REAL_ONLY_ARMS, SYNTHETIC_ARMS, Cell, parse_row
from xpci_utils.params.runs import GRIDS, cells_of, control_rows, stage_folders

labellers = st.sampled_from(["vit_b", "vit_t", "vit_b-noprompt", "vit_t-noprompt"])
arms = st.sampled_from([arm for arm in ARMS if arm not in REAL_ONLY_ARMS + SYNTHETIC_ARMS])


@given(st.sampled_from(BACKBONES), st.integers(1, 9999), labellers, st.integers(0, 99999), arms, st.integers(0, 99))
def test_a_name_parses_back(backbone, annotated, labeller, synthetic, arm, seed):
    cell = Cell(backbone, annotated, labeller if synthetic else "none", synthetic, arm, seed)
    assert Cell.parse(cell.name) == cell


def test_the_form_of_a_name():
    assert Cell("emcad", 100, "vit_b", 500).name == "emcad__r0100__vit_b__n00500__mix__s0"
    assert Cell("emcad", 100, "none", 0).name == "emcad__r0100__none__n00000__mix__s0"


@pytest.mark.parametrize(
    "name", ["", "emcad", "emcad__r100__vit_b__n00500__mix__s0", "unet__r0100__vit_b__n00500__mix__s0",
             "emcad__r0100__none__n00500__mix__s0", "emcad__r0100__vit_b__n00000__mix__s0",
             "emcad__r0100__vit_b__n00500__other__s0"],
)  # fmt: skip
def test_a_wrong_name_is_refused(name):
    with pytest.raises(ValueError, match=r"cell|backbone|arm"):
        Cell.parse(name)


def test_the_papers_grid_has_23_runs():
    """Four series, five counts, and one real-only run per backbone (Tables 1-4 and Figure 6)."""
    sweep = Sweep(annotated=200, counts=[0, 500, 1000, 2000, 5000, 10000])
    cells = cells_of(sweep)
    assert len(cells) == len({cell.name for cell in cells}) == 23
    assert sum(cell.synthetic == 0 for cell in cells) == 3


def test_the_full_grid_has_33_runs():
    """Three backbones, two labellers, five counts, and one real-only run per backbone."""
    cells = cells_of(Sweep(annotated=200, counts=[0, 500, 1000, 2000, 5000, 10000]), "full")
    assert len(cells) == len(set(cells)) == 33


def test_a_contrast_adds_its_seeds_to_the_paper_grid_and_nothing_else():
    row = "emcad__r0040__vit_b__n00100__mix"
    plain, declared = Sweep(), Sweep(contrasts=[row], contrast_seeds=[0, 1, 2])
    added = [cell.name for cell in cells_of(declared) if cell not in cells_of(plain)]
    assert added == [f"{r}__s{s}" for s in (1, 2) for r in ("emcad__r0040__none__n00000__mix", row)]


CONTROLS = control_rows(100, 500, fewer=[50], more=[200])


def test_rows_of_the_error_ladder_read_the_pools_they_are_named_after():
    """True labels lie with the fresh frames; the same frames named by a labeller; and with the generator's masks."""
    sources = {row: parse_row(row).sources for row in CONTROLS}
    assert sources["emcad__r0100__true__n00500__fresh"] == ("pools/fresh/pairs", "pools/fresh/pairs/labels")
    assert sources["emcad__r0100__vit_b__n00500__fresh"] == ("pools/fresh/pairs", "pools/fresh/labels/vit_b__s0")
    assert sources["emcad__r0100__vit_b__n00500__clamped"] == ("pools/clamped/pairs", "pools/clamped/labels/vit_b__s0")
    assert sources["emcad__r0100__vit_b__n00500__mix"] == ("pools/ddpm/pairs", "pools/ddpm/labels/vit_b__s0")
    assert sources["emcad__r0200__none__n00000__more"] == ("pools/fresh/pairs", "pools/fresh/pairs/labels")
    assert sources["emcad__r0100__none__n00000__copypaste"] is None


def test_every_control_row_is_a_cell_without_its_seed():
    assert [parse_row(row).row for row in CONTROLS] == CONTROLS
    assert len(set(CONTROLS)) == len(CONTROLS)
    with pytest.raises(ValueError, match="leave out its seed"):
        parse_row(CONTROLS[0] + "__s0")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("emcad__r0100__true__n00500__mix", "only pairs of the arm 'fresh' have true labels"),
        ("emcad__r0200__vit_b__n00500__more", "annotated frames alone"),
        ("emcad__r0100__none__n00000__pretrain", "needs synthetic pairs"),
        ("emcad__r0100__vit_b__n00500__longer", "without synthetic pairs has labeller 'none'"),
    ],
)
def test_a_row_that_contradicts_its_arm_is_refused(row, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_row(row)


def test_fewer_annotated_frames_than_the_denoiser_saw_go_with_no_synthetic_pairs():
    Sweep(controls=["emcad__r0020__none__n00000__mix"])
    with pytest.raises(ValueError, match="have seen all 40 annotated frames"):
        Sweep(controls=["emcad__r0020__vit_b__n00050__mix"])


def test_stages_come_in_an_order_that_can_be_executed():
    folders = stage_folders(Sweep())
    assert folders[0] == "frames"
    assert folders[-1] == "report"
    assert folders.index("pools/ddpm/pairs") < folders.index("pools/ddpm/labels/vit_b__s0")
    assert folders.index("sam/vit_b__s0") < folders.index("pools/ddpm/labels/vit_b__s0")
    assert len(folders) == len(set(folders))


def test_the_page_of_the_study_names_every_arm_and_grid():
    page = (paths.root() / "docs/study.md").read_text(encoding="utf-8")
    assert [name for name in (*ARMS, *GRIDS) if f"`{name}`" not in page] == []


def test_prompted_labellers_are_asked_about_drawn_masks_of_held_out_frames_too():
    """Every prompted labeller with each of its seeds, none without prompt; no cell trains on that pool."""
    asked = {"labellers": ["vit_b-noprompt", "vit_b", "vit_b-frozen"], "series": ["emcad__vit_b"], "counts": [0, 4]}
    sweep = Sweep(**asked, labeller_seeds=[0, 1])
    places = stage_folders(sweep)
    named = [place for place in places if place.startswith("pools/heldout/labels")]
    assert named == [f"pools/heldout/labels/{name}__s{seed}" for name in ("vit_b", "vit_b-frozen") for seed in (0, 1)]
    assert places.index("ddpm") < places.index("pools/heldout/pairs") < places.index(named[0])
    assert not any("heldout" in place for place in stage_folders(Sweep(**asked, noisy_prompts=False)))
