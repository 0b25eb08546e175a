"""Masks for known images: exact where the data are Gaussian, and a function of (image, seed, index)."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from xpci_utils.diffusion.clamping import clamped_block, masks_for, posterior
from xpci_utils.diffusion.denoiser import build_denoiser
from xpci_utils.diffusion.schedule import NoiseSchedule

SMALL = {
    "height": 32, "width": 32, "widths": [16, 16], "blocks": 1, "attention_strides": [4], "head_dim": 8,
    "norm_groups": 8, "stem": 2, "checkpointing": False, "prediction": "v",
}  # fmt: skip


class ExactGaussian:
    """The exact denoiser of pairs of one pixel, N(mean, covariance): channel 0 the image, channel 1 the mask."""

    training, device = False, torch.device("cpu")
    config = SimpleNamespace(height=1, width=1)
    mean, covariance = torch.tensor([0.1, -0.2]), torch.tensor([[0.10, 0.08], [0.08, 0.12]])

    def __init__(self):
        self.schedule = NoiseSchedule.cosine(4000)

    def predict_x_0(self, x_t, t):
        a, s = self.schedule.signal(t, x_t)[0].item(), self.schedule.noise(t, x_t)[0].item()
        gain = a * self.covariance @ torch.linalg.inv(a**2 * self.covariance + s**2 * torch.eye(2))
        flat = x_t[:, :, 0, 0]
        return (self.mean + (flat - a * self.mean) @ gain.T)[:, :, None, None], None

    def encode(self, pairs):
        return pairs

    decode = encode


def test_the_mask_is_the_conditional_mean_of_gaussian_pairs():
    """The regression of the mask on the image has slope 0.8; without clamping it would be 0. With one visit per level
    the mask knows less of the image. 200 draws, whose spread around the line stays below that of the data (0.24)."""
    exact, count = ExactGaussian(), 200
    noise = torch.randn(count, 1, 1, 1, generator=torch.Generator().manual_seed(9))
    image = exact.mean[0] + exact.covariance[0, 0] ** 0.5 * noise
    known = torch.cat([image, torch.zeros_like(image)], 1)
    generators = [torch.Generator().manual_seed(i) for i in range(count)]
    slopes = []
    for rounds in (1, 12):
        block = clamped_block(exact, known, generators, 20, rounds, bf16=False)
        assert torch.equal(block[:, :1], known[:, :1].clamp(-1, 1))
        slope, offset = np.polyfit(*block[:, :, 0, 0].T.numpy(), 1)
        slopes.append(slope)
    assert slopes[1] == pytest.approx(0.8, abs=0.1)
    assert abs(slopes[1] - 0.8) < abs(slopes[0] - 0.8)
    assert np.std(block[:, 1, 0, 0].numpy() - slope * block[:, 0, 0, 0].numpy() - offset) < 0.24


def test_posterior_is_the_gaussian_conditional():
    """Against conditioning of the joint normal of (x_s, x_t) given x_0, in closed form, to 1e-6."""
    ab_t, ab_s, x_0, x_t = 0.3, 0.55, torch.tensor(0.4), torch.tensor(-0.7)
    kept = ab_t / ab_s
    cross = kept**0.5 * (1 - ab_s)
    mean = ab_s**0.5 * x_0 + cross / (1 - ab_t) * (x_t - ab_t**0.5 * x_0)
    variance = (1 - ab_s) - cross**2 / (1 - ab_t)
    for noise in (0.0, 1.0, -2.0):
        sample = posterior(x_t, x_0, ab_t, ab_s, torch.tensor(noise))
        assert sample.item() == pytest.approx((mean + variance**0.5 * noise).item(), abs=1e-6)


@pytest.mark.usefixtures("one_thread")
def test_masks_depend_on_image_seed_and_index_alone():
    denoiser = build_denoiser(SMALL).train()
    images = np.random.default_rng(0).integers(0, 256, (5, 30, 32), dtype=np.uint8)
    denoiser.config = denoiser.config.__class__(**{**vars(denoiser.config), "height": 30})
    settings = {"steps": 3, "rounds": 2, "block": 2}
    masks = masks_for(denoiser, images, **settings)
    assert denoiser.training
    assert masks.shape == (5, 30, 32)
    assert set(np.unique(masks)) <= {0, 255}
    assert np.array_equal(masks_for(denoiser, images[:4], **settings), masks[:4])
    assert not np.array_equal(masks_for(denoiser, images, **settings, seed=1), masks)
