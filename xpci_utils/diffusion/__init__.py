"""Improved DDPM for pairs of XPCI frame and binary mask (Section 2.1 of the paper; Nichol and Dhariwal 2021)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
