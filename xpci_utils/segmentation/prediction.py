"""Label maps from a trained network: for a batch, a set of frames, or any folder of images."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from xpci_utils import paths
from xpci_utils.frames import FrameSet, crop, pad_image, predict_frame
from xpci_utils.frames.frameset import write_png
from xpci_utils.frames.pictures import SUFFIXES, read_grey
from xpci_utils.segmentation.networks import rebuild_network
from xpci_utils.training import default_device, load_tensors, save_model

if TYPE_CHECKING:
    from xpci_utils.segmentation.networks import Network


def network_input(images: np.ndarray) -> torch.Tensor:
    """Grey images uint8 [N, H, W] as float tensor [N, 1, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images))[:, None].float() / 127.5 - 1


@torch.inference_mode()
def class_scores(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Class probabilities float32 [N, C, H, W] of images uint8 [N, H, W] of any size (padded, then cropped)."""
    network.eval()
    device = next(network.parameters()).device
    logits = network(network_input(pad_image(images)).to(device))
    return crop(logits.softmax(1), *images.shape[-2:]).cpu().numpy()


def predict(network: nn.Module, frames: FrameSet) -> dict[str, np.ndarray]:
    """Label map uint8 H x W of every frame, by name; large frames are cut into tiles and stitched."""
    return {
        frame.name: predict_frame(lambda batch: class_scores(network, batch), frame.image, frames.tile)
        for frame in frames
    }


def write_predictions(folder: str | Path, predictions: dict[str, np.ndarray], names: Iterable[str]) -> None:
    """Write the label maps of the frames ``names`` as PNG files of class indices named after their frames."""
    for name in names:
        write_png(Path(folder) / f"{name}.png", predictions[name])


def save_network(path: str | Path, network: "Network", frames: FrameSet) -> None:
    """Write the weights with all that is needed to use them: architecture, classes, tile, intensity window."""
    kept = ("class_names", "class_colours", "tile", "pixel_size_um", "window")
    save_model(path, network, network.config | {"frames": {name: frames.info.get(name) for name in kept}})


def load_network(path: str | Path) -> "tuple[Network, dict]":
    """Rebuild a network that `save_network` wrote, in evaluation mode and on the GPU if there is one; also returns what
    it knows about its frames."""
    tensors, config = load_tensors(path)
    known = config.pop("frames")
    network = rebuild_network(config)
    network.load_state_dict(tensors)
    return network.to(default_device()).eval(), known


def predict_folder(model: str | Path, images: str | Path, output: str | Path) -> list[Path]:
    """Segment every PNG or TIFF of the folder ``images`` and write one label PNG (class index) each to ``output``.

    Images must be grey and of the scale (pixel size) that ``model`` was trained on; 16-bit images are mapped to 8
    bits by the intensity window of its training frames. Returns the files written.
    """
    network, known = load_network(paths.resolve(model))
    files = sorted(path for path in paths.resolve(images).iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{paths.display(paths.resolve(images))} holds no PNG or TIFF files to segment.")
    written = []
    for path in files:
        grey = _eight_bit(read_grey(path), known["window"], path)
        labels = predict_frame(lambda batch: class_scores(network, batch), grey, known["tile"])
        written.append(paths.resolve(output) / f"{path.stem}.png")
        write_png(written[-1], labels)
    return written


def _eight_bit(grey: np.ndarray, window: dict | None, path: Path) -> np.ndarray:
    if grey.dtype == np.uint8:
        return grey
    if not window or window.get("kind") != "linear":
        raise ValueError(
            f"{path} is not an 8-bit image and this network knows no linear intensity window; "
            "export it with 8 bits, with the grey scale of the training frames."
        )
    low, high = window["low"], window["high"]
    return np.clip(np.round((grey.astype(float) - low) / (high - low) * 255), 0, 255).astype(np.uint8)
