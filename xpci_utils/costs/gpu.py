"""What units of work take on the GPU of this computer, in every precision: the measurements of benchmarks/bench_gpu.py.

Every network is measured in a process of its own, as published: its stage's update and sampler, on frames of noise.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch

from xpci_utils import paths
from xpci_utils.costs.measure import Subject, subject_of
from xpci_utils.costs.rates import MeasuredRates, Rate
from xpci_utils.costs.rehearsal import rehearsed_stages, view_of
from xpci_utils.costs.table import GIB, RATES, MeasurementError, View
from xpci_utils.costs.work import frames_of, network_of
from xpci_utils.params import AdaptSam, StageParameters, TrainDdpm, TrainSegmentation, stage_model
from xpci_utils.params.profiles import notebook_parameters
from xpci_utils.training import default_device, tf32_matmuls

SOLVER, SOLVER_STEPS = "sde-dpmsolver++", 40  # the fast sampler that docs/sampler_study recommends
WARM_UP, REPEATS, LONGEST = 2, 5, 4.0  # calls that are not timed, calls that are, seconds after which no more are
SAMPLED_STEPS = 3  # of a sampler, in one measured call


def measured_stages(profile: str) -> list[StageParameters]:
    """One training for each of the networks, in its published batch."""
    by_network: dict[str, StageParameters] = {}
    for stage in rehearsed_stages(profile):
        if isinstance(stage, TrainDdpm | AdaptSam | TrainSegmentation):
            by_network.setdefault(network_of(stage), stage)
    return list(by_network.values())


def measure_profile(profile: str) -> MeasuredRates:
    """Rates of every network of a profile, printed as they come; what does not fit into memory is said and left out."""
    view, rates = view_of(frames_of(profile, paths.root())), []
    block = int(notebook_parameters(profile, "04a_sample_pairs").model_dump()["block_size"])
    for stage in measured_stages(profile):
        for rate in measure_stage(stage, view, block):
            rates.append(rate)
            print(
                f"{rate.network:10} {rate.unit:7} {rate.precision} x {rate.batch}: {1e3 * rate.seconds:8.1f} ms, "
                f"{rate.peak_gib:5.1f} GiB",
                flush=True,
            )
    return MeasuredRates.of(rates, facts() | {"view": asdict(view)})


def measure_stage(parameters: StageParameters, view: View, block: int) -> list[Rate]:
    """Rates of one network, from a new process; MeasurementError says why there are none."""
    order = json.dumps([parameters.notebook, parameters.model_dump(), asdict(view), block])
    command = [sys.executable, "-m", "xpci_utils.costs.gpu", order]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=paths.root())
    if done.returncode:
        raise MeasurementError(f"measuring {parameters.place} failed; what it said is above")
    return [Rate(**record) for record in json.loads(done.stdout.splitlines()[-1])]


def measure_here(parameters: StageParameters, view: View, block: int) -> Iterator[Rate]:
    """The same in this process: for every precision the units of work of one network."""
    name, device = network_of(parameters), default_device()
    for precision in RATES:
        chosen = parameters.model_copy(update={"bf16": precision == "bf16", "tf32": precision == "tf32"})
        subject = subject_of(chosen, view, device)
        with tf32_matmuls(precision == "tf32"):
            for unit, batch, passes, call in _units(chosen, subject, block):
                try:
                    seconds, peak = _timed(call, device)
                except torch.OutOfMemoryError:
                    print(f"{name} {unit} in {precision}: {batch} frames do not fit into memory", file=sys.stderr)
                    continue
                yield Rate(name, unit, precision, batch, seconds / passes, peak / GIB)
        del subject, call
        gc.collect()


def _units(parameters: Any, subject: Subject, block: int) -> Iterator[tuple[str, int, int, Callable[[], object]]]:
    """(unit, frames, forward passes of a call, the call) of one network; a sampler's calls take a few of its steps."""
    if isinstance(parameters, TrainDdpm):
        from xpci_utils.diffusion.sampling import sample_block

        def sample(sampler: str) -> Callable[[], object]:
            denoiser: Any = subject.network
            bf16 = parameters.bf16
            return lambda: sample_block(
                denoiser.eval(), range(block), sampler=sampler, steps=SAMPLED_STEPS, seed=0, bf16=bf16
            )

        yield "forward", block, SAMPLED_STEPS, sample("ddpm")
        yield "solver", block, SAMPLED_STEPS, sample(SOLVER)
        subject.network.train()
    elif not parameters.bf16:  # labelling and segmenting take no autocast
        yield "forward", 1, 1, subject.forward
    yield "step", parameters.batch_size, 1, lambda: subject.update(0)


def _timed(call: Callable[[], object], device: torch.device) -> tuple[float, int]:
    """(median seconds, largest bytes that torch held on the GPU) of several calls; 0 bytes on a CPU."""
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(WARM_UP):
        call()
    wait()
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < LONGEST:
        began = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), torch.cuda.max_memory_reserved() if device.type == "cuda" else 0


def facts() -> dict[str, str]:
    """What was measured: name and memory of the GPU, versions."""
    gpu, memory = "none, a CPU", ""
    if torch.cuda.is_available():
        gpu, memory = torch.cuda.get_device_name(), f"{torch.cuda.get_device_properties(0).total_memory / GIB:.1f}"
    return {"gpu": gpu, "memory_gib": memory, "torch": torch.__version__, "cuda": str(torch.version.cuda)}


def sampler_lines(measured: MeasuredRates) -> Iterator[str]:
    """Pairs per second of the paper's sampler and of the fast one, in every precision."""
    for unit, sampler, steps in (("forward", "ddpm", 250), ("solver", SOLVER, SOLVER_STEPS)):
        for precision in RATES:
            if seconds := measured.seconds("denoiser", unit, precision):
                yield f"{sampler}, {steps} steps, {precision}: {1 / (seconds * steps):.3f} pairs per second"


if __name__ == "__main__":
    notebook, values, view, block = json.loads(sys.argv[1])
    rates = list(measure_here(stage_model(notebook).checked(values), View(**view), block))
    print(json.dumps([asdict(rate) for rate in rates]))
