"""Frames and annotations of other people's formats: films, masks, their correction, and a look at what they hold."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
