"""What the published scale costs: its rehearsal on this computer, a committed table, and predictions from it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
