"""The synthetic data set in the layouts that other programs read: PNG pairs, nnU-Net v2, COCO, ImageJ stacks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
