"""Shipped weights: what is written, what is taken back, and what is refused before anything is computed."""

import shutil

import pytest
import torch

from xpci_utils import files, paths, stages, weights
from xpci_utils.diffusion import PoolSettings, build_denoiser, denoiser_config, load_denoiser, write_pool
from xpci_utils.diffusion.denoiser import save_denoiser
from xpci_utils.frames.frameset import write_png
from xpci_utils.params import AdaptSam, Change, PrepareFrames, ShippableParameters, TrainDdpm, generate
from xpci_utils.running import checks
from xpci_utils.sam import add_adapters, build_sam, label_pool, load_labeller
from xpci_utils.sam.adapters import set_trainable
from xpci_utils.sam.checkpoints import save_labeller
from xpci_utils.stages import decisive

LABELLER = {"labeller": "vit_t"}
CHANGES = {model: model.changes for model in (PrepareFrames, TrainDdpm, AdaptSam)}


@pytest.fixture(scope="module", autouse=True)
def at_version_1():
    """Whatever the versions of these stages are by now."""
    with pytest.MonkeyPatch.context() as patch:
        for model in CHANGES:
            patch.setattr(model, "changes", {})
        yield


def finish(parameters, **products):
    """A finished stage; products not given are a byte."""
    stage = stages.begin(parameters)
    for name in parameters.products:
        if name == "samples":
            for step in (3, 12):
                write_png(stage.folder / f"samples/step_{step:06d}.png", torch.full((2, 2), step).byte().numpy())
        elif name in products:
            products[name](stage.folder / name)
        else:
            (stage.folder / name).write_text("{}")
    if isinstance(parameters, ShippableParameters):
        weights.round_weights(parameters)
    stage.finish({"loss": 1.0})
    return parameters


def finished_run(root, **values):
    """(denoiser stage, labeller stage) of a run that trained small networks; ``values`` are parameters of both."""
    finish(PrepareFrames(run_root=str(root)))
    denoiser = build_denoiser(denoiser_config("quick", 32, 32, prediction="v", timesteps=4000))
    denoiser.fit(torch.rand(4, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    sam = set_trainable(add_adapters(build_sam("vit_t", "reduced", 3)), "all")
    sam.config |= {"mask_prompt": True}
    ddpm = TrainDdpm(run_root=str(root), **values)
    labeller = AdaptSam(run_root=str(root), **LABELLER, **values)
    finish(ddpm, **{ddpm.weights_file: lambda path: save_denoiser(path, denoiser, {"step": 12})})
    finish(labeller, **{labeller.weights_file: lambda path: save_labeller(path, sam)})
    return ddpm, labeller


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def taken_along(run, tmp_path):
    """The folder of shipped weights."""
    return weights.ship(run, tmp_path / "weights")


def taking(model, folder, root, **values):
    """Parameters of a stage of another run that takes shipped weights; its frames are finished."""
    frames = PrepareFrames(run_root=str(root))
    if not stages.read_run(frames.folder):
        finish(frames)
    return model(run_root=str(root), shipped=str(folder), **values)


def frames_of(parameters):
    return stages.read_run(parameters.root / "frames")["parameters"]


def test_weights_come_back_in_half_precision_and_the_spectrum_with_all_digits(run, taken_along, tmp_path):
    """Tolerance 2^-11 of a weight, or 2^-25 below half precision's normal range: rounding, and nothing else."""
    for trained, model, values, load in zip(
        run, (TrainDdpm, AdaptSam), ({}, LABELLER), (load_denoiser, load_labeller), strict=True
    ):
        parameters = taking(model, taken_along, tmp_path / "other", **values)
        origin = weights.take(parameters, parameters.folder)
        before, after = (load(stage.folder / stage.weights_file) for stage in (trained, parameters))
        for (name, then), now in zip(before.named_parameters(), after.parameters(), strict=True):
            assert now.dtype == torch.float32, name
            assert ((then - now).abs() <= then.abs() * 2**-11 + 2**-25).all(), name
        for (name, then), now in zip(before.named_buffers(), after.buffers(), strict=True):
            assert torch.equal(then, now), name
        shipped_file = taken_along / trained.place / trained.weights_file
        assert shipped_file.stat().st_size < 0.56 * (trained.folder / trained.weights_file).stat().st_size
        assert origin == {"version": 1, "sha256": files.sha256(shipped_file)}
    assert [path.name for path in (tmp_path / "other/ddpm/samples").iterdir()] == ["step_000012.png"]
    assert (tmp_path / "other/ddpm/history.jsonl").is_file()


def test_absent_weights_are_named(run, taken_along, tmp_path):
    parameters = taking(AdaptSam, taken_along, tmp_path / "other", labeller="vit_b")
    with pytest.raises(weights.ShippedError, match=r"no shipped weights for sam/vit_b__s0.*is missing.*make ship"):
        weights.check(parameters, frames_of(parameters))
    (taken_along / "frames/run.json").unlink()
    parameters = taking(TrainDdpm, taken_along, tmp_path / "other")
    with pytest.raises(weights.ShippedError, match=r"frames/run\.json is missing"):
        weights.check(parameters, frames_of(parameters))


def test_a_changed_byte_is_found_and_nothing_is_taken(taken_along, tmp_path):
    parameters = taking(TrainDdpm, taken_along, tmp_path / "other")
    path = taken_along / "ddpm" / parameters.weights_file
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(weights.ShippedError, match="is damaged or of another run: its sha256 is"):
        weights.take(parameters, parameters.folder)
    assert not parameters.folder.exists()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"steps": 7}, r"steps \d+, not 7"), ({"prediction": "eps"}, "prediction 'v', not 'eps'")],
)
def test_parameters_that_do_not_fit_are_named(taken_along, tmp_path, values, sentence):
    parameters = taking(TrainDdpm, taken_along, tmp_path / "other", **values)
    with pytest.raises(weights.ShippedError, match=sentence):
        weights.check(parameters, frames_of(parameters))


def test_other_frames_are_refused_and_other_threads_or_places_are_not(taken_along, tmp_path):
    parameters = taking(TrainDdpm, taken_along, tmp_path / "other", threads=2)
    assert weights.check(parameters, frames_of(parameters) | {"threads": 2}) == taken_along / "ddpm"
    with pytest.raises(weights.ShippedError, match="01_prepare_frames had seed 0, not 3"):
        weights.check(parameters, frames_of(parameters) | {"seed": 3})


def test_weights_of_another_version_of_a_training_are_refused(taken_along, tmp_path, monkeypatch):
    """A training that was changed gives other weights: those of before do not stand in for it."""
    parameters = taking(TrainDdpm, taken_along, tmp_path / "other")
    monkeypatch.setattr(TrainDdpm, "changes", {2: Change("a longer warm-up", lambda values: values.steps > 1300)})
    assert weights.check(parameters, frames_of(parameters)) == taken_along / "ddpm"
    monkeypatch.setattr(TrainDdpm, "changes", {2: Change("a longer warm-up")})
    with pytest.raises(weights.ShippedError, match="02_train_ddpm had version 1 of the code, not 2"):
        weights.check(parameters, frames_of(parameters))
    monkeypatch.setattr(TrainDdpm, "changes", {})
    monkeypatch.setattr(PrepareFrames, "changes", {2: Change("another source")})
    with pytest.raises(weights.ShippedError, match="01_prepare_frames had version 1 of the code, not 2"):
        weights.check(parameters, frames_of(parameters))


def test_weights_of_the_first_edition_are_those_of_version_1(taken_along, tmp_path):
    """As the committed ones are, whose records have a recipe."""
    note = taken_along / "ddpm/run.json"
    record = files.read_json(note)
    del record["version"]
    parameters = taking(TrainDdpm, taken_along, tmp_path / "other")
    files.write_json(note, record | {"recipe": "86dc52c6d5b6db54"})
    assert weights.take(parameters, parameters.folder)["version"] == 1
    files.write_json(note, record | {"recipe": "of the week before"})
    with pytest.raises(weights.ShippedError, match="had version 0 of the code, not 1"):
        weights.check(parameters, frames_of(parameters))


def test_a_parameter_that_is_younger_than_the_weights_had_its_default(taken_along, tmp_path):
    note = taken_along / "ddpm/run.json"
    record = files.read_json(note)
    del record["parameters"]["probe_draws"]
    files.write_json(note, record)
    parameters = taking(TrainDdpm, taken_along, tmp_path / "other")
    assert weights.check(parameters, frames_of(parameters)) == taken_along / "ddpm"
    with pytest.raises(weights.ShippedError, match="probe_draws 8, not 9"):
        weights.check(parameters.model_copy(update={"probe_draws": 9}), frames_of(parameters))


def test_the_committed_weights_fit_the_profile_that_takes_them(monkeypatch):
    """Before anything is computed 'make reproduce PROFILE=laptop START=shipped' looks at them."""
    for model, changes in CHANGES.items():
        monkeypatch.setattr(model, "changes", changes)
    checks.check_shipped("laptop_shipped", paths.root() / "runs/x", ["ddpm", "sam/vit_t__s0", "sam/vit_b__s0"])


def test_weights_count_by_content_and_training_is_not_touched(taken_along, tmp_path):
    """The same bytes elsewhere are the same stage, other bytes are another, a training knows nothing of them."""
    shutil.copytree(taken_along, tmp_path / "copy")
    here, there = (TrainDdpm(shipped=str(place)) for place in (taken_along, tmp_path / "copy"))
    assert decisive(here) == decisive(there) != decisive(TrainDdpm())
    assert not any("shipped" in name for name in decisive(TrainDdpm()))
    (tmp_path / "copy/ddpm/denoiser_ema.sha256").write_text("0" * 64 + "  denoiser_ema.safetensors\n")
    assert decisive(here) != decisive(there)


def test_unfinished_stages_and_too_large_weights_ship_nothing(run, tmp_path, monkeypatch):
    with pytest.raises(stages.StageError, match="is not finished"):
        weights.ship([*run, AdaptSam(run_root=run[0].run_root, labeller="vit_b")], tmp_path / "weights")
    monkeypatch.setattr(weights, "LIMIT_BYTES", 1_000_000)
    with pytest.raises(weights.ShippedError, match="more than the 1 MB to ship"):
        weights.ship(run, tmp_path / "weights")
    assert not list(tmp_path.iterdir())


def test_a_profile_that_takes_absent_weights_is_refused_before_its_first_stage(monkeypatch):
    """As 'make reproduce START=shipped' does in a clone without them."""
    values = generate.profile_values("laptop_shipped", "02_train_ddpm")
    assert values["shipped"] == "data/weights/laptop"
    assert {k: v for k, v in values.items() if k not in ("shipped", "run_root")} == {
        k: v for k, v in generate.profile_values("laptop", "02_train_ddpm").items() if k not in ("shipped", "run_root")
    }
    monkeypatch.setattr(weights.paths, "resolve", lambda path: paths.root() / "nowhere" / path)
    monkeypatch.setattr(checks, "stage_parameters", lambda *_: TrainDdpm(shipped="data/weights/laptop"))
    with pytest.raises(weights.ShippedError, match="no shipped weights for ddpm"):
        checks.check_shipped("laptop_shipped", paths.root() / "runs/x", ["ddpm"])


def drawn_and_labelled(root, denoiser, labeller):
    """Bytes of every picture of a small pool and of its labels, made with the weights of two stages."""
    settings = PoolSettings(sampler="dpmsolver++", steps=3, block=2)
    pool = write_pool(load_denoiser(denoiser.folder / denoiser.weights_file), root / "pool", 3, settings)
    label_pool(pool, labeller.folder, root / "labels")
    files_of = [*pool.glob("images/*"), *pool.glob("masks/*"), *(root / "labels").glob("*.png")]
    return {path.relative_to(root): path.read_bytes() for path in files_of}


def test_pool_and_labels_from_rounded_weights_are_those_from_the_shipped_ones(tmp_path, one_thread):
    """Byte for byte. Without rounding the weights differ, so cells of both would be of two studies."""
    own = finished_run(tmp_path / "own", half_precision=True)
    shipped = weights.ship(own, tmp_path / "shipped")
    for stage in own:
        name = stage.weights_file
        assert (stage.folder / name).read_bytes() == (shipped / stage.place / name).read_bytes()
    models = zip((TrainDdpm, AdaptSam), ({}, LABELLER), strict=True)
    taken = [taking(m, shipped, tmp_path / "other", half_precision=True, **values) for m, values in models]
    for stage in taken:
        weights.take(stage, stage.folder)
    made = drawn_and_labelled(tmp_path / "made", *own)
    assert len(made) == 9
    assert drawn_and_labelled(tmp_path / "again", *taken) == made
    whole = finished_run(tmp_path / "whole")
    for one, other, load in zip(own, whole, (load_denoiser, load_labeller), strict=True):
        pairs = zip(*(load(s.folder / s.weights_file).parameters() for s in (one, other)), strict=True)
        assert any(not torch.equal(rounded, exact) for rounded, exact in pairs)


def test_rounding_is_a_parameter_that_changes_no_result_while_it_is_off():
    for model in (TrainDdpm, AdaptSam):
        assert "half_precision" not in decisive(model())
        assert decisive(model(half_precision=True)) == decisive(model()) | {"half_precision": True}
