"""The one resumable training loop and what the denoiser, SAM and the segmentation networks share around it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
