"""Particles and tracks against the simulator's truth: found, named, sized, and followed without mixing them up."""

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from xpci_utils.video.particles import regions_of
from xpci_utils.video.simulated import IGNORED_INSTANCE
from xpci_utils.video.tracks import velocity

MIN_IOU = 0.5


def compare_with_truth(
    labels: Path, instances: Path, truth: pd.DataFrame, min_pixels: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(detections, true particles), frame by frame, from the label stack and the stack of true numbers.

    Detections: frame, particle, id (the true particle that most of its pixels lie on; 0: the background), iou with it,
    true_class, true_pixels. True particles: frame, id, class, x_um, y_um, pixels; visible ones of at least
    ``min_pixels`` pixels that nothing covers. Pixels labelled "ignore" belong to nothing in both stacks; a
    detection that lies mostly on them is left out.
    """
    names = truth[truth["visible"]].set_index(["frame", "id"])
    rows: list[tuple[int, int, int, float]] = []
    given_rows: list[tuple[int, int, int]] = []
    with tifffile.TiffFile(labels) as predicted, tifffile.TiffFile(instances) as given:
        for frame, pages in enumerate(zip(predicted.pages, given.pages, strict=True)):
            regions, ids = regions_of(pages[0].asarray()), pages[1].asarray().astype(int)
            rows += [(frame, *row) for row in overlaps(regions, ids)]
            numbers, sizes = np.unique(ids[(ids > 0) & (ids < IGNORED_INSTANCE)], return_counts=True)
            given_rows += [
                (frame, *row) for row in zip(numbers[sizes >= min_pixels], sizes[sizes >= min_pixels], strict=True)
            ]
    true = pd.DataFrame(given_rows, columns=["frame", "id", "pixels"]).join(
        names[["class", "x_um", "y_um"]], on=["frame", "id"]
    )
    detections = pd.DataFrame(rows, columns=["frame", "particle", "id", "iou"])
    of_id = true.set_index(["frame", "id"])[["class", "pixels"]].add_prefix("true_")
    return detections.join(of_id, on=["frame", "id"]), true


def overlaps(regions: np.ndarray, ids: np.ndarray) -> list[tuple[int, int, float]]:
    """(region, id, iou) of every region: the id that covers half of it or more (0: none does)."""
    counted = ids != IGNORED_INSTANCE
    whole = np.bincount(regions.ravel())
    area, true_area = np.bincount(regions[counted], minlength=len(whole)), np.bincount(ids[counted])
    pairs, shared = np.unique(regions[counted] * len(true_area) + ids[counted], return_counts=True)
    rows = {region: (region, 0, 0.0) for region in range(1, len(whole)) if 2 * area[region] > whole[region]}
    for (region, number), overlap in zip(zip(*np.divmod(pairs, len(true_area)), strict=True), shared, strict=True):
        if region in rows and number and 2 * overlap >= area[region]:
            iou = overlap / (area[region] + true_area[number] - overlap)
            rows[region] = max(rows[region], (region, int(number), float(iou)), key=lambda row: row[2])
    return list(rows.values())


def truth_scores(
    linked: pd.DataFrame,
    detections: pd.DataFrame,
    true: pd.DataFrame,
    *,
    frame_interval_us: float,
    pixel_um: float,
    min_frames: int,
) -> dict[str, float]:
    """How good particles and tracks are; NaN where there is nothing to judge.

    detection_f1 (IoU of at least 0.5 with a true particle, whatever its class), precision, recall; class_accuracy and
    track_class_accuracy (shares of the particles found that are named right, frame by frame and smoothed along the
    track); track_purity (share of a track's detections that lie on its main true particle) and track_completeness
    (share of a true particle's frames that its main track covers), both over all tracks and particles of at least
    ``min_frames`` frames, longer ones counting more; median_diameter_bias_um (predicted minus true, of the particles
    found); median_speed_error_m_per_s (length of the difference of the velocities, of those tracks).
    """
    table = detections.merge(linked, on=["frame", "particle"], validate="one_to_one")
    hits = table[table["iou"] >= MIN_IOU].drop_duplicates(["frame", "id"])
    true_diameter = 2 * np.sqrt(hits["true_pixels"] / np.pi) * pixel_um
    tracks = table.groupby("track").filter(lambda track: len(track) >= min_frames)
    lasting = true.groupby("id").filter(lambda particle: len(particle) >= min_frames)
    on_main = _on_main(tracks, "track", "id")
    followed = _on_main(table.merge(lasting[["frame", "id"]], on=["frame", "id"]), "id", "track")
    return {
        "particles_true": len(true),
        "particles_found": len(table),
        "detection_f1": _share(2 * len(hits), len(true) + len(table)),
        "precision": _share(len(hits), len(table)),
        "recall": _share(len(hits), len(true)),
        "class_accuracy": _share((hits["class"] == hits["true_class"]).sum(), len(hits)),
        "track_class_accuracy": _share((hits["track_class"] == hits["true_class"]).sum(), len(hits)),
        "tracks": tracks["track"].nunique(),
        "track_purity": _share(len(on_main), len(tracks)),
        "track_completeness": _share(len(followed), len(lasting)),
        "median_diameter_bias_um": float((hits["diameter_um"] - true_diameter).median()),
        "median_speed_error_m_per_s": _speed_error(on_main, true, frame_interval_us, min_frames),
    }


def _on_main(table: pd.DataFrame, of: str, partner: str) -> pd.DataFrame:
    """The rows in which a track (or particle) is with the partner it has most often; the background (0) is none."""
    rows = table[table["id"] > 0].drop_duplicates(["frame", of, partner])
    times = rows.groupby([of, partner])["frame"].transform("size")
    first = rows.assign(times=times).sort_values([of, "times", partner], ascending=[True, False, True])
    main = first.drop_duplicates(of).set_index(of)[partner]
    return rows[rows[partner] == rows[of].map(main)]


def _speed_error(on_main: pd.DataFrame, true: pd.DataFrame, frame_interval_us: float, min_frames: int) -> float:
    both = on_main.merge(true[["frame", "id", "x_um", "y_um"]], on=["frame", "id"], suffixes=("", "_true"))
    errors = []
    for _, track in both.groupby("track"):
        if len(track) >= min_frames:
            estimate = velocity(track["frame"], track["x_um"], track["y_um"], frame_interval_us)
            given = velocity(track["frame"], track["x_um_true"], track["y_um_true"], frame_interval_us)
            errors.append(np.hypot(estimate[0] - given[0], estimate[1] - given[1]))
    return float(np.median(errors)) if errors else float("nan")


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
