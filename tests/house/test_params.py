"""Parameters: one source, refused before anything runs, with a cure in the message."""

import shutil

import pytest
import yaml

from xpci_utils import paths
from xpci_utils.params import (
    APPENDICES,
    STAGES,
    AdaptSam,
    AuditPairs,
    Change,
    LabelPairs,
    ParameterError,
    PrepareFrames,
    SamplePairs,
    Sweep,
    TrainDdpm,
    TrainSegmentation,
    generate,
    stage_model,
)
from xpci_utils.params.places import labels_place
from xpci_utils.params.profiles import overlay, profiles, stage_parameters
from xpci_utils.stages import decisive

FILES = [(profile, name) for profile in profiles() for name in overlay(profile).files]


def test_files_and_parameter_cells_are_made_from_the_models():
    stale = [
        paths.display(path)
        for path, text in generate.expected_files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, f"run 'make params': {stale}"


@pytest.mark.parametrize(("profile", "name"), FILES)
def test_every_file_survives_papermills_reader(profile, name):
    """papermill reads YAML 1.1, where 1e-4 is a string; the files must arrive with their types intact."""
    from papermill.iorw import read_yaml_file

    path = paths.root() / "params" / profile / f"{name}.yaml"
    assert generate.MODELS[name].checked(read_yaml_file(str(path))).model_dump() == generate.profile_values(
        profile, name
    )


def test_defaults_are_the_quick_profile():
    assert overlay("quick").values == {}
    assert all(model.model_fields["run_root"].default == "runs/quick" for model in STAGES.values())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"lerning_rate": 0.1}, "lerning_rate is not a parameter; did you mean 'learning_rate'?"),
        ({"learning_rate": "1e-4"}, "learning_rate is the text '1e-4'; YAML wants a point"),
        ({"steps": 500.0}, "steps: Input should be a valid integer"),
        ({"steps": 0}, "steps: Input should be greater than or equal to 1"),
        ({"labeller": "vit_h"}, "'vit_h' is not a labeller; choose vit_b or vit_t"),
        ({"size": "huge"}, "size: Input should be 'reduced' or 'paper'"),
        ({"bf16": "yes"}, "bf16: Input should be a valid boolean"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_cure(values, sentence):
    with pytest.raises(ParameterError) as error:
        AdaptSam.checked(values)
    assert sentence in str(error.value)


def test_every_fault_is_listed_at_once():
    with pytest.raises(ParameterError) as error:
        AdaptSam.checked({"steps": 0, "bf16": 1, "colour": 3})
    assert all(name in str(error.value) for name in ("steps", "bf16", "colour"))


def test_a_file_must_name_every_parameter(tmp_path):
    path = tmp_path / "03_adapt_sam.yaml"
    values = generate.profile_values("quick", "03_adapt_sam")
    values.pop("steps")
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ParameterError, match="lacks steps"):
        AdaptSam.from_yaml(path)


@pytest.mark.parametrize("text", ["steps: [1", "- 1\n- 2\n", "a: !!python/object/apply:os.getcwd []"])
def test_a_file_that_is_not_a_flat_mapping_is_refused(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=r"x\.yaml"):
        AdaptSam.from_yaml(path)


def test_a_profile_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ParameterError, match=r"params/qiuck/sweep\.yaml; profiles are .*quick"):
        Sweep.from_yaml("params/qiuck/sweep.yaml")


def test_an_unknown_notebook_is_suggested():
    with pytest.raises(ParameterError, match="did you mean '03_adapt_sam'"):
        stage_model("03_adapt_samm")


def test_a_folder_source_needs_a_folder():
    with pytest.raises(ParameterError, match="source_folder names none"):
        PrepareFrames.checked({"source": "folder"})


def in_notebook(*cells, **later):
    """Globals of a notebook after ``cells`` and the cell that checks, with what later cells of an earlier run left."""
    namespace = {"In": ["", "import numpy as np\nknown = np.pi", *cells, "parameters = check()"], **later}
    for cell in cells:
        exec(cell, namespace)
    return namespace


def test_names_in_a_notebook_that_are_no_parameters_are_refused():
    with pytest.raises(ParameterError, match="stepz is not a parameter; did you mean 'steps'"):
        TrainSegmentation.from_notebook(in_notebook("steps = 3  # fine", "# Parameters\nstepz = 4"))


def test_a_notebook_can_be_run_again_in_the_same_kernel():
    namespace = in_notebook("steps = 3\nbf16 = True", "steps = 5", frames=object(), history=[1], number=3)
    parameters = TrainSegmentation.from_notebook(namespace)
    assert (parameters.steps, parameters.bf16) == (5, True)


def test_sweep_faults():
    for values, sentence in [
        ({"counts": [50, 100]}, "contain 0"),
        ({"series": ["resnet__vit_b"]}, "not a series"),
        ({"labellers": ["vit_b"]}, "series use vit_t"),
    ]:
        with pytest.raises(ParameterError, match=sentence):
            Sweep.checked(values)


def test_where_a_run_lies_is_not_part_of_its_identity():
    here, there = AdaptSam(), AdaptSam(run_root="elsewhere", force=True, output_folder="x")
    assert decisive(here) == decisive(there)
    assert decisive(here) != decisive(AdaptSam(threads=2))


def test_shards_of_a_pool_are_checked_and_are_no_part_of_its_identity():
    whole, third = SamplePairs(), SamplePairs(shard=2, shards=3)
    assert decisive(third) == decisive(whole)
    assert not {"shard", "shards"} & set(decisive(whole))
    assert third.place == "pools/ddpm/shards/2_of_3", "a share has a folder, and so a lock, of its own"
    assert third.history != whole.history
    assert third.folder not in third.history.parents, "a pool holds its pairs alone"
    assert third.products == whole.products == ("images", "masks", "pairs.csv")
    with pytest.raises(ParameterError, match="shard is 3, but with shards 3 the last one is 2"):
        SamplePairs.checked({"shard": 3, "shards": 3})
    with pytest.raises(ParameterError, match="every other pool is made by one run"):
        SamplePairs.checked({"shards": 2, "pool": "fresh"})


def test_parameters_of_labels_and_audit_concern_no_pair():
    """Another way to label repeats the labelling, another audit the audit; what sampling did, the inputs tell."""
    ways = {"symmetries": True, "vote": "particle", "min_confidence": 0.9, "kept_share": 0.5}
    for name, value in {**ways, "labeller": "vit_t", "labeller_seed": 1, "pool": "fresh"}.items():
        assert decisive(LabelPairs(**{name: value})) != decisive(LabelPairs()), name
    assert not ways.keys() & SamplePairs.model_fields.keys()
    assert not {"fresh_frames", "audit_particles"} & SamplePairs.model_fields.keys()
    pools = [SamplePairs(), *(model(pool="clamped") for model in (SamplePairs, LabelPairs, AuditPairs))]
    assert not any(AuditPairs().folder in pool.inputs for pool in pools), "nothing waits for an audit"


def test_held_out_masks_are_labelled_whole():
    """Their labels are scored against the truth, which ignores nothing. Who asks for something else is told; a grid
    whose profile ignores doubtful particles elsewhere asks for all of them here."""
    with pytest.raises(ParameterError, match="min_confidence must be 0 for the pool 'heldout'"):
        LabelPairs.checked({"pool": "heldout", "min_confidence": 0.9})
    with pytest.raises(ParameterError, match="kept_share must be 1 for the pool 'heldout'"):
        LabelPairs.checked({"pool": "heldout", "kept_share": 0.9})
    assert LabelPairs(pool="fresh", min_confidence=0.9).min_confidence == 0.9
    place = labels_place("heldout", "vit_b")
    assert LabelPairs.checked({"min_confidence": 0.9, **place.parameters}).min_confidence == 0
    assert stage_parameters("quick", place.folder, "runs/x").min_confidence == 0
    assert "per_frame.csv" in LabelPairs(pool="heldout").products
    assert "per_frame.csv" not in LabelPairs().products, "the classes of sampled particles are not known"


def test_a_change_may_concern_simulated_frames_alone(monkeypatch):
    """A change of the simulator must not repeat a study of one's own frames, nor one of a reader of folders another."""
    own = PrepareFrames(source="folder", source_folder="data/my_frames")
    simulator = Change("another source", lambda parameters: parameters.source == "simulator")
    monkeypatch.setattr(PrepareFrames, "changes", {2: simulator})
    assert (PrepareFrames().version, own.version) == (2, 1)


@pytest.mark.parametrize("model", [*STAGES.values(), *APPENDICES.values()])
def test_versions_are_counted_up_from_two_and_each_says_why(model):
    """Version 1 is the first edition; a gap would be a change that nobody explained."""
    assert list(model.changes) == list(range(2, len(model.changes) + 2))
    assert all(change.reason.strip() for change in model.changes.values())
    assert not model.retired & model.model_fields.keys(), "a parameter that exists decides"
    assert not model.former.keys() & model.model_fields.keys(), "nor is it called otherwise today"
    for today in model.former.values():
        assert all(model(**{today.name: value}) for value in today.values.values())


def test_a_labeller_belongs_to_the_weights_it_starts_from(tmp_path):
    """Other weights in the same place are another identity, the same ones elsewhere are not."""
    (tmp_path / "vit_b").mkdir()
    note = tmp_path / "vit_b/sam.sha256"
    for content in ("abc  sam.safetensors\n", "def  sam.safetensors\n"):
        note.write_text(content)
        hashed = decisive(AdaptSam(weights="pretrained", weights_folder=str(tmp_path)))
        assert hashed["weights_sha256"] == content.split()[0]
    shutil.copytree(tmp_path, tmp_path / "elsewhere")
    assert decisive(AdaptSam(weights="pretrained", weights_folder=str(tmp_path / "elsewhere"))) == hashed
    absent = AdaptSam(weights="pretrained", labeller="vit_t", weights_folder=str(tmp_path))
    assert decisive(absent)["weights_sha256"] == ""
    assert "weights_sha256" not in decisive(AdaptSam(weights="random", weights_folder=str(tmp_path)))


@pytest.fixture
def overlays(tmp_path, monkeypatch):
    """A function that writes the overlay of a profile of a repository of its own."""
    monkeypatch.setenv("XPCI_ROOT", str(tmp_path))
    (tmp_path / "params").mkdir()

    def write(profile, text):
        (tmp_path / f"params/{profile}.yaml").write_text(f"about: for a test\n{text}")

    return write


def test_an_overlay_holds_what_differs_and_no_more(overlays):
    overlays("mine", "02_train_ddpm:\n  steps: 7\n")
    assert generate.profile_values("mine", "02_train_ddpm") == TrainDdpm(steps=7, run_root="runs/mine").model_dump()
    assert generate.profile_values("mine", "03_adapt_sam") == AdaptSam(run_root="runs/mine").model_dump()
    assert generate.profile_values("mine", "06_tables_and_figures")["sweep"] == "params/mine/sweep.yaml"
    assert overlay("mine").files == [*STAGES, "sweep"]


def test_a_profile_takes_over_the_notebooks_of_another_and_names_its_own_grid(overlays):
    overlays("base", "02_train_ddpm:\n  steps: 7\n  seed: 3\nsweep:\n  annotated: 9\n")
    overlays("more", "extends: base\n02_train_ddpm:\n  seed: 4\n03_adapt_sam:\n  steps: 5\n")
    values = generate.profile_values("more", "02_train_ddpm")
    assert (values["steps"], values["seed"], values["run_root"]) == (7, 4, "runs/more")
    assert generate.profile_values("more", "03_adapt_sam")["steps"] == 5
    assert generate.profile_values("more", "sweep") == Sweep().model_dump()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("02_train_dpm:\n  steps: 7\n", r"params/mine\.yaml: there is no notebook '02_train_dpm'; did you mean '02_tr"),
        (
            "02_train_ddpm:\n  stepz: 7\n",
            "02_train_ddpm cannot be used:.*stepz is not a parameter; did you mean 'steps'",
        ),
        ("02_train_ddpm:\n  steps: 0\n", "steps: Input should be greater than or equal to 1"),
        ("02_train_ddpm:\n  seed: 1\n02_train_ddpm:\n  seed: 2\n", "'02_train_ddpm' is given twice"),
        ("extends: laptp\n", "there is no profile 'laptp'; did you mean 'laptop'"),
    ],
)
def test_a_wrong_overlay_is_refused_with_its_cure(overlays, text, sentence):
    overlays("laptop", "")
    overlays("mine", text)
    with pytest.raises(ParameterError, match=f"(?s){sentence}"):
        generate.profile_values("mine", "02_train_ddpm")


def test_an_unknown_profile_is_suggested():
    with pytest.raises(ParameterError, match="there is no profile 'qiuck'; did you mean 'quick'"):
        overlay("qiuck")
