"""Tiles chosen for a folder: whole frames while they fit, else a size that follows from the particles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils.frames import choose_tile, padding, splits_of, tiles_of
from xpci_utils.frames.classes import read_classes
from xpci_utils.frames.folder import check_folder
from xpci_utils.importing import check_up_folder

sides = st.integers(1, 5000)
limits = st.integers(8, 64).map(lambda number: 32 * number)


def padded_pixels(height, width):
    (top, bottom), (left, right) = padding(height, width)
    return (height + top + bottom) * (width + left + right)


@given(sides, sides, st.floats(0.5, 4000), limits)
def test_what_networks_see_is_never_more_than_the_limit(height, width, diameter, largest):
    """And a frame is cut only if it has to be, into tiles that every network takes without padding."""
    tile = choose_tile(height, width, diameter, largest)
    extent = [min(tile or side, side) for side in (height, width)]
    assert padded_pixels(*extent) <= largest**2
    assert (tile == 0) == (padded_pixels(height, width) <= largest**2)
    assert tile % 32 == 0
    assert tile in (0, largest) or tile >= max(256, 8 * diameter)


@pytest.mark.parametrize(
    ("shape", "diameter", "tile"),
    [
        ((484, 645), 74.3, 0),  # 512 x 672 pixels are less than 640 x 640
        ((624, 640), 500, 0),  # the published frames
        ((640, 672), 5, 256),
        ((2048, 2048), 40, 320),
        ((2048, 2048), 40.1, 352),
        ((2048, 2048), 90, 640),
        ((300, 4000), 60, 480),
    ],
)
def test_tiles_by_hand(shape, diameter, tile):
    assert choose_tile(*shape, diameter, 640) == tile


def test_the_check_up_chooses_by_the_class_with_the_largest_particles_and_says_so(write_own_frames, tmp_path):
    mine = write_own_frames(tmp_path / "mine", height=288, width=320, side=33)
    checkup = check_up_folder(mine, largest_tile=288)
    diameter = checkup.classes["median", "diameter [px]"].max()
    assert diameter == pytest.approx(33 * (4 / 3.14159) ** 0.5, abs=0.05)  # the circle of a square's area
    assert checkup.tile == 288, "8 x 37 pixels are more than the limit"
    assert len(tiles_of(288, 320, 288)) == 2
    printed = str(checkup)
    assert (
        "networks see tiles of 288 x 288 pixels, 2 of each frame: whole frames would be more than 288 x 288; a tile is "
        "8 times as wide as the class with the largest particles (" in printed
    )
    assert "median 37 px), but 256 to 288" in printed
    assert check_up_folder(mine, largest_tile=320).tile == 0
    assert check_up_folder(mine, tile=64, largest_tile=288).tile == 64, "what is asked for comes first"
    assert "networks see tiles of 64 x 64 pixels, 25 of each frame\n" in str(check_up_folder(mine, tile=64))
    assert "networks see whole frames\n" in str(check_up_folder(mine, tile=0))


@pytest.mark.parametrize("folds", [0, 3])
def test_splits_are_known_from_names_alone(write_own_frames, tmp_path, folds):
    """As the full check finds them; images that cannot be read do not matter."""
    mine = write_own_frames(tmp_path / "mine")
    content = check_folder(mine, read_classes(mine / "classes.yaml"), folds=folds)
    for path in (mine / "images").iterdir():
        path.write_bytes(b"")
    assert splits_of(mine, folds=folds) == content.splits
