from .promptability import held_out_pictures, measure_prompts
from .shapes import draw_picture
from .training import pretrain_sam

__all__ = [
    "draw_picture",
    "held_out_pictures",
    "measure_prompts",
    "pretrain_sam",
]
