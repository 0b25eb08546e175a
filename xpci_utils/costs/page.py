"""``docs/costs.md``, made from the committed cost tables by the rehearsal; a test compares page and tables."""

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
    GIB,
    GPU,
    GPU_CONTEXT_GIB,
    LOW_RATES,
    PUBLISHED,
    RATES,
    TENSOR_SHARE,
    TF32_PEAK,
    Cost,
    CostTable,
)
from xpci_utils.params.places import parse_place
from xpci_utils.params.profiles import sweep_of
from xpci_utils.params.runs import GRIDS, stage_folders

PAGE_PROFILE = "paper"  # the profile that the page is about
FAST_PROFILE = "paper_fast"  # the same in lower precision
NOT_REHEARSED = (
    f"* `{FAST_PROFILE}`: not rehearsed itself, hence dashes; its predictions rest on the table of `{PAGE_PROFILE}`, "
    "whose memory is that of float32"
)
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
    path, tables = paths.root() / "docs" / "costs.md", committed_tables()
    with files.atomic_path(path) as part:
        part.write_text(page_text(*tables), encoding="utf-8")
    return path


def committed_tables() -> tuple[CostTable, CostTable]:
    """The cost tables of both profiles; that of the fast one is the other's until it is rehearsed itself."""
    table, fast = CostTable.read(PAGE_PROFILE), jobs.table_of(FAST_PROFILE)
    assert table is not None  # it is committed
    assert fast is not None
    return table, fast


def page_text(table: CostTable, fast: CostTable) -> str:
    """The page in Markdown, from the cost tables of both profiles."""
    return f"""# What the published scale costs

Made by `make rehearse PROFILE=paper` and `make rehearse PROFILE=paper_fast`, which run notebooks 01 to 06 with the
parameters of `params/paper/` and `params/paper_fast/`, counts cut to one, and measure every unit of work in a process
of its own. Numbers: `data/costs/<profile>.csv` and `<profile>.json`. `make dry-run PROFILE=paper COMPARE=paper_fast`
lists every single job.

{measured_line(PAGE_PROFILE, table)}
{measured_line(FAST_PROFILE, fast) if fast != table else NOT_REHEARSED}

CPU seconds are those of all threads together. Seconds of the two profiles say little about each other: other work
shared the cores, and a CPU is no GPU. SAM starts from random weights here, which costs the same as from the official
ones.

## One unit of work

{markdown_table(*units_table(table, fast))}

* A *step* is an optimiser step with gradients and AdamW's update; a *forward* pass is one frame without gradients: one
  step of the sampler, one frame labelled or segmented.
* FLOPs are counted by `torch.utils.flop_counter` on the real step (a multiply-add is two): convolutions and matrix
  products, nothing else. The denoiser recomputes its activations in the backward pass (gradient checkpointing), so its
  step costs four forward passes instead of three.
* Peak memory is the largest resident size of the measuring process, Python and libraries included.

{_gpu_text(table, fast)}
## The rehearsal, stage by stage

The whole stage with its notebook: starting a kernel, loading libraries, one step, the evaluations on held-out frames.

{markdown_table(*stages_table(table, fast))}
"""


def measured_line(profile: str, table: CostTable) -> str:
    """When and on what a profile was rehearsed."""
    facts, machine = table.facts, table.facts["machine"]
    return (
        f"* `{profile}`: {facts['measured'][:10]} on {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB of memory, {facts['threads']} threads, torch {facts['versions']['torch']}; "
        f"on average {machine['load']} processes wanted the cores meanwhile"
    )


def _gpu_text(table: CostTable, fast: CostTable) -> str:
    """The section on GPUs."""
    return f"""## What a GPU would take

For one {GPU}: FLOPs over rates. **The peaks are those of its data sheet, the shares of them are assumed,
nothing was measured on a GPU.** `benchmarks/bench_gpu.py` measures in about five minutes what takes their place
(`xpci dry-run --rates FILE`).

{markdown_table(*rates_table())}

* *fp32* is what PyTorch does with a training in float32, as published: convolutions in TF32, matrix products in plain
  FP32. *tf32* (parameter `tf32`) has products in TF32 too. *bf16* (parameter `bf16`) is autocast to bfloat16.
* Normalisation, activations and the optimiser are no FLOPs but take time: that is why only {TENSOR_SHARE:.0%} of the
  peaks of tensor cores are counted on, the same share in every precision.
* Reading and turning batches on the CPU is not counted. In bfloat16 it may be what a step waits for.

The trainings below, of NVIDIA's own on an A100 ([DeepLearningExamples](https://github.com/NVIDIA/DeepLearningExamples),
sections "Training performance"), say what such a share may be, and that mixed precision is 1.6 to 2.6 times as fast as
TF32; equal shares make it twice as fast. ResNet-50 has many convolutions of 1 x 1; those of the denoiser, 3 x 3 with
128 to 512 channels, do more arithmetic per byte.

{markdown_table(*published_table())}

`{PAGE_PROFILE}` has the published settings in float32, `{FAST_PROFILE}` the same counts, steps and sizes in bfloat16,
which the paper leaves open. The last line has both with the lowest of these shares: convolutions as in ResNet-50,
products as in BERT with 512 tokens. Memory is the state plus what a step needed beside it on the CPU, in the profile's
precision, scaled to the published batch, plus {GPU_CONTEXT_GIB} GiB.

{markdown_table(*kinds_table(table, fast))}

GPU hours, CPU hours and disk are sums over the jobs of a line, memory and working space (checkpoints) the largest of
them. Evaluations on validation and test frames are counted; reading data and writing checkpoints are not. The paper's
protocol of equal epochs makes the rows with 10,000 synthetic pairs 51 times longer than those without.

Readings of the protocol, further seeds and controls are grids of their own, which come on top of `GRID=paper`:

{markdown_table(*grids_table(table, fast))}

{_room(table, fast)}
"""


def _room(table: CostTable, fast: CostTable) -> str:
    """Whether every job of every grid fits on the cards of the paper's workstation."""
    folders = stage_folders(sweep_of(PAGE_PROFILE), *GRIDS)
    every = [job for listed in _both(folders, table, fast) for job in listed]
    large = [job.folder for job in every if jobs.exceeds(job, jobs.CARD_GB)]
    card = f"{jobs.CARD_GB:g} GB ({jobs.CARD_GB * 1e9 / GIB:.1f} GiB)"
    if large:
        return f"Jobs that need more than a card of {card}: {', '.join(dict.fromkeys(large))}."
    return (
        f"By this prediction every job of every grid and both profiles fits on a card of {card}, as the paper's\n"
        f"workstation has; the largest needs {max(job.gpu_gib or 0 for job in every):.1f} GiB."
    )


def _both(folders: list[str], table: CostTable, fast: CostTable) -> tuple[list[jobs.Job], list[jobs.Job]]:
    return jobs.dry_run(PAGE_PROFILE, folders, table), jobs.dry_run(FAST_PROFILE, folders, fast)


def units_table(table: CostTable, fast: CostTable | None = None) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what one unit of work costs here, in float32 and, given a table of it, in bfloat16."""
    header = ["network", "unit", "batch", "parameters", "trained", "GFLOP", "CPU s", "wall s", "peak GiB"]
    if fast:
        header += [f"{FAST_PROFILE}, {name}" for name in header[-3:]]
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
            *(_fast_cells(fast.costs[key] if fast != table else None) if fast else []),
        ]
        for key, cost in table.costs.items()
    ]
    return header, rows


def _fast_cells(cost: Cost | None) -> list[str]:
    """CPU seconds, wall seconds and peak memory of the fast profile; dashes where it was not measured."""
    if cost is None:
        return ["-"] * 3
    return [f"{cost.cpu_seconds:.2f}", f"{cost.wall_seconds:.2f}", f"{cost.peak_gib:.1f}"]


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


def kinds_table(table: CostTable, fast_table: CostTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the jobs of the paper's grid by kind, with what they are predicted to take in both profiles."""
    folders = stage_folders(sweep_of(PAGE_PROFILE), "paper")
    every, faster_jobs = _both(folders, table, fast_table)
    fast = {job.folder: job for job in faster_jobs}
    kinds: dict[str, list[jobs.Job]] = {}
    for job in every:
        kinds.setdefault(kind_of(job.folder), []).append(job)
    header = ["jobs", "", "steps", "GPU h", f"{FAST_PROFILE}, GPU h", "GPU GiB", f"{FAST_PROFILE}, GPU GiB"]
    header += ["CPU h", "disk GiB", "work GiB"]
    rows = []
    for kind, members in [*kinds.items(), ("**together**", every)]:
        sums, faster = jobs.total(members), jobs.total([fast[job.folder] for job in members])
        figures = [sums.gpu_hours, faster.gpu_hours, sums.gpu_gib, faster.gpu_gib]
        figures += [sums.cpu_hours, sums.disk_gib, sums.work_gib]
        rows.append([kind, str(len(members)), f"{sums.steps:,}", *(f"{figure:,.1f}" for figure in figures)])
    profiles = ((PAGE_PROFILE, table), (FAST_PROFILE, fast_table))
    slow = [jobs.total(jobs.dry_run(name, folders, one, Gpu(LOW_RATES))).gpu_hours for name, one in profiles]
    rows.append(["at the lowest published shares", "", "", *(f"{hours:,.1f}" for hours in slow), "", "", "", "", ""])
    return header, rows


def grids_table(table: CostTable, fast: CostTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what each grid adds to the paper's, in both profiles."""
    sweep = sweep_of(PAGE_PROFILE)
    first, rows = set(stage_folders(sweep, "paper")), []
    for grid in GRIDS:
        folders = [folder for folder in stage_folders(sweep, grid) if grid == "paper" or folder not in first]
        if not folders:
            continue  # a grid of other profiles
        sums = [jobs.total(listed) for listed in _both(folders, table, fast)]
        figures = [*(one.gpu_hours for one in sums), *(one.gpu_gib for one in sums)]
        rows.append([f"`{grid}`", str(len(folders)), *(f"{figure:,.1f}" for figure in figures)])
    header = ["grid", "further jobs", "GPU h", f"{FAST_PROFILE}, GPU h", "GPU GiB", f"{FAST_PROFILE}, GPU GiB"]
    return header, rows


def kind_of(folder: str) -> str:
    """Which line of the page a stage belongs to."""
    place = parse_place(folder)
    kind = folder.split("/")[2] if place.kind == "pools" else place.kind
    network = str(place.parameters.get("labeller", place.parameters.get("cell", "")))
    return KINDS[kind].format(network=network.split("__")[0].split("-")[0])


def stages_table(table: CostTable, fast: CostTable | None = None) -> tuple[list[str], list[list[str]]]:
    """Header and rows: wall time and peak memory of every rehearsed stage, in one profile or in both."""
    header = ["stage", "batch", "wall s, peak GiB"]
    if fast:
        header[-1:] = [f"{name}: {header[-1]}" for name in (PAGE_PROFILE, FAST_PROFILE)]
    rows = []
    for place, stage in table.facts["stages"].items():
        rows.append([place, str(stage["batch"]), _stage_cell(table, place)])
        if fast:
            rows[-1].append(_stage_cell(fast, place) if fast != table else "-")
    return header, rows


def _stage_cell(table: CostTable, place: str) -> str:
    stage = table.facts["stages"].get(place)
    return f"{stage['wall_seconds']:.0f}, {stage['peak_gib']:.1f}" if stage else "-"


def markdown_table(header: list[str], rows: Iterable[list[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers, set to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
