"""TransUNet, SwinUNETR and EMCAD (Section 2.3): building, training and predicting."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
