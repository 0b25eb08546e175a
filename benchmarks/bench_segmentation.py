"""Cost of the three segmentation networks at the published scale: 640 x 640 frames, batch 1, ten classes.

Run with ``python benchmarks/bench_segmentation.py [threads]``. Per network: parameters, FLOPs of a forward pass (on the
meta device), seconds and peak memory of a training step on this CPU (each network in a process of its own), and the
GPU hours that the grid of the paper would take at a stated sustained rate.
"""

import json
import resource
import subprocess
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from xpci_utils.segmentation import BACKBONES, build_network, count_parameters

SIDE, CLASSES, STEPS = 640, 10, 2
ANNOTATED, SYNTHETIC, EPOCHS = 200, (0, 500, 1_000, 2_000, 5_000, 10_000), 100  # Section 3.1, Tables 1-4, Figure 6
SUSTAINED = 8e12  # FLOP/s in fp32: about 30 % of the 27.8e12 that the data sheet of the paper's RTX A5000 promises


def forward_flops(name: str) -> int:
    """FLOPs (two per multiply-add) of one forward pass of one frame."""
    network = build_network(name, CLASSES, image_size=SIDE).eval().to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, SIDE, SIDE, device="meta"))
    return counter.get_total_flops()


def measure(name: str, threads: int) -> dict:
    """Seconds per training step (the faster of two) and what the process needed in memory."""
    torch.set_num_threads(threads)
    network = build_network(name, CLASSES, image_size=SIDE)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.99, 0.999), weight_decay=0.1)
    images, labels = torch.rand(1, 1, SIDE, SIDE) * 2 - 1, torch.randint(0, CLASSES, (1, SIDE, SIDE))
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        network.loss(images, labels).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"parameters": count_parameters(network), "seconds": min(seconds), "peak_gib": peak}


def main(threads: int) -> None:
    images = sum(EPOCHS * (ANNOTATED + count) for count in SYNTHETIC)
    print("network        parameters  GFLOP forward  s per step  peak GiB  grid, GPU h")
    for name in BACKBONES:
        flops = forward_flops(name)
        command = [sys.executable, __file__, "--measure", name, str(threads)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        hours = 3 * flops * images / SUSTAINED / 3600  # a training step costs three forward passes
        print(
            f"{name:12s} {found['parameters']:12,d} {flops / 1e9:14.1f} {found['seconds']:11.2f} "
            f"{found['peak_gib']:9.2f} {hours:12.1f}"
        )
    print(f"Batch 1, {SIDE} x {SIDE}, {threads} threads, fp32. Grid: {EPOCHS} epochs of {ANNOTATED} + n frames, n in")
    print(f"{SYNTHETIC}, one labeller and seed, at an assumed {SUSTAINED / 1e12:.0f} TFLOP/s sustained.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
