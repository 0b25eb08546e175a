"""How much alike two frames are: small pictures of them, without what all frames share, and their masks."""

import numpy as np

# Frames of different simulated sequences of 64 or 128 pixels correlate, and overlap, by less than 0.5 (36,400 pairs);
# so do the micrographs of UHCSDB (0.26). Neighbours in a sequence lie above 0.7 in 95 of 100 cases.
ALIKE = 0.6
THUMBNAIL = 64


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Mean over blocks, at most THUMBNAIL blocks a side, flattened: float32."""
    block = -(-max(image.shape) // THUMBNAIL)
    height, width = (max(side // block, 1) for side in image.shape)
    cut = image[: height * block, : width * block].astype(np.float32)
    return cut.reshape(height, cut.shape[0] // height, width, cut.shape[1] // width).mean((1, 3)).ravel()


class Likeness:
    """Likeness, at most about 1, of frames by their thumbnails [N, P] and, where given, those of their masks (bool)."""

    def __init__(self, thumbnails: np.ndarray, masks: np.ndarray | None = None):
        pattern = thumbnails - np.median(thumbnails, axis=0) if len(thumbnails) > 2 else thumbnails
        pattern = pattern - pattern.mean(1, keepdims=True)
        length = np.linalg.norm(pattern, axis=1, keepdims=True)
        self._pattern, self._thumbnails = pattern / np.where(length > 0, length, 1), thumbnails
        self._masks = None if masks is None else masks.astype(np.float32)

    def row(self, i: int) -> np.ndarray:
        """Likeness of frame ``i`` with every frame: the larger of grey levels and masks, 1 for equal thumbnails."""
        same = (self._thumbnails == self._thumbnails[i]).all(1)
        alike = np.maximum(self._pattern @ self._pattern[i], same)
        if self._masks is None:
            return alike
        common, areas = self._masks @ self._masks[i], self._masks.sum(1)
        return np.maximum(alike, common / np.maximum(areas + areas[i] - common, 1))
