"""The rehearsal of a profile: all notebooks with its real parameters and counts cut to one, and what they cost.

``xpci rehearse --profile paper`` runs every stage through the runner, measures the units of work
that the profile is made of, each in a process of its own, and writes the cost table and ``docs/costs.md``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import yaml

from xpci_utils import files, paths
from xpci_utils.costs.own_page import OWN_PROFILE, write_own_part
from xpci_utils.costs.page import FAST_PROFILE, PAGE_PROFILE, write_page
from xpci_utils.costs.table import Cost, CostTable, MeasurementError, View
from xpci_utils.costs.work import counted, network_of, view_of
from xpci_utils.frames import FrameSet, check_folder, read_classes, tiles_of
from xpci_utils.frames.frameset import SPLITS
from xpci_utils.importing.checkup import CheckUp
from xpci_utils.params import (
    AuditPairs,
    LabelPairs,
    ParameterError,
    PrepareFrames,
    SamplePairs,
    StageParameters,
    Sweep,
    TrainSegmentation,
)
from xpci_utils.params.cells import parse_series
from xpci_utils.params.profiles import stage_parameters, sweep_of
from xpci_utils.params.runs import stage_folders
from xpci_utils.running import folder as own_folder
from xpci_utils.running.options import add_own_frames, own_frames
from xpci_utils.stages import read_run
from xpci_utils.stages.machine import memory_gib, processor

ROOT = "runs/rehearsal"
SWEEP_FILE = f"{ROOT}/params/sweep.yaml"
PIXELS_PER_BATCH = 640 * 640  # of a measured step: one published frame

# What a rehearsal changes: counts, and what would have to be downloaded.
CUTS: dict[str, dict[str, object]] = {
    "01_prepare_frames": {"train_frames": 2, "val_frames": 1, "test_frames": 2, "shifted_test_frames": 1},
    "02_train_ddpm": {"steps": 1, "evaluations": 1, "preview_pairs": 1, "preview_steps": 2, "probe_draws": 2},
    "03_adapt_sam": {"epochs": 0, "steps": 1, "weights": "random"},
    "04a_sample_pairs": {"pairs": 1, "pairs_per_frame": 0.0, "sampling_steps": 2, "block_size": 1, "clamped_steps": 1},
    "04b_label_pairs": {},
    "04c_audit_pairs": {"fresh_frames": 1, "clamped_steps": 1, "block_size": 1},
    "05_train_segmentation": {"epochs": 0, "steps": 1, "evaluations": 1, "pretrained": False},
    "06_tables_and_figures": {"sweep": SWEEP_FILE},
}


class RehearsalError(RuntimeError):
    """A profile cannot be rehearsed, or one of its stages failed; the message says which and why."""


def rehearsed_sweep(profile: str) -> Sweep:
    """One series per backbone of the profile, with two annotated frames and one synthetic pair."""
    sweep = sweep_of(profile)
    series = list({parse_series(name)[0]: name for name in reversed(sweep.series)}.values())
    labellers = list(dict.fromkeys(parse_series(name)[1] for name in series))
    cut = {"annotated": CUTS["01_prepare_frames"]["train_frames"], "counts": [0, 1], "noisy_prompts": False}
    return Sweep.checked({**cut, "series": series, "labellers": labellers}, f"the rehearsal of profile {profile}")


def cut_folder(frames: PrepareFrames, checkup: CheckUp) -> dict[str, object]:
    """Parameters of notebook 01 for a copy of the user's folder with as few frames as a rehearsal has.

    The frames with the most particles are taken, and the tiles are those of the whole folder.
    """
    folder, counts = paths.resolve(f"{ROOT}/my_frames"), CUTS[frames.notebook]
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("images", "masks", "splits"):
        (folder / kind).mkdir(parents=True)
    folder_files = check_folder(
        frames.source_folder, read_classes(frames.classes_path), frames.seed, frames.folds, frames.fold
    )
    for split in SPLITS:
        fullest = checkup.frames[checkup.frames.split == split].sort_values("foreground", ascending=False)
        names = fullest.index[: counts[f"{split}_frames"]]
        for kind, paths_of in (("images", folder_files.images), ("masks", folder_files.masks)):
            for name in names:
                shutil.copy(paths_of[name], folder / kind)
        files.write_text(folder / "splits" / f"{split}.txt", "".join(f"{name}\n" for name in names))
    shutil.copy(frames.classes_path, folder / "classes.yaml")
    if (record := paths.resolve(frames.source_folder) / "import.json").is_file():
        shutil.copy(record, folder)
    return {"source_folder": str(folder), "classes_file": "", "tile": checkup.tile, "largest_tile": 0}


def rehearsed_stages(
    profile: str,
    threads: int = 1,
    largest_batch: int = 0,
    force: bool = True,
    own: Mapping[str, object] | None = None,
) -> list[StageParameters]:
    """Parameters of every stage of the rehearsal, in an order that can be executed.

    ``largest_batch`` above 0 limits the batches of the segmentation networks; ``force`` repeats finished stages;
    ``own`` is what `cut_folder` says about frames of the user's own.
    """
    stages = []
    for folder in stage_folders(rehearsed_sweep(profile)):
        parameters = stage_parameters(profile, folder, paths.resolve(ROOT), own)
        if isinstance(parameters, PrepareFrames) and parameters.source == "folder" and not own:
            raise RehearsalError(f"profile {profile} reads frames of your own; give them by FRAMES=folder")
        changes = {**CUTS[parameters.notebook], "force": force, "threads": threads}
        if isinstance(parameters, TrainSegmentation) and largest_batch:
            changes["batch_size"] = min(parameters.batch_size, largest_batch)
        stages.append(type(parameters).checked({**parameters.model_dump(), **changes}, f"the rehearsal of {folder}"))
    return stages


def prepared(profile: str, given: Mapping[str, str]) -> tuple[View, dict[str, object]]:
    """(what networks will see, notebook 01's parameters for a cut copy of the user's folder; none if simulated)."""
    frames, checkup = own_folder.frames_of(profile, given), own_folder.look_at(profile, given)
    if checkup is None:
        return view_of(frames), {}
    print(f"{len(checkup.frames)} annotated frames, of which a few are rehearsed; {checkup.cut}", flush=True)
    return view_of(counted(frames, checkup)), cut_folder(frames, checkup)


def rehearse(profile: str, stages: list[StageParameters]) -> None:
    """Run every stage of the rehearsal; RehearsalError names the first that fails."""
    _write_yaml(paths.resolve(SWEEP_FILE), rehearsed_sweep(profile).model_dump())
    for number, stage in enumerate(stages, 1):
        print(f"rehearsal {number} of {len(stages)}: {stage.place}", flush=True)
        file = paths.resolve(f"{ROOT}/params/{stage.place.replace('/', '--')}.yaml")
        _write_yaml(file, stage.model_dump())
        command = [sys.executable, "-m", "xpci_utils.run", stage.notebook, "-f", str(file)]
        code = subprocess.run(command, cwd=paths.root(), check=False).returncode
        if code:
            raise RehearsalError(f"the rehearsal of {stage.place} ended with exit code {code}; what it said is above")


def measured_stages(profile: str, view: View, own: Mapping[str, object] | None = None) -> list[StageParameters]:
    """One stage for each thing to measure: the simulator, the denoiser, each variant of SAM, each backbone.

    Batches hold about one published frame: the costs of more grow in proportion, their memory might not fit.
    """
    by_network: dict[str, StageParameters] = {}
    batch = max(1, PIXELS_PER_BATCH // (view.height * view.width))
    for stage in rehearsed_stages(profile, largest_batch=batch, own=own):
        by_network.setdefault(network_of(stage), stage)
    return [stage for name, stage in by_network.items() if name]


def measure_profile(profile: str, threads: int, view: View, own: Mapping[str, object] | None = None) -> list[Cost]:
    """Costs of every unit of work of a profile on frames like ``view``, printed as they come."""
    from xpci_utils.costs.measure import measure_stage

    stages = measured_stages(profile, view, own)
    costs: list[Cost] = []
    for stage in stages:
        for cost in measure_stage(stage, view, threads):
            costs.append(cost)
            print(
                f"{cost.network:10} {cost.unit:7} {cost.wall_seconds:7.2f} s, {cost.cpu_seconds:7.2f} CPU s, "
                f"{cost.peak_gib:5.1f} GiB, {cost.gflop:8,.0f} GFLOP",
                flush=True,
            )
    return costs


def facts(stages: list[StageParameters], view: View) -> dict:
    """Where and how the costs are measured, and what the rehearsed ``stages`` took."""
    runs = {stage.place: read_run(stage.folder) or {} for stage in stages}
    return {
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": _machine(),
        "threads": stages[0].threads,
        "view": asdict(view),
        "versions": runs["report"]["versions"],
        "report_seconds": runs["report"]["wall_seconds"],
        "disk_bytes": _disk_bytes(stages),
        "stages": {
            stage.place: {
                "batch": getattr(stage, "batch_size", 1),
                "wall_seconds": runs[stage.place]["wall_seconds"],
                "peak_gib": round(runs[stage.place]["peak_memory_mib"] / 1024, 2),
            }
            for stage in stages
        },
    }


def _machine() -> dict:
    """The processor, its cores, the memory, and how many processes wanted the cores while this was measured."""
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_gib(), 1),
        "load": round(os.getloadavg()[2], 1),
    }


def _disk_bytes(stages: list[StageParameters]) -> dict[str, float]:
    """Bytes of a frame, a pair and a label map, and of what each trained network and the report leave."""
    sizes: dict[str, float] = {}
    for stage in stages:
        size = sum(path.stat().st_size for path in stage.folder.rglob("*") if path.is_file())
        if isinstance(stage, PrepareFrames):
            frames = FrameSet.open(stage.folder)
            tiles = len(tiles_of(frames.height, frames.width, frames.tile))  # by networks, of each frame
            sizes["frame"] = round(size / tiles / len(list(stage.folder.rglob("images/*.png"))))
        elif isinstance(stage, SamplePairs):
            sizes["pair"] = round(size / stage.pairs)
        elif isinstance(stage, LabelPairs):
            sizes["label"] = round(size / len(list(stage.folder.glob("*.png"))))
        elif not isinstance(stage, AuditPairs):  # some tables, whatever the profile
            sizes[network_of(stage) or "report"] = size
    return sizes


def _write_yaml(path: Path, values: dict) -> None:
    with files.atomic_path(path) as part:
        part.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Rehearse a profile on this computer and write its cost table; FRAMES of your own are copied, a few of them."""
    parser = argparse.ArgumentParser(prog="xpci rehearse", description=main.__doc__)
    parser.add_argument("--profile", default="paper", help="parameter profile, a folder of params/ (default: paper)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads of everything")
    parser.add_argument("--keep", action="store_true", help="do not repeat stages that were rehearsed before")
    parser.add_argument("--largest-batch", type=int, default=0, help="of the segmentation networks; 0: as published")
    add_own_frames(parser)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        view, own = prepared(options.profile, own_frames(options))
        stages = rehearsed_stages(options.profile, options.threads, options.largest_batch, not options.keep, own)
        rehearse(options.profile, stages)
        table = CostTable.of(measure_profile(options.profile, options.threads, view, own), facts(stages, view))
    except (ParameterError, RehearsalError, MeasurementError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {paths.display(table.write(options.profile))}")
    pages = {PAGE_PROFILE: write_page, FAST_PROFILE: write_page, OWN_PROFILE: write_own_part}
    if options.profile in pages:
        print(f"written: {paths.display(pages[options.profile]())}")
    print(f"rehearsed in {(time.monotonic() - began) / 60:.0f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
