"""The pool of frames without annotation: where their particles are is said by a network that annotated frames taught.

For newly simulated frames the labels are thrown away; of a user's film they are the frames that nobody annotated. The
masks are the foreground of that network, which agrees better with the truth of new frames than the masks that the
denoiser draws for known frames (docs/levers.md).
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from xpci_utils import files
from xpci_utils.frames import FrameSet, images_without_annotation
from xpci_utils.frames.specks import write_pair
from xpci_utils.segmentation.prediction import class_scores, load_network
from xpci_utils.simulation.more import unlabelled_frames
from xpci_utils.training import StoppedForTime, time_is_over

BLOCK = 16  # frames that the network takes together; fixed blocks give a mask the same bits whenever work is resumed
BLOCK_SIDE = 64  # of such frames [px]; of larger ones fewer are taken, since memory grows with the pixels


def make_unlabelled_pool(
    inputs: Sequence[Path],
    folder: Path,
    pairs: int,
    *,
    seed: int = 0,
    source_folder: str = "",
    sampling: str = "natural",
    min_component_px: int = 4,
    workers: int = 1,
) -> Path:
    """Write a pool of ``pairs`` frames without annotation and their masks, as `write_pool` lays it out; returns it.

    ``inputs`` are the folders of the annotated frames and of the network. The frames are simulated ("natural" or
    "curated" ``sampling``, from ``seed``), or those in unlabelled/ of the user's ``source_folder``, evenly spaced. No
    mask holds a component below ``min_component_px``. A run that was stopped goes on after its last block. FolderError
    if there are no such frames, or too few.
    """
    frames, progress = FrameSet.open(inputs[0]), folder / "progress.jsonl"
    network, _ = load_network(inputs[1] / "model.safetensors")
    rows = [row for block in files.read_jsonl(progress) for row in block["rows"]]
    if source_folder or not frames.simulated:
        images = images_without_annotation(source_folder, frames, pairs, start=len(rows))
    else:
        images = unlabelled_frames(frames, pairs, seed, sampling, start=len(rows), workers=workers)
    height, width = frames.example_shape
    size = max(1, BLOCK * BLOCK_SIDE**2 // (height * width))
    while block := list(islice(images, size)):
        if time_is_over():
            raise StoppedForTime(f"masks stopped for time before frame {len(rows)} of {pairs}; run it again to go on")
        masks = class_scores(network, np.stack(block)).argmax(1) > 0
        pairs_of_block = enumerate(zip(block, masks, strict=True), start=len(rows))
        made = [write_pair(folder, index, *pair, min_component_px) for index, pair in pairs_of_block]
        files.append_jsonl(progress, {"rows": made})
        rows += made
    files.write_csv(folder / "pairs.csv", pd.DataFrame(rows))
    progress.unlink()
    return folder
