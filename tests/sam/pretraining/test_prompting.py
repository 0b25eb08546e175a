"""Prompts: geometry to the half pixel, and answers that do not depend on how they are batched."""

import numpy as np
import pytest
import torch

from xpci_utils.sam import build_sam
from xpci_utils.sam.pretraining import draw_picture
from xpci_utils.sam.pretraining.promptability import degraded, mask_prompt, questions
from xpci_utils.sam.pretraining.prompting import (
    Prompts,
    answer,
    box_of,
    box_prompt,
    draw_prompts,
    encode,
    point_prompt,
    random_points,
    rough_mask,
    signed_distance,
    wanted_mask,
)

FRAMES = torch.zeros(1, 64, 64)


@pytest.fixture(scope="module")
def model():
    return build_sam("vit_t", "reduced", 3)


def square(side=11, row=20, column=30):
    mask = np.zeros((64, 64), bool)
    mask[row : row + side, column : column + side] = True
    return mask


def test_a_point_in_the_middle_of_a_cell_has_the_position_of_that_cell(model):
    """Cell (3, 5) of the 16 x 16 embedding covers pixels 12..15 and 20..23 of a frame of 64 pixels."""
    encoder = model.prompt_encoder
    points = point_prompt(model, np.array([[[21.5, 13.5]]]), np.array([[1]]), FRAMES)
    sparse, _ = encoder(points=points, boxes=None, masks=None)
    position = sparse[0, 0] - encoder.point_embeddings[1].weight[0]
    torch.testing.assert_close(position, encoder.get_dense_pe()[0, :, 3, 5], atol=1e-5, rtol=0)


def test_a_box_is_where_its_pixels_end(model):
    """Pixels 20..30 begin at 20 and end at 31: at 40 and 62 of SAM's 128 input pixels."""
    encoder = model.prompt_encoder
    sparse, _ = encoder(points=None, boxes=box_prompt(model, box_of(square())[None], FRAMES), masks=None)
    edges = torch.tensor([[30.0, 20.0], [41.0, 31.0]]) / 64
    for corner in (0, 1):
        position = sparse[0, corner] - encoder.point_embeddings[2 + corner].weight[0]
        torch.testing.assert_close(position, encoder.pe_layer._pe_encoding(edges[corner]), atol=1e-5, rtol=0)


def test_distances_equal_brute_force():
    mask = np.random.default_rng(0).random((12, 12)) > 0.4
    places = np.argwhere(np.ones_like(mask))
    for row, column in places:
        others = places[mask[tuple(places.T)] != mask[row, column]]
        nearest = np.hypot(*(others - [row, column]).T).min() - 0.5
        assert signed_distance(mask)[row, column] == pytest.approx(nearest if mask[row, column] else -nearest)


@pytest.mark.parametrize(("mask", "sign"), [(np.ones((8, 8), bool), 1), (np.zeros((8, 8), bool), -1)])
def test_a_full_or_empty_mask_has_no_boundary(mask, sign):
    assert (np.sign(signed_distance(mask)) == sign).all()


def test_points_lie_where_their_labels_say():
    mask = square(5)
    for seed in range(30):
        points, labels = random_points(np.random.default_rng(seed), mask)
        assert labels[0] == 1
        for (column, row), label in zip(points.astype(int), labels, strict=True):
            assert label == -1 or mask[row, column] == (label == 1)


def test_a_full_frame_gets_no_point_outside():
    labels = [random_points(np.random.default_rng(seed), np.ones((8, 8), bool))[1] for seed in range(20)]
    assert 0 not in np.concatenate(labels)


def test_rough_masks_are_rough_but_about_the_object():
    mask = square()
    overlaps = []
    for seed in range(200):
        rough = rough_mask(np.random.default_rng(seed), mask)
        overlaps.append((rough & mask).sum() / (rough | mask).sum())
    assert 0.4 < np.mean(overlaps) < 0.7
    assert np.mean(np.array(overlaps) > 0.1) > 0.97


def test_a_tiny_object_keeps_a_prompt():
    assert all(rough_mask(np.random.default_rng(seed), square(1)).any() for seed in range(100))


def test_masks_ask_for_one_object_or_for_several():
    objects = np.stack([square(3, 5, 5), square(3, 20, 20), square(3, 40, 40)])
    counts = [wanted_mask(np.random.default_rng(seed), objects, 0.5).sum() // 9 for seed in range(100)]
    assert set(counts) == {1, 2, 3}
    assert {wanted_mask(np.random.default_rng(seed), objects, 0).sum() // 9 for seed in range(20)} == {1}


@pytest.mark.parametrize("kind", ["points", "boxes", "masks"])
def test_many_prompts_of_one_encoding_equal_one_at_a_time(model, kind):
    pictures = [draw_picture(np.random.default_rng(seed)) for seed in (0, 1)]
    images = torch.from_numpy(np.stack([picture.image for picture in pictures]))
    prompts = draw_prompts(model, pictures, np.random.default_rng(0), kind, 2)
    with torch.no_grad():
        logits, quality = answer(model, encode(model, images), prompts, images)
        assert logits.shape == (4, 4, 64, 64)
        for number in range(4):
            image = images[number // 2][None]
            content = getattr(prompts, kind)
            one = tuple(part[number][None] for part in content) if kind == "points" else content[number][None]
            single = Prompts(prompts.wanted[number][None], **{kind: one})
            alone, expected = answer(model, encode(model, image), single, image)
            torch.testing.assert_close(logits[number], alone[0], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(quality[number], expected[0], atol=1e-4, rtol=1e-4)


def test_degraded_masks_are_what_they_are_called():
    masks = degraded(np.stack([square()] * 8), 2.0)
    assert (masks["eroded"].sum((1, 2)) == 7 * 7).all()
    assert (masks["dilated"].any(1).sum(1) == 15).all()
    assert np.array_equal(masks["shifted"][0], square(row=22))
    centres = [np.argwhere(mask).mean(0) - [25, 35] for mask in masks["shifted"]]
    assert len({tuple(centre) for centre in centres}) == 8
    assert all(1.4 <= np.hypot(*centre) <= 2.3 for centre in centres)


def test_questions_take_the_first_object_that_survives_erosion():
    picture = draw_picture(np.random.default_rng(0))
    objects = np.stack([square(4, 2, 2), square(9, 20, 20), square(20, 40, 40)])
    _, wanted = questions([type(picture)(picture.image, objects[:1]), type(picture)(picture.image, objects)], 2.0)
    assert np.array_equal(wanted, objects[1:2])


def test_mask_prompts_are_signed_or_zero_and_one(model):
    for scale, values in ((10.0, {-10.0, 10.0}), (6.9, {-6.9, 6.9}), (None, {0.0, 1.0})):
        prompt = mask_prompt(model, square()[None], scale)
        assert prompt.shape == (1, 1, 64, 64)
        assert {round(value, 3) for value in prompt.unique().tolist()} == values
