"""The GPU hours of two profiles side by side: ``xpci dry-run --profile paper --compare paper_fast``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xpci_utils.costs.jobs import A100, Job, remarks, total
from xpci_utils.costs.rates import Gpu


def compared_lines(runs: Mapping[str, list[Job]], gpu: Gpu = A100) -> Iterable[str]:
    """A line per job with its GPU hours in each profile, and the totals; ``runs`` has the jobs of each profile."""
    by_folder = {name: {job.folder: job for job in jobs} for name, jobs in runs.items()}
    folders = list(dict.fromkeys(folder for jobs in by_folder.values() for folder in jobs))
    width, names = max(map(len, folders)), list(runs)
    yield f"{'GPU hours':{width}} " + " ".join(f"{name:>12}" for name in names)
    for folder in folders:
        found = [by_folder[name].get(folder) for name in names]
        yield f"{folder:{width}} " + " ".join(f"{_hours(job):>12}" for job in found)
    sums = [total(jobs) for jobs in runs.values()]
    yield f"{'total':{width}} " + " ".join(f"{_hours(job):>12}" for job in sums)
    first, *others = (job.gpu_hours for job in sums)
    for name, hours in zip(names[1:], others, strict=True):
        if first and hours:
            yield f"{name}: {first / hours:.1f} times faster"
    yield from dict.fromkeys(line for name, jobs in runs.items() for line in remarks(name, jobs, gpu))


def _hours(job: Job | None) -> str:
    return "-" if job is None or job.gpu_hours is None else f"{job.gpu_hours:.2f}"
