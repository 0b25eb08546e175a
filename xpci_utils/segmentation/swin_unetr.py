"""SwinUNETR (Hatamizadeh et al. 2022) in two dimensions, from MONAI; importing this module costs seconds."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets import SwinUNETR as MonaiSwinUNETR

from xpci_utils.segmentation.losses import dice_ce_loss

FEATURE_SIZE = {"paper": 48, "laptop": 24, "quick": 12}
"""Width of the first stage; 48 is the setting of the paper's [10], 12 the smallest that MONAI allows."""

WINDOW = {"paper": 7, "laptop": 7, "quick": 4}
"""Side of the attention windows, in tokens of two pixels."""

_BATCH = ("batch", {"affine": False})
NORM: dict[str, str | tuple[str, dict[str, bool]]] = {"paper": "instance", "laptop": _BATCH, "quick": _BATCH}
"""At 1/32 of a reduced frame a channel has four values, of which instance norm leaves next to nothing."""


class SwinUNETR(MonaiSwinUNETR):
    """Logits [N, num_classes, H, W] of images [N, in_channels, H, W] in [-1, 1]; H and W multiples of 32.

    Patch 2, depths 2-2-2-2, heads 3-6-12-24. The public pretrained weights are for volumes,
    so this network starts from random weights whatever the others do.
    """

    config: dict[str, Any]  # what `build_network` made it of
    weights = "random"

    def __init__(self, num_classes: int, in_channels: int = 1, size: str = "paper"):
        super().__init__(
            in_channels,
            num_classes,
            feature_size=FEATURE_SIZE[size],
            window_size=WINDOW[size],
            norm_name=NORM[size],
            spatial_dims=2,
        )

    def training_outputs(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What the published loss judges: its prediction alone."""
        return [self(images)]

    def loss(self, outputs: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """The published training loss of ``training_outputs``; ``labels`` [N, H, W] with 255 = ignore."""
        return dice_ce_loss(outputs[0], labels)
