"""Names of cells: written and parsed in one place, so that no YAML reader turns 00500 into 320."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils import paths
from xpci_utils.params import AdaptSam, ParameterError, Sweep, TrainSegmentation
from xpci_utils.params.cells import ARMS, BACKBONES, Cell, knowledge_of, parse_labeller, parse_row
from xpci_utils.params.profiles import overlay, profile_values, profiles, sweep_of
from xpci_utils.params.runs import GRIDS, cells_of, control_seeds, stage_folders

labellers = st.sampled_from(["vit_b", "vit_t", "vit_b-noprompt", "vit_t-noprompt"])
FIELDS = {"": "", "noaug": "none", "flips": "symmetries", "strongaug": "affine"}  # of an arm -> augmentation


@st.composite
def arms(draw):
    """(first field, weight of pairs, field of the augmentation) of every arm that there is."""
    first = draw(st.sampled_from(list(ARMS)))
    weight = draw(st.integers(1, 100)) / 100 if first in {"added", "unlabelled", "fixmatch"} else 1.0
    return first, weight, draw(st.sampled_from([""] if first in {"mix", *FIELDS} else list(FIELDS)))


@given(st.sampled_from(BACKBONES), st.integers(1, 9999), labellers, st.integers(1, 99999), arms(), st.integers(0, 99))
def test_a_name_parses_back(backbone, annotated, labeller, synthetic, arm, seed):
    """Whatever the arm combines; and the name alone says what the arm does."""
    first, weight, field = arm
    joined = "-".join(filter(None, [first, f"w{100 * weight:03.0f}" if weight < 1 else "", field]))
    alone = first in {"halfbatch", "more", "longer", "fixmatch"}
    count = synthetic if first in {"longer", "fixmatch"} or not alone else 0
    cell = Cell(backbone, annotated, "none" if alone else labeller, count, joined, seed)
    parsed_cell = Cell.parse(cell.name)
    assert parsed_cell == cell
    assert (parsed_cell.trains_on, parsed_cell.pair_weight) == ("mix" if first in FIELDS else first, weight)
    assert parsed_cell.augmentation == FIELDS[field or (first if first in FIELDS else "")]
    plain = parsed_cell.alone()
    assert (plain.labeller, plain.synthetic, plain.augmentation) == ("none", 0, parsed_cell.augmentation)
    assert Cell.parse(plain.name) == plain == plain.alone()


@pytest.mark.parametrize(
    "arm", ["added-w100", "added-w000", "added-w50", "added-noaug-w050", "added-w050-w025", "added-noaug-flips",
            "mix-w050", "noaug-w050", "epochs-w050", "mix-noaug", "w050", "w050-added", "added-", "halfbatch-w050"],
)  # fmt: skip
def test_an_arm_has_one_spelling(arm):
    """A weight of 1 is no field, it stands before the augmentation, and only arms with whole batches have one."""
    labeller = "none__n00000" if "half" in arm else "vit_b__n00500"
    with pytest.raises(ValueError, match=f"there is no arm '{arm}'"):
        parse_row(f"emcad__r0100__{labeller}__{arm}")


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


def resized(row):
    """A control row of the smoke profile in other counts."""
    for small, large in {"r0006": "r0100", "n00004": "n00500", "r0003": "r0050", "r0008": "r0200"}.items():
        row = row.replace(small, large)
    return row


CONTROLS = [resized(row) for row in overlay("smoke").values["sweep"]["controls"]]


def pool_of(row):
    """(pairs, labels) that a network of seed 0 of a row reads, by their places."""
    parameters = TrainSegmentation(cell=f"{row}__s0")
    return parameters.pool and tuple(folder.relative_to(parameters.root).as_posix() for folder in parameters.pool)


def test_rows_of_the_error_ladder_read_the_pools_they_are_named_after():
    """True labels lie with the fresh frames; the same frames named by a labeller; and with the generator's masks."""
    sources = {row: pool_of(row) for row in CONTROLS}
    assert sources["emcad__r0100__true__n00500__fresh"] == ("pools/fresh/pairs", "pools/fresh/pairs/labels")
    assert sources["emcad__r0100__vit_b__n00500__fresh"] == ("pools/fresh/pairs", "pools/fresh/labels/vit_b__s0")
    assert sources["emcad__r0100__vit_b__n00500__clamped"] == ("pools/clamped/pairs", "pools/clamped/labels/vit_b__s0")
    assert sources["emcad__r0100__vit_b__n00500__mix"] == ("pools/ddpm/pairs", "pools/ddpm/labels/vit_b__s0")
    assert sources["emcad__r0200__none__n00000__more"] == ("pools/fresh/pairs", "pools/fresh/pairs/labels")
    assert sources["emcad__r0100__vit_b__n00500__unlabelled"] == (
        "pools/unlabelled/pairs", "pools/unlabelled/labels/vit_b__s0"
    )  # fmt: skip
    assert sources["emcad__r0100__none__n00500__fixmatch"][0] == "pools/unlabelled/pairs"
    assert sources["emcad__r0100__none__n00000__copypaste"] is None


@pytest.mark.parametrize("profile", [name for name in profiles() if overlay(name).stages])
def test_every_row_of_a_profile_is_a_cell_without_its_seed(profile):
    """They are written by hand."""
    values = overlay(profile).values.get("sweep", {})
    for kind in ("contrasts", "controls", "extended"):
        rows = values.get(kind, [])
        assert [parse_row(row).row for row in rows] == rows
        assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
def test_the_controls_of_a_profile_change_one_thing_at_a_time(profile):
    """Every arm but the paper's protocol, fewer annotated frames, more of them, and true labels: beside 'mix'.

    Batches that pairs do not dilute, and frames without annotation, are in no study yet; smoke combines them with
    weights and augmentation, too.
    """
    controls = [parse_row(row) for row in overlay(profile).values["sweep"]["controls"]]
    later = {"added", "halfbatch", "unlabelled", "fixmatch"}
    undiluted = {cell.arm for cell in controls if cell.trains_on in later}
    whole = {"added", "added-w050", "added-w025-noaug", "halfbatch", "halfbatch-noaug"}
    whole |= {"unlabelled", "unlabelled-w050", "fixmatch", "fixmatch-w050-noaug"}
    assert undiluted == (whole if profile == "smoke" else set())
    expected = set(ARMS) - {"epochs", "longer", "flips"} - later
    expected -= {"more"} if profile == "paper" else set()
    assert {cell.arm for cell in controls} - undiluted == expected, "the paper has no further annotated frames"
    assert len({cell.backbone for cell in controls}) == 1
    reference, counts = controls[0], {cell.synthetic for cell in controls if cell.synthetic}
    assert (reference.arm, reference.synthetic) == ("mix", 0)
    assert len(counts) == 1
    informed = {cell.labeller for cell in controls if knowledge_of(cell.labeller)}
    assert {cell.labeller for cell in controls} - informed == {"none", "vit_b", "true"}
    assert bool(informed) == (profile == "smoke")
    others = [cell for cell in controls if cell.annotated != reference.annotated]
    assert others
    assert all(cell.labeller == "none" for cell in others)


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
def test_each_extended_row_with_pairs_has_one_of_as_many_steps_without(profile):
    """In 'epochs' pairs bring steps of their own; the paper's profile trains its whole grid that way."""
    values = overlay(profile).values["sweep"]
    rows = [parse_row(row) for row in values["extended"]]
    longer = {(cell.backbone, cell.annotated, cell.synthetic) for cell in rows if cell.arm == "longer"}
    epochs = {(cell.backbone, cell.annotated, cell.synthetic) for cell in rows if cell.arm == "epochs"}
    if profile == "paper":
        epochs = {(name, values["annotated"], count) for name in BACKBONES for count in values["counts"] if count}
    assert longer == epochs
    assert len(rows) == len(longer) + sum(cell.arm == "epochs" for cell in rows)


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
        ("emcad__r0100__vit_b__n00500__halfbatch", "annotated frames alone"),
        ("emcad__r0100__none__n00000__added-w050", "needs synthetic pairs"),
        ("emcad__r0100__none__n00000__pretrain", "needs synthetic pairs"),
        ("emcad__r0100__none__n00500__unlabelled", "has labeller 'none'"),
        ("emcad__r0100__none__n00000__fixmatch", "needs frames without annotation"),
        ("emcad__r0100__vit_b__n00500__fixmatch", "has labeller 'none', and only such a cell has"),
        ("emcad__r0100__true__n00500__unlabelled", "only pairs of the arm 'fresh' have true labels"),
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


def test_a_repeated_control_is_trained_with_further_seeds():
    once, often = (f"emcad__r0040__none__n00000__{arm}" for arm in ("noaug", "mix"))
    sweep = Sweep(controls=[once, often], repeated=[often], repeated_seeds=[1, 2])
    seeds = {row: [cell.seed for cell in cells_of(sweep, "controls") if cell.row == row] for row in (once, often)}
    assert seeds == {once: [0], often: [0, 1, 2]} == {row: control_seeds(row, sweep) for row in (once, often)}
    with pytest.raises(ValueError, match="repeated has emcad__r0040__none__n00000__mix, which is none of the controls"):
        Sweep(controls=[once], repeated=[often])


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


def test_the_papers_pool_is_audited_once_with_the_labeller_that_pictures_show():
    """Whatever the labellers and seeds are; the controls ask for none, and nothing else waits for it."""
    asked = {"labellers": ["vit_t-noprompt", "vit_t", "vit_b"], "series": ["emcad__vit_t", "emcad__vit_b"]}
    places = stage_folders(Sweep(**asked, labeller_seeds=[0, 1], seeds=[0, 1]))
    assert [place for place in places if "audit" in place] == ["pools/ddpm/audit/vit_b__s0"]
    audited = places.index("pools/ddpm/audit/vit_b__s0")
    assert max(places.index("pools/ddpm/pairs"), places.index("sam/vit_b__s0")) < audited
    small = stage_folders(Sweep(series=["emcad__vit_t"], labellers=["vit_t"]))
    assert [place for place in small if "audit" in place] == ["pools/ddpm/audit/vit_t__s0"]
    assert not any("audit" in place for place in stage_folders(Sweep(**asked, counts=[0])))
    controls = Sweep(controls=["emcad__r0040__vit_b__n00050__noaug"])
    assert not any("audit" in place for place in stage_folders(controls, "controls"))


INFORMED = "vit_b-noprompt-frozen-fewblocks-noaug-informed1000"  # every part of a name, in its order
INFORMED_ROW = "emcad__r0040__vit_t-informed300__n00100__mix"


def test_the_name_of_an_informed_labeller_says_what_it_knew():
    """Its parts come in one order, without which two names would mean one labeller."""
    assert knowledge_of(INFORMED) == parse_labeller(INFORMED).knowledge_frames == 1000
    assert [knowledge_of(name) for name in ("vit_t", "vit_t-noprompt", "none", "true")] == [0, 0, 0, 0]
    assert Cell.parse(f"{INFORMED_ROW}__s3").labeller == "vit_t-informed300"
    assert pool_of(INFORMED_ROW) == ("pools/ddpm/pairs", "pools/ddpm/labels/vit_t-informed300__s0")
    for name in ("vit_t-informed", "vit_t-informed0", "vit_t-informed0300", "vit_t-informed300-noaug", "informed300"):
        with pytest.raises(ValueError, match="'-informed1000' for 1,000"):
            parse_labeller(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labellers", ["vit_t-noprompt", "vit_t", "vit_b-noprompt", "vit_b", "vit_t-informed300"]),
        ("series", ["emcad__vit_t-informed300"]),
        ("contrasts", [INFORMED_ROW]),
        ("readings", [INFORMED_ROW]),
        ("extended", [INFORMED_ROW]),
    ],
)
def test_an_informed_labeller_is_for_controls_alone(field, value):
    """Neither Table 5, nor a table of the paper, nor a recipe that is declared, may rest on frames that no user has."""
    more = {"labellers": ["vit_t-informed300"]} if field == "series" else {}
    with pytest.raises(ParameterError, match=r"informed labeller vit_t-informed300.*only controls may have it"):
        Sweep.checked({field: value, "contrast_seeds": [0, 1]} | more)
    folders = stage_folders(Sweep(controls=[INFORMED_ROW]), "controls")
    assert {"sam/vit_t-informed300__s0", "pools/ddpm/labels/vit_t-informed300__s0"} <= {*folders}


@pytest.mark.parametrize("profile", [name for name in profiles() if overlay(name).stages])
def test_no_profile_has_an_informed_labeller_outside_controls(profile):
    """Own frames and first steps have none at all; and what a labeller knew is never a setting of a profile."""
    sweep, alone = sweep_of(profile).for_frames(16), profile in ("quick", "own_frames", "own_frames_gpu", "real_study")
    grids = GRIDS if alone else [grid for grid in GRIDS if grid != "controls"]
    assert not any(knowledge_of(cell.labeller) for cell in cells_of(sweep, *grids))
    assert not any(map(knowledge_of, sweep.labellers))
    labeller = profile_values(profile, "03_adapt_sam")
    assert (labeller["knowledge_frames"], knowledge_of(labeller["labeller"])) == (0, 0)


def test_what_a_labeller_knew_is_in_its_name_or_refused():
    """And no record needs it: the identity of a labeller without knowledge is that of the first edition."""
    assert AdaptSam(labeller="vit_t-informed4").settings().knowledge_frames == 4
    assert AdaptSam(labeller="vit_t-informed4", knowledge_frames=4).settings().knowledge_frames == 4
    assert "knowledge_frames" not in AdaptSam(labeller="vit_t-informed4").decisive()
    for labeller in ("vit_t", "vit_t-informed5"):
        with pytest.raises(ParameterError, match=r"knowledge_frames is 4, but the labeller is.*'-informed4'"):
            AdaptSam.checked({"labeller": labeller, "knowledge_frames": 4})
