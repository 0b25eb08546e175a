import numpy as np
import pytest
import torch
from segment_anything import build_sam_vit_b
from segment_anything.modeling import Sam

from xpci_utils.sam import build_sam, calibrate_batch_norm, describe


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("variant", "total", "encoder"), [("vit_b", 93_735_472, 89_670_912), ("vit_t", 10_130_092, 6_065_532)]
)
def test_published_sizes(variant, total, encoder):
    with torch.device("meta"):
        model = build_sam(variant, "paper", num_classes=3)
        assert count(build_sam(variant, "paper", num_classes=10).mask_decoder) == 5_040_587
    assert count(model) == total
    assert count(model.image_encoder) == encoder
    assert count(model.mask_decoder) == 4_058_340
    assert count(model.prompt_encoder) == 6_220


@pytest.mark.parametrize("variant", ["vit_b", "vit_t"])
def test_published_forward_shapes(variant):
    with torch.device("meta"):
        model = build_sam(variant, "paper", num_classes=10)
        logits = model(torch.zeros(1, 640, 640), torch.zeros(1, 640, 640, dtype=torch.bool))
    assert logits.shape == (1, 10, 640, 640)


def test_vit_b_is_segment_anything():
    with torch.device("meta"):
        ours, official = build_sam("vit_b", "paper").state_dict(), build_sam_vit_b().state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in official.items()
    }


def test_reduced_encoders_have_nearly_the_published_ratio():
    vit, tiny = (count(build_sam(variant, "reduced").image_encoder) for variant in ("vit_b", "vit_t"))
    assert 10 <= vit / tiny <= 15  # published: 14.8


@pytest.mark.parametrize("prompted", [True, False])
def test_batches_equal_segment_anything_one_by_one(prompted):
    """Our batched decoder against ``Sam.forward``, which takes one image at a time."""
    model = build_sam("vit_b", "reduced", num_classes=4)
    images = torch.randint(0, 256, (3, 128, 128))
    masks = torch.rand(3, 128, 128) > 0.9
    logits = model(images, masks if prompted else None)

    sam = Sam(model.image_encoder, model.prompt_encoder, model.mask_decoder).eval()
    grid = model.prompt_encoder.mask_input_size
    for image, mask, ours in zip(images, masks, logits, strict=True):
        record = {"image": image.expand(3, -1, -1), "original_size": (128, 128)}
        if prompted:
            pooled = torch.nn.functional.max_pool2d(mask[None, None].float(), 128 // grid[0])
            record["mask_inputs"] = 20 * pooled - 10
        low = sam([record], multimask_output=True)[0]["low_res_logits"]
        expected = torch.nn.functional.interpolate(low, (128, 128), mode="bilinear")[0]
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("variant", ["vit_b", "vit_t"])
@pytest.mark.parametrize("shape", [(64, 64), (32, 64), (96, 40), (16, 16)])
def test_frames_of_any_shape_keep_it(variant, shape):
    model = build_sam(variant, "reduced", num_classes=5)
    with torch.no_grad():
        for masks in (torch.zeros(2, *shape, dtype=torch.bool), None):
            logits = model(torch.zeros(2, *shape, dtype=torch.uint8), masks)
            assert logits.shape == (2, 5, *shape)
            assert logits.isfinite().all()


def test_what_is_beside_a_wide_frame_is_padding():
    """A frame twice as wide as high fills the upper half of SAM's square; logits come from there alone."""
    model = build_sam("vit_b", "reduced")
    image = torch.randint(0, 256, (1, 32, 64)).float()
    low = model.preprocess(image, (64, 128))
    assert low.shape == (1, 3, 128, 128)
    assert (low[..., 64:, :] == 0).all()


def test_weights_belong_to_the_seed_alone():
    torch.manual_seed(1)
    first, state = build_sam("vit_t", "reduced", seed=3), torch.random.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(state, torch.random.get_rng_state())  # nobody else's random numbers were used
    second, other = build_sam("vit_t", "reduced", seed=3), build_sam("vit_t", "reduced", seed=4)
    first, second, other = (model.state_dict() for model in (first, second, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_unknown_variant_or_size_is_named():
    with pytest.raises(ValueError, match=r"vit_h.*vit_b, vit_t"):
        build_sam("vit_h")
    with pytest.raises(ValueError, match=r"huge.*paper, reduced"):
        build_sam("vit_b", "huge")


def test_calibrated_batch_norm_normalises_the_frames():
    model = build_sam("vit_t", "reduced")
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 64, 64)).astype(np.uint8))
    calibrate_batch_norm(model, images)
    features = model.image_encoder.patch_embed.conv1(model.preprocess(images, (128, 128)))
    assert features.mean((0, 2, 3)).abs().max() < 1e-3
    assert (features.std((0, 2, 3)) - 1).abs().max() < 0.05
    assert not any(module.training for module in model.modules())


def test_description():
    small = {"variant": "vit_b", "size": "reduced", "parameters": 1_232_967}
    assert describe(small | {"weights": "pretrained"}) == "SAM-b (reduced, 1.2 M)"
    assert describe(small) == "SAM-b (reduced, 1.2 M, from random weights)"
    assert describe({"variant": "vit_t", "parameters": 10_130_092, "weights": "official"}) == "MobileSAM (TinyViT)"
