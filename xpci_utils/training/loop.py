"""One training loop for every network here: resumable bit for bit, watchable, and stoppable.

The update draws batches, noise and augmentation from (seed, step) alone, so weights, optimiser and step number
are the whole state (the scheme of Karras et al. 2024, EDM2).
"""

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from xpci_utils import files
from xpci_utils.training.device import tf32_matmuls
from xpci_utils.training.settings import TrainingSettings
from xpci_utils.training.storage import load_tensors, save_tensors

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = float(os.environ.get("XPCI_CHECKPOINT_SECONDS", "30"))  # least time between two checkpoints
WRITING_SHARE = 20  # ... and so many times what the last one took to write: at most 5 % of the time goes to them


class StoppedForTime(RuntimeError):
    """The time allotted to this process is over; the checkpoint is written and the same call goes on from it."""


class StagePlace(Protocol):
    """Where a training writes: a stage of a notebook, or a `TrainingFolder` of a script."""

    @property
    def folder(self) -> Path: ...  # products, and history.jsonl

    @property
    def work(self) -> Path: ...  # the checkpoint

    @property
    def identity(self) -> str: ...  # of what is trained: a checkpoint of another one is not taken up


@dataclass(frozen=True)
class TrainingFolder:
    """A folder that a script trains in, outside any stage."""

    folder: Path
    work: Path
    identity: str


def run_steps(
    settings: TrainingSettings,
    update: Callable[[int], dict[str, float]],
    state: dict[str, Any],
    stage: StagePlace,
    *,
    evaluate: Callable[[int], dict] | None = None,
    log_every: int = 50,
    description: str = "training",
) -> None:
    """Run ``update(step)`` for each of ``settings.steps``, going on from the checkpoint in ``stage.work`` if it fits.

    ``state`` holds everything that changes (modules, optimisers, averages), each with ``state_dict`` and
    ``load_state_dict``. Every ``log_every`` steps the mean of what ``update`` returned goes to history.jsonl in
    ``stage.folder``; ``evaluate(n)`` is called after each n of ``settings.evaluate_at()`` and its dict joins the record
    of step n.
    """
    steps, evaluate_at = settings.steps, set(settings.evaluate_at()) if evaluate else set()
    log = _Log(stage.folder / "history.jsonl", steps)
    saver = _Saver(state, stage)
    start = saver.restore(log)
    bar = tqdm(range(start, steps), initial=start, total=steps, desc=description, disable=not watched())
    with tf32_matmuls(settings.tf32):
        for step in bar:
            log.add(update(step))
            done = step + 1
            if done % log_every == 0 or done == steps or done in evaluate_at:
                record = log.write(done, evaluate(done) if evaluate and done in evaluate_at else {})
                bar.set_postfix({name: f"{value:.4g}" for name, value in record.items()})
                saver.save(done, now=done == steps)
                if done < steps and time_is_over():
                    saver.save(done, now=True)
                    raise StoppedForTime(
                        f"{description} stopped for time at step {done} of {steps}; run it again to go on"
                    )


def time_is_over() -> bool:
    """Whether this process has used up its time (``XPCI_DEADLINE``, Unix seconds; none without it)."""
    return time.time() > float(os.environ.get("XPCI_DEADLINE", "inf"))


def watched() -> bool:
    """True when a person sees the bar: a terminal, or a notebook that the runner did not start."""
    return "XPCI_HEADLESS" not in os.environ and ("ipykernel" in sys.modules or sys.stderr.isatty())


class _Log:
    """The history: means of what the updates returned since the last record, with the seconds of the whole training."""

    def __init__(self, path: Path, steps: int):
        self.path, self.steps = path, steps
        self.sums: dict[str, float] = defaultdict(float)
        self.count, self.began = 0, time.monotonic()

    def go_on(self, step: int) -> None:
        """Drop records after the checkpoint: those steps will be run, and logged, again. Step 0 starts afresh."""
        records = [record for record in files.read_jsonl(self.path) if record["step"] <= step]
        if not step:
            self.path.unlink(missing_ok=True)
            return
        files.write_text(self.path, "".join(json.dumps(record) + "\n" for record in records))
        self.began = time.monotonic() - (records[-1]["seconds"] if records else 0)

    def add(self, scalars: dict[str, float]) -> None:
        """Take in what one update returned."""
        self.count += 1
        for name, value in scalars.items():
            self.sums[name] += value

    def write(self, done: int, evaluation: dict) -> dict[str, float]:
        """Append a record; returns the means in it."""
        means = {name: total / self.count for name, total in self.sums.items()}
        seconds = round(time.monotonic() - self.began, 2)
        files.append_jsonl(self.path, {"step": done, "steps": self.steps, "seconds": seconds, **means, **evaluation})
        self.sums, self.count = defaultdict(float), 0
        return means


class _Saver:
    """The checkpoint of a training: everything in ``state``, the step, and the identity of what is trained."""

    def __init__(self, state: dict[str, Any], stage: StagePlace):
        self.state, self.identity, self.path = state, stage.identity, stage.work / CHECKPOINT
        self.saved, self.writing = time.monotonic(), 0.0

    def save(self, step: int, now: bool) -> None:
        """Write the checkpoint if it is time, or ``now``."""
        began = time.monotonic()
        if not now and began - self.saved <= self.pause():
            return
        tensors: dict[str, torch.Tensor] = {}
        values: dict[str, dict] = {}
        for name, part in self.state.items():
            part_tensors, part_values = _pack(part)
            tensors |= {f"{name}|{key}": tensor for key, tensor in part_tensors.items()}
            values[name] = part_values
        save_tensors(self.path, tensors, {"identity": self.identity, "step": step, "values": values})
        self.saved = time.monotonic()
        self.writing = self.saved - began

    def pause(self) -> float:
        """Least seconds between two checkpoints; longer where writing one takes long, none where none is asked for."""
        return max(CHECKPOINT_SECONDS, WRITING_SHARE * self.writing) if CHECKPOINT_SECONDS else 0.0

    def restore(self, log: _Log) -> int:
        """Load the checkpoint into ``state`` and return its step; 0 (and a fresh history) without a fitting one."""
        step = self._load() if self.path.is_file() else 0
        log.go_on(step)
        return step

    def _load(self) -> int:
        tensors, facts = load_tensors(self.path)
        if facts["identity"] != self.identity:
            print(f"the checkpoint in {self.path.parent} belongs to other parameters; starting afresh")
            return 0
        for name, part in self.state.items():
            own = {key.split("|", 1)[1]: t for key, t in tensors.items() if key.split("|", 1)[0] == name}
            _unpack(part, own, facts["values"][name])
        return facts["step"]


def _pack(part) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and JSON values of a module, an optimiser (its groups are rebuilt by the caller) or an average."""
    content = part.state_dict()
    if isinstance(part, torch.optim.Optimizer):
        return {f"{i}/{k}": torch.as_tensor(v) for i, slot in content["state"].items() for k, v in slot.items()}, {}
    tensors, values = {}, {}
    for key, value in content.items():
        if isinstance(value, torch.Tensor):
            tensors[key] = value
        elif isinstance(value, list) and value and isinstance(value[0], torch.Tensor):
            tensors |= {f"{key}/{i}": item for i, item in enumerate(value)}
            values[f"{key}/count"] = len(value)
        else:
            values[key] = value
    return tensors, values


def _unpack(part, tensors: dict[str, torch.Tensor], values: dict) -> None:
    if isinstance(part, torch.optim.Optimizer):
        slots: dict[int, dict] = defaultdict(dict)
        for key, tensor in tensors.items():
            index, name = key.split("/")
            slots[int(index)][name] = tensor
        part.load_state_dict({"state": dict(slots), "param_groups": part.state_dict()["param_groups"]})
        return
    counts = {key.removesuffix("/count"): n for key, n in values.items() if key.endswith("/count")}
    now = part.state_dict()  # where the lists of an average live: diffusers' EMAModel takes tensors as they come
    lists = {key: [tensors.pop(f"{key}/{i}").to(now[key][i].device) for i in range(n)] for key, n in counts.items()}
    plain = {key: value for key, value in values.items() if not key.endswith("/count")}
    part.load_state_dict({**tensors, **plain, **lists})
