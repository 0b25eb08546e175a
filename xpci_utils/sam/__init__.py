"""SAM with adapters: both published variants, mask prompts, a class head, adaptation and labelling.

The networks are the modules of the ``segment_anything`` package (Kirillov et al. 2023) and, for the small variant,
MobileSAM's TinyViT encoder (Zhang et al. 2023) on timm's blocks; the adapters follow Gu et al. (2024,
github.com/mazurowski-lab/finetune-SAM), the paper's reference [8].
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
