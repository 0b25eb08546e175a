"""``docs/costs.md``, made from the committed cost table by the rehearsal; a test compares the two."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xpci_utils import files, paths
from xpci_utils.costs import jobs
from xpci_utils.costs.rates import Gpu
from xpci_utils.costs.table import (
    BF16_PEAK,
    FP32_PEAK,
    FP32_SHARE,
    GPU,
    GPU_CONTEXT_GIB,
    LOW_RATES,
    PUBLISHED,
    RATES,
    TENSOR_SHARE,
    TF32_PEAK,
    CostTable,
)
from xpci_utils.params.places import parse_place
from xpci_utils.params.profiles import sweep_of
from xpci_utils.params.runs import stage_folders

PAGE_PROFILE = "paper"  # the profile that the page is about
FAST_PROFILE = "paper_fast"  # the same in lower precision
KINDS = {
    "frames": "simulating the frames",
    "ddpm": "training the denoiser",
    "sam": "adapting SAM, {network}",
    "pairs": "sampling the pool",
    "labels": "labelling the pool, {network}",
    "audit": "auditing the pool",
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

{_gpu_text(table)}
## The rehearsal, stage by stage

The whole stage with its notebook: starting a kernel, loading libraries, one step, the looks at held-out frames.

{_markdown(*stages_table(table))}
"""


def _gpu_text(table: CostTable) -> str:
    """The section on GPUs."""
    return f"""## What a GPU would take

For one {GPU}: FLOPs over rates. **The peaks are those of its data sheet, the shares of them are assumed,
nothing was measured on a GPU.** `benchmarks/bench_gpu.py` measures in about five minutes what takes their place
(`xpci dry-run --rates FILE`).

{_markdown(*rates_table())}

* *fp32* is what PyTorch does with a training in float32, as published: convolutions in TF32, matrix products in plain
  FP32. *tf32* (parameter `tf32`) has products in TF32 too. *bf16* (parameter `bf16`) is autocast to bfloat16.
* Normalisation, activations and the optimiser are no FLOPs but take time: that is why only {TENSOR_SHARE:.0%} of the
  peaks of tensor cores are counted on, the same share in every precision.
* Reading and turning batches on the CPU is not counted. In bfloat16 it may be what a step waits for.

The trainings below, of NVIDIA's own on an A100 ([DeepLearningExamples](https://github.com/NVIDIA/DeepLearningExamples),
sections "Training performance"), say what such a share may be, and that mixed precision is 1.6 to 2.6 times as fast as
TF32; equal shares make it twice as fast. ResNet-50 has many convolutions of 1 x 1; those of the denoiser, 3 x 3 with
128 to 512 channels, do more arithmetic per byte.

{_markdown(*published_table())}

`{PAGE_PROFILE}` has the published settings in float32, `{FAST_PROFILE}` the same counts, steps and sizes in bfloat16,
which the paper leaves open. The last line has both with the lowest of these shares: convolutions as in ResNet-50,
products as in BERT with 512 tokens. Memory is the state plus what a step needed beside it on the CPU in float32, scaled
to the published batch, plus {GPU_CONTEXT_GIB} GiB.

{_markdown(*kinds_table(table))}

GPU hours, CPU hours and disk are sums over the jobs of a line, memory and working space (checkpoints) the largest of
them. Looks at validation and test frames are counted; reading data and writing checkpoints are not. The paper's
protocol of equal epochs makes the rows with 10,000 synthetic pairs 51 times longer than those without.

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


def rates_table() -> tuple[list[str], list[list[str]]]:
    """Header and rows: the rates that GPU hours are predicted with."""
    shares = {"fp32": ("TF32", "FP32"), "tf32": ("TF32", "TF32"), "bf16": ("BF16", "BF16")}
    peaks = {"FP32": (FP32_PEAK, FP32_SHARE), "TF32": (TF32_PEAK, TENSOR_SHARE), "BF16": (BF16_PEAK, TENSOR_SHARE)}
    rows = []
    for precision, kinds in shares.items():
        rates = [
            f"{peaks[k][1]:.0%} of {peaks[k][0] / 1e12:g} ({k}) = {rate / 1e12:.1f}"
            for k, rate in zip(kinds, RATES[precision], strict=True)
        ]
        rows.append([precision, *rates, "peak: data sheet; share: assumed"])
    return ["precision", "convolutions [TFLOP/s]", "matrix products [TFLOP/s]", "source"], rows


def published_table() -> tuple[list[str], list[list[str]]]:
    """Header and rows: published trainings, the speed-up of mixed precision, and the shares of the peak they reach."""
    rows = [
        [
            p.training,
            f"{p.tf32:g} {p.unit}/s",
            f"{p.mixed:g}",
            f"{p.mixed / p.tf32:.2f}",
            *(f"{share:.0%}" if p.gflop else "-" for share in p.shares),
        ]
        for p in PUBLISHED
    ]
    return ["training", "TF32", "mixed", "speed-up", "share of TF32 peak", "share of BF16 peak"], rows


def kinds_table(table: CostTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the jobs of the paper's grid by kind, with what they are predicted to take."""
    sweep = sweep_of(PAGE_PROFILE)
    folders = stage_folders(sweep, "paper")
    every = jobs.dry_run(PAGE_PROFILE, folders, table)
    fast = {job.folder: job for job in jobs.dry_run(FAST_PROFILE, folders, table)}
    kinds: dict[str, list[jobs.Job]] = {}
    for job in every:
        kinds.setdefault(kind_of(job.folder), []).append(job)
    header = ["jobs", "", "steps", "GPU h", f"{FAST_PROFILE}, GPU h", "CPU h", "GPU GiB", "disk GiB", "work GiB"]
    rows = []
    for kind, members in [*kinds.items(), ("**together**", every)]:
        sums, faster = jobs.total(members), jobs.total([fast[job.folder] for job in members])
        figures = (sums.gpu_hours, faster.gpu_hours, sums.cpu_hours, sums.gpu_gib, sums.disk_gib, sums.work_gib)
        rows.append([kind, str(len(members)), f"{sums.steps:,}", *(f"{figure:,.1f}" for figure in figures)])
    slow = [jobs.total(jobs.dry_run(p, folders, table, Gpu(LOW_RATES))).gpu_hours for p in (PAGE_PROFILE, FAST_PROFILE)]
    rows.append(["at the lowest published shares", "", "", *(f"{hours:,.1f}" for hours in slow), "", "", "", ""])
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
