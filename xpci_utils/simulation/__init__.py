"""Physics-based simulator of X-ray phase-contrast frames of burning metal particles (always *simulated*)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
