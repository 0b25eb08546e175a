"""Synthetic frames, and frames to annotate next, as other programs read them (PNG, nnU-Net, COCO, CVAT, ...)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
