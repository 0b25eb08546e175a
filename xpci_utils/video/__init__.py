"""A trained network on a whole film: label stack, particle table, trajectories, and which frames to annotate next."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
