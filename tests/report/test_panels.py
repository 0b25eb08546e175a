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
