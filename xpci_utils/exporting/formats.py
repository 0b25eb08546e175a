"""One writer per layout; each fills an empty folder and leaves the frames as they are."""

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

from xpci_utils import files
from xpci_utils.exporting.correcting import write_cvat, write_labelme
from xpci_utils.exporting.sets import ExportSet, Item
from xpci_utils.frames import IGNORE
from xpci_utils.frames.classes import colour_table, write_classes
from xpci_utils.frames.frameset import SPLITS

ANY_NEIGHBOUR = np.ones((3, 3), bool)
NNUNET_NAME = re.compile(r"Dataset\d{3}_\w+")
# Names that nnU-Net, COCO files of ours and readers of annotations keep for something else than a class.
RESERVED = ("background", "_background_", "ignore", "__ignore__", "ignored", "void", "unlabeled")


def export(items: ExportSet, layout: str, out: Path) -> Path:
    """Write the set as ``layout`` into the new folder ``out``, whole or not at all.

    Raises ValueError for an unknown layout or a name that nnU-Net would not find, FileExistsError if ``out`` exists.
    """
    if layout not in FORMATS:
        raise ValueError(f"there is no layout {layout!r}; choose one of {', '.join(FORMATS)}")
    if layout == "nnunet" and not NNUNET_NAME.fullmatch(out.name):
        raise ValueError(f"nnU-Net finds data sets by names like Dataset501_particles; {out.name!r} is not one")
    with files.atomic_folder(out) as folder:
        FORMATS[layout](renamed(items) if layout in ("nnunet", "coco") else items, folder)
    return out


def renamed(items: ExportSet) -> ExportSet:
    """The set with other names for classes whose own name means something else elsewhere; ``description`` says so.

    A class "ignore" of its own would become nnU-Net's ignore label, and a "void" would be ignored on the way back.
    """
    names, notes = [items.class_names[0]], []
    for name in items.class_names[1:]:
        own = name
        while own.casefold() in RESERVED or (own != name and own in (*items.class_names, *names)):
            own += "_class"
        notes += [f"class {name!r} is called {own!r} here, since {name!r} is a reserved name"] if own != name else []
        names.append(own)
    return replace(items, class_names=names, description="; ".join([items.description, *notes]))


def write_pairs(items: ExportSet, folder: Path) -> None:
    """images/, masks/ (class indices), classes.yaml, manifest.csv and splits/, which notebook 01 can read again."""
    for item in items:
        _copy(item.image_path, folder / f"images/{item.name}.png")
        _copy(item.labels_path, folder / f"masks/{item.name}.png")
    _write_manifest(items, folder, lambda item: (f"images/{item.name}.png", f"masks/{item.name}.png"))
    write_classes(folder / "classes.yaml", items.class_names, items.class_colours)
    if set(items.splits) == set(SPLITS):
        (folder / "splits").mkdir()
        for split in SPLITS:
            own = "".join(f"{item.name}\n" for item in items if item.split == split)
            (folder / f"splits/{split}.txt").write_text(own, encoding="utf-8")


def write_nnunet(items: ExportSet, folder: Path) -> None:
    """nnU-Net v2: imagesTr/<name>_0000.png, labelsTr/<name>.png, dataset.json; test frames in imagesTs and labelsTs.

    nnU-Net wants consecutive labels and its ignore label last, so 255 becomes the number of classes. Where there are
    annotated frames, splits_final.json keeps nnU-Net from making folds of its own, see `_nnunet_splits`.
    """
    ignore, any_ignored = len(items.class_names), False
    for item in items:
        part = "Ts" if item.split == "test" else "Tr"
        labels = item.labels
        any_ignored |= bool((labels == IGNORE).any())
        _copy(item.image_path, folder / f"images{part}/{item.name}_0000.png")
        _save(folder / f"labels{part}/{item.name}.png", np.where(labels == IGNORE, ignore, labels).astype(np.uint8))
    index = {name: number for number, name in enumerate(items.class_names)}
    content = {
        "channel_names": {"0": "X-ray phase contrast"},
        "labels": {"background": 0, **{k: v for k, v in index.items() if v}}
        | ({"ignore": ignore} if any_ignored else {}),
        "numTraining": sum(item.split != "test" for item in items),
        "file_ending": ".png",
        "description": items.description,
    }
    files.write_json(folder / "dataset.json", content)
    if splits := _nnunet_splits(items):
        files.write_json(folder / "splits_final.json", splits)


def _nnunet_splits(items: ExportSet) -> list[dict[str, list[str]]]:
    """One fold: validation on the annotated validation frames, training on all others of imagesTr; [] without such.

    There is one fold since the generator learnt from all training frames: a fold that validated on some of these would
    score frames whose likenesses it was trained on. A sequence never lies in both lists, as in the splits of a run.
    """
    val = [item.name for item in items if item.split == "val" and item.source.startswith("annotated")]
    train = [item.name for item in items if item.split == "train"]
    both = {i.sequence for i in items if i.split == "train"} & {i.sequence for i in items if i.name in set(val)} - {""}
    if both:
        raise ValueError(f"sequence {min(both)} lies in the train and in the val split; nnU-Net would validate on it")
    return [{"train": sorted(train), "val": sorted(val)}] if val and train else []


def write_coco(items: ExportSet, folder: Path) -> None:
    """images/ and one annotations/instances_<split>.json each: connected pieces of a class as run lengths.

    Ignored regions are crowds of a category "ignore" of their own.
    """
    names = [*items.class_names[1:], "ignore"]
    categories = [{"id": i, "name": name, "supercategory": "particle"} for i, name in enumerate(names, 1)]
    for split in items.splits:
        images: list[dict] = []
        annotations: list[dict] = []
        for item in (item for item in items if item.split == split):
            _copy(item.image_path, folder / f"images/{item.name}.png")
            labels = item.labels
            number = len(images) + 1
            size = {"height": labels.shape[0], "width": labels.shape[1]}
            images.append({"id": number, "file_name": f"{item.name}.png", **size})
            for instance in _instances(labels, len(names)):
                annotations.append({"id": len(annotations) + 1, "image_id": number, **instance})
        content = {"info": {"description": items.description}, "licenses": [], "images": images}
        content |= {"annotations": annotations, "categories": categories}
        files.write_json(folder / f"annotations/instances_{split}.json", content)


def write_imagej(items: ExportSet, folder: Path) -> None:
    """Stacks for ImageJ and Fiji, <group>_images.tif and <group>_labels.tif, with pixel size and class colours."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.split if item.source.startswith("annotated") else "synthetic", []).append(item)
    colours = np.ascontiguousarray(colour_table(items.class_colours).T.astype(np.uint16) * 257)
    legend = json.dumps({"classes": dict(enumerate(items.class_names)), "told": items.description})
    for group, own in groups.items():
        _write_stack(folder / f"{group}_images.tif", (item.image for item in own), own, items.pixel_um, legend)
        palette = {"photometric": "palette", "colormap": colours}
        _write_stack(
            folder / f"{group}_labels.tif", (item.labels for item in own), own, items.pixel_um, legend, palette
        )
    place = {item.name: (f"{group}_images.tif", f"{group}_labels.tif") for group, own in groups.items() for item in own}
    _write_manifest(items, folder, lambda item: place[item.name])


FORMATS: dict[str, Callable[[ExportSet, Path], None]] = {
    "png": write_pairs,
    "nnunet": write_nnunet,
    "coco": write_coco,
    "imagej": write_imagej,
    "cvat": write_cvat,
    "labelme": write_labelme,
}


def _instances(labels: np.ndarray, ignore: int) -> Iterator[dict]:
    """Connected pieces (corners connect) of every class: category_id, segmentation, area, bbox, iscrowd."""
    from pycocotools import mask as tool

    for index in np.setdiff1d(labels, [0]):
        pieces, count = ndimage.label(labels == index, structure=ANY_NEIGHBOUR)
        for number in range(1, count + 1):
            coded = tool.encode(np.asfortranarray(pieces == number, np.uint8))
            yield {
                "category_id": ignore if index == IGNORE else int(index),
                "segmentation": {"size": list(coded["size"]), "counts": coded["counts"].decode("ascii")},
                "area": float(tool.area(coded)),
                "bbox": [float(v) for v in tool.toBbox(coded)],
                "iscrowd": int(index == IGNORE),
            }


def _write_stack(
    path: Path,
    planes: Iterator[np.ndarray],
    own: list[Item],
    pixel_um: float | None,
    legend: str,
    colours: dict | None = None,
) -> None:
    """An ImageJ stack [frames, H, W]; an unknown pixel gets no scale, so that nobody takes it for a measured one."""
    shape = (len(own), *own[0].labels.shape)
    tifffile.imwrite(
        path,
        planes,
        shape=shape,
        dtype=np.uint8,
        imagej=True,
        resolution=(1 / pixel_um, 1 / pixel_um) if pixel_um else None,
        metadata={
            "axes": "TYX",
            **({"unit": "um"} if pixel_um else {}),
            "Labels": [item.name for item in own],
            "Info": legend,
        },
        **(colours or {"photometric": "minisblack"}),
    )


def _write_manifest(items: ExportSet, folder: Path, files: Callable[[Item], tuple[str, str]]) -> None:
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["name", "split", "source", "image", "mask"])
        table.writerows([item.name, item.split, item.source, *files(item)] for item in items)


def _save(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
