"""The denoisers of the profiles: as published, and reduced for two cores."""

from __future__ import annotations

from xpci_utils.diffusion.denoiser import DenoiserConfig

# Behind a space-to-depth stem of 2 the U-Net works at half resolution: 0.25 s per step of 16 frames of 64 x 64 on one
# core (bfloat16). The `laptop` profile trains the same network longer.
REDUCED = {"widths": (48, 64, 96), "blocks": 1}
SIZES = ("quick", "paper")


def denoiser_config(
    size: str,
    height: int,
    width: int,
    *,
    prediction: str = "eps",
    timesteps: int = 4000,
    rescale_timesteps: bool = False,
) -> DenoiserConfig:
    """The config of a size for frames of `height` x `width` pixels.

    A reduced denoiser that predicts v gets the Wiener skip and standardised channels, because a short training of the
    plain one draws far too little or too much foreground (docs/denoiser_experiments.md); with "eps" it is the published
    method with a smaller network. With `rescale_timesteps` the U-Net sees 1000 t / T, as published. Raises ValueError for an unknown size.
    """
    if size not in SIZES:
        raise ValueError(f"size = {size!r} is unknown; choose one of {', '.join(SIZES)}.")
    common = {
        "height": height,
        "width": width,
        "prediction": prediction,
        "timesteps": timesteps,
        "rescale_timesteps": rescale_timesteps,
    }
    if size == "paper":
        return DenoiserConfig.of(common)
    helped = prediction == "v"
    reduced = {"stem": 2, "attention_strides": (8,), "head_dim": 32, "norm_groups": 16, "checkpointing": False}
    return DenoiserConfig.of({**common, **reduced, **REDUCED, "wiener_skip": helped, "standardise": helped})
