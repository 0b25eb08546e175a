"""The options of the import command, as one thing."""

from dataclasses import dataclass
from pathlib import Path

from xpci_utils.importing.apart import MOST


@dataclass(frozen=True)
class Request:
    """What to import, from where, and how: the options of the command."""

    images: Path
    masks: Path
    out: Path
    classes: Path | None = None
    flats: Path | None = None
    darks: Path | None = None
    correct: str = "auto"
    sequences: Path | None = None
    splits: Path | None = None
    annotated_only: bool = False
    unlabelled: int = MOST
    empty: str = "ask"
    take_unchecked: bool = False
    onto: Path | None = None
    again: str = "ask"
    pixel_um: float | None = None
    pair_by: str = "auto"
    given_frames_only: bool = False
    grey: str = "shown"
    gap: int | None = None
    mask_values: str = "auto"
    instance_classes: Path | None = None
    crowds: str = "ask"
    boxes: str = "ask"
    ignore_label: tuple[str, ...] = ()
