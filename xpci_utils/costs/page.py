"""``docs/costs.md``, made from the committed cost table by the rehearsal; a test compares the two."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xpci_utils import files, paths
from xpci_utils.costs import jobs
from xpci_utils.costs.table import (
    CONVOLUTION_RATE,
    FP32_PEAK,
    GPU,
    GPU_CONTEXT_GIB,
    MATMUL_RATE,
    TF32_PEAK,
    CostTable,
)
from xpci_utils.params import Sweep
from xpci_utils.params.places import parse_place
from xpci_utils.params.runs import stage_folders

PAGE_PROFILE = "paper"  # the profile that the page is about
KINDS = {
    "frames": "simulating the frames",
    "ddpm": "training the denoiser",
    "sam": "adapting SAM, {network}",
    "pairs": "sampling the pool",
    "labels": "labelling the pool, {network}",
    "segmentation": "training {network}",
    "report": "tables and figures",
}


def write_page() -> Path:
    """Write the page from the committed table; returns its path."""
    path, table = paths.root() / "docs" / "costs.md", CostTable.read(PAGE_PROFILE)
    assert table is not None  # it is committed
    with files.atomic_path(path) as part:
        part.write_text(page_text(table), encoding="utf-8")
    return path


def page_text(table: CostTable) -> str:
    """The page in Markdown."""
    facts, machine = table.facts, table.facts["machine"]
    return f"""# What the published scale costs

Made by `make rehearse PROFILE=paper`, which runs notebooks 01 to 06 with the parameters of `params/paper/`, counts cut
to one, and measures every unit of work in a process of its own. Numbers: `data/costs/paper.csv` and `paper.json`.
`make dry-run PROFILE=paper` lists every single job.

Measured {facts["measured"][:10]} on {machine["cpu"]}, {machine["cores"]} cores, {machine["memory_gib"]} GiB of memory,
{facts["threads"]} threads, torch {facts["versions"]["torch"]}, float32; on average {machine["load"]} processes wanted
the cores while it was measured. CPU seconds are those of all threads together. SAM starts from random weights here,
which costs the same as from the official ones.

## One unit of work

{_markdown(*units_table(table))}

* A *step* is an optimiser step with gradients and AdamW's update; a *forward* pass is one frame without gradients: one
  step of the sampler, one frame labelled or segmented.
* FLOPs are counted by `torch.utils.flop_counter` on the real step (a multiply-add is two): convolutions and matrix
  products, nothing else. The denoiser recomputes its activations in the backward pass (gradient checkpointing), so its
  step costs four forward passes instead of three.
* Peak memory is the largest resident size of the measuring process, Python and libraries included.

## What a GPU would take

For one {GPU}, from the FLOPs and **two assumed rates, not a measurement**: convolutions in TF32 at
{CONVOLUTION_RATE / TF32_PEAK:.0%} of the peak of {TF32_PEAK / 1e12:.0f} TFLOP/s, matrix products in FP32 at
{MATMUL_RATE / FP32_PEAK:.0%} of {FP32_PEAK / 1e12:.1f} TFLOP/s. Which of the two PyTorch uses by default is the reason
for telling them apart; normalisation, activations and the optimiser are no FLOPs but take time, which is why
convolutions get a third of their peak only. `torch.set_float32_matmul_precision("high")` or bfloat16 would shorten the
second kind. Memory is the state plus what a step needed beside it on the CPU, scaled to the published batch, plus
{GPU_CONTEXT_GIB} GiB.

{_markdown(*kinds_table(table))}

GPU hours, CPU hours and disk are sums over the jobs of a line, memory and working space (checkpoints) the largest of
them. Looks at validation and test frames are counted; reading data and writing checkpoints are not. The paper's
protocol of equal epochs makes the rows with 10,000 synthetic pairs 51 times longer than those without.

## The rehearsal, stage by stage

The whole stage with its notebook: starting a kernel, loading libraries, one step, the looks at held-out frames.

{_markdown(*stages_table(table))}
"""


def units_table(table: CostTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what one unit of work costs here."""
    header = ["network", "unit", "batch", "parameters", "trained", "GFLOP", "CPU s", "wall s", "peak GiB"]
    rows = [
        [
            cost.network,
            cost.unit,
            str(cost.batch),
            f"{cost.parameters:,}" if cost.parameters else "-",
            f"{cost.trainable:,}" if cost.parameters else "-",
            f"{cost.gflop:,.0f}" if cost.gflop else "-",
            f"{cost.cpu_seconds:.2f}",
            f"{cost.wall_seconds:.2f}",
            f"{cost.peak_gib:.1f}",
        ]
        for cost in table.costs.values()
    ]
    return header, rows


def kinds_table(table: CostTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the jobs of the paper's grid by kind, with what they are predicted to take."""
    sweep = Sweep.from_yaml(f"params/{PAGE_PROFILE}/sweep.yaml")
    folders = stage_folders(sweep, "paper")
    every = jobs.dry_run(PAGE_PROFILE, folders, table)
    kinds: dict[str, list[jobs.Job]] = {}
    for job in every:
        kinds.setdefault(kind_of(job.folder), []).append(job)
    header = ["jobs", "", "steps", "GPU h", "CPU h", "GPU GiB", "disk GiB", "work GiB"]
    rows = []
    for kind, members in [*kinds.items(), ("**together**", every)]:
        sums = jobs.total(members)
        figures = (sums.gpu_hours, sums.cpu_hours, sums.gpu_gib, sums.disk_gib, sums.work_gib)
        rows.append([kind, str(len(members)), f"{sums.steps:,}", *(f"{figure:,.1f}" for figure in figures)])
    return header, rows


def kind_of(folder: str) -> str:
    """Which line of the page a stage belongs to."""
    place = parse_place(folder)
    kind = folder.split("/")[2] if place.kind == "pools" else place.kind
    network = str(place.parameters.get("labeller", place.parameters.get("cell", "")))
    return KINDS[kind].format(network=network.split("__")[0].split("-")[0])


def stages_table(table: CostTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows: wall time and peak memory of every rehearsed stage."""
    rows = [
        [place, str(stage["batch"]), f"{stage['wall_seconds']:.0f}", f"{stage['peak_gib']:.1f}"]
        for place, stage in table.facts["stages"].items()
    ]
    return ["stage", "batch", "wall s", "peak GiB"], rows


def _markdown(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
