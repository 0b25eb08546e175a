import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils.sam import prompt_logits


@given(row=st.integers(0, 639), column=st.integers(0, 639))
def test_one_pixel_survives_the_way_to_the_prompt_grid(row, column):
    """640 -> 256 as at the published size; nearest neighbour would lose most single pixels."""
    masks = torch.zeros(1, 640, 640, dtype=torch.bool)
    masks[0, row, column] = True
    logits = prompt_logits(masks, (256, 256))
    assert logits.shape == (1, 1, 256, 256)
    rows, columns = torch.nonzero(logits[0, 0] > 0, as_tuple=True)
    assert 1 <= len(rows) <= 4
    assert (rows.float() * 2.5 - row).abs().min() <= 2.5
    assert (columns.float() * 2.5 - column).abs().min() <= 2.5


@pytest.mark.parametrize("scale", [6.9, 10.0, 20.0])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_zeros_and_ones_become_signed_logits(dtype, scale):
    masks = torch.tensor([[[0, 1], [1, 0]]]).to(dtype)
    expected = torch.tensor([[[[-scale, scale], [scale, -scale]]]])
    torch.testing.assert_close(prompt_logits(masks, (2, 2), scale), expected)


def test_a_coarse_mask_is_repeated():
    masks = torch.from_numpy(np.eye(4, dtype=bool))[None]
    assert torch.equal(prompt_logits(masks, (8, 8))[0, 0] > 0, masks[0].repeat_interleave(2, 0).repeat_interleave(2, 1))


@pytest.mark.parametrize("values", [[0, 255], [0, 3], [-10.0, 10.0], [0.0, 0.5]])
def test_other_values_are_refused(values):
    with pytest.raises(ValueError, match="boolean or 0/1"):
        prompt_logits(torch.tensor([[values]]), (1, 2))
