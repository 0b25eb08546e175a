"""From raw XPCI frames to the printed page: the package behind the numbered notebooks."""

import warnings

__version__ = "0.1.0"

# Libraries that import tqdm.auto say this in every notebook without ipywidgets, which our text bars do not need.
warnings.filterwarnings("ignore", message="IProgress not found")
