"""Annotated frames on disk, the padding rule, tiles, and readers for the user's own folders."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
