from .clamping import masks_for
from .denoiser import Denoiser, DenoiserConfig, build_denoiser, load_denoiser, save_denoiser
from .diagnostics import eps_error_by_quartile, foreground_share, objective, pair_grid
from .kinds import make_pool
from .loss import HybridLoss, hybrid_loss
from .pairs import PairTensors
from .pool import PoolSettings, finished_shards, write_pool
from .sampling import SAMPLERS, sample_pairs, trajectory
from .schedule import NoiseSchedule, respaced_timesteps
from .sizes import SIZES, denoiser_config
from .training import describe_denoiser, train_denoiser
from .wiener import Wiener

__all__ = [
    "SAMPLERS",
    "SIZES",
    "Denoiser",
    "DenoiserConfig",
    "HybridLoss",
    "NoiseSchedule",
    "PairTensors",
    "PoolSettings",
    "Wiener",
    "build_denoiser",
    "denoiser_config",
    "describe_denoiser",
    "eps_error_by_quartile",
    "finished_shards",
    "foreground_share",
    "hybrid_loss",
    "load_denoiser",
    "make_pool",
    "masks_for",
    "objective",
    "pair_grid",
    "respaced_timesteps",
    "sample_pairs",
    "save_denoiser",
    "train_denoiser",
    "trajectory",
    "write_pool",
]
