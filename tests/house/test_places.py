"""Places of stages: written and parsed in one module, and every notebook writes where its place says."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils import paths
from xpci_utils.params import APPENDICES, SamplePairs, stage_model
from xpci_utils.params.cells import BACKBONES, Cell
from xpci_utils.params.places import (
    AUDITED,
    DENOISER,
    FRAMES,
    PAIRS_OF,
    REPORT,
    audit_place,
    cell_place,
    labeller_place,
    labels_place,
    pairs_place,
    parse_place,
    shard_place,
    sources,
    upstream,
)
from xpci_utils.params.profiles import overlay, profiles, stage_parameters, sweep_of
from xpci_utils.params.runs import GRIDS, stage_places

PACKAGE = paths.root() / "xpci_utils"

seeds = st.integers(0, 10_000)
pools = st.sampled_from(list(PAIRS_OF))
variants = st.sampled_from(["vit_b", "vit_t"])
labellers = st.builds(
    "{}{}{}{}{}{}".format,
    variants,
    st.sampled_from(["", "-noprompt"]),
    st.sampled_from(["", "-frozen", "-headed", "-whole"]),
    st.sampled_from(["", "-fewblocks"]),
    st.sampled_from(["", "-noaug", "-flips", "-strongaug"]),
    st.one_of(st.just(""), st.integers(1, 99_999).map("-informed{}".format)),
)
shares = st.integers(1, 999).flatmap(lambda shards: st.tuples(st.integers(0, shards - 1), st.just(shards)))
cells = st.builds(
    lambda backbone, annotated, labeller, pairs, seed: Cell(
        backbone, annotated, labeller if pairs else "none", pairs, seed=seed
    ),
    st.sampled_from(BACKBONES), st.integers(0, 9999), labellers, st.integers(0, 99_999), seeds,
)  # fmt: skip
places = st.one_of(
    st.sampled_from([FRAMES, DENOISER, REPORT]),
    st.builds(labeller_place, labellers, seeds),
    st.builds(pairs_place, pools),
    st.builds(lambda pool, share: shard_place(pool, *share), pools, shares),
    st.builds(labels_place, pools, labellers, seeds),
    st.builds(audit_place, st.sampled_from(AUDITED), labellers, seeds),
    st.builds(cell_place, cells),
)


@given(places)
def test_a_folder_parses_back_to_its_place(place):
    parsed_place = parse_place(place.folder)
    assert (parsed_place.folder, parsed_place.notebook, parsed_place.parameters) == (
        place.folder,
        place.notebook,
        place.parameters,
    )
    assert parsed_place.kind == place.folder.split("/")[0]


@given(places)
def test_a_stage_of_the_parameters_of_a_place_lies_there(place):
    """Shares are of the denoiser's own pool; there are places of others, which no parameters ask for."""
    if "shard" in place.parameters and (place.parameters["pool"] != "ddpm" or place.parameters["shards"] == 1):
        return
    assert stage_model(place.notebook).checked(place.parameters).place == place.folder


@pytest.mark.parametrize("name", APPENDICES)
@pytest.mark.parametrize("values", [{}, {"variant": "vit_b", "seed": 3}])
def test_an_appendix_has_a_place_that_parses_back(name, values):
    place = parse_place(APPENDICES[name](**values).place)
    assert place.notebook == name
    assert APPENDICES[name](**place.parameters) == APPENDICES[name](**values)


@pytest.mark.parametrize("profile", [name for name in profiles() if overlay(name).stages])
def test_every_place_of_a_sweep_parses_back_and_is_that_of_its_parameters(profile):
    root = paths.root() / "runs" / profile
    for place in stage_places(sweep_of(profile).for_frames(16), *GRIDS):
        assert parse_place(place.folder) == place
        parameters = stage_parameters(profile, place.folder, root)
        assert (parameters.folder, parameters.notebook) == (root / place.folder, place.notebook)


@pytest.mark.parametrize(
    "folder",
    ["", "frames/", "/frames", "frame", "ddpm/samples", "sam", "sam/vit_b", "sam/vit_h__s0", "sam/vit_b__s",
     "sam/vit_b__s0/x", "pools/ddpm", "pools/ddpm/pairs/images", "pools/ddpm/labels/vit_b",
     "pools/ddpm/labels/none__s0", "pools/ddpm/shards/1", "pools/ddpm/shards/1_of_", "segmentation/emcad",
     "segmentation/emcad__r0006__none__n00000__mix", "segmentation", "work/ddpm", "logs", "notebooks", "video/film",
     "sam/vit_b__s0\n", "report/tables"],
)  # fmt: skip
def test_a_folder_that_no_stage_writes_is_refused(folder):
    with pytest.raises(ValueError, match=r"no stage writes a folder|is not a (cell|labeller)"):
        parse_place(folder)


@pytest.mark.parametrize(
    "folder", ["pools/other/pairs", "pools/other/labels/vit_b__s0", "pools/ddpm/shards/2_of_2", "sam/vit_b__s00",
               "pools/ddpm/shards/01_of_2", "pools/ddpm/labels/vit_b__s01", "pools/heldout/audit/vit_b__s0",
               "sam/vit_b-informed0__s0", "sam/vit_b-informed__s0", "sam/vit_b-informed04__s0",
               "sam/vit_b-informed4-noaug__s0"],
)  # fmt: skip
def test_a_folder_that_looks_like_a_place_and_is_none_is_refused(folder):
    """A pool that there is not, a share beyond the last, a number that is written otherwise, parts in another order."""
    with pytest.raises(ValueError, match="no stage writes a folder"):
        parse_place(folder)


def test_seeds_of_one_labeller_share_a_folder_but_for_the_seed():
    one, other = (labels_place("ddpm", "vit_b-noprompt", seed) for seed in (3, 12))
    assert (one.seed, other.seed) == (3, 12)
    assert one.seedless == other.seedless == "pools/ddpm/labels/vit_b-noprompt"
    cell = Cell("emcad", 100, "vit_b", 500, seed=7)
    assert (cell_place(cell).seedless, cell_place(cell).seed) == (f"segmentation/{cell.row}", 7)


def test_labels_of_held_out_masks_are_asked_for_whole():
    """They are scored; a profile may ignore doubtful particles elsewhere."""
    assert labels_place("heldout", "vit_b").parameters["min_confidence"] == 0.0
    assert all("min_confidence" not in labels_place(pool, "vit_b").parameters for pool in PAIRS_OF if pool != "heldout")


def test_what_a_cell_took_is_named_in_an_order_that_can_be_executed():
    cell = Cell.parse("emcad__r0100__vit_b__n00500__clamped__s2")
    assert [place.folder for place in sources(cell)] == ["pools/clamped/pairs", "pools/clamped/labels/vit_b__s0"]
    before = ["ddpm", "pools/fresh/pairs", "sam/vit_b__s0"]
    assert [place.folder for place in upstream(cell)] == [*before, *(place.folder for place in sources(cell))]
    alone = Cell.parse("emcad__r0100__none__n00000__mix__s2")
    assert sources(alone) == upstream(alone) == []


def test_the_shares_of_a_pool_lie_beside_it_and_read_what_it_reads():
    share, whole = SamplePairs(shard=1, shards=3), SamplePairs()
    assert share.place == shard_place("ddpm", 1, 3).folder == "pools/ddpm/shards/1_of_3"
    assert share.inputs == whole.inputs
    assert not share.folder.is_relative_to(whole.folder), "a pool holds its pairs alone"


def text_parts(tree):
    """Constant parts of every f-string and of what is added to a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from (part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.BinOp):
            sides = (node.left, node.right)
            yield from (part.value for part in sides if isinstance(part, ast.Constant) and isinstance(part.value, str))


def test_folders_with_seeds_are_spelt_in_one_place():
    """Whoever writes ``f"sam/{labeller}__s{seed}"`` elsewhere is wrong as soon as places change."""
    spelt = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any("__s" in part for part in text_parts(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert spelt == {"params/cells.py", "params/places.py"}
