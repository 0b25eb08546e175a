"""What every network takes on this computer's GPU: seconds, memory, and pairs per second of the samplers.

Run with ``python benchmarks/bench_gpu.py [NAME]``: some five minutes. One optimiser step and one forward pass of the
denoiser, both SAMs, TransUNet, SwinUNETR and EMCAD at the published size and batch, in float32, TF32 and bfloat16.
Writes ``runs/gpu_rates/NAME.csv`` (default: the name of the GPU); ``xpci dry-run --rates`` reads it.
"""

import re
import sys

import torch

from xpci_utils import paths
from xpci_utils.costs.gpu import facts, measure_profile, sampler_lines

PROFILE = "paper"


def main(name: str = "") -> None:
    if not torch.cuda.is_available():
        print("no CUDA GPU: nothing to measure")
        return
    print(f"{facts()['gpu']}: profile {PROFILE}")
    measured = measure_profile(PROFILE)
    print("\n".join(sampler_lines(measured)))
    place = paths.root() / "runs/gpu_rates" / f"{name or re.sub(r'[^A-Za-z0-9]+', '_', measured.gpu)}.csv"
    print(f"written: {paths.display(measured.write(place))}")
    print(f"xpci dry-run --profile {PROFILE} --compare paper_fast --rates {paths.display(place)}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
