"""Pre-training of the small SAMs (notebook A1): drawn pictures, prompts for the objects in them, and how SAM answers.

Nothing here takes part in adapting a SAM to frames or in naming particles; those know the finished weights alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
