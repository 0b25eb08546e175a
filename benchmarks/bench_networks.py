"""Cost of every network at the published scale, and GPU hours of the paper's grid, measured now.

Run with ``python benchmarks/bench_networks.py [threads]``. Frames of 624 x 640 pixels, batch 1: the simulator, the
denoiser (with gradient checkpointing), both SAMs at 1024 x 1024 and the three segmentation networks. The measurements
are those of ``make rehearse``, which writes them to ``data/costs/``; here they are only printed.
"""

import os
import sys

from xpci_utils.costs import CostTable, dry_run, measure_profile
from xpci_utils.costs.jobs import lines
from xpci_utils.params import Sweep
from xpci_utils.params.runs import stage_folders

PROFILE = "paper"


def main(threads: int) -> None:
    print(f"One optimiser step and one forward pass, {threads} threads, float32")
    committed = CostTable.read(PROFILE)
    table = CostTable.of(measure_profile(PROFILE, threads), committed.facts)
    folders = stage_folders(Sweep.from_yaml(f"params/{PROFILE}/sweep.yaml"), "paper")
    cells = [job for job in dry_run(PROFILE, folders, table) if job.folder.startswith("segmentation/")]
    print("\nThe grid of Tables 1-4: 100 epochs of 200 + n frames, batch 4, predicted from these FLOPs")
    print("\n".join(lines(PROFILE, cells)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count())
