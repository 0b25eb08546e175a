"""The binary mask as SAM's dense prompt (section 2.2).

SAM's prompt encoder was trained on the logits of a previous prediction, which reach from about -21 to +8; a 0/1
mask lies outside that range and is the best-known way to get an empty answer (segment-anything issues 169, 242,
471, 694). SAM 2 maps binary masks to +-10, which is the default here.
"""

import torch
from torch.nn import functional

MASK_SCALE = 10.0


def prompt_logits(masks: torch.Tensor, grid: tuple[int, int], scale: float = MASK_SCALE) -> torch.Tensor:
    """Signed logits on the prompt grid from binary masks.

    ``masks`` [N, h, w] of bool or of 0 and 1; the result is float [N, 1, *grid] of -scale (background) and +scale
    (particle). Masks are **max-pooled**: 640 -> 256 by nearest neighbour loses particles of one or two pixels.
    Raises ValueError for other values (label maps, logits, 0/255 images).
    """
    if masks.dtype != torch.bool:
        if ((masks != 0) & (masks != 1)).any():
            raise ValueError(
                "a mask prompt has to be boolean or 0/1, but holds other values; "
                "use frames.binary_mask(labels) for a label map and image > 127 for a stored mask"
            )
        masks = masks != 0
    pooled = functional.adaptive_max_pool2d(masks[:, None].float(), grid)
    return scale * (2 * pooled - 1)
