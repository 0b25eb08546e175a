"""Make the files of this folder: 24 small frames, and their annotation as other people's tools write it.

    python make.py film       film.tif, labels.tif           (with this repository's environment)
    python make.py labelme    labelme/*.json                 (in an environment with labelme 6.3.1)
    python make.py shapes     labelme_shapes/                (the same)
    python make.py cvat       segmentation_mask_1.1.zip      (in an environment with datumaro 1.13.12)

labelme needs Qt and datumaro other versions of pandas and Pillow than this repository, so what they write is stored
here instead of being written by the tests. CVAT makes its "Segmentation mask 1.1" by exporting
"voc_segmentation" with datumaro and zipping the folder; the same is done here.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FRAMES, HEIGHT, WIDTH = 24, 36, 40
CLASSES = {"drop": (204, 51, 17), "shell": (68, 119, 170), "fragment": (238, 51, 119)}
INDEX = {name: k for k, name in enumerate(CLASSES, 1)}


def truth() -> list[list[tuple[str, str, tuple]]]:
    """Per frame its shapes, in the order they are drawn: (label, "box" | "disc", numbers in pixels)."""
    rng = np.random.default_rng(8)
    film = []
    for frame in range(FRAMES):
        shapes = []
        for label in rng.permutation(list(CLASSES))[: rng.integers(1, 4)]:
            x, y, r = rng.integers(6, WIDTH - 6), rng.integers(6, HEIGHT - 6), rng.integers(2, 6)
            kind = "box" if rng.random() < 0.5 else "disc"
            shapes.append((str(label), kind, (int(x), int(y), int(r))))
        if frame % 6 == 0:
            shapes.append(("ignore", "box", (2, 2, 2)))
        film.append(shapes)
    return film


def mask_of(kind: str, numbers: tuple) -> np.ndarray:
    """The pixels of a shape: a square of side 2 r, or a disc of radius r."""
    x, y, r = numbers
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    if kind == "box":
        return (abs(columns + 0.5 - x) < r) & (abs(rows + 0.5 - y) < r)
    return (columns - x) ** 2 + (rows - y) ** 2 <= r**2


def labels_of(shapes: list) -> np.ndarray:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for label, kind, numbers in shapes:
        labels[mask_of(kind, numbers)] = INDEX.get(label, 255)
    return labels


def make_film() -> None:
    """12-bit frames: a bright beam, dark particles, noise."""
    import tifffile

    rng = np.random.default_rng(9)
    labels = np.stack([labels_of(shapes) for shapes in truth()])
    level = np.array([3100, 1500, 2000, 2400])[np.where(labels == 255, 0, labels)]
    images = (level + rng.normal(0, 40, labels.shape)).round().clip(0, 4095).astype(np.uint16)
    for name, stack in (("film", images), ("labels", labels)):
        tifffile.imwrite(HERE / f"{name}.tif", stack, compression="zlib", photometric="minisblack")


def make_labelme() -> None:
    """One JSON per frame by labelme's own writer: boxes as polygons, discs as masks."""
    from labelme import utils
    from labelme._label_file import LabelFile

    shutil.rmtree(HERE / "labelme", ignore_errors=True)
    (HERE / "labelme").mkdir()
    for frame, shapes in enumerate(truth()):
        written = []
        for label, kind, (x, y, r) in shapes:
            shape = {"label": "__ignore__" if label == "ignore" else label, "group_id": None, "description": "",
                     "flags": {}, "mask": None}  # fmt: skip
            if kind == "box":
                low, high = (x - r, y - r), (x + r - 1, y + r - 1)
                points = [list(low), [high[0], low[1]], list(high), [low[0], high[1]]]
                shape |= {"shape_type": "polygon", "points": points}
            else:
                mask = mask_of(kind, (x, y, r))[max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1]
                top, left = max(y - r, 0), max(x - r, 0)
                points = [[left, top], [left + mask.shape[1] - 1, top + mask.shape[0] - 1]]
                packed = utils.img_arr_to_b64(mask.astype(np.uint8))
                shape |= {"shape_type": "mask", "points": points, "mask": packed}
            written.append(shape)
        LabelFile().save(str(HERE / f"labelme/film_{frame:05d}.json"), written, f"film_{frame:05d}.png", HEIGHT, WIDTH)


def make_labelme_shapes() -> None:
    """Every kind of shape that has an area, random, and the label map that labelme itself draws of them."""
    import PIL.Image
    from labelme import utils
    from labelme._label_file import LabelFile

    folder = HERE / "labelme_shapes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = np.random.default_rng(10)
    for number in range(8):
        drawn, stored = [], []
        for kind in rng.permutation(["polygon", "rectangle", "circle", "oriented_rectangle", "mask"]).tolist():
            count = {"polygon": rng.integers(3, 8), "oriented_rectangle": 4}.get(kind, 2)
            points = (rng.uniform(-3, 48, (count, 2)) if kind != "mask" else np.array([[44, 36], [53, 47]])).tolist()
            patch = rng.random((12, 10)) < 0.6 if kind == "mask" else None
            shape = {"label": str(rng.choice(list(CLASSES))), "points": points, "shape_type": kind, "flags": {},
                     "group_id": None, "description": ""}  # fmt: skip
            drawn.append(shape | {"mask": patch})
            packed = None if patch is None else utils.img_arr_to_b64(patch.astype(np.uint8))
            stored.append(shape | {"mask": packed})
        labels, _ = utils.shapes_to_label(img_shape=(50, 56), shapes=drawn, label_name_to_value=INDEX)
        PIL.Image.fromarray(labels.astype(np.uint8)).save(folder / f"drawn_{number}.png")
        LabelFile().save(str(folder / f"drawn_{number}.json"), stored, f"drawn_{number}.png", 50, 56)


def make_cvat() -> None:
    """The archive that CVAT's exporter makes: voc_segmentation with the task's colours, zipped."""
    from datumaro.components.annotation import AnnotationType, LabelCategories, Mask
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    names = ["background", *CLASSES, "ignore"]
    colours = {"background": (0, 0, 0), **CLASSES, "ignore": (128, 128, 128)}
    items = []
    for frame, shapes in enumerate(truth()):
        masks = [
            Mask(mask_of(kind, numbers), label=names.index(label), z_order=order, group=order + 1, id=order + 1)
            for order, (label, kind, numbers) in enumerate(shapes)
        ]
        picture = Image.from_numpy(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        items.append(DatasetItem(f"film_{frame:05d}", subset="default", annotations=masks, media=picture))
    categories = {AnnotationType.label: LabelCategories.from_iterable(names)}
    dataset = Dataset.from_iterable(items, categories=categories)
    dataset.transform("merge_instance_segments")
    with tempfile.TemporaryDirectory() as folder:
        label_map = {name: [colours[name], [], []] for name in names}
        dataset.export(folder, "voc_segmentation", save_media=False, apply_colormap=True, label_map=label_map)
        shutil.make_archive(str(HERE / "segmentation_mask_1.1"), "zip", folder)


if __name__ == "__main__":
    makers = {"film": make_film, "labelme": make_labelme, "shapes": make_labelme_shapes, "cvat": make_cvat}
    makers[sys.argv[1]]()
