"""What tests of several rooms share."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

# No test fails because the computer is busy.
settings.register_profile("any_computer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_computer")


@pytest.fixture
def one_thread():
    """One torch thread: bits depend on the number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def write_own_frames():
    """A function that writes a folder of a user's own: noisy frames with a square of each of two classes, elsewhere in
    each, two thirds of them to train on, and a sixth each to validate and to test."""

    def write(folder, count=12, height=40, width=60, side=8):
        rng = np.random.default_rng(count)
        for kind in ("images", "masks", "splits"):
            (folder / kind).mkdir(parents=True)
        names = [f"mine{i:02d}" for i in range(count)]
        for name in names:
            mask = np.zeros((height, width), np.uint8)
            for index in (1, 2):
                y, x = rng.integers(0, height - side), rng.integers(0, width // 2 - side) + (index - 1) * width // 2
                mask[y : y + side, x : x + side] = index
            grey = 180 - 60 * mask + rng.normal(0, 8, mask.shape)
            Image.fromarray(grey.astype(np.uint8)).save(folder / f"images/{name}.png")
            Image.fromarray(mask).save(folder / f"masks/{name}.png")
        cuts = {"train": names[: -count // 3], "val": names[-count // 3 : -count // 6], "test": names[-count // 6 :]}
        for split, own in cuts.items():
            (folder / f"splits/{split}.txt").write_text("\n".join(own))
        classes = [f"- {{index: {i}, name: {name}, colour: '#cc3311'}}\n" for i, name in ((1, "drop"), (2, "shell"))]
        (folder / "classes.yaml").write_text("classes:\n" + "".join(classes))
        return folder

    return write
