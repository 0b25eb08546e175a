"""Which frame sizes the networks take: all three halve their input five times."""

import torch

from xpci_utils.frames.pad import padding

MULTIPLE = 32


def padded_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of frames of ``image_size`` after padding to multiples of 32; ValueError unless positive."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if min(height, width) < 1:
        raise ValueError(f"There are no frames of {height} x {width} pixels.")
    (top, bottom), (left, right) = padding(height, width, MULTIPLE)
    return height + top + bottom, width + left + right


def check_input(images: torch.Tensor) -> None:
    """Raise ValueError, in words, for images that are not multiples of 32 pixels high and wide."""
    height, width = images.shape[-2:]
    if height % MULTIPLE or width % MULTIPLE:
        raise ValueError(
            f"Images of {height} x {width} pixels do not fit this network: both sides must be multiples of {MULTIPLE}. "
            "Pad them with xpci_utils.frames.pad_image and crop the logits with xpci_utils.frames.crop."
        )
