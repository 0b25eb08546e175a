"""From raw XPCI frames to the printed page: the package behind the numbered notebooks."""

__version__ = "0.1.0"
