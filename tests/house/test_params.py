"""Parameters: one source, refused before anything runs, with a cure in the message."""

import shutil

import pytest
import yaml

from xpci_utils import paths
from xpci_utils.params import (
    STAGES,
    AdaptSam,
    GenerateSynthetic,
    ParameterError,
    PrepareFrames,
    Sweep,
    TrainSegmentation,
    generate,
    stage_model,
)


def test_files_and_parameter_cells_are_made_from_the_models():
    stale = [
        paths.display(path)
        for path, text in generate.expected_files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, f"run 'make params': {stale}"


@pytest.mark.parametrize(("profile", "name"), generate.FILES)
def test_every_file_survives_papermills_reader(profile, name):
    """papermill reads YAML 1.1, where 1e-4 is a string; the files must arrive with their types intact."""
    from papermill.iorw import read_yaml_file

    path = paths.root() / "params" / profile / f"{name}.yaml"
    assert generate.MODELS[name].checked(read_yaml_file(str(path))).model_dump() == generate.profile_values(
        profile, name
    )


def test_defaults_are_the_quick_profile():
    assert generate.PROFILES["quick"] == {}
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
    found = TrainSegmentation.from_notebook(namespace)
    assert (found.steps, found.bf16) == (5, True)


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
    assert here.hashed() == there.hashed()
    assert here.hashed() != AdaptSam(threads=2).hashed()


def test_shards_of_a_pool_are_checked_and_are_no_part_of_its_identity():
    whole, third = GenerateSynthetic(), GenerateSynthetic(shard=2, shards=3)
    assert third.hashed() == whole.hashed()
    assert (whole.part, third.part) == ("", "shard 2 of 3")
    assert third.history != whole.history
    assert third.folder not in third.history.parents, "a pool holds its pairs alone"
    with pytest.raises(ParameterError, match="shard is 3, but with shards 3 the last one is 2"):
        GenerateSynthetic.checked({"shard": 3, "shards": 3})
    with pytest.raises(ParameterError, match="labelling and other pools are one run"):
        GenerateSynthetic.checked({"shards": 2, "labeller": "vit_b"})


def test_how_particles_are_named_is_no_part_of_a_pools_identity():
    """Another way to name particles repeats the naming, not the sampling; what sampling did, its inputs tell."""
    names = {"symmetries": True, "vote": "particle", "min_confidence": 0.9}
    assert GenerateSynthetic(**names).hashed() == GenerateSynthetic().hashed()
    assert GenerateSynthetic(sampling_steps=9).hashed() != GenerateSynthetic().hashed()
    labels = GenerateSynthetic(labeller="vit_b").hashed()
    assert GenerateSynthetic(labeller="vit_b", sampling_steps=9, seed=3).hashed() == labels
    for name, value in {**names, "labeller": "vit_t", "labeller_seed": 1, "pool": "fresh"}.items():
        assert GenerateSynthetic(**{"labeller": "vit_b", name: value}).hashed() != labels, name


def test_held_out_masks_are_named_whole():
    """Their names are scored against the truth, which ignores nothing."""
    assert GenerateSynthetic(pool="heldout", labeller="vit_b", min_confidence=0.9).min_confidence == 0
    assert GenerateSynthetic(pool="fresh", labeller="vit_b", min_confidence=0.9).min_confidence == 0.9


def test_what_reads_a_folder_of_ones_own_is_no_part_of_simulated_frames():
    """A change in an importer must not repeat a study of simulated frames, nor one of the simulator one's own."""
    assert "importing" not in PrepareFrames().rooms
    assert "simulation" not in PrepareFrames(source="folder", source_folder="data/my_frames").rooms


def test_a_labeller_belongs_to_the_weights_it_starts_from(tmp_path):
    """Other weights in the same place are another identity, the same ones elsewhere are not."""
    (tmp_path / "vit_b").mkdir()
    note = tmp_path / "vit_b/sam.sha256"
    for content in ("abc  sam.safetensors\n", "def  sam.safetensors\n"):
        note.write_text(content)
        hashed = AdaptSam(weights="pretrained", weights_folder=str(tmp_path)).hashed()
        assert hashed["weights_sha256"] == content.split()[0]
    shutil.copytree(tmp_path, tmp_path / "elsewhere")
    assert AdaptSam(weights="pretrained", weights_folder=str(tmp_path / "elsewhere")).hashed() == hashed
    assert (
        AdaptSam(weights="pretrained", labeller="vit_t", weights_folder=str(tmp_path)).hashed()["weights_sha256"] == ""
    )
    assert "weights_sha256" not in AdaptSam(weights="random", weights_folder=str(tmp_path)).hashed()
