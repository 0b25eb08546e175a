"""Improved DDPM for pairs of XPCI frame and binary mask (Section 2.1 of the paper; Nichol and Dhariwal 2021)."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Denoiser": "denoiser",
        "SIZES": "sizes",
        "denoiser_config": "sizes",
        "describe_denoiser": "training",
        "DenoiserConfig": "denoiser",
        "HybridLoss": "loss",
        "NoiseSchedule": "schedule",
        "PairTensors": "pairs",
        "PoolSettings": "pool",
        "SAMPLERS": "sampling",
        "ShardsMissing": "pool",
        "TrainingSettings": "training",
        "Wiener": "wiener",
        "build_denoiser": "denoiser",
        "eps_error_by_quartile": "diagnostics",
        "foreground_share": "diagnostics",
        "hybrid_loss": "loss",
        "load_denoiser": "denoiser",
        "masks_for": "clamping",
        "pair_grid": "diagnostics",
        "require_whole_pool": "pool",
        "respaced_timesteps": "schedule",
        "sample_pairs": "sampling",
        "save_denoiser": "denoiser",
        "train_denoiser": "training",
        "write_pool": "pool",
    },
)
