"""How far a set of synthetic frames is from a reference set, in features that fit grey XPCI frames.

A number alone says little. `fidelity_table` therefore compares several sets with one reference: the synthetic frames,
new frames from the reference's own source (the floor: what chance makes of two sets that are equal but for being
finite), and frames of an instrument that was changed on purpose (the ceiling).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from xpci_utils import files
from xpci_utils.evaluation.edges import edge_profile, fringe_share
from xpci_utils.evaluation.features import GROUPS, composition, frame_features, radial_spectrum

__all__ = [
    "classifier_auc",
    "composition",
    "feature_distances",
    "fidelity_table",
    "frame_features",
    "fringe_share",
    "group_distances",
    "precision_recall",
    "radial_spectrum",
    "spectrum_log_distance",
    "write_fidelity",
]

NEIGHBOURS = 3
FOLDS = 5

PairSequence = Sequence[tuple[np.ndarray, np.ndarray]]


def feature_distances(features: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
    """Wasserstein-1 distance of every feature between two sets, in standard deviations of the reference.

    0 for equal distributions; a plain shift of s standard deviations gives s.
    """
    distances = {
        name: wasserstein_distance(features[name], reference[name]) / _spread(reference[name]) for name in reference
    }
    return pd.Series(distances, name="distance")


def group_distances(distances: pd.Series) -> pd.Series:
    """Mean distance of each group of features (grey, spectrum, particles, edges), and ``overall``, the mean of these.

    The mean of means keeps a group from weighing more because it happens to be described by more numbers.
    """
    groups = {name: distances[list(members)].mean() for name, members in GROUPS.items()}
    return pd.Series({"overall": np.mean(list(groups.values())), **groups})


def spectrum_log_distance(images: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """Root mean square difference of two sets' mean radial power spectra, in decibels (3 dB: a factor of 2)."""
    (_, ours), (_, theirs) = radial_spectrum(images), radial_spectrum(reference)
    return float(np.sqrt(np.mean((10 * np.log10(ours / theirs)) ** 2)))


def precision_recall(
    features: pd.DataFrame, reference: pd.DataFrame, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """(precision, recall) of Kynkäänniemi et al. 2019 in features standardised on the reference, each in [0, 1].

    A set's manifold is the union of balls around its frames that reach to their ``neighbours``-th nearest frame of
    the same set. Precision is the share of frames inside the reference's manifold: are they plausible? Recall is the
    share of the reference inside theirs: is everything there? Both depend on how many frames there are, so compare sets
    of one size only. Raises ValueError for sets of too few frames.
    """
    fewest = min(len(features), len(reference))
    if fewest <= neighbours:
        raise ValueError(f"precision_recall: {neighbours} neighbours need more than {fewest} frames in each set")
    ours, theirs = (_standardised(table, reference) for table in (features, reference))
    return _share_inside(ours, theirs, neighbours), _share_inside(theirs, ours, neighbours)


def classifier_auc(features: pd.DataFrame, reference: pd.DataFrame, seed: int = 0) -> float:
    """Area under the ROC curve of boosted trees that tell the two sets apart by their features, mean of 5 folds.

    0.5: they cannot; 1: they never err. Each frame is judged by trees that have not seen it, but frames of one sequence
    betray each other across folds (two equal sets of 50 simulated sequences with 4 frames each: 0.85, of 200 with one
    frame each: 0.42 to 0.55). So give independent frames. ValueError for fewer than 5 frames in a set.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    fewest = min(len(features), len(reference))
    if fewest < FOLDS:
        raise ValueError(f"classifier_auc: {FOLDS} folds need at least {FOLDS} frames in each set, got {fewest}")
    values = pd.concat([features, reference]).to_numpy()
    synthetic = np.repeat([1, 0], [len(features), len(reference)])
    trees = HistGradientBoostingClassifier(max_iter=50, random_state=seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(cross_val_score(trees, values, synthetic, cv=folds, scoring="roc_auc").mean())


def fidelity_table(
    sets: Mapping[str, PairSequence], reference: PairSequence, pixel_size_um: float, min_area_px: int = 1, seed: int = 0
) -> pd.DataFrame:
    """One row per set of (image uint8 [H, W], mask [H, W]) pairs, each compared with ``reference``.

    ``frames``        in the set
    ``overall``, ``grey``, ``spectrum``, ``particles``, ``edges``  see `group_distances`; smaller is nearer
    ``spectrum_db``   see `spectrum_log_distance`
    ``precision``, ``recall``  see `precision_recall`; compare with the floor, not with 1; NaN below 5 frames
    ``auc``           see `classifier_auc`; 0.5 is indistinguishable; NaN below 5 frames
    ``fringe_share``  share of mask components with a significant edge, `fringe_share`; of the set alone
    ``auc_<group>``   the same classifier with one group of features only: what gives the set away
    ``d_<feature>``   the distance of every single feature, see `feature_distances`
    """
    known = frame_features(reference, pixel_size_um, min_area_px)
    rows = {}
    for name, pairs in sets.items():
        features = frame_features(pairs, pixel_size_um, min_area_px)
        distances = feature_distances(features, known)
        enough = min(len(features), len(known)) >= FOLDS
        precision, recall = precision_recall(features, known) if enough else (np.nan, np.nan)
        rows[name] = {
            "frames": len(features),
            **group_distances(distances),
            "spectrum_db": spectrum_log_distance([image for image, _ in pairs], [image for image, _ in reference]),
            "precision": precision,
            "recall": recall,
            "auc": classifier_auc(features, known, seed) if enough else np.nan,
            "fringe_share": fringe_share(pairs),
            **(_group_aucs(features, known, seed) if enough else {}),
            **distances.add_prefix("d_"),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def write_fidelity(
    folder: str | Path,
    sets: Mapping[str, PairSequence],
    reference: PairSequence,
    pixel_size_um: float,
    min_area_px: int = 1,
    seed: int = 0,
) -> None:
    """Write fidelity.csv (`fidelity_table`) and fidelity_edges.csv (`edge_profile` of the reference and every set)."""
    table = fidelity_table(sets, reference, pixel_size_um, min_area_px, seed)
    profiles = {name: edge_profile(pairs) for name, pairs in {"reference": reference, **sets}.items()}
    for name, content in {"fidelity": table.rename_axis("set"), "fidelity_edges": pd.DataFrame(profiles)}.items():
        with files.atomic_path(Path(folder) / f"{name}.csv") as temporary:
            content.to_csv(temporary)


def _group_aucs(features: pd.DataFrame, reference: pd.DataFrame, seed: int) -> dict[str, float]:
    return {
        f"auc_{name}": classifier_auc(features[list(members)], reference[list(members)], seed)
        for name, members in GROUPS.items()
    }


def _spread(values: pd.Series) -> float:
    """Standard deviation, 1 for a constant."""
    return values.std(ddof=0) or 1.0


def _standardised(features: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    return ((features - reference.mean()) / reference.apply(_spread)).to_numpy()


def _share_inside(points: np.ndarray, manifold: np.ndarray, neighbours: int) -> float:
    """Share of the points that lie within the reach of at least one point of the manifold."""
    # The nearest of all is the point itself, at distance 0.
    reach = np.partition(cdist(manifold, manifold), neighbours, axis=1)[:, neighbours]
    return float((cdist(points, manifold) <= reach).any(axis=1).mean())
