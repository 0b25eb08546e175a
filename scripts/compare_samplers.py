"""The samplers on the same weights: time, fidelity, copies and what a network learns from their pairs.

    python scripts/compare_samplers.py --weights runs/laptop/ddpm/denoiser_ema.safetensors --frames runs/laptop/frames \
        --output runs/sampler_study --publish docs/sampler_study [--judged FOLDER]       1.5 to 2 hours of one core

Every sampler draws the same number of pairs. Blocks of all samplers take turns, so that a busy machine slows them
alike, and CPU seconds are counted. Fidelity is measured against fresh simulated frames, beside other fresh frames
(floor) and frames of a shifted beamline (ceiling). `--judged` names a folder of weights judged during training,
step_<n>.safetensors, of which each draws a pool with the default sampler. All parts lie in the output folder and are
not made again: a run that was stopped goes on.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from diffusers import DDPMPipeline
from torch import nn

from xpci_utils import files, paths
from xpci_utils.diffusion import Denoiser, PoolSettings, load_denoiser, write_pool
from xpci_utils.diffusion.sampling import make_scheduler
from xpci_utils.evaluation.features import composition
from xpci_utils.evaluation.fidelity import fidelity_table
from xpci_utils.evaluation.memorisation import audit
from xpci_utils.evaluation.overlap import dice_per_class
from xpci_utils.frames import FrameSet, PairExamples, binary_mask
from xpci_utils.randomness import numpy_rng, torch_generator
from xpci_utils.segmentation import build_network
from xpci_utils.segmentation.prediction import predict
from xpci_utils.segmentation.training import NetworkData, train_network
from xpci_utils.simulation.fresh import fresh_examples
from xpci_utils.training import NetworkTraining, TrainingFolder

REFERENCE = "ddpm-250"
DEFAULT, LAPTOP = "sde-dpmsolver++-20", "sde-dpmsolver++-40"  # of quick, and of laptop
SOLVERS = ("ddim", "dpmsolver++", "sde-dpmsolver++")
FAST = (*(f"{name}-{steps}" for name in SOLVERS for steps in (10, 20, 50)), LAPTOP)
PIPELINES, PIPELINE_BLOCKS = {"pipeline": False, "pipeline-bf16": True}, 4  # bfloat16 or not; blocks timed
SPREAD_SPLITS = 6

# Fixed before any pair was drawn: a fast sampler may be worse than 250 steps of ddpm by 3 standard deviations of what
# two sets of fresh frames show by chance, or by a tenth of the 250-step figure, whichever is more.
MARGIN_SPREADS, MARGIN_SHARE = 3.0, 0.10
SMALLER_IS_BETTER = ("overall", "grey", "spectrum", "particles", "edges", "spectrum_db", "auc")
LARGER_IS_BETTER = ("precision", "recall")
FIGURES = (*SMALLER_IS_BETTER, *LARGER_IS_BETTER, "fringe_share")

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Study:
    """What is compared, and where its parts lie."""

    weights: Path
    judged: Path | None
    frames: FrameSet
    output: Path
    pairs: int
    fresh: int
    block: int
    network_steps: int
    seeds: int

    def pools(self) -> dict[str, tuple[Path, PoolSettings]]:
        """Name -> (weights, settings) of every pool: all samplers, and the default one at every judged length."""
        wanted = {name: (self.weights, self.settings(name)) for name in (REFERENCE, *FAST)}
        judged = sorted(self.judged.glob("step_*.safetensors")) if self.judged else []
        return wanted | {path.stem: (path, self.settings(DEFAULT)) for path in judged}

    def settings(self, name: str) -> PoolSettings:
        sampler, _, steps = name.rpartition("-")
        return PoolSettings(sampler=sampler, steps=int(steps), block=self.block, bf16=True)

    def pool(self, name: str) -> Pairs:
        """The pairs of a finished pool."""
        folder = self.output / "pools" / name
        return PairExamples(folder, folder / "masks", range(self.pairs))

    def split(self, *names: str) -> Pairs:
        """(image, mask) of annotated frames; an ignored pixel is no particle."""
        return [(f.image, binary_mask(f.labels)) for name in names for f in self.frames.split(name)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run whatever is missing and write the tables."""
    study, publish = study_of(arguments)
    torch.set_num_threads(1)
    sample(study)
    parts = {
        "fidelity": fidelity,
        "spread": spread,
        "audit": audits,
        "composition": compositions,
        "network": networks,
    }
    tables = {name: part(study, name, make) for name, make in parts.items()}
    tables["timing"] = timing_table(study)
    for name, text in reports(study, tables).items():
        with files.atomic_path(publish / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"written: {paths.display(publish / name)}", flush=True)


def study_of(arguments: Sequence[str] | None) -> tuple[Study, Path]:
    """The study and the folder for its tables, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=paths.resolve, required=True, help="denoiser_ema.safetensors")
    parser.add_argument("--judged", type=paths.resolve, help="folder of step_<n>.safetensors")
    parser.add_argument("--frames", type=FrameSet.open, required=True, help="simulated frames it was trained on")
    parser.add_argument("--output", type=paths.resolve, required=True, help="folder for the pools and parts")
    parser.add_argument("--publish", type=paths.resolve, required=True, help="folder for the tables")
    parser.add_argument("--pairs", type=int, default=1000, help="pairs per sampler")
    parser.add_argument("--fresh", type=int, default=2000, help="fresh frames to compare with")
    parser.add_argument("--block", type=int, default=25, help="pairs sampled together")
    parser.add_argument("--network-steps", type=int, default=450, help="training steps of the segmentation network")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of that network per pool")
    options = vars(parser.parse_args(arguments))
    publish = options.pop("publish")
    return Study(**options), publish


def part(study: Study, name: str, make: Callable[[Study], pd.DataFrame]) -> pd.DataFrame:
    """A table of the study, from its file if it was made before."""
    path = study.output / f"{name}.csv"
    if not path.is_file():
        began = time.monotonic()
        with files.atomic_path(path) as temporary:
            make(study).to_csv(temporary)
        print(f"[{name}] done in {time.monotonic() - began:.0f} s", flush=True)
    return pd.read_csv(path, index_col=0)


def sample(study: Study) -> None:
    """Draw all pools, one block of each in turn, and note the CPU seconds of every block."""
    pools, blocks = study.pools(), -(-study.pairs // study.block)
    denoisers = {path: load_denoiser(path) for path in {weights for weights, _ in pools.values()}}
    noted = {(r["pool"], r["block"]) for r in files.read_jsonl(study.output / "timing.jsonl")}
    began = time.monotonic()
    for number in range(blocks):
        turn = {
            name: partial(
                write_pool, denoisers[weights], study.output / "pools" / name, study.pairs, settings,
                shard=(number, blocks),
            )
            for name, (weights, settings) in pools.items()
        }  # fmt: skip
        if number < PIPELINE_BLOCKS:
            for name, bf16 in PIPELINES.items():
                turn[name] = partial(run_pipeline, denoisers[study.weights], study.block, bf16)
        for name, work in turn.items():
            if (name, number) not in noted:
                pairs = min(study.block, study.pairs - number * study.block) if name in pools else study.block
                note(study, name, number, pairs, cpu_seconds(work))
        print(f"[sample] block {number + 1} of {blocks}, {time.monotonic() - began:.0f} s", flush=True)
    for name, (weights, settings) in pools.items():  # every block is there: only their tables are joined
        write_pool(denoisers[weights], study.output / "pools" / name, study.pairs, settings)


def note(study: Study, pool: str, block: int, pairs: int, seconds: float) -> None:
    record = {"pool": pool, "block": block, "pairs": pairs, "cpu_seconds": round(seconds, 3)}
    files.append_jsonl(study.output / "timing.jsonl", record)


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


class AsUnet(nn.Module):
    """A denoiser as `DDPMPipeline` wants its network: x_t, t -> .sample with x_0 and the learned variance."""

    def __init__(self, denoiser: Denoiser):
        super().__init__()
        self.denoiser = denoiser
        self.config = SimpleNamespace(in_channels=denoiser.scale.shape[0], sample_size=denoiser.config.padded)
        self.dtype, self.device = torch.float32, denoiser.device

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=torch.cat(self.denoiser.predict_x_0(x, t.expand(len(x))), 1))


def run_pipeline(denoiser: Denoiser, count: int, bf16: bool) -> np.ndarray:
    """`count` pairs by diffusers' own loop over the steps of REFERENCE, [N, H, W, 2] in 0..1."""
    steps = int(REFERENCE.rpartition("-")[2])
    pipeline = DDPMPipeline(AsUnet(denoiser), make_scheduler("ddpm", denoiser.schedule, steps))
    pipeline.set_progress_bar_config(disable=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        return pipeline(count, torch_generator("pipeline"), num_inference_steps=steps, output_type="np").images


def timing_table(study: Study) -> pd.DataFrame:
    """CPU seconds per pair of every sampler, and how many times faster than the pipeline that is.

    Medians over the blocks in which the pipeline took its turns too.
    """
    records = pd.DataFrame(files.read_jsonl(study.output / "timing.jsonl"))
    shared = records[records["block"] < PIPELINE_BLOCKS]
    per_pair = (shared["cpu_seconds"] / shared["pairs"]).groupby(shared["pool"]).median()
    table = pd.DataFrame({"cpu_s_per_pair": per_pair, "pairs_per_cpu_s": 1 / per_pair})
    return table.assign(**{f"times_{name}": per_pair[name] / per_pair for name in PIPELINES})


def fresh(study: Study, stream: str, count: int) -> Pairs:
    """Fresh simulated (image, mask) pairs, kept in the output folder."""
    path = study.output / f"{stream}.npz"
    if not path.is_file():
        made = list(fresh_examples(study.frames, count, 0, f"sampler study {stream}", shifted=stream == "ceiling"))
        with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
            images, labels = (np.stack(arrays) for arrays in zip(*made, strict=True))
            np.savez_compressed(file, images=images, masks=binary_mask(labels))
        print(f"[fresh] {count} frames for {stream}", flush=True)
    with np.load(path) as stored:
        return list(zip(stored["images"], stored["masks"], strict=True))


def fidelity(study: Study) -> pd.DataFrame:
    """The fidelity list of every pool, floor and ceiling."""
    sets = {name: list(study.pool(name)) for name in study.pools()}
    sets |= {name: fresh(study, name, study.pairs) for name in ("floor", "ceiling")}
    return fidelity_table(sets, fresh(study, "reference", study.fresh), study.frames.pixel_size_um, 4)


def spread(study: Study) -> pd.DataFrame:
    """The fidelity list of fresh frames against fresh frames, in several random splits of all that there are."""
    everything = [*fresh(study, "reference", study.fresh), *fresh(study, "floor", study.pairs)]
    rows = []
    for number in range(SPREAD_SPLITS):
        order = numpy_rng("fresh split", number).permutation(len(everything))
        ours, reference = ([everything[i] for i in part] for part in np.split(order, [study.pairs]))
        rows.append(fidelity_table({f"split {number}": ours}, reference, study.frames.pixel_size_um, 4))
    return pd.concat(rows)


def audits(study: Study) -> pd.DataFrame:
    """The memorisation audit of the reference, the default samplers and every training length."""
    names = [REFERENCE, DEFAULT, LAPTOP, *(name for name in study.pools() if name.startswith("step_"))]
    train, held_out = study.split("train"), study.split("val", "test")
    return pd.DataFrame({name: audit(study.pool(name), train, held_out).summary() for name in names}).T


def compositions(study: Study) -> pd.DataFrame:
    """Means over frames of what they are made of; `frames` are the annotated ones the denoiser learnt from."""
    sets = {"frames": study.split("train"), **{name: study.pool(name) for name in study.pools()}}
    return pd.DataFrame({name: composition(pairs, 4).mean() for name, pairs in sets.items()}).T


def networks(study: Study) -> pd.DataFrame:
    """Foreground Dice on the test frames of EMCAD trained on pairs alone, per pool and seed."""
    sets = {name: study.pool(name) for name in (REFERENCE, DEFAULT, LAPTOP)}
    sets |= {"annotated": study.split("train"), "floor": fresh(study, "floor", study.pairs)}
    rows = [
        {"pool": name, "seed": seed, "dice": foreground_dice_after(study, name, pairs, seed)}
        for name, pairs in sets.items()
        for seed in range(study.seeds)
    ]
    return pd.DataFrame(rows)


def foreground_dice_after(study: Study, name: str, pairs: Pairs, seed: int) -> float:
    """Train a binary EMCAD of size quick and return its mean foreground Dice on the test frames with particles."""
    examples = [(image, (mask != 0).astype(np.uint8)) for image, mask in pairs]
    network = build_network("emcad", 2, size="quick", image_size=study.frames.example_shape, seed=seed)
    place = study.output / "networks" / f"{name}_{seed}"
    settings = NetworkTraining(steps=study.network_steps, batch_size=8, learning_rate=6e-3, beta1=0.9, seed=seed)
    train_network(network, NetworkData(examples), settings, TrainingFolder(place, place, name))
    test = study.frames.split("test")
    predicted = predict(network, test)
    scores = [dice_per_class(predicted[f.name], binary_mask(f.labels).astype(np.uint8), 2)[1] for f in test]
    print(f"[network] {name}, seed {seed}: {np.nanmean(scores):.4f}", flush=True)
    return float(np.nanmean(scores))


def margins(base: pd.Series, by_chance: pd.DataFrame) -> pd.Series:
    """How much worse than the 250-step figures `base` a fast sampler's may be."""
    return np.maximum(MARGIN_SPREADS * by_chance[list(FIGURES)].std(), MARGIN_SHARE * base[list(FIGURES)].abs())


def worse_by(row: pd.Series, base: pd.Series, floor: pd.Series) -> pd.Series:
    """By how much each figure of a sampler is worse than the 250-step one; negative where it is better."""
    gap = row[list(FIGURES)] - base[list(FIGURES)]
    gap[list(LARGER_IS_BETTER)] *= -1
    shares = [abs(r["fringe_share"] - floor["fringe_share"]) for r in (row, base)]
    gap["fringe_share"] = shares[0] - shares[1]
    return gap


def sampler_table(study: Study, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per sampler, then floor and ceiling: time, fidelity, and the figures beyond their margin."""
    known, base = tables["fidelity"], tables["fidelity"].loc[REFERENCE]
    allowed = margins(base, tables["spread"])
    rows = known.loc[[REFERENCE, *FAST, "floor", "ceiling"], list(FIGURES)].join(tables["timing"])
    beyond = {name: worse_by(known.loc[name], base, known.loc["floor"]) > allowed for name in FAST}
    rows["worse"] = {name: ", ".join(allowed.index[flags]) or "none" for name, flags in beyond.items()}
    rows["times_ddpm"] = rows["cpu_s_per_pair"].loc[REFERENCE] / rows["cpu_s_per_pair"]
    return rows


def reports(study: Study, tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """File name -> content of everything that is published."""
    samplers, base = sampler_table(study, tables), tables["fidelity"].loc[REFERENCE]
    timing = ["cpu_s_per_pair", "times_ddpm", "times_pipeline", "times_pipeline-bf16"]
    allowed = pd.DataFrame([margins(base, tables["spread"])], index=["margin"])
    makeup = tables["composition"]
    sections = {
        f"Fidelity of {study.pairs} pairs to {study.fresh} fresh frames": samplers[[*FIGURES, "worse"]],
        "How much worse a fast sampler may be than 250 steps of ddpm": allowed,
        "Time": samplers.loc[[REFERENCE, *FAST], timing],
        "Composition, means over frames": makeup,
        "Composition as a ratio to the annotated frames": makeup.div(makeup.loc["frames"]).drop(index="frames"),
        "Memorisation audit": tables["audit"],
        "Foreground Dice on test frames of a network trained on pairs alone": tables["network"].pivot(
            index="pool", columns="seed", values="dice"
        ),
    }
    text = "\n\n".join(f"## {title}\n\n{markdown(table)}" for title, table in sections.items())
    head = "# Samplers on the same weights\n\nMade by `scripts/compare_samplers.py`; `README.md` explains them.\n\n"
    files = {f"{name}.csv": table.round(5).to_csv() for name, table in tables.items()}
    return files | {"tables.md": head + text + "\n"}


def markdown(table: pd.DataFrame) -> str:
    """A table with three significant digits."""
    rows = table.itertuples(index=False)
    shown = [[cell if isinstance(cell, str) else f"{cell:.3g}" for cell in row] for row in rows]
    lines = [["", *map(str, table.columns)], ["---"] * (table.shape[1] + 1)]
    lines += [[str(name), *cells] for name, cells in zip(table.index, shown, strict=True)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines).replace("| nan |", "| |")


if __name__ == "__main__":
    main()
