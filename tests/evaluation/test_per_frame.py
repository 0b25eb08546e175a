import json

import numpy as np
import pytest

from xpci_utils.evaluation import evaluate_frames, fit_grey_lookup, foreground_dice, pooled_confusion, summarise
from xpci_utils.frames import Frame, write_frames

INFO = {
    "class_names": ["background", "dark", "bright"],
    "class_colours": ["#000000", "#ff0000", "#00ff00"],
    "pixel_size_um": 2.0,
    "tile": 0,
    "source": "test",
}


@pytest.fixture
def frames(tmp_path):
    def make(name, boxes):
        image, labels = np.full((32, 32), 128, np.uint8), np.zeros((32, 32), np.uint8)
        for value, (rows, columns) in boxes.items():
            labels[rows, columns] = value
            image[rows, columns] = {1: 20, 2: 230}[value]
        return Frame(name, f"s_{name}", "test", image, labels)

    both = make("a", {1: np.s_[4:8, 4:8], 2: np.s_[20:26, 20:26]})
    one = make("b", {1: np.s_[10:20, 10:20]})
    return write_frames(tmp_path / "frames", [both, one, make("c", {})], INFO)


def test_one_row_per_frame_with_a_column_per_class(frames):
    table = evaluate_frames(frames, {frame.name: frame.labels for frame in frames})
    assert list(table["frame"]) == ["a", "b", "c"]
    assert {"dice_bright", "nsd_dark", "dice_union_foreground", "micro_f1", "sequence"} <= set(table.columns)
    assert table["dice"].tolist() == [1, 1, 1]
    assert np.isnan(table["dice_bright"][1])
    assert np.isnan(table["dice_foreground"][2])


def test_the_summary_pools_counts_and_averages_frames_without_nan(frames):
    predictions = {frame.name: frame.labels.copy() for frame in frames}
    predictions["a"][:] = 0
    summary = summarise(evaluate_frames(frames, predictions))
    assert summary["micro_f1"] == pytest.approx(2 * 100 / (2 * 100 + 52))
    assert summary["dice_foreground"] == foreground_dice(frames, predictions) == 0.5
    assert summary["dice_dark"] == 0.5
    assert summary["dice_bright"] == 0
    assert summary["particles_matched"] == 1
    assert summary["detection_f1"] == pytest.approx(2 / 4)
    assert summary["count_error_absolute"] == pytest.approx(2 / 3)
    np.testing.assert_array_equal(
        pooled_confusion(frames, predictions), [[3 * 1024 - 152, 0, 0], [16, 100, 0], [36, 0, 0]]
    )


def test_the_curve_of_nsd_is_that_of_each_tolerance(frames):
    """A particle moved by two pixels matches from two pixels on; the tolerance of ``nsd`` itself changes no point."""
    predictions = {frame.name: np.roll(frame.labels, 2, axis=1) for frame in frames}
    tables = {tolerance: evaluate_frames(frames, predictions, tolerance) for tolerance in (1, 2, 4)}
    for tolerance, table in tables.items():
        for name in ("nsd", "nsd_foreground"):
            assert table[name].equals(table[f"{name}_{tolerance}px"].rename(name))
            assert table[f"{name}_0px"].equals(tables[1][f"{name}_0px"])
    curve = tables[1][[f"nsd_foreground_{tolerance}px" for tolerance in range(5)]].mean()
    assert curve.is_monotonic_increasing
    assert curve["nsd_foreground_1px"] < 1
    assert curve["nsd_foreground_2px"] == 1


def test_the_summary_is_valid_json_even_where_nothing_could_be_scored(frames):
    empty = frames.first(3)
    empty.rows = empty.rows[2:]
    summary = summarise(evaluate_frames(empty, lambda image: np.zeros_like(image)))
    assert summary["dice_foreground"] is None
    json.dumps(summary, allow_nan=False)


def test_the_grey_lookup_solves_what_grey_values_can_tell(frames):
    table = fit_grey_lookup([(frame.image, frame.labels) for frame in frames], 3)
    assert table.dtype == np.uint8
    assert table.shape == (256,)
    assert summarise(evaluate_frames(frames, lambda image: table[image]))["dice"] == 1
    assert table[0] == 1  # never seen: the class of the nearest grey value
    assert table[255] == 2


def test_the_grey_lookup_prefers_particles_to_background_where_that_scores_better():
    image = np.zeros((10, 10), np.uint8)
    image[:, 5:] = 200
    labels = np.zeros((10, 10), np.uint8)
    labels[:4, 5:] = 1  # 40 % of the bright half: background is more frequent there
    assert fit_grey_lookup([(image, labels)], 2)[200] == 1
    with pytest.raises(ValueError, match="No annotated pixel"):
        fit_grey_lookup([(image, np.full_like(labels, 255))], 2)
