"""Weights that come with the repository and stand in for a training: ``make reproduce PROFILE=laptop START=shipped``.

A folder of shipped weights, data/weights/laptop, has the places of the run that it was taken from:

    frames/run.json                     the annotated frames that they learnt from
    ddpm/denoiser_ema.safetensors       in half precision; .sha256, run.json, history.jsonl and samples/ beside it
    sam/<labeller>__s0/                 likewise, for each labeller that names synthetic pairs

They stand in for one training only: that of the same parameters on the same frames. All else is refused.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from xpci_utils import files, paths, stages
from xpci_utils.files import noted_sha256, sha256, write_sha256
from xpci_utils.params import ParameterError, PrepareFrames, ShippableParameters, StageParameters
from xpci_utils.stages import RUN_FILE, StageError

LIMIT_BYTES = 10_000_000  # of all shipped weights of a run together
TAKEN = ("history.jsonl", "samples")  # beside the weights, where a stage has them
# Parameters that decide no result, or say where.
PLACES = {"run_root", "output_folder", "force", "threads", "shipped", "weights_folder"}


class ShippedError(StageError):
    """Shipped weights are absent, damaged, or of another training; the message says which and what to do."""


def check(parameters: ShippableParameters, frames: Mapping) -> Path:
    """The folder of the shipped weights that stand in for a training; ``frames`` are the parameters of its frames.

    Raises ShippedError if a file is missing, the weights are not those of their sha256, or the training that they come
    from had other parameters or frames.
    """
    root = paths.resolve(parameters.shipped)
    folder = root / parameters.place
    note = folder / parameters.hash_note
    for path in (folder / parameters.weights_file, note, folder / "run.json", root / "frames/run.json"):
        if not path.is_file():
            raise ShippedError(
                f"there are no shipped weights for {parameters.place}: {paths.display(path)} is missing. Leave out "
                "START=shipped, or write them with 'make ship' from a finished run"
            )
    digest, expected = sha256(folder / parameters.weights_file), noted_sha256(note)
    if digest != expected:
        raise ShippedError(
            f"{paths.display(folder / parameters.weights_file)} is damaged or of another run: its sha256 is {digest}, "
            f"{note.name} says {expected}; 'git checkout {paths.display(root)}' restores it"
        )
    _same(files.read_json(folder / "run.json"), parameters, folder)
    _same(files.read_json(root / "frames/run.json"), PrepareFrames.checked(dict(frames)), folder)
    return folder


def _same(record: dict, now: StageParameters, folder: Path) -> None:
    try:
        # A parameter that is younger than the weights has its default.
        trained = type(now).checked(now.of_record(record["parameters"])).model_dump()
    except ParameterError as error:
        raise ShippedError(
            f"{paths.display(folder)} was trained by another version of {now.notebook}: {error}"
        ) from None
    wanted = now.model_dump(exclude=PLACES)
    differing = [f"{name} {trained[name]!r}, not {value!r}" for name, value in wanted.items() if trained[name] != value]
    if (version := stages.version_of(record)) != now.version:
        differing.append(f"version {version} of the code, not {now.version}")
    if differing:
        raise ShippedError(
            f"the shipped weights in {paths.display(folder)} do not fit: {now.notebook} had {'; '.join(differing)}. "
            "Change the parameters back, or train by leaving out START=shipped"
        )


def take(parameters: ShippableParameters, folder: Path) -> dict:
    """Put the shipped weights, in single precision, and their history where a training would leave them.

    Returns where they come from, for metrics.json: the version of their stage and their sha256. Errors as of `check`.
    """
    from xpci_utils.training.storage import load_tensors, save_tensors

    frames = stages.read_run(parameters.root / "frames")
    if frames is None:
        raise StageError(f"{paths.display(parameters.root / 'frames')} is not finished; run notebook 01 first")
    source = check(parameters, frames["parameters"])
    tensors, facts = load_tensors(source / parameters.weights_file)
    whole = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    save_tensors(folder / parameters.weights_file, whole, facts)
    _copy(source, folder)
    version = stages.version_of(files.read_json(source / "run.json"))
    print(
        f"{paths.display(source)}: shipped weights, trained elsewhere with version {version} of {parameters.notebook}"
    )
    return {"version": version, "sha256": sha256(source / parameters.weights_file)}


def ship(stages: Iterable[ShippableParameters], target: str | Path) -> Path:
    """Write the weights of finished stages of one run into ``target``, in half precision; returns the folder.

    Nothing is written if a stage is unfinished (StageError), ``target`` exists (FileExistsError), or all weights
    together are larger than 10 MB (ShippedError). Buffers, such as the spectrum of the frames, keep their digits.
    """
    stages, target = list(stages), paths.resolve(target)
    with files.atomic_folder(target) as part:
        for stage in stages:
            _ship_one(stage, part / stage.place)
        shutil.copy(stages[0].root / "frames" / RUN_FILE, _made(part / "frames"))
        size = sum((part / stage.place / stage.weights_file).stat().st_size for stage in stages)
        if size > LIMIT_BYTES:
            raise ShippedError(
                f"the weights have {size / 1e6:.1f} MB, more than the {LIMIT_BYTES / 1e6:.0f} MB to ship"
            )
    print(f"{paths.display(target)}: {size / 1e6:.1f} MB of weights")
    return target


def _ship_one(stage: ShippableParameters, folder: Path) -> None:
    if stages.read_run(stage.folder) is None:
        raise StageError(f"{paths.display(stage.folder)} is not finished; 'make reproduce' first, then ship")
    path = _made(folder) / stage.weights_file
    _write_rounded(stage, path)
    write_sha256(path)
    for name in (stages.RUN_FILE, "metrics.json"):
        shutil.copy(stage.folder / name, folder)
    _copy(stage.folder, folder)


def round_weights(stage: ShippableParameters) -> None:
    """Round the weights of a training that ends to half precision, in place, if its parameters say so.

    What is drawn or labelled with them then descends from the bytes that others get, too.
    """
    if stage.half_precision:
        _write_rounded(stage, stage.folder / stage.weights_file)


def _write_rounded(stage: ShippableParameters, path: Path) -> None:
    from xpci_utils.training.storage import load_tensors, save_tensors

    tensors, facts = load_tensors(stage.folder / stage.weights_file)
    learnt = _learnt(stage)
    save_tensors(path, {name: tensor.half() if name in learnt else tensor for name, tensor in tensors.items()}, facts)


def _learnt(stage: ShippableParameters) -> set[str]:
    """Names of the tensors that an optimiser moved: weights, which half precision does not hurt."""
    from xpci_utils.diffusion import load_denoiser
    from xpci_utils.sam import load_labeller

    load = load_denoiser if stage.place == "ddpm" else load_labeller
    return {name for name, _ in load(stage.folder / stage.weights_file).named_parameters()}


def _copy(source: Path, folder: Path) -> None:
    """The history, and of the samples the last sheet."""
    for name in TAKEN:
        if (source / name).is_file():
            shutil.copy(source / name, folder)
        elif (source / name).is_dir():
            shutil.copy(max((source / name).glob("step_*.png")), _made(folder / name))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
