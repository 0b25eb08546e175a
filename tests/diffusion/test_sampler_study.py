"""The script that compares samplers: its margins by hand, and a run of a few pairs that is stopped and goes on."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest

from xpci_utils import files, paths
from xpci_utils.diffusion import PairTensors, build_denoiser, save_denoiser
from xpci_utils.simulation import write_simulated_frames

CONFIG = {
    "height": 64, "width": 64, "widths": [16, 16], "blocks": 1, "attention_strides": [], "head_dim": 8,
    "norm_groups": 8, "stem": 4, "checkpointing": False, "prediction": "v", "wiener_skip": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_samplers", paths.root() / "scripts/compare_samplers.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_margins_are_three_spreads_or_a_tenth_and_count_in_the_right_direction(script):
    base = pd.Series(dict.fromkeys(script.FIGURES, 1.0))
    by_chance = pd.DataFrame({name: [0.0, 0.2] for name in script.FIGURES})
    by_chance["auc"] = [0.5, 0.5]
    allowed = script.margins(base, by_chance)
    assert allowed["overall"] == pytest.approx(3 * 0.2 / np.sqrt(2))
    assert allowed["auc"] == pytest.approx(0.1)
    floor = base.copy()
    floor["fringe_share"] = 0.9
    row = base + 0.5
    row["fringe_share"] = 0.7
    gap = script.worse_by(row, base, floor)
    assert gap["grey"] == pytest.approx(0.5)
    assert gap["recall"] == pytest.approx(-0.5)  # larger is better
    assert gap["fringe_share"] == pytest.approx(0.1)  # 0.2 from the floor instead of 0.1


def test_a_small_study_goes_on_where_it_was_stopped(script, tmp_path, one_thread, monkeypatch):
    frames = write_simulated_frames(tmp_path / "frames", {"train": 4, "val": 4, "test": 8}, 64, 64, 0, "reduced")
    denoiser = build_denoiser(CONFIG).fit(PairTensors(frames.examples("train")).batch(range(4)))
    for path in (tmp_path / "weights.safetensors", tmp_path / "judged/step_000001.safetensors"):
        save_denoiser(path, denoiser)
    places = {
        "weights": "weights.safetensors",
        "judged": "judged",
        "frames": "frames",
        "output": "out",
        "publish": "docs",
    }
    counts = {"pairs": 6, "fresh": 8, "block": 6, "network-steps": 1, "seeds": 1}
    options = {name: tmp_path / place for name, place in places.items()} | counts
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    monkeypatch.setattr(script, "REFERENCE", "ddpm-20")
    monkeypatch.setattr(script, "FAST", ("ddim-5", "sde-dpmsolver++-20"))
    monkeypatch.setattr(script, "LAPTOP", "ddim-5")
    monkeypatch.setattr(script, "SPREAD_SPLITS", 2)
    with monkeypatch.context() as patch:
        patch.setattr(script, "audits", lambda study: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            script.main(arguments)
    timing = files.read_jsonl(tmp_path / "out/timing.jsonl")
    pools = ["ddpm-20", "ddim-5", "sde-dpmsolver++-20", "step_000001", "pipeline", "pipeline-bf16"]
    assert [record["pool"] for record in timing] == pools
    script.main(arguments)
    assert files.read_jsonl(tmp_path / "out/timing.jsonl") == timing, "sampled twice"
    fidelity = pd.read_csv(tmp_path / "docs/fidelity.csv", index_col=0)
    assert list(fidelity.index) == [*pools[:4], "floor", "ceiling"]
    assert fidelity.loc["sde-dpmsolver++-20"].equals(fidelity.loc["step_000001"])  # the same weights and settings
    assert fidelity["overall"].idxmin() == "floor"
    times = pd.read_csv(tmp_path / "docs/timing.csv", index_col=0)["times_pipeline"]
    assert times["ddim-5"] > times["ddpm-20"]
    text = (tmp_path / "docs/tables.md").read_text()
    assert all(f"| {name} | " in text.split("## Time")[1] for name in pools[:3])
