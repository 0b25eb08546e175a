"""Frame sets on disk, the padding rule and stitched prediction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils.frames import (
    Frame,
    FrameSet,
    PairExamples,
    binary_mask,
    crop,
    pad_image,
    pad_labels,
    padding,
    predict_frame,
    tile_origins,
    write_frames,
)
from xpci_utils.frames.frameset import write_png

INFO = {"class_names": ["background", "drop"], "class_colours": ["#000000", "#ff0000"], "pixel_size_um": 2.0, "tile": 0}
sides = st.integers(1, 100)


def frames(count=4, height=20, width=30, split="train"):
    rng = np.random.default_rng(0)
    for i in range(count):
        image = rng.integers(0, 256, (height, width), dtype=np.uint8)
        yield Frame(f"{split}_{i}", f"{split}_s{i // 2}", split, image, (image > 200).astype(np.uint8), True)


def test_what_is_written_is_read(tmp_path):
    written = list(frames())
    frame_set = write_frames(tmp_path, written, INFO)
    assert (len(frame_set), frame_set.height, frame_set.width, frame_set.num_classes, frame_set.simulated) == (
        4,
        20,
        30,
        2,
        True,
    )
    for one, other in zip(frame_set, written, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.labels, other.labels)
        assert (one.name, one.sequence, one.split) == (other.name, other.sequence, other.split)


def test_a_folder_that_is_no_frame_set_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no frames\.json"):
        FrameSet.open(tmp_path)


def test_an_empty_split_is_named(tmp_path):
    frame_set = write_frames(tmp_path, frames(), INFO)
    with pytest.raises(ValueError, match=r"test split of .* is empty"):
        frame_set.split("test")
    with pytest.raises(ValueError, match="choose from train, val, test"):
        frame_set.split("tset")


def test_more_frames_than_there_are_is_an_error(tmp_path):
    frame_set = write_frames(tmp_path, frames(), INFO)
    assert frame_set.first(2).names == frame_set.take(2).names == frame_set.names[:2]
    assert len(frame_set.take(0)) == len(frame_set.first(5)) == 4
    with pytest.raises(ValueError, match=r"5 frames of .* are asked for, but there are 4"):
        frame_set.take(5)


def test_a_missing_or_damaged_picture_is_named(tmp_path):
    frame_set = write_frames(tmp_path, frames(), INFO)
    label = tmp_path / "labels/train_1.png"
    whole = label.read_bytes()
    for kept in (0, 20, len(whole) // 2):
        label.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=r"train_1\.png is damaged \(.*\); delete it and run the stage"):
            frame_set[1]
    label.unlink()
    with pytest.raises(FileNotFoundError, match=r"train_1\.png is listed but missing"):
        frame_set[1]


@pytest.mark.parametrize("fault", ["size", "name"])
def test_frames_that_do_not_belong_together_are_refused(tmp_path, fault):
    odd = next(frames(1, height=21)) if fault == "size" else next(frames(1))
    with pytest.raises(ValueError, match=r"not \(20, 30\)|same name"):
        write_frames(tmp_path, [*frames(), odd], INFO)
    assert not (tmp_path / "frames.json").exists(), "half a frame set must not look like one"


def test_tiles_cover_every_pixel_and_keep_their_size(tmp_path):
    frame_set = write_frames(tmp_path, frames(2, 20, 30), {**INFO, "tile": 8})
    examples = frame_set.examples("train")
    assert frame_set.example_shape == (8, 8)
    assert len(examples) == 2 * 3 * 4
    assert {image.shape for image, _ in examples} == {(8, 8)}
    assert {image.tobytes() for image, _ in examples} >= {frame_set[0].image[12:, 22:].tobytes()}


@given(sides, st.integers(0, 40))
def test_tile_origins_cover_an_axis(length, tile):
    origins = tile_origins(length, tile)
    side = min(tile, length) or length
    assert sorted(set().union(*(range(o, o + side) for o in origins))) == list(range(length))


@given(sides, sides)
def test_padding_is_even_and_crop_undoes_it(height, width):
    array = np.arange(height * width).reshape(height, width)
    padded = pad_image(array)
    assert all(side % 32 == 0 for side in padded.shape)
    assert np.array_equal(crop(padded, height, width), array)


def test_the_papers_frames_get_eight_rows_above_and_below():
    assert padding(624, 640) == ((8, 8), (0, 0))
    labels = pad_labels(np.zeros((624, 640), np.uint8))
    assert (labels == 255).sum() == 16 * 640


@given(st.integers(5, 40), st.integers(5, 40), st.sampled_from([0, 4, 7, 16]))
def test_stitching_a_pixelwise_network_equals_looking_at_the_whole_frame(height, width, tile):
    image = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)

    def scores(batch):
        return np.stack([batch < 100, (batch >= 100) & (batch < 180), batch >= 180], axis=1).astype(np.float32)

    assert np.array_equal(predict_frame(scores, image, tile, batch_size=3), scores(image[None])[0].argmax(0))


def test_ignored_pixels_are_no_particles():
    assert binary_mask(np.array([0, 1, 9, 255])).tolist() == [False, True, True, False]


def test_pairs_come_in_the_order_asked_for(tmp_path):
    for i in range(3):
        write_png(tmp_path / f"pairs/images/{i:06d}.png", np.full((4, 5), i, np.uint8))
        write_png(tmp_path / f"labels/{i:06d}.png", np.full((4, 5), 10 + i, np.uint8))
    examples = PairExamples(tmp_path / "pairs", tmp_path / "labels", [2, 0])
    assert [(int(image[0, 0]), int(labels[0, 0])) for image, labels in examples] == [(2, 12), (0, 10)]
