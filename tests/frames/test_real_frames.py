"""Real annotated micrographs, where there are any: set XPCI_REAL_FRAMES to a folder of images/, masks/ and splits/.

The ultrahigh-carbon steel micrographs of UHCSDB (DeCost et al. 2019; 24 images, 4 classes) are what this was written
for; they are not part of the repository.
"""

import os

import numpy as np
import pytest

from xpci_utils import paths
from xpci_utils.frames import check_folder, predict_frame, read_classes, read_folder, write_frames

FOLDER = os.environ.get("XPCI_REAL_FRAMES", "")
CLASSES = os.environ.get("XPCI_REAL_CLASSES", str(paths.root() / "data/examples/uhcs4_classes.yaml"))

pytestmark = pytest.mark.skipif(not FOLDER, reason="XPCI_REAL_FRAMES names no folder of real annotated frames")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    classes = read_classes(CLASSES)
    names, colours = [c.name for c in classes], [c.colour for c in classes]
    info = {"class_names": names, "class_colours": colours, "pixel_size_um": 1.0, "tile": 64}
    return write_frames(tmp_path_factory.mktemp("real"), read_folder(check_folder(FOLDER, classes)), info)


def test_pixels_and_splits_arrive_as_they_are(frames):
    from PIL import Image

    for split in ("train", "val", "test"):
        listed = (paths.resolve(FOLDER) / f"splits/{split}.txt").read_text().split()
        assert sorted(frames.split(split).names) == sorted(listed)
    for frame in frames:
        assert np.array_equal(frame.image, np.array(Image.open(paths.resolve(FOLDER) / f"images/{frame.name}.png")))
        assert np.array_equal(frame.labels, np.array(Image.open(paths.resolve(FOLDER) / f"masks/{frame.name}.png")))
    assert not frames.simulated


def test_tiles_hold_every_pixel_at_its_own_scale(frames):
    """A look-up of the true label by tile, stitched, is the true label map: nothing is resampled or lost."""
    frame = frames.split("test")[0]

    def truth(tiles):
        return np.stack([tiles == index for index in range(frames.num_classes)], axis=1).astype(np.float32)

    assert np.array_equal(predict_frame(truth, frame.labels, frames.tile), frame.labels)
    assert {image.shape for image, _ in frames.examples("test")} == {(64, 64)}


@pytest.mark.parametrize(("shift", "verdict"), [(0, "FITS"), (1, "WRONG"), (-1, "WRONG")])
def test_masks_are_known_to_lie_on_their_own_frames(shift, verdict):
    """docs/import_pairing.md has the rates over many choices of masks."""
    from xpci_utils.frames.pictures import read_grey, read_indices
    from xpci_utils.importing.edges import EdgeCheck, Films

    images = sorted((paths.resolve(FOLDER) / "images").iterdir())
    masks = [next((paths.resolve(FOLDER) / "masks").glob(f"{path.stem}.*")) for path in images]
    films = Films(lambda i: read_grey(images[i]), lambda name: read_indices(masks[int(name)]), [0] * len(images))
    pairs = {str(i): i + shift for i in range(1, len(images) - 1)}
    assert EdgeCheck(films).judge(pairs).name == verdict
