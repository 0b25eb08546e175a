"""New frames like those of a frame set: the same kind, never the same frames, each independent of the others."""

from dataclasses import replace

import numpy as np
import pytest

from xpci_utils.frames import FrameSet, binary_mask
from xpci_utils.simulation import comparison_sets, fresh_examples, get_preset, write_simulated_frames


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    preset = replace(get_preset("reduced"), read_noise_e=35.0)
    counts = {"train": 8, "val": 1, "test": 1}
    return write_simulated_frames(tmp_path_factory.mktemp("frames"), counts, 64, 64, 0, preset)


def test_same_seed_and_role_same_bytes_and_no_frame_of_the_set(known):
    first, again, other = (list(fresh_examples(known, 5, 0, role)) for role in ("knowledge", "knowledge", "unlabelled"))
    assert all((i == j).all() and (p == q).all() for (i, p), (j, q) in zip(first, again, strict=True))
    pictures = {frame.image.tobytes() for frame in known} | {image.tobytes() for image, _ in other}
    assert pictures.isdisjoint(image.tobytes() for image, _ in first)
    assert all(image.shape == labels.shape == (64, 64) for image, labels in first)
    assert all(array.dtype == np.uint8 for pair in first for array in pair)


def test_they_are_seen_through_the_windows_of_the_set(known):
    """Twice the range of grey levels halves every grey level (to rounding); the first tile is the upper left."""
    window = known.info["window"]
    wide = {**window, "high": window["low"] + 2 * (window["high"] - window["low"])}
    halved = FrameSet(known.folder, {**known.info, "window": wide, "tile": 32}, known.rows)
    (image, labels), (half, quarter) = (next(fresh_examples(frames, 1, 0, "knowledge")) for frames in (known, halved))
    inside = image[:32, :32] < 255
    np.testing.assert_allclose(half[inside], image[:32, :32][inside] / 2, atol=0.76)
    np.testing.assert_array_equal(quarter, labels[:32, :32])


def test_the_shifted_instrument_sees_the_same_scenes_with_more_noise(known):
    usual, changed = (list(fresh_examples(known, 6, 0, "knowledge", shifted=shift)) for shift in (False, True))
    background = [[np.std(image[labels == 0]) for image, labels in frames] for frames in (usual, changed)]
    assert np.median(background[1]) > 1.1 * np.median(background[0])
    agree = np.mean([(p > 0) == (q > 0) for (_, p), (_, q) in zip(usual, changed, strict=True)])
    assert agree > 0.98


def test_frames_without_a_simulator_are_refused(known):
    own = FrameSet(known.folder, known.info, [{**row, "simulated": "false"} for row in known.rows])
    with pytest.raises(ValueError, match="simulated"):
        next(fresh_examples(own, 1, 0, "knowledge"))


def test_a_pool_is_measured_between_a_floor_and_a_ceiling(known):
    """Of simulated frames three sets of new ones; the ceiling has scenes of its own."""
    reference, others = comparison_sets(known, 3, 0)
    assert list(others) == ["fresh (floor)", "shifted (ceiling)"]
    for role, pairs in {"reference": reference, **others}.items():
        expected = fresh_examples(known, 3, 0, role, shifted="ceiling" in role)
        for (image, mask), (new, labels) in zip(pairs, expected, strict=True):
            np.testing.assert_array_equal(image, new)
            np.testing.assert_array_equal(mask, binary_mask(labels))


@pytest.mark.parametrize("own", [True, False])
def test_without_new_frames_the_annotated_ones_have_to_do(known, own):
    rows = [{**row, "simulated": str(not own).lower()} for row in known.rows]
    reference, others = comparison_sets(FrameSet(known.folder, known.info, rows), 3 if own else 0, 0)
    assert [len(reference), {name: len(pairs) for name, pairs in others.items()}] == [1, {"training frames (floor)": 8}]
    np.testing.assert_array_equal(reference[0][0], known.examples("test")[0][0])
