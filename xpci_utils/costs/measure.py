"""What one step of a network costs on this machine: seconds, memory, floating-point operations, parameters.

Every measurement runs in a process of its own (`measure`), so that its peak memory is its own. It builds what the stage
with these parameters would train, and calls the update functions and samplers of that stage on frames of noise.
"""

from __future__ import annotations

import copy
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import flop_counter

from xpci_utils import paths
from xpci_utils.costs.table import GIB, Cost, MeasurementError, View
from xpci_utils.costs.work import network_of
from xpci_utils.params import AdaptSam, PrepareFrames, StageParameters, TrainDdpm, TrainSegmentation, stage_model
from xpci_utils.params.cells import parse_labeller
from xpci_utils.training import adamw, precision

LONG_SECONDS = 20.0  # a call that takes longer is not repeated; of two, the second is taken: the first warms up
CPU = torch.device("cpu")
FRAMES = 2  # of noise, to draw batches from


def _attention(query, key, value, *_, **__) -> int:
    return flop_counter.sdpa_flop_count(query, key, value)


def _attention_backward(gradient, query, key, value, *_, **__) -> int:
    return flop_counter.sdpa_backward_flop_count(gradient, query, key, value)


def _convolution_backward(gradient, images, weight, *arguments, **_) -> int:
    transposed, wanted = arguments[4], arguments[7]  # gradients wanted: of images, weight, bias
    return flop_counter.conv_flop_count(images, weight, gradient, transposed) * sum(wanted[:2])


aten = torch.ops.aten
FORMULAS = {  # torch counts the attention of GPUs only, and convolutions' gradients as if they had one group
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten.convolution_backward: _convolution_backward,
}


@dataclass
class Subject:
    """A network ready to be measured."""

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    update: Callable[[int], object]  # one optimiser step, by its number
    forward: Callable[[], object]  # one or more forward passes without gradients
    passes: int = 1
    copies: tuple[torch.Tensor, ...] = ()  # averages and the like, kept beside the network

    def state_bytes(self) -> int:
        """Weights, gradients, the optimiser's moments and copies, as they are held now."""
        parameters = list(self.network.parameters())
        kept = [*parameters, *self.network.buffers(), *self.copies, *(p.grad for p in parameters if p.grad is not None)]
        kept += [value for slot in self.optimizer.state.values() for value in slot.values() if torch.is_tensor(value)]
        return sum(tensor.nbytes for tensor in kept)


def measure_stage(parameters: StageParameters, view: View, threads: int) -> list[Cost]:
    """Costs of one stage's units (see `Cost`), from a new process; MeasurementError says why there are none."""
    order = [parameters.notebook, parameters.model_dump(), asdict(view), threads]
    command = [sys.executable, "-m", "xpci_utils.costs.measure", json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=paths.root())
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it was killed, perhaps for lack of memory"])[-1]
        raise MeasurementError(f"measuring {parameters.place} failed: {why}")
    return [Cost(**record) for record in json.loads(done.stdout.splitlines()[-1])]


def measure_here(parameters: StageParameters, view: View, threads: int) -> Iterator[Cost]:
    """The same in this process: a forward pass first, then the optimiser step, whose peak is the larger."""
    if isinstance(parameters, PrepareFrames):
        yield _simulator_cost(parameters)
        return
    torch.set_num_threads(threads)
    assert isinstance(parameters, TrainDdpm | AdaptSam | TrainSegmentation)
    name, subject = network_of(parameters), subject_of(parameters, view)
    libraries = _peak_gib() - subject.state_bytes() / GIB
    yield _cost(name, "forward", 1, subject, lambda _: subject.forward(), subject.passes, libraries)
    yield _cost(name, "step", parameters.batch_size, subject, subject.update, 1, libraries)


def subject_of(parameters: StageParameters, view: View, device: torch.device = CPU) -> Subject:
    """The network that a stage trains, on ``device``, with frames of noise to be trained on."""
    rng, shape = np.random.default_rng(0), (FRAMES, view.height, view.width)
    images, labels = rng.integers(0, 256, shape, np.uint8), rng.integers(0, view.classes, shape, np.uint8)
    return BUILDERS[type(parameters)](parameters, view, list(zip(images, labels, strict=True)), device)


def _cost(
    name: str, unit: str, batch: int, subject: Subject, call: Callable, passes: int, libraries_gib: float
) -> Cost:
    wall, cpu, flops = _timed(call)
    convolutions = sum(count for kernel, count in flops.items() if "conv" in str(kernel))
    every = list(subject.network.parameters())
    return Cost(
        network=name,
        unit=unit,
        batch=batch,
        parameters=sum(p.numel() for p in every),
        trainable=sum(p.numel() for p in every if p.requires_grad),
        convolution_gflop=convolutions / passes / 1e9,
        matmul_gflop=(sum(flops.values()) - convolutions) / passes / 1e9,
        wall_seconds=wall / passes,
        cpu_seconds=cpu / passes,
        peak_gib=_peak_gib(),
        libraries_gib=libraries_gib,
        state_gib=subject.state_bytes() / GIB,
    )


def _timed(call: Callable[[int], object]) -> tuple[float, float, dict]:
    """(wall seconds, CPU seconds of all threads, FLOPs by kernel) of one call."""
    for number in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        with flop_counter.FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
            call(number)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if wall > LONG_SECONDS:
            break
    return wall, cpu, dict(counter.get_flop_counts()["Global"])


def _denoiser(parameters: TrainDdpm, view: View, examples: list, device: torch.device) -> Subject:
    """Section 2.1; a forward pass is one step of the strided ancestral sampler, of which two are taken."""
    from xpci_utils.diffusion import PairTensors, build_denoiser, denoiser_config
    from xpci_utils.diffusion.sampling import sample_block
    from xpci_utils.diffusion.training import make_update
    from xpci_utils.training.averaging import averaged_weights

    config = denoiser_config(parameters.size, view.height, view.width, **parameters.network_settings)
    denoiser = build_denoiser(config).to(device)
    denoiser.unet.to(memory_format=torch.channels_last)
    pairs = PairTensors(examples)
    if denoiser.measures_data:
        denoiser.fit(pairs.first(FRAMES))
    optimizer = adamw(denoiser.parameters())
    ema, averaged = (
        averaged_weights(denoiser.parameters(), parameters.ema_decay, parameters.ema_warmup),
        copy.deepcopy(denoiser),
    )
    return Subject(
        denoiser,
        optimizer,
        make_update(denoiser, optimizer, ema, pairs, parameters.settings()),
        lambda: sample_block(denoiser, [0], sampler="ddpm", steps=2, seed=0, bf16=parameters.bf16),
        passes=2,
        copies=(*ema.shadow_params, *averaged.parameters()),  # the average, and the network it is judged in
    )


def _sam(parameters: AdaptSam, view: View, examples: list, device: torch.device) -> Subject:
    """Section 2.2, from random weights: the official ones cost the same."""
    from xpci_utils.sam import add_adapters, build_sam, predict_scores, set_trainable
    from xpci_utils.sam.adaptation import draw_batch, loss_of, view_of

    labeller = parse_labeller(parameters.labeller)
    variant, prompted = labeller.variant, labeller.prompted
    settings = parameters.settings()
    model = build_sam(variant, parameters.size, view.classes)
    add_adapters(model, blocks=parameters.adapter_blocks)
    set_trainable(model, parameters.trainable)
    model.to(device).config |= {"mask_prompt": prompted}
    optimizer = adamw(p for p in model.parameters() if p.requires_grad)

    def update(step: int) -> None:
        batch = draw_batch(examples, settings.batch_size, 0, step, view_of(settings, examples))
        _descend(optimizer, loss_of(model.train(), *batch, settings, prompted)[0])

    image, labels = examples[0]
    return Subject(model, optimizer, update, lambda: predict_scores(model, image[None], labels[None] > 0))


def _segmenter(parameters: TrainSegmentation, view: View, examples: list, device: torch.device) -> Subject:
    """Section 2.3, from random weights: pretrained ones cost the same."""
    from xpci_utils.segmentation import build_network, class_scores
    from xpci_utils.segmentation.training import Batches, NetworkData, loss_of

    size = (view.height, view.width)
    network = build_network(
        network_of(parameters), view.classes, size=parameters.size, image_size=size, **parameters.network_settings
    )
    network.to(device).to(memory_format=torch.channels_last)
    optimizer = adamw(network.parameters())
    batches = Batches(NetworkData(examples), parameters.settings())

    def update(step: int) -> None:
        images, labels = (tensor.to(device) for tensor in batches(step))
        with precision(device, parameters.bf16):
            loss = loss_of(network.train(), images, labels, parameters.loss)
        _descend(optimizer, loss)

    return Subject(network, optimizer, update, lambda: class_scores(network, examples[0][0][None]))


BUILDERS: dict[type[StageParameters], Callable[[Any, View, list, torch.device], Subject]] = {
    TrainDdpm: _denoiser,
    AdaptSam: _sam,
    TrainSegmentation: _segmenter,
}


def _descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _simulator_cost(parameters: PrepareFrames) -> Cost:
    """One simulated frame; its networks are none, so everything but time and memory is 0."""
    from xpci_utils.simulation import simulate_frames

    libraries, wall, cpu = _peak_gib(), time.perf_counter(), time.process_time()
    size = (parameters.height, parameters.width)
    frames = list(simulate_frames(FRAMES, *size, parameters.seed, parameters.preset, parameters.sampling))
    return Cost(
        network="simulator",
        unit="frame",
        batch=1,
        wall_seconds=(time.perf_counter() - wall) / len(frames),
        cpu_seconds=(time.process_time() - cpu) / len(frames),
        peak_gib=_peak_gib(),
        libraries_gib=libraries,
    )


def _peak_gib() -> float:
    """Largest resident size of this process so far."""
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib * (1 if sys.platform == "darwin" else 1024) / GIB


if __name__ == "__main__":
    notebook, values, view, threads = json.loads(sys.argv[1])
    costs = measure_here(stage_model(notebook).checked(values), View(**view), threads)
    print(json.dumps([asdict(cost) for cost in costs]))
