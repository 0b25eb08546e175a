"""Pictures of the notebooks: every picture arrives with its pixels, its scale and its name."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt

from xpci_utils.report import (
    LabelMap,
    adapter_sketch,
    curves,
    label_maps,
    network_sketch,
    show_confusion,
    show_row,
    show_rows,
)
from xpci_utils.segmentation import Stage

COLOURS = ["#000000", "#ff0000", "#00ff00"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def pixels(figure, row, column, columns):
    return figure.axes[row * columns + column].images[0]


def test_rows_show_images_masks_labels_and_tensors():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    labels = np.array([[0, 1, 2, 255]] * 3, np.uint8)
    rows = {"image": [grey, grey > 5], "labels": [*label_maps([labels], COLOURS), torch.full((3, 4), 0.5)]}
    figure = show_rows(rows, titles=["a", "b"], limits=(-1, 1))
    np.testing.assert_array_equal(pixels(figure, 0, 0, 2).get_array(), grey)
    assert pixels(figure, 0, 0, 2).get_clim() == (0, 255)
    np.testing.assert_array_equal(pixels(figure, 0, 1, 2).get_array(), 255 * (grey > 5))
    np.testing.assert_array_equal(pixels(figure, 1, 0, 2).get_array()[0, 1], [255, 0, 0])
    assert pixels(figure, 1, 1, 2).get_clim() == (-1, 1)
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "", ""]
    assert [figure.axes[i].get_ylabel() for i in (0, 2)] == ["image", "labels"]


def test_a_shorter_row_leaves_places_empty_and_no_picture_is_an_error():
    figure = show_rows({"one": [np.zeros((2, 2), np.uint8)] * 3, "two": [np.zeros((2, 2), np.uint8)]})
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 1, 0, 0]
    with pytest.raises(ValueError, match="no picture to show"):
        show_rows({"one": []})


def test_floats_without_limits_span_their_own_range():
    picture = np.array([[0.2, 0.7], [0.4, 3.0]])
    figure = show_row({"deviation": picture, "labels": LabelMap(np.ones((2, 2), np.uint8), COLOURS)})
    assert pixels(figure, 0, 0, 2).get_clim() == (0.2, 3.0)
    assert [ax.get_title() for ax in figure.axes] == ["deviation", "labels"]


def test_curves_leave_out_what_is_missing():
    loss = pd.Series([3.0, 2.0, 1.0], index=[10, 20, 30])
    sparse = pd.Series([np.nan, 2.5, np.nan], index=loss.index)
    never = pd.Series([np.nan] * 3, index=loss.index)
    figure = curves({"loss": {"training": loss, "validation": sparse}, "score": {"never": never}}, limits=(0, None))
    first, second = figure.axes
    assert [line.get_xydata().tolist() for line in first.lines] == [[[10, 3], [20, 2], [30, 1]], [[20, 2.5]]]
    assert first.get_ylim()[0] == 0
    assert first.get_ylim()[1] > 3
    assert not second.lines


def test_a_limit_that_is_left_open_leaves_room_beyond_the_highest_curve():
    figure = curves({"share": {"samples": pd.Series([8.0, 9.4], [1, 2])}}, limits=(0, None))
    assert figure.axes[0].get_ylim() == pytest.approx((0, 1.1 * 9.4))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.11, 0.21], ["0.12", "0.14", "0.16", "0.18", "0.2"]), ([0.004, 0.3], ["0.01", "0.1"])],
    ids=["less than a decade", "two decades"],
)
def test_a_logarithmic_axis_has_plain_numbers(values, expected):
    figure = curves({"loss": {"training": pd.Series(values, [1, 2])}}, yscale="log")
    figure.draw_without_rendering()
    axis, (low, high) = figure.axes[0].yaxis, figure.axes[0].get_ylim()
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    texts = [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high]
    assert sorted(text for text in texts if text) == expected


def test_the_legend_hides_no_curve():
    names = [f"quarter {number}" for number in range(1, 5)]
    figure = curves({"error": {name: pd.Series([1.0, 0.9], [1, 2]) for name in names}})
    figure.draw_without_rendering()
    legend, panel = figure.axes[0].get_legend().get_window_extent(), figure.axes[0].get_window_extent()
    assert legend.y0 >= panel.y1 - 1
    assert legend.y1 <= figure.bbox.y1


def test_label_maps_with_numbers_can_be_read_without_colour():
    labels = np.zeros((32, 32), np.uint8)
    labels[4:28, 4:28] = 2
    with_numbers, without = (show_row({"a": label_maps([labels], COLOURS, numbers=each)[0]}) for each in (True, False))
    assert [text.get_text() for text in with_numbers.axes[0].texts] == ["2"]
    assert not without.axes[0].texts


def test_the_number_of_a_ring_stands_on_the_ring():
    """In its middle it would stand on the particle in its hole."""
    rows, columns = np.indices((48, 48)) - 23.5
    distance = np.hypot(rows, columns)
    labels = np.where(distance < 10, 1, np.where(distance < 22, 2, 0)).astype(np.uint8)
    figure = show_row({"a": LabelMap(labels, COLOURS, numbers=True)})
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts] == ["1", "2"]
    for text in texts:
        column, row = (round(place) for place in text.get_position())
        assert labels[row, column] == int(text.get_text())


def test_confusion_shows_shares_of_the_true_class():
    """In per cent; a row without a count stays white, and what rounds to 0 is left empty."""
    names = ["background", "hollow_shell", "residue"]
    figure = show_confusion(
        np.array([[300, 100, 1], [0, 0, 0]]), names, true_names=["shell (401)", "none"], values=True
    )
    share = figure.axes[0].collections[0].get_array().reshape(2, 3)
    np.testing.assert_allclose(share, [[30000 / 401, 10000 / 401, 100 / 401], [0, 0, 0]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["75", "25", "", "", "", ""]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["background", "hollow shell", "residue"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["shell (401)", "none"]
    assert figure.axes[1].get_ylabel() == "share of the true class [%]"


def test_sketches_hold_the_numbers_of_the_network():
    texts = [text.get_text() for ax in adapter_sketch(64, 16).axes for text in ax.texts]
    assert {"x: 64", "$W_{down}$: 64 → 16", "$W_{up}$: 16 → 64"} <= set(texts)
    stages = [Stage("stem", "encoder", 2, 24, 10), Stage("head", "decoder", 1, 3, 10)]
    (ax,) = network_sketch(stages).axes
    assert [text.get_text() for text in ax.texts] == ["1/2\n24", "1\n3"]
    assert ax.patches[1].get_height() == ax.patches[0].get_height() + 1  # twice the map, one step of the logarithm


def test_the_second_sum_of_a_block_adds_what_leaves_the_first():
    """As in SAM: x + attention, and then that sum + MLP; a path from x to both sums would be another network."""
    block = adapter_sketch(64, 16).axes[1]
    sums = sorted(text.get_position()[0] for text in block.texts if text.get_text() == "+")
    upper = sorted(tuple(line.get_xdata()[[0, -1]]) for line in block.lines if line.get_ydata()[-1] > 0)
    (first, second), (to_first, to_second) = upper, sums
    assert first[0] < first[1] == to_first < second[0] < second[1] == to_second


def test_a_sketch_says_what_its_boxes_mean():
    figure = adapter_sketch(64, 16)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["added by the adaptation", "SAM's own layer"]
    edge = {text.get_text(): text.get_bbox_patch() for text in figure.axes[1].texts}
    assert edge["adapter"].get_linestyle() != edge["attention"].get_linestyle()  # apart without colour
