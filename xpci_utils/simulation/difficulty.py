"""How hard is it to tell the classes apart? A small classifier on single particles, and two blunt ones.

Multinomial logistic regression on standardised features. The features describe what a person looks at (outline,
grey levels from rim to centre, bright spots, edges inside); a second set holds diameter and mean grey alone; a third
the metal alone.
"""

from collections.abc import Iterable

import numpy as np
from scipy import ndimage, optimize

from xpci_utils.simulation.materials import CHEMISTRIES
from xpci_utils.simulation.simulate import SimulatedFrame

RINGS = 6


def instance_features(frames: Iterable[SimulatedFrame]) -> dict[str, np.ndarray]:
    """Features of every visible instance: "crop" [N, F], "blunt" (diameter, mean grey), "metal" (one-hot), "class" [N].

    Pixels that belong to another visible particle are left out.
    """
    rows: dict[str, list] = {"crop": [], "blunt": [], "metal": [], "class": []}
    for frame in frames:
        for instance in frame.table:
            if not instance.visible:
                continue
            y, x = (slice(max(s.start - 3, 0), s.stop + 3) for s in instance.window)
            mask = np.zeros(frame.image.shape, bool)
            mask[instance.window] = instance.mask
            foreign = (frame.instances[y, x] != 0) & (frame.instances[y, x] != instance.id)
            features = _describe(frame.image[y, x], mask[y, x], foreign)
            rows["crop"].append(features)
            rows["blunt"].append([np.log(instance.mask.sum()), frame.image[mask].mean()])
            rows["metal"].append([frame.metal == metal for metal in CHEMISTRIES])
            rows["class"].append(instance.class_index)
    return {key: np.array(value, float if key != "class" else int) for key, value in rows.items()}


def _describe(image: np.ndarray, mask: np.ndarray, foreign: np.ndarray) -> list[float]:
    """Outline and grey levels of one particle."""
    visible = mask & ~foreign if (mask & ~foreign).any() else mask
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    optical = -np.log(np.clip(image, 0.02, None))
    return [*_outline(mask, depth), *_tones(optical, visible, depth), *_texture(optical, visible, depth)]


def _outline(mask: np.ndarray, depth: np.ndarray) -> list[float]:
    area = mask.sum()
    rows, columns = np.nonzero(mask)
    moments = np.cov(np.stack([rows, columns])) + np.eye(2) / 12 if area > 2 else np.eye(2)
    small, large = np.sqrt(np.linalg.eigvalsh(moments))
    border = (mask & ~ndimage.binary_erosion(mask)).sum()
    radius = np.sqrt(area / np.pi)
    reach = np.hypot(rows - rows.mean(), columns - columns.mean())
    pieces = ndimage.label(mask)[1]
    filled = ndimage.binary_fill_holes(mask).sum() / area
    return [
        np.log(area), small / large, border / np.sqrt(area), depth.max() / radius, reach.max() / radius,
        area / (4 * np.pi * small * large), min(pieces, 4), filled,
    ]  # fmt: skip


def _tones(optical: np.ndarray, visible: np.ndarray, depth: np.ndarray) -> list[float]:
    """Grey levels: overall, and by depth under the outline relative to the overall level."""
    values = optical[visible]
    level = np.abs(values).mean() + 0.02
    relative = depth[visible] / depth[visible].max()
    rings = np.minimum((relative * RINGS).astype(int), RINGS - 1)
    profile = [values[rings == k].mean() if (rings == k).any() else values.mean() for k in range(RINGS)]
    spread = np.quantile(values, [0.02, 0.1, 0.5, 0.9, 0.98]) / level
    return [values.mean(), np.log(level), values.std() / level, *(np.array(profile) / level), *spread]


def _texture(optical: np.ndarray, visible: np.ndarray, depth: np.ndarray) -> list[float]:
    """Inside the rim: bright spots, dark spots, edges, and how lopsided the two halves are."""
    inner = visible & (depth > 2.5) if (visible & (depth > 2.5)).sum() > 4 else visible
    level = np.abs(optical[visible]).mean() + 0.02
    smooth = ndimage.gaussian_filter(optical, 0.7)
    spots = smooth - ndimage.gaussian_filter(optical, 2.0)
    peaks = [
        ((sign * spots == ndimage.maximum_filter(sign * spots, 3)) & (sign * spots > 0.08 * level + 0.01) & inner).sum()
        for sign in (1, -1)
    ]
    edges = np.hypot(*np.gradient(smooth))[inner] / level
    rows, columns = np.nonzero(inner)
    plane = np.stack([rows - rows.mean(), columns - columns.mean(), np.ones(rows.size)], axis=1)
    slope = np.linalg.lstsq(plane, optical[inner] / level, rcond=None)[0][:2]
    tilt = np.hypot(*slope) * np.sqrt(inner.sum())
    return [
        *np.sqrt(peaks), spots[inner].std() / level, np.quantile(spots[inner], 0.05) / level,
        np.quantile(spots[inner], 0.95) / level, edges.mean(), np.quantile(edges, 0.9), tilt,
        np.log(inner.sum()),
    ]  # fmt: skip


class LogisticClassifier:
    """Multinomial logistic regression on standardised features and their squares, classes weighted equally."""

    def __init__(self, penalty: float = 3e-3) -> None:
        self.penalty = penalty

    def fit(self, features: np.ndarray, classes: np.ndarray) -> "LogisticClassifier":
        """Fit to features [N, F] and class indices [N]."""
        self.names = np.unique(classes)
        self.centre, self.scale = features.mean(axis=0), features.std(axis=0) + 1e-9
        x, target = self._expanded(features), (classes[:, None] == self.names).astype(float)
        weight = (target / target.sum(axis=0)).sum(axis=1, keepdims=True) / len(self.names)

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            w = flat.reshape(x.shape[1], -1)
            score = x @ w
            score -= score.max(axis=1, keepdims=True)
            logs = score - np.log(np.exp(score).sum(axis=1, keepdims=True))
            gradient = x.T @ (weight * (np.exp(logs) - target)) + 2 * self.penalty * w
            return -(weight * target * logs).sum() + self.penalty * (w**2).sum(), gradient.ravel()

        start = np.zeros(x.shape[1] * len(self.names))
        optimum = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
        self.weights = optimum.x.reshape(x.shape[1], -1)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Class indices [N] for features [N, F]."""
        return self.names[(self._expanded(features) @ self.weights).argmax(axis=1)]

    def _expanded(self, features: np.ndarray) -> np.ndarray:
        z = np.clip((features - self.centre) / self.scale, -4, 4)
        return np.concatenate([z, z**2 / 4, np.ones((len(z), 1))], axis=1)


def recall_matrix(true: np.ndarray, predicted: np.ndarray, classes: int = 9) -> np.ndarray:
    """Confusion matrix [classes, classes] of class indices 1 ... classes, rows (true class) summing to 1."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (true - 1, predicted - 1), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
