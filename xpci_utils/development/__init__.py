"""Development frames: simulated frames that no run trains or tests on, on which choices between methods are made."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
