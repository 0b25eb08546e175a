"""What the quick network is unsure about: frames of another beamline, and things it has never seen."""

import numpy as np
import pytest

from xpci_utils import paths, stages
from xpci_utils.frames import FrameSet
from xpci_utils.params import ApplyToVideo
from xpci_utils.simulation import adjusted_preset, relative_to_uint8, simulate_frames

FRAMES = 40
# The differences of aps32id_shifted, on the small field: longer distance, softer lens, larger source, fewer photons.
SHIFTED = {"distance_m": 0.45, "psf_core_sigma_um": 2.6, "source_sigma_h_um": 2.3, "quanta_per_pixel": 1700.0}


@pytest.fixture(scope="module")
def uncertainty():
    """A function of uint8 frames, from the network of notebook 07's default cell."""
    from xpci_utils.segmentation import class_scores, load_network
    from xpci_utils.video import frame_uncertainty

    (folder,) = ApplyToVideo().inputs
    if stages.read_run(folder) is None:
        pytest.fail(f"{paths.display(folder)} is not finished; run 'make reproduce' first")
    network, known = load_network(folder / "model.safetensors")
    window = known["window"]["low"], known["window"]["high"]
    return lambda frames: np.array([frame_uncertainty(class_scores(network, f[None])[0]) for f in frames]), window


def training_frames():
    return [frame.image for frame in FrameSet.open(paths.root() / "runs/quick/frames").split("train").first(FRAMES)]


def larger(first, second):
    """How often a value of ``first`` exceeds one of ``second``: 0.5 if they are alike."""
    return (first[:, None] > second).mean()


def test_frames_of_another_beamline_come_before_training_frames(uncertainty):
    measure, window = uncertainty
    preset = adjusted_preset("reduced", **SHIFTED)
    shifted = [relative_to_uint8(one.image, window) for one in simulate_frames(FRAMES, 64, 64, 5, preset)]
    share = larger(measure(shifted), measure(training_frames()))
    print(f"shifted above training frames: {share:.2f}")
    assert share > 0.65


def test_frames_with_an_unknown_object_come_before_the_same_frames_without(uncertainty):
    """A checkered square of 21 pixels: no particle looks like it."""
    measure, _ = uncertainty
    rows, columns = np.mgrid[:64, :64]
    rng, strange = np.random.default_rng(0), [image.copy() for image in training_frames()]
    for image in strange:
        y, x = rng.integers(12, 52, 2)
        square = np.maximum(abs(rows - y), abs(columns - x)) <= 10
        image[square & ((rows // 3 + columns // 3) % 2 == 0)] = 40
    share = larger(measure(strange), measure(training_frames()))
    print(f"with an unknown object above without: {share:.2f}")
    assert share > 0.75
