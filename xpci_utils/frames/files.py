"""The PNG files that stages write and read: whole or not at all, and a cure in the message when one is lost."""

from pathlib import Path

import numpy as np
from PIL import Image

from xpci_utils import files, paths


def read_png(path: Path) -> np.ndarray:
    """A single-channel PNG as it is stored; FileNotFoundError if it is lost, ValueError if damaged, with the cure."""
    try:
        with Image.open(path) as picture:
            return np.array(picture)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{paths.display(path)} is listed but missing; run the stage that wrote it again"
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{paths.display(path)} is damaged ({error}); delete it and run the stage that wrote it again"
        ) from None


def write_png(path: Path, array: np.ndarray) -> None:
    """Write uint8 or uint16 [H, W], or uint8 [H, W, 3], as PNG, whole or not at all."""
    with files.atomic_path(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")
