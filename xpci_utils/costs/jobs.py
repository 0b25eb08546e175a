"""Every job of a profile with the GPU hours, memory and disk that its cost table predicts: ``make dry-run``.

Two profiles stand side by side with ``--compare``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xpci_utils import paths
from xpci_utils.costs.left import left, sentences
from xpci_utils.costs.rates import Gpu, MeasuredRates
from xpci_utils.costs.table import GIB, CostTable
from xpci_utils.costs.work import (
    counted,
    examples_of,
    frames_of,
    network_of,
    pairs_in,
    pairs_of,
    step_batch,
    view_of,
    work_of,
)
from xpci_utils.params import (
    AdaptSam,
    AuditPairs,
    LabelPairs,
    ParameterError,
    PrepareFrames,
    SamplePairs,
    StageParameters,
    TrainDdpm,
    TrainSegmentation,
)
from xpci_utils.params.places import REPORT
from xpci_utils.params.profiles import collected_folder, overlay, profile_values, run_root, stage_parameters
from xpci_utils.params.runs import GRIDS, stage_folders
from xpci_utils.running import folder as own_folder
from xpci_utils.running.options import add_own_frames, own_frames

A100 = Gpu()  # at assumed rates
CARD_GB = 24.0  # memory of the cards of the paper's workstation

# What a training keeps on disk until it ends, in units of the weights it trains: they, AdamW's two moments, and the
# average of the denoiser or the best weights of a segmentation network.
CHECKPOINT = {TrainDdpm: 4, AdaptSam: 3, TrainSegmentation: 4}


@dataclass(frozen=True)
class Job:
    """One stage and what it is predicted to take; None where the cost table does not say."""

    folder: str
    steps: int  # of the optimiser
    gpu_hours: float | None = None
    cpu_hours: float | None = None  # of work that no GPU does: simulating frames, drawing figures
    gpu_gib: float | None = None
    disk_gib: float | None = None  # products
    work_gib: float | None = None  # more, while it runs
    assumed: tuple[str, ...] = ()  # units of work whose GPU hours follow from an assumed rate, with their precision


def dry_run(
    profile: str,
    folders: Iterable[str],
    table: CostTable | None,
    gpu: Gpu = A100,
    frames: PrepareFrames | None = None,
) -> list[Job]:
    """A job for each of ``folders`` (places below run_root, as `stage_folders` lists them), in their order.

    ``frames`` are those of a user's folder, as `counted` makes them. Without them nothing is predicted for a profile
    that reads a folder.
    """
    root = paths.resolve(run_root(profile))
    if frames is None:
        frames = frames_of(profile, root)
        table = None if frames.source == "folder" else table
    pairs = pairs_of(profile, frames)
    stages = {folder: stage_parameters(profile, folder, root, {}) for folder in folders}
    return [predict(stage, folder, frames, pairs, table, gpu) for folder, stage in stages.items()]


def table_of(profile: str) -> CostTable | None:
    """The cost table of a profile, or of the one that it extends if its networks and frames are the same size.

    Frames of a user's own have any size, which `CostTable.for_view` allows for.
    """
    table, extended = CostTable.read(profile), overlay(profile).extends
    if table or not extended or _sizes(profile, profile) != _sizes(extended, profile):
        return table
    return table_of(extended)


def _sizes(profile: str, wanted: str) -> list[object]:
    """What decides the cost of one unit of work, but for precision and batch; frames of a folder have any size."""
    frames = ["01_prepare_frames"] if profile_values(wanted, "01_prepare_frames")["source"] == "simulator" else []
    values = [
        profile_values(profile, name) for name in (*frames, "02_train_ddpm", "03_adapt_sam", "05_train_segmentation")
    ]
    return [
        {key: value.get(key) for key in ("source", "height", "width", "tile", "size", "trainable")} for value in values
    ]


def precision_of(parameters: StageParameters, network: str, unit: str) -> str:
    """The precision of a stage's unit of work, a key of `RATES`.

    Without gradients only the denoiser computes in bfloat16, and what is evaluated after a training has plain products.
    """
    if unit != "step" and network != "denoiser":
        return "fp32"
    values = parameters.model_dump()
    return "bf16" if values.get("bf16") else "tf32" if values.get("tf32") else "fp32"


def predict(
    parameters: StageParameters,
    folder: str,
    frames: PrepareFrames,
    pairs: int,
    table: CostTable | None,
    gpu: Gpu = A100,
) -> Job:
    """The job of one stage on ``gpu``, of a profile with the parameters ``frames`` and pools of ``pairs`` pairs.

    Nothing is predicted without a table that has every unit of its work.
    """
    work = work_of(parameters, frames, pairs)
    steps = sum(count // _batch(parameters, network, unit) for (network, unit), count in work.items() if unit == "step")
    if table is None or not work.keys() <= table.costs.keys():
        return Job(folder, steps)
    costs = {table.costs[key]: count for key, count in work.items()}
    on_gpu = {cost: precision_of(parameters, cost.network, cost.unit) for cost in costs if cost.gflop}
    cpu_seconds = sum(cost.wall_seconds / cost.batch * count for cost, count in costs.items() if not cost.gflop)
    return Job(
        folder,
        steps,
        gpu_hours=sum(gpu.seconds(cost, precision) * costs[cost] for cost, precision in on_gpu.items()) / 3600,
        cpu_hours=(cpu_seconds if parameters.place != REPORT.folder else table.facts["report_seconds"]) / 3600,
        gpu_gib=max(
            (gpu.gib(cost, p, _batch(parameters, cost.network, cost.unit)) for cost, p in on_gpu.items()), default=0.0
        ),
        disk_gib=_products_gib(parameters, frames, pairs, table),
        work_gib=sum(_checkpoint_gib(parameters, cost.trainable) for cost in on_gpu if cost.unit == "step"),
        assumed=tuple(f"{c.network} {c.unit} in {p}" for c, p in on_gpu.items() if not gpu.knows(c, p)),
    )


def _batch(parameters: StageParameters, network: str, unit: str) -> int:
    """Frames that a stage takes together through a unit of work; only sampling takes several without gradients."""
    if unit == "step":
        return step_batch(parameters)
    return getattr(parameters, "block_size", 1) if network == "denoiser" else 1


def _products_gib(parameters: StageParameters, frames: PrepareFrames, pairs: int, table: CostTable) -> float:
    """Disk of the products, from those of the rehearsal: images by their number, networks as they are."""
    disk = table.facts["disk_bytes"]
    match parameters:
        case PrepareFrames():
            return disk["frame"] * sum(examples_of(frames)) / GIB
        case SamplePairs():
            return disk["pair"] * pairs_in(parameters.pool, frames, pairs) / GIB
        case LabelPairs():
            return disk["label"] * pairs_in(parameters.pool, frames, pairs) / GIB
        case AuditPairs():
            return 0.0  # some tables
    return disk[network_of(parameters) or "report"] / GIB


def _checkpoint_gib(parameters: StageParameters, trainable: int) -> float:
    """Disk of the checkpoint, and of the denoisers that are judged on the way."""
    copies = CHECKPOINT[type(parameters)] + (parameters.evaluations if isinstance(parameters, TrainDdpm) else 0)
    return copies * 4 * trainable / GIB


def lines(profile: str, jobs: list[Job], gpu: Gpu = A100, card_gb: float = CARD_GB) -> Iterable[str]:
    """The list as text with its total (see `total`), and what has to be said about it.

    Jobs that need more memory than a card of ``card_gb`` (1e9 bytes) has are marked.
    """
    header = ("steps", "GPU h", "CPU h", "GPU GiB", "disk GiB", "work GiB")
    width = max(len(job.folder) for job in jobs)
    yield f"{'job':{width}} " + " ".join(f"{name:>9}" for name in header)
    for job in [*jobs, total(jobs)]:
        values = (job.steps, job.gpu_hours, job.cpu_hours, job.gpu_gib, job.disk_gib, job.work_gib)
        yield (
            f"{job.folder:{width}} "
            + " ".join(_cell(value) for value in values)
            + (" !" if exceeds(job, card_gb) else "")
        )
    yield from remarks(profile, jobs, gpu)
    yield from memory_remarks(jobs, card_gb)


def compared_lines(runs: Mapping[str, list[Job]], gpu: Gpu = A100) -> Iterable[str]:
    """A line per job with its GPU hours in each profile, and the totals; ``runs`` has the jobs of each profile."""
    by_folder = {name: {job.folder: job for job in jobs} for name, jobs in runs.items()}
    folders = list(dict.fromkeys(folder for jobs in by_folder.values() for folder in jobs))
    width, names = max(map(len, folders)), list(runs)
    yield f"{'GPU hours':{width}} " + " ".join(f"{name:>12}" for name in names)
    for folder in folders:
        of_grids = [by_folder[name].get(folder) for name in names]
        yield f"{folder:{width}} " + " ".join(f"{_hours(job):>12}" for job in of_grids)
    sums = [total(jobs) for jobs in runs.values()]
    yield f"{'total':{width}} " + " ".join(f"{_hours(job):>12}" for job in sums)
    first, *others = (job.gpu_hours for job in sums)
    for name, hours in zip(names[1:], others, strict=True):
        if first and hours:
            yield f"{name}: {first / hours:.1f} times faster"
    yield from dict.fromkeys(line for name, jobs in runs.items() for line in remarks(name, jobs, gpu))


def _hours(job: Job | None) -> str:
    return "-" if job is None or job.gpu_hours is None else f"{job.gpu_hours:.2f}"


def exceeds(job: Job, card_gb: float) -> bool:
    """Whether a job needs more memory than a card of so many GB (1e9 bytes) has."""
    return job.gpu_gib is not None and job.gpu_gib * GIB > card_gb * 1e9


def memory_remarks(jobs: list[Job], card_gb: float) -> Iterable[str]:
    """What does not fit on a card, or that everything does."""
    large = [job.folder for job in jobs if exceeds(job, card_gb)]
    known = [job.gpu_gib for job in jobs if job.gpu_gib is not None]
    if large:
        yield f"{len(large)} jobs, marked !, need more than a card of {card_gb:g} GB: {', '.join(large[:3])} ..."
    elif known:
        room = f"{card_gb:g} GB ({card_gb * 1e9 / GIB:.1f} GiB)"
        yield f"Every job fits on a card of {room}; the largest needs {max(known):.1f} GiB."


def remarks(profile: str, jobs: list[Job], gpu: Gpu = A100) -> Iterable[str]:
    """What the list leaves out, and which of its rates are assumed."""
    unknown = sum(job.gpu_hours is None for job in jobs)
    if unknown == len(jobs):
        yield f"Profile {profile} has no cost table: 'make rehearse PROFILE={profile}' measures one."
    elif unknown:
        yield f"{unknown} jobs, printed with a dash, have no entry in the cost table; the total leaves them out."
    if gpu.measured:
        yield f"GPU: {gpu.name}, as measured"
        assumed = sorted({unit for job in jobs for unit in job.assumed})
        if assumed:
            yield f"Not measured, hence predicted from FLOPs at assumed rates of another GPU: {', '.join(assumed)}"
    else:
        yield f"GPU: {gpu.name}; its rates are assumed, and why, and how the costs were measured: docs/costs.md"


def total(jobs: list[Job]) -> Job:
    """Sums of steps, hours and disk, the largest of memory and working space, over the jobs that have a prediction."""
    known = [job for job in jobs if job.gpu_hours is not None]
    name, steps = f"total of {len(jobs)} jobs", sum(job.steps for job in jobs)
    if not known:
        return Job(name, steps)
    return Job(
        name,
        steps,
        gpu_hours=sum(_known(job.gpu_hours for job in known)),
        cpu_hours=sum(_known(job.cpu_hours for job in known)),
        gpu_gib=max(_known(job.gpu_gib for job in known)),
        disk_gib=sum(_known(job.disk_gib for job in known)),
        work_gib=max(_known(job.work_gib for job in known)),
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _cell(value: float | None) -> str:
    text = "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
    return f"{text:>9}"


def main(arguments: list[str] | None = None) -> int:
    """List every job of a profile's grid with its predicted cost; nothing is run."""
    options = _parse(arguments)
    try:
        gpu = Gpu(measured=MeasuredRates.read(options.rates)) if options.rates else A100
        names = [options.profile, *([options.compare] if options.compare else [])]
        runs = {name: _jobs(name, options.grid, own_frames(options), gpu) for name in names}
    except ParameterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.compare:
        print("\n".join(compared_lines(runs, gpu)))
        return 0
    print("\n".join(lines(options.profile, runs[options.profile], gpu, options.gpu_memory)))
    if collected_folder(options.profile):
        root = paths.resolve(run_root(options.profile))
        sweep = own_folder.grid_of(options.profile, root, {})
        print("\n".join(sentences(left(options.profile, root, sweep, options.grid))))
    return 0


def _jobs(profile: str, grid: str, own: Mapping[str, str], gpu: Gpu) -> list[Job]:
    """The jobs of a profile; for a folder of the user's own, from its check-up."""
    checkup, table, frames = own_folder.look_at(profile, own), table_of(profile), None
    sweep = own_folder.grid_of(profile, paths.resolve(run_root(profile)), own)
    if checkup is not None:
        print(f"profile {profile}: {own_folder.about(checkup, sweep)}")
        frames = counted(own_folder.frames_of(profile, own), checkup)
        table, gpu = table and table.for_view(view_of(frames)), gpu.for_view(view_of(frames))
    return dry_run(profile, stage_folders(sweep, grid), table, gpu, frames)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="xpci dry-run", description=main.__doc__)
    parser.add_argument("--profile", default="paper", help="parameter profile, a folder of params/ (default: paper)")
    parser.add_argument("--grid", default="paper", choices=GRIDS, help="which runs of its sweep")
    add_own_frames(parser)
    parser.add_argument(
        "--compare", metavar="PROFILE", help="another profile, whose GPU hours are printed beside these"
    )
    parser.add_argument(
        "--rates", metavar="FILE", help="rates that benchmarks/bench_gpu.py measured, instead of assumed ones"
    )
    parser.add_argument(
        "--gpu-memory", type=float, default=CARD_GB, metavar="GB", help="jobs that need more are marked (default: 24)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
