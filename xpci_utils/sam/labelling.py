"""A labeller at work: naming the particles of annotated test frames and of the synthetic pool (section 2.2)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from xpci_utils import files, paths
from xpci_utils.evaluation import dice_per_class, evaluate_frame, summarise
from xpci_utils.files import sha256
from xpci_utils.frames import IGNORE, FrameSet, binary_mask, crop, frame_scores, pad_image, padding
from xpci_utils.frames.frameset import read_png, write_png
from xpci_utils.sam.adaptation import LABELLER_FILE
from xpci_utils.sam.checkpoints import load_labeller
from xpci_utils.sam.close_up import close_up_scores
from xpci_utils.sam.model import SemanticSam
from xpci_utils.sam.naming import Naming, labels_of, least_confident, particle_probabilities, regions_of
from xpci_utils.training import StoppedForTime, dihedral, set_threads, time_is_over, watched
from xpci_utils.training.symmetries import symmetries_of

BLOCK = 16  # pairs that a reduced SAM takes together; fixed blocks give a pair the same bits whenever work is resumed
BLOCK_SIDE = 128  # of its input [px]; of a larger one fewer are taken, since memory grows with the pixels
COLUMNS = ("name", "confidence", "purity", "particles", "prompt_pixels", "named_background", "outside_prompt")


@torch.no_grad()
def predict_scores(
    model: SemanticSam, images: np.ndarray, masks: np.ndarray | None, symmetries: bool = False
) -> np.ndarray:
    """Class probabilities float32 [N, C, h, w] of frames uint8 [N, h, w] and masks [N, h, w] (bool).

    A labeller that was adapted without mask prompt ignores the masks; one that was adapted to close-ups sees the
    particles of a mask one by one. ``symmetries`` averages over the eight (or, for frames that are not square, four)
    symmetries of what the labeller sees.
    """
    model.eval()
    if not model.config["mask_prompt"]:
        masks = None
    elif masks is None:
        raise ValueError("this labeller was adapted with mask prompts and needs the masks")
    elif side := model.config.get("close_up", 0):
        predict = partial(_probabilities, model, symmetries=symmetries)
        return close_up_scores(predict, images, masks, side, model.num_classes)
    height, width = images.shape[-2:]
    prompts = None if masks is None else np.pad(masks, ((0, 0), *padding(height, width)))
    return crop(_probabilities(model, pad_image(images), prompts, symmetries), height, width)


def _probabilities(
    model: SemanticSam, images: np.ndarray, masks: np.ndarray | None, symmetries: bool = False
) -> np.ndarray:
    """Class probabilities of frames as they are, averaged over their ``symmetries`` where that is asked for."""
    views = [None if x is None else torch.from_numpy(x) for x in (images, masks)]
    total = torch.zeros(())
    count = symmetries_of(*images.shape[-2:]) if symmetries else 1
    for k in range(count):
        logits = model(*(x if x is None else dihedral(x, k).to(model.pixel_mean.device) for x in views))
        total = total + undo_dihedral(logits.float().softmax(1).cpu(), k)
    return (total / count).numpy()


def undo_dihedral(array, k: int):
    """The inverse of ``dihedral(array, k)``: the swap of the axes comes last there, so it is undone first."""
    return dihedral(dihedral(array, k & 4), k & 3)


def score_frames(
    model: SemanticSam, frames: FrameSet, masks: Mapping[str, np.ndarray] | None = None, symmetries: bool = False
) -> dict[str, np.ndarray]:
    """Class probabilities float32 [C, H, W] of every frame by name; tiles are stitched.

    The prompts are the true binary masks, the setting of Table 5 (the location of the particles is given, their class
    is asked for), or ``masks`` bool [H, W] by name.
    """
    scores = {}
    for frame in frames:
        # One structured array takes image and mask through the same tiles.
        both = np.empty(frame.image.shape, [("image", np.uint8), ("mask", bool)])
        both["image"] = frame.image
        both["mask"] = binary_mask(frame.labels) if masks is None else masks[frame.name]
        scores[frame.name] = frame_scores(_scores(model, symmetries), both, frames.tile)
    return scores


def predict_frames(
    model: SemanticSam, frames: FrameSet, masks: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Labels uint8 [H, W] of every frame by name, prompted as in `score_frames`: the plain argmax."""
    return {name: scores.argmax(0).astype(np.uint8) for name, scores in score_frames(model, frames, masks).items()}


def _scores(model: SemanticSam, symmetries: bool) -> Callable[[np.ndarray], np.ndarray]:
    return lambda tiles: predict_scores(model, tiles["image"], tiles["mask"], symmetries)


def most_frequent_class(frames: FrameSet) -> int:
    """The class with most particle pixels in the train split."""
    counts = np.zeros(IGNORE + 1, int)
    for frame in frames.split("train"):
        counts += np.bincount(frame.labels.ravel(), minlength=IGNORE + 1)
    counts[[0, IGNORE]] = 0
    return int(counts.argmax())


def trivial_labels(labels: np.ndarray, particle_class: int) -> np.ndarray:
    """What the trivial labeller makes of a true mask: every particle of one class."""
    return np.where(binary_mask(labels), particle_class, 0).astype(np.uint8)


def particle_table(labels: np.ndarray, mask: np.ndarray, truth: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Per particle (8-connected region of ``mask``): pixels, majority class and its share ("purity").

    With true labels also their majority class, ``true_class``: a particle is named right where both agree.
    """
    regions = regions_of(mask)
    table = _majority(regions, labels)
    if truth is not None:
        table["true_class"] = _majority(regions, truth)["class"]
    return table


def _majority(regions: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    inside = regions > 0
    votes = np.zeros((regions.max(), IGNORE + 1), int)
    np.add.at(votes, (regions[inside] - 1, labels[inside]), 1)
    pixels = votes.sum(1)
    return {"pixels": pixels, "class": votes.argmax(1), "purity": votes.max(1, initial=0) / np.maximum(pixels, 1)}


def naming_scores(named: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """``binary_dice`` (particle against background) and ``particles_named_right`` of labels uint8 [H, W].

    The second is the share of true particles whose pixels mostly got their class. NaN where there is no particle.
    """
    table = particle_table(named, binary_mask(truth), truth)
    right = table["class"] == table["true_class"]
    binary = dice_per_class(named > 0, np.where(truth == IGNORE, IGNORE, truth > 0), 2)[1]
    return {"binary_dice": binary, "particles_named_right": float(right.mean()) if len(right) else np.nan}


def evaluate_naming(named: Sequence[np.ndarray], truth: Sequence[np.ndarray], num_classes: int) -> pd.DataFrame:
    """Every scalar of `evaluate_frame` and `naming_scores`, one row per pair of label maps uint8 [H, W]."""
    rows = []
    for number, (labels, true) in enumerate(zip(named, truth, strict=True)):
        scores = {k: v for k, v in evaluate_frame(labels, true, num_classes).items() if not k.endswith("_per_class")}
        rows.append({"frame": number, "sequence": number} | scores | naming_scores(labels, true))
    return pd.DataFrame(rows)


def score_pool(folder: str | Path, frames: FrameSet, split: str) -> dict[str, dict] | None:
    """Score the labels of a pool whose images are those of a ``split`` of annotated frames, in their order.

    Writes per_frame.csv (`evaluate_naming`) beside the labels and returns its summary under the name of the split, as
    metrics.json keeps it. Without a ``split`` the true classes of the pool are not known: None, and nothing is written.
    """
    if not split:
        return None
    truth = [labels for _, labels in frames.examples(split)]
    named = [read_png(paths.resolve(folder) / f"{index:06d}.png") for index in range(len(truth))]
    per_frame = evaluate_naming(named, truth, frames.num_classes)
    files.write_csv(paths.resolve(folder) / "per_frame.csv", per_frame)
    return {split: summarise(per_frame)}


def label_pool(
    pairs_folder: str | Path,
    labeller_folder: str | Path,
    folder: str | Path,
    *,
    threads: int = 1,
    naming: Naming | None = None,
) -> Path:
    """Let a labeller name the particles of every synthetic pair; returns the path of labels.csv, written last.

    Reads images/ and masks/ of ``pairs_folder`` (six-digit PNG names) and the labeller's adapters.safetensors, writes
    one uint8 label map per pair under the same name; ``naming`` (default: the paper's argmax) says how labels follow
    from probabilities. ``labels.csv`` has one row per pair: ``confidence`` (mean probability of the most probable
    class over the pixels of the mask), mean ``purity`` and number of ``particles``, ``named_background`` (share of mask
    pixels called background), ``outside_prompt`` (share of particle pixels that lie outside the mask).
    ``particles.csv`` has one row per particle: pair, region (numbered as by ``naming.regions_of``), pixels, class,
    purity, and ``p_1`` ..., the probability of each class on its average: soft labels. Work that was interrupted goes
    on after the last finished block of pairs, provided labeller and naming are the same.
    """
    naming = naming or Naming()
    pairs, folder = paths.resolve(pairs_folder), paths.resolve(folder)
    labeller = paths.resolve(labeller_folder) / LABELLER_FILE
    set_threads(threads)
    model = load_labeller(labeller)
    names = sorted(path.name for path in (pairs / "images").glob("*.png"))
    if not names:
        raise FileNotFoundError(f"{paths.display(pairs)}/images holds no pairs; sample them with notebook 04a first")
    folder.mkdir(parents=True, exist_ok=True)
    progress = folder / "progress.jsonl"
    done = _done(progress, _identity(labeller, naming))
    size = max(1, BLOCK * BLOCK_SIDE**2 // model.image_encoder.img_size**2)
    for start in tqdm(range(0, len(names), size), desc="labels", unit="block", disable=not watched()):
        block = names[start : start + size]
        if not all(name in done for name in block):
            if time_is_over():
                raise StoppedForTime(f"labelling stopped for time before pair {start}; run it again to go on")
            for row in _label_block(model, pairs, block, folder, naming):
                files.append_jsonl(progress, row)
                done[row["name"]] = row
    rows = [done[name] for name in names]
    if naming.kept_share < 1:
        _leave_out(pairs, folder, rows, naming)
    _write_csv(folder / "particles.csv", [particle for row in rows for particle in row["table"]])
    _write_csv(folder / "labels.csv", [{name: row[name] for name in COLUMNS} for row in rows])
    progress.unlink()
    return folder / "labels.csv"


def _write_csv(path: Path, rows: list[dict]) -> None:
    with files.atomic_path(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def _identity(labeller: Path, naming: Naming) -> str:
    return f"{sha256(labeller)} {naming}"


def _done(progress: Path, identity: str) -> dict[str, dict]:
    """Rows of pairs that are labelled already, by name; none if another labeller wrote them."""
    records = files.read_jsonl(progress)
    if records and records[0].get("labeller") == identity:
        return {record["name"]: record for record in records[1:]}
    progress.unlink(missing_ok=True)
    files.append_jsonl(progress, {"labeller": identity})
    return {}


def _label_block(model: SemanticSam, pairs: Path, names: list[str], folder: Path, naming: Naming) -> list[dict]:
    images = np.stack([read_png(pairs / "images" / name) for name in names])
    masks = np.stack([read_png(pairs / "masks" / name) > 127 for name in names])
    rows = []
    for name, scores, mask in zip(names, predict_scores(model, images, masks, naming.symmetries), masks, strict=True):
        labels = labels_of(scores, mask, naming)
        write_png(folder / name, labels)
        rows.append(_row(name, labels, mask, scores, naming))
    return rows


def _row(name: str, labels: np.ndarray, mask: np.ndarray, scores: np.ndarray, naming: Naming) -> dict:
    """One line of labels.csv, and under "table" its lines of particles.csv; shares of nothing are empty."""
    regions = regions_of(mask, naming.vote)
    probabilities = particle_probabilities(scores, regions)
    table = [
        {"name": name, "region": index + 1}
        | {f"p_{c}": round(float(p), 5) for c, p in enumerate(probabilities[index]) if c}
        for index in range(len(probabilities))
    ]
    row = {"name": name, "confidence": _mean(scores.max(0)[mask]), "prompt_pixels": int(mask.sum())}
    return row | _described(labels, mask, regions, table)


def _described(labels: np.ndarray, mask: np.ndarray, regions: np.ndarray, table: list[dict]) -> dict:
    """What follows from the labels of a pair: shares, and its particles (``table``) with pixels, class and purity."""
    named, particles = (labels > 0) & (labels != IGNORE), _majority(regions, labels)
    columns = {column: [round(value.item(), 5) for value in values] for column, values in particles.items()}
    return {
        "purity": _mean(particles["purity"]),
        "particles": len(table),
        "named_background": _mean(labels[mask] == 0),
        "outside_prompt": _mean(~mask[named]),
        "table": [
            {"name": row["name"], "region": row["region"]}
            | {name: values[i] for name, values in columns.items()}
            | {name: p for name, p in row.items() if name.startswith("p_")}
            for i, row in enumerate(table)
        ],
    }


def _leave_out(pairs: Path, folder: Path, rows: list[dict], naming: Naming) -> None:
    """Ignore the particles of a labelled pool that are the least confident ones of their class, in files and rows."""
    table = [particle for row in rows for particle in row["table"]]
    if not table:
        return
    probabilities = np.array([[p for name, p in one.items() if name.startswith("p_")] for one in table])
    doubtful = {
        (one["name"], one["region"])
        for one, out in zip(table, least_confident(probabilities, naming.kept_share), strict=True)
        if out
    }
    for row in rows:
        numbers = [one["region"] for one in row["table"] if (row["name"], one["region"]) in doubtful]
        if not numbers:
            continue
        labels, mask = read_png(folder / row["name"]), read_png(pairs / "masks" / row["name"]) > 127
        regions = regions_of(mask, naming.vote)
        labels[np.isin(regions, numbers)] = IGNORE
        write_png(folder / row["name"], labels)
        row |= _described(labels, mask, regions, row["table"])


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 5) if values.size else None
