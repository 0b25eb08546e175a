"""Agreement of sampled masks with annotations whose Dice is known."""

import numpy as np
import pandas as pd
import pytest

from xpci_utils.evaluation import mask_agreement, write_mask_agreement
from xpci_utils.frames.frameset import read_png


def test_dice_of_shifted_squares_and_of_empty_frames(tmp_path):
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[0, 5:15, 5:15] = 4
    labels[0, 0] = 255  # nobody knows: a mask there neither helps nor hurts
    masks = np.zeros((3, 20, 20), np.uint8)
    masks[0, 5:15, 10:20] = masks[0, 0] = 255  # half overlap
    masks[1, :2, :2] = 255  # invented
    table = mask_agreement(masks, labels)
    assert table.dice[0] == pytest.approx(0.5)
    assert table.dice[1] == 0
    assert np.isnan(table.dice[2])
    assert table.foreground[1] == table.foreground[0] * 4 / 100 == pytest.approx(0.01)
    images = np.full((3, 20, 20), 90, np.uint8)
    write_mask_agreement(list(zip(images, labels, strict=True)), masks, tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "mask_agreement.csv", index_col="frame"), table)
    sheet = read_png(tmp_path / "mask_agreement.png")
    assert sheet.shape == (3 * 22, 3 * 22)
    assert sheet[1 + 10, 1 + 10] == 90
    assert (sheet[22 + 1 + 10, 1 + 10], sheet[44 + 1 + 10, 1 + 19]) == (255, 255)
