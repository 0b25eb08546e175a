"""Pre-training of the small SAMs (notebook A1): drawn pictures, prompts for the objects in them, and how SAM answers.

Nothing here takes part in adapting a SAM to frames or in naming particles; those know the finished weights alone.
"""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "draw_picture": "shapes",
        "held_out_pictures": "promptability",
        "measure_prompts": "promptability",
        "pretrain_sam": "training",
    },
)
