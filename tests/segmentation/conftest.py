import numpy as np
import pytest

from xpci_utils.frames import Frame, write_frames

CLASS_NAMES = ["background", *(f"class {index}" for index in range(1, 10))]
COLOURS = [f"#{index:02x}{255 - index:02x}80" for index in range(0, 250, 25)]


def toy_frame(index: int, height: int = 64, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Discs on noise; the class of a disc is told by its grey level and its size together."""
    rng = np.random.default_rng(index)
    image, labels = rng.normal(128, 6, (height, width)), np.zeros((height, width), np.uint8)
    rows, columns = np.ogrid[:height, :width]
    for _ in range(rng.integers(3, 7)):
        name = int(rng.integers(1, 10))
        row, column, radius = rng.integers(height), rng.integers(width), 4 + 3 * (name % 3)
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        image[disc] += (-70, 50, 95)[(name - 1) // 3]
        labels[disc] = name
    return np.clip(image, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="session")
def examples():
    return [toy_frame(index) for index in range(12)]


@pytest.fixture(scope="session")
def frames(tmp_path_factory):
    """A FrameSet of nine toy frames: four to train on, two for validation, three to test."""
    splits = ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    made = (Frame(f"f{i}", f"s{i}", split, *toy_frame(i)) for i, split in enumerate(splits))
    info = {
        "class_names": CLASS_NAMES,
        "class_colours": COLOURS,
        "pixel_size_um": 2.0,
        "tile": 0,
        "source": "toy",
        "window": {"kind": "linear", "low": 0.0, "high": 255.0},
    }
    return write_frames(tmp_path_factory.mktemp("toy") / "frames", made, info)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No progress bars in test logs."""
    monkeypatch.setenv("XPCI_HEADLESS", "1")
