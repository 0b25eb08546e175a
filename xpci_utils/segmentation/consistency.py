"""Weak-to-strong consistency: what a network learns from frames that nobody annotated (FixMatch, Sohn et al. 2020).

The network itself labels the weak view of a frame u (flips and quarter turns), and learns these labels on a strong view
s(u) of it. With its probabilities p and the threshold tau, beside annotated frames x with labels y,

    L = (L_net(x, y) + w m L_net(s(u), q)) / (1 + w m),    q = argmax_c p_c(u) where max_c p_c(u) >= tau, else ignored.

L_net is the loss of the network, w the weight that the arm says (1, as in FixMatch) and m the share of pixels that are
not ignored: a mean over those times m is FixMatch's mean over all pixels. The labels carry no gradient. s changes
contrast and brightness, blurs, adds noise, and takes rectangles over from other frames of the batch with their labels
(CutMix, Yun et al. 2019), as UniMatch (Yang et al. 2023) and AugSeg (Zhao et al. 2023) do for segmentation. The ranges
are ours: at 2 um per pixel a wider blur would wipe out the fringes that classes are told by.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from xpci_utils.frames import IGNORE, pad_image, pad_labels
from xpci_utils.randomness import numpy_rng, stream_indices
from xpci_utils.segmentation.prediction import network_input

if TYPE_CHECKING:
    from xpci_utils.segmentation.networks import Network
    from xpci_utils.training import NetworkTraining
    from xpci_utils.training.augmentation import View

CONTRASTS, BRIGHTNESS = (0.5, 1.5), 0.25  # factor about the median; shift at most, as a share of the 256 grey levels
BLURS, NOISE = (0.1, 1.0), 0.05  # sigma [px]; standard deviation at most, as a share of the 256 grey levels
TONES, BLURRED, MIXED = 0.8, 0.5, 0.5  # probabilities, those of UniMatch
BOX_SHARES, BOX_SHAPES = (0.02, 0.4), (0.3, 1 / 0.3)  # area of a rectangle as a share of the frame, height to width


class StrongBatches:
    """The batch of frames without annotation of every step: strong views, and labels by the network as it stands.

    ``images`` are uint8 [H, W] of one size; ``view`` is the weak one, of (image, labels, generator). Frames and views
    are functions of (seed, step) alone, and the labels of the network's weights besides, so that a resumed training
    equals an uninterrupted one.
    """

    def __init__(self, images: Sequence[np.ndarray], view: "View", settings: "NetworkTraining"):
        self.images, self.view, self.settings = images, view, settings

    def __call__(self, network: "Network", step: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        """(float images [N, 1, H, W] in [-1, 1], uint8 labels [N, H, W] with 255 = ignore, share of pixels labelled).

        The network labels in evaluation mode, without dropout, and is in training mode afterwards.
        """
        frames, outside = self.weak(step)
        labels = pseudo_labels(network, frames, self.settings.confidence)
        rng = numpy_rng("strong view", self.settings.seed, step)
        strong = np.stack([strong_view(frame, rng) for frame in frames])
        strong, labels = cut_mix(strong, np.where(outside, IGNORE, labels).astype(np.uint8), rng)
        return network_input(strong), torch.from_numpy(labels), float((labels != IGNORE).mean())

    def weak(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(weak views uint8 [N, H, W], padded; where they lie outside of their frame, bool [N, H, W])."""
        seed = self.settings.seed
        rng = numpy_rng("weak view", seed, step)
        chosen = stream_indices(len(self.images), self.settings.batch_size, "unlabelled", seed, step=step)
        frames = [self.images[int(index)] for index in chosen]
        views = [self.view(pad_image(frame), pad_labels(np.zeros_like(frame)), rng) for frame in frames]
        images, labels = (np.stack(part) for part in zip(*views, strict=True))
        return images, labels == IGNORE


@torch.no_grad()
def pseudo_labels(network: "Network", images: np.ndarray, threshold: float) -> np.ndarray:
    """Labels uint8 [N, H, W] of ``images`` uint8 [N, H, W]: the most probable class, 255 below ``threshold``."""
    network.eval()
    device = next(network.parameters()).device
    highest, labels = network(network_input(images).to(device)).float().softmax(1).max(1)
    network.train()
    return torch.where(highest >= threshold, labels, IGNORE).to(torch.uint8).cpu().numpy()


def strong_view(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``image`` uint8 [H, W] with other contrast, brightness, blur and noise; no pixel moves."""
    grey = image.astype(np.float32)
    if rng.random() < TONES:
        middle = np.median(grey)
        grey = (grey - middle) * rng.uniform(*CONTRASTS) + middle + 256 * rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    if rng.random() < BLURRED:
        grey = gaussian_filter(grey, rng.uniform(*BLURS), mode="reflect")
    grey = grey + 256 * rng.uniform(0, NOISE) * rng.standard_normal(grey.shape, np.float32)
    return grey.round().clip(0, 255).astype(np.uint8)


def cut_mix(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``images`` and ``labels`` [N, H, W] where half of the frames have a rectangle of the frame before them."""
    inside = np.zeros(images.shape, bool)
    height, width = images.shape[-2:]
    for one in inside:
        if rng.random() < MIXED:
            one[random_box(height, width, rng)] = True
    before = (np.roll(part, 1, axis=0) for part in (images, labels))
    mixed_images, mixed_labels = (np.where(inside, b, part) for b, part in zip(before, (images, labels), strict=True))
    return mixed_images, mixed_labels


def random_box(height: int, width: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a random rectangle within ``height`` x ``width`` pixels."""
    area = rng.uniform(*BOX_SHARES) * height * width
    shape = np.exp(rng.uniform(*np.log(BOX_SHAPES)))
    rows = min(height, max(1, round(np.sqrt(area * shape))))
    columns = min(width, max(1, round(np.sqrt(area / shape))))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    return slice(top, top + rows), slice(left, left + columns)
