"""One door to the three segmentation networks of the paper (Section 2.3)."""

from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn

from xpci_utils.params.cells import BACKBONES
from xpci_utils.randomness import seed_of
from xpci_utils.segmentation.sizes import padded_size

if TYPE_CHECKING:
    from xpci_utils.segmentation.emcad import EMCAD
    from xpci_utils.segmentation.swin_unetr import SwinUNETR
    from xpci_utils.segmentation.transunet import TransUNet

    Network: TypeAlias = TransUNet | SwinUNETR | EMCAD

SIZES = ("paper", "laptop", "quick")


def build_network(
    name: str,
    num_classes: int,
    in_channels: int = 1,
    size: str = "paper",
    pretrained: bool = False,
    image_size: int | tuple[int, int] = 640,
    seed: int = 0,
    **settings: Any,
) -> "Network":
    """Build a segmentation network: images [N, in_channels, H, W] in [-1, 1] to logits [N, num_classes, H, W].

    ``name`` is "transunet", "swin_unetr" or "emcad"; ``num_classes`` counts the background; ``size`` is "paper" (as
    published) or a narrower "laptop" or "quick" of the same structure. All take frames padded to multiples of 32 by
    `xpci_utils.frames.pad_image`; TransUNet is tied to one ``image_size``, given before or after padding. The random
    initial weights belong to ``seed`` alone and the global random state is left as it was.

    The network has ``loss(training_outputs(images), labels)``, its published loss, and ``weights``, which says what it
    started from ("random" or a timm name). With ``pretrained``, the encoders that timm has weights for take them
    (TransUNet at "paper", EMCAD at "paper" and "laptop") and `WeightsUnavailable` is raised offline.

    Two ``settings`` concern one network each and leave the others alone: ``activation`` of EMCAD's decoder ("relu" as
    published today, "relu6" as before; see `emcad`) and ``reference_stem`` of TransUNet (see `transunet`).
    """
    if name not in BACKBONES:
        raise ValueError(f"There is no backbone {name!r}; choose one of {', '.join(BACKBONES)}.")
    if size not in SIZES:
        raise ValueError(f"There is no size {size!r}; choose one of {', '.join(SIZES)}.")
    if unknown := settings.keys() - OWN_SETTINGS:
        raise ValueError(f"There is no setting {min(unknown)!r}; choose from {', '.join(OWN_SETTINGS)}.")
    image_size = padded_size(image_size)
    own = {setting: settings.get(setting, default) for setting, default in OWN_SETTINGS_OF.get(name, {}).items()}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of("initial weights", name, seed))  # and no GPU's
        network = _new(name, (num_classes, in_channels, size), pretrained, image_size, own)
    network.config = {
        "name": name,
        "num_classes": num_classes,
        "in_channels": in_channels,
        "size": size,
        "image_size": list(image_size),
        **own,
    }
    return network


def _new(
    name: str, common: tuple[int, int, str], pretrained: bool, image_size: tuple[int, int], own: dict[str, Any]
) -> "Network":
    if name == "transunet":
        from xpci_utils.segmentation.transunet import TransUNet

        return TransUNet(*common, pretrained, image_size, **own)
    if name == "swin_unetr":
        from xpci_utils.segmentation.swin_unetr import SwinUNETR

        return SwinUNETR(*common)
    if name == "emcad":
        from xpci_utils.segmentation.emcad import EMCAD

        return EMCAD(*common, pretrained, **own)
    raise ValueError(f"{name!r} is a backbone that no network stands for; enter it here")


# Network -> its own settings and their defaults.
OWN_SETTINGS_OF: dict[str, dict[str, Any]] = {"emcad": {"activation": "relu"}, "transunet": {"reference_stem": False}}
OWN_SETTINGS = ("activation", "reference_stem")
# What a setting was in files that were written before it existed.
BEFORE: dict[str, dict[str, Any]] = {"emcad": {"activation": "relu6"}, "transunet": {"reference_stem": False}}


def rebuild_network(config: dict) -> "Network":
    """The network that a ``config`` describes, with random weights; settings that it lacks are those of its time.

    ``config`` is a network's own, as `xpci_utils.segmentation.save_network` writes it.
    """
    return build_network(**(BEFORE.get(config["name"], {}) | config))


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
