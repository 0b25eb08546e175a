"""SIGKILL at random moments: training and pools end with the bytes of an undisturbed run.

The killed work runs in forked children, which share the parent's imports, so a start costs nothing.
"""

import multiprocessing
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest

from xpci_utils import files
from xpci_utils.diffusion import (
    PairTensors,
    PoolSettings,
    build_denoiser,
    finished_shards,
    train_denoiser,
    write_pool,
)
from xpci_utils.training import DenoiserTraining, TrainingFolder, loop

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = {
    "height": 32, "width": 32, "widths": [16, 16], "blocks": 1, "attention_strides": [], "head_dim": 8,
    "norm_groups": 8, "stem": 4, "checkpointing": False, "prediction": "v", "wiener_skip": True,
}  # fmt: skip
TRAINING = DenoiserTraining(
    steps=40, batch_size=2, learning_rate=2e-3, log_every=1, evaluations=2, preview_pairs=2, preview_steps=2,
    probe_draws=1,
)  # fmt: skip
POOL = PoolSettings(sampler="sde-dpmsolver++", steps=8, seed=3, block=4)
PAIRS, SHARDS = 58, 3


def examples(count):
    rng = np.random.default_rng(0)
    return PairTensors([(rng.integers(0, 255, (32, 32), np.uint8), rng.integers(0, 2, (32, 32), np.uint8))] * count)


def train(folder):
    train_denoiser(
        build_denoiser(CONFIG), examples(4), examples(2), TRAINING, TrainingFolder(folder, folder / "work", "test")
    )


def sample(folder, shard=0, shards=1, taken_from=()):
    denoiser = build_denoiser(CONFIG).fit(examples(4).batch(range(4))).eval()
    options = {"shard": (shard, shards), "taken_from": taken_from, "history": folder.with_suffix(".jsonl")}
    write_pool(denoiser, folder, PAIRS, POOL, **options)


def killed_after(progress, reached, delay, work, *arguments):
    """Run ``work`` in a child until ``progress()`` reaches a number, wait ``delay`` s more, and kill it."""
    child = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    child.start()
    while progress() < reached and child.is_alive():
        time.sleep(0.002)
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    return child.exitcode == -signal.SIGKILL


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_training_killed_at_three_random_steps_ends_with_the_same_weights(tmp_path, monkeypatch):
    """Steps and delays are drawn from a seed; every step writes a checkpoint, so some kills fall into one."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole)
    rng = np.random.default_rng(11)
    for step in sorted(rng.choice(np.arange(2, 25), 3, replace=False)):
        last_step = lambda: max((r["step"] for r in files.read_jsonl(cut / "history.jsonl")), default=0)  # noqa: E731
        assert killed_after(last_step, step, rng.uniform(0, 0.03), train, cut), "training ended before it was killed"
        assert not (cut / "denoiser_ema.safetensors").exists()
    train(cut)
    weights = [(folder / "denoiser_ema.safetensors").read_bytes() for folder in (whole, cut)]
    assert weights[0] == weights[1]
    steps = [[r["step"] for r in files.read_jsonl(folder / "history.jsonl")] for folder in (whole, cut)]
    assert steps[0] == steps[1] == list(range(1, 41))


def without_leftovers(folder):
    """Contents but for the temporary files of killed writers, which their stage removes when it goes on."""
    return {name: data for name, data in contents(folder).items() if not name.endswith(".part")}


def test_a_pool_in_shards_out_of_order_killed_again_and_again_has_the_same_bytes(tmp_path):
    """Sampling is killed in every shard, and so is the run that gathers them."""
    whole, pool = tmp_path / "whole", tmp_path / "pool"
    sample(whole)
    rng, kills = np.random.default_rng(5), 0

    def kill_twice(folder, *arguments):
        killed = 0
        for _ in range(2):
            tables = lambda: len(list((folder / "blocks").glob("*.csv")))  # noqa: E731
            killed += killed_after(tables, tables() + 1, rng.uniform(0, 0.02), sample, folder, *arguments)
        return killed

    for shard in (2, 0, 1):
        folder = pool / f"shards/{shard}_of_{SHARDS}"
        kills += kill_twice(folder, shard, SHARDS)
        sample(folder, shard, SHARDS)
    assert kills >= 3
    shards = finished_shards(pool)
    assert len(shards) == SHARDS
    listed = [name for folder in shards for name in pd.read_csv(folder / "pairs.csv")["index"]]
    assert sorted(listed) == list(range(PAIRS)), "each pair in one shard"
    kill_twice(pool / "pairs", 0, 1, shards)
    sample(pool / "pairs", 0, 1, shards)
    assert without_leftovers(pool / "pairs") == contents(whole)
    records = files.read_jsonl(whole.with_suffix(".jsonl"))
    assert [record["step"] for record in records] == [*range(4, 57, 4), 58]
    assert {record["steps"] for record in records} == {PAIRS}
