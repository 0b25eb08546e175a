"""Metrics: Dice, surface Dice, micro-F1, particle detection; and how synthetic frames compare with annotated ones."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
