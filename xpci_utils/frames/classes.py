"""The classes of a frame set, from a YAML file like ``data/classes.yaml``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from xpci_utils import files, paths


@dataclass(frozen=True)
class FrameClass:
    """One class: label index, name, colour "#rrggbb", and for the simulator its priority where objects overlap."""

    index: int
    name: str
    colour: str
    priority: int = 0
    description: str = ""


def read_classes(path: str | Path) -> list[FrameClass]:
    """Background first, then the classes 1, 2, 3, ... of a YAML file; ValueError says what is wrong where."""
    path = paths.resolve(path)
    if not path.is_file():
        if not path.parent.is_dir():
            raise ValueError(f"there is no folder {paths.display(path.parent)}")
        raise ValueError(f"there is no classes file {paths.display(path)}; data/classes.yaml shows the form")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        background = {"name": "background", "colour": "#000000", **(content.get("background") or {})}
        classes = [FrameClass(index=0, **background), *(FrameClass(**entry) for entry in content["classes"])]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{paths.display(path)} is not a list of classes like data/classes.yaml ({reason})") from None
    if [c.index for c in classes] != list(range(len(classes))):
        raise ValueError(f"{paths.display(path)}: class indices must be 1, 2, 3, ... in this order; 0 is background")
    if len({c.name for c in classes}) < len(classes):
        raise ValueError(f"{paths.display(path)}: two classes have the same name")
    for one in classes:
        if not re.fullmatch("#[0-9a-fA-F]{6}", str(one.colour)):
            raise ValueError(f"{paths.display(path)}: the colour of {one.name} is {one.colour!r}, not like '#cc3311'")
    return classes


def write_classes(path: str | Path, names: Sequence[str], colours: Sequence[str]) -> None:
    """Write the YAML file that `read_classes` reads, background first."""
    background, *classes = [{"name": name, "colour": one} for name, one in zip(names, colours, strict=True)]
    content = {"background": background, "classes": [{"index": i, **one} for i, one in enumerate(classes, 1)]}
    files.write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def colour_table(colours: Sequence[str]) -> np.ndarray:
    """uint8 [256, 3]: the colour "#rrggbb" of every class index, white for all others, 255 (ignored) among them."""
    table = np.full((256, 3), 255, np.uint8)
    table[: len(colours)] = [list(bytes.fromhex(colour[1:])) for colour in colours]
    return table
