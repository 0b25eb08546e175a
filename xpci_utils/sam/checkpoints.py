"""Weights: the official SAM and MobileSAM checkpoints, and labellers on disk.

Official files come through pooch with their sha256, or from a folder that already holds them; ``.pth`` files are
read with ``weights_only=True``. Our own files are safetensors with the configuration in the header.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from xpci_utils import paths
from xpci_utils.files import noted_sha256, sha256, write_sha256
from xpci_utils.sam.adapters import add_adapters, set_trainable
from xpci_utils.sam.model import SemanticSam, build_sam
from xpci_utils.sam.tiny_vit import from_official_key
from xpci_utils.training import default_device, load_tensors
from xpci_utils.training.storage import save_tensors

WEIGHTS_FOLDER = "data/weights"
PRETRAINED_FILE = "sam.safetensors"
OFFICIAL_CLASSES = 3  # SAM's three masks beside token 0
CLASS_TENSORS = ("mask_decoder.mask_tokens.weight", "mask_decoder.iou_prediction_head.layers.2.")
HYPERNETWORKS = "mask_decoder.output_hypernetworks_mlps."


@dataclass(frozen=True)
class Official:
    """Where an official checkpoint lives and how to recognise it."""

    file: str
    url: str
    sha256: str
    size: int


OFFICIAL = {
    "vit_b": Official(
        "sam_vit_b_01ec64.pth",
        "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
    ),
    "vit_t": Official(
        "mobile_sam.pt",
        "https://github.com/ChaoningZhang/MobileSAM/raw/f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt",
        "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        40_728_226,
    ),
}


def fetch_official_weights(variant: str, folder: str | Path = WEIGHTS_FOLDER, download: bool = True) -> Path:
    """Path of the verified official checkpoint in ``folder``, downloaded once if it is not there.

    Raises FileNotFoundError, in one sentence with file, address and folder, when it is absent and cannot be had, and
    ValueError when a file of that name has another sha256.
    """
    official, folder = OFFICIAL[variant], paths.resolve(folder)
    path = folder / official.file
    if not path.is_file():
        if download:
            _download(official, folder)
        else:
            raise FileNotFoundError(_absent(official, folder))
    digest = sha256(path)
    if digest != official.sha256:
        raise ValueError(
            f"{paths.display(path)} is not the official {official.file}: its sha256 is {digest}, expected "
            f"{official.sha256} ({official.size:,} bytes); delete it and fetch {official.url} again"
        )
    return path


def _download(official: Official, folder: Path) -> None:
    import pooch

    try:
        pooch.retrieve(official.url, known_hash=official.sha256, fname=official.file, path=folder)
    except (OSError, ValueError) as error:  # no network, address gone, or other content
        raise FileNotFoundError(f"{_absent(official, folder)} ({error})") from error


def _absent(official: Official, folder: Path) -> str:
    return (
        f"the official weights {official.file} ({official.size / 1e6:.0f} MB) are not in {paths.display(folder)}; "
        f"download {official.url} and put the file into that folder"
    )


def load_official_weights(
    model: SemanticSam, folder: str | Path = WEIGHTS_FOLDER, download: bool = True
) -> SemanticSam:
    """Load the official checkpoint of the model's variant into a ``paper``-size SAM, in place; returns ``model``.

    Every tensor has to fit. With more (or fewer) than SAM's three masks the class tokens and hypernetworks start as
    copies of SAM's own tokens 1, 2, 3, 1, ... Call it before ``add_adapters``.
    """
    variant = model.config["variant"]
    if model.config["size"] != "paper":
        raise ValueError(f'official weights fit size="paper" only, this {variant} is {model.config["size"]!r}')
    state = torch.load(fetch_official_weights(variant, folder, download), map_location="cpu", weights_only=True)
    load_official_state(model, state)
    model.config |= {"weights": "official", "weights_folder": str(folder)}
    return model


def pretrained_weights(folder: str | Path) -> Path:
    """Path of the verified weights of a reduced SAM in ``folder``, as notebook A1 writes them.

    Raises FileNotFoundError when they are absent and ValueError when the file is not the one that its sha256 names.
    """
    path = paths.resolve(folder) / PRETRAINED_FILE
    note = path.with_suffix(".sha256")
    for file in (path, note):
        if not file.is_file():
            raise FileNotFoundError(
                f"the weights of the small SAM are incomplete: {paths.display(file)} is missing; it comes with the "
                "repository ('git checkout data/weights'), and 'make weights' makes it again in an hour"
            )
    digest, expected = sha256(path), noted_sha256(note)
    if digest != expected:
        raise ValueError(
            f"{paths.display(path)} is damaged or of another run: its sha256 is {digest}, {note.name} says {expected}"
        )
    return path


def load_pretrained(model: SemanticSam, folder: str | Path = "") -> SemanticSam:
    """Load the weights of notebook A1 into a ``reduced`` SAM of any number of classes, in place; returns ``model``.

    ``folder`` is what the notebook wrote, by default the shipped one of the model's variant. Class tokens start as with
    official weights. Call it before ``add_adapters``.
    """
    variant = model.config["variant"]
    if model.config["size"] != "reduced":
        raise ValueError(f'these weights fit size="reduced" only, this {variant} is {model.config["size"]!r}')
    tensors, facts = load_tensors(pretrained_weights(folder or f"{WEIGHTS_FOLDER}/{variant}"))
    if facts["variant"] != variant:
        raise ValueError(
            f"{paths.display(Path(folder))} holds the weights of {facts['variant']}, this SAM is {variant}"
        )
    state = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    model.load_state_dict(spread_head(state, model.num_classes), strict=True)
    model.config |= {"weights": "pretrained", "pretraining_steps": facts["steps"]}
    return model


def save_pretrained(folder: str | Path, model: SemanticSam, facts: dict) -> None:
    """Write a SAM in half precision and, beside it, its sha256 (in the form that ``sha256sum -c`` reads)."""
    path = Path(folder) / PRETRAINED_FILE
    halves = {name: t.half() if t.is_floating_point() else t for name, t in model.state_dict().items()}
    save_tensors(path, halves, model.config | facts)
    write_sha256(path)


def load_official_state(model: SemanticSam, state: dict[str, torch.Tensor]) -> None:
    """Load a state dict with official names and three masks, strictly, into a SAM of any number of classes."""
    state = {from_official_key(key): tensor for key, tensor in state.items()}
    model.load_state_dict(spread_head(state, model.num_classes), strict=True)


def spread_head(state: dict[str, torch.Tensor], num_classes: int) -> dict[str, torch.Tensor]:
    """The same state with ``num_classes`` masks: class c starts as SAM's token 1 + (c mod 3)."""
    source = [0] + [1 + c % OFFICIAL_CLASSES for c in range(num_classes)]
    spread = {key: tensor for key, tensor in state.items() if not key.startswith(HYPERNETWORKS)}
    for key in spread:
        if key.startswith(CLASS_TENSORS):
            spread[key] = spread[key][source].clone()
    for new, old in enumerate(source):
        prefix = f"{HYPERNETWORKS}{old}."
        for key in [key for key in state if key.startswith(prefix)]:
            spread[f"{HYPERNETWORKS}{new}.{key.removeprefix(prefix)}"] = state[key].clone()
    return spread


def save_labeller(path: str | Path, model: SemanticSam) -> None:
    """Write what adaptation changed: the trainable tensors, or everything if the rest is not official weights."""
    state = model.state_dict()
    save_tensors(path, {name: state[name] for name in _own_tensors(model)}, model.config)


def load_labeller(path: str | Path) -> SemanticSam:
    """A labeller from ``save_labeller``'s file, in evaluation mode, on the GPU if there is one.

    Official weights come from where they lay.
    """
    path = paths.resolve(path)
    tensors, config = load_tensors(path)
    model = build_sam(
        config["variant"], config["size"], config["num_classes"], mask_scale=config["mask_scale"], seed=config["seed"]
    )
    if config.get("weights") == "official":
        load_official_weights(model, config["weights_folder"])
    add_adapters(model, **config["adapters"])
    set_trainable(model, config["trainable"])
    if _own_tensors(model) != set(tensors):
        differing = sorted(_own_tensors(model) ^ set(tensors))
        raise ValueError(f"{paths.display(path)} does not fit its own configuration: {', '.join(differing[:3])} ...")
    model.load_state_dict(tensors, strict=False)
    model.config = config
    return model.to(default_device()).eval()


def _own_tensors(model: SemanticSam) -> set[str]:
    """Names of the tensors that a labeller's file holds."""
    if model.config.get("weights") == "official":
        return {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return set(model.state_dict())
