"""One training loop for every network here: resumable bit for bit, watchable, and stoppable.

The update draws batches, noise and augmentation from (seed, step) alone, so weights, optimiser and step number
are the whole state (the scheme of Karras et al. 2024, EDM2).
"""

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from tqdm import tqdm

from xpci_utils import files
from xpci_utils.training.storage import load_tensors, save_tensors

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = float(os.environ.get("XPCI_CHECKPOINT_SECONDS", "30"))  # least time between two checkpoints


class StoppedForTime(RuntimeError):
    """The time allotted to this process is over; the checkpoint is written and the same call goes on from it."""


def set_threads(threads: int) -> None:
    """Use ``threads`` CPU threads in torch; part of the parameters, since it changes last bits."""
    torch.set_num_threads(threads)


def poly_lr(base_lr: float, step: int, steps: int, power: float = 0.9) -> float:
    """Polynomial decay, base_lr (1 - step / steps)^power, per optimiser step (Section 3.1)."""
    return base_lr * (1 - step / steps) ** power


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group the learning rate of this step."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def run_steps(
    *,
    steps: int,
    update: Callable[[int], dict[str, float]],
    state: dict[str, object],
    work: Path,
    identity: str,
    history: Path,
    log_every: int = 50,
    evaluate: Callable[[int], dict] | None = None,
    evaluate_at: Iterable[int] = (),
    checkpoint_seconds: float | None = None,
    description: str = "training",
) -> None:
    """Run ``update(step)`` for steps 0..steps-1, going on from the checkpoint in ``work`` if it fits.

    ``state`` names everything that changes (modules, optimisers, averages), each with ``state_dict`` and
    ``load_state_dict``. Every ``log_every`` steps the mean of what ``update`` returned goes to ``history``;
    ``evaluate(n)`` is called after each n of ``evaluate_at`` and its dict joins the record of step n.
    """
    start = _restore(state, work, identity, history)
    evaluate_at, sums, count = set(evaluate_at), defaultdict(float), 0
    records = files.read_jsonl(history)
    pause = CHECKPOINT_SECONDS if checkpoint_seconds is None else checkpoint_seconds
    saved = time.monotonic()
    began = saved - (records[-1]["seconds"] if records else 0)
    bar = tqdm(range(start, steps), initial=start, total=steps, desc=description, disable=not watched())
    for step in bar:
        scalars, count, done = update(step), count + 1, step + 1
        for name, value in scalars.items():
            sums[name] += value
        if done % log_every == 0 or done == steps or done in evaluate_at:
            record = {"step": done, "steps": steps, "seconds": round(time.monotonic() - began, 2)}
            record |= {name: total / count for name, total in sums.items()}
            record |= evaluate(done) if evaluate and done in evaluate_at else {}
            files.append_jsonl(history, record)
            bar.set_postfix({k: f"{v:.4g}" for k, v in record.items() if k in sums})
            sums, count = defaultdict(float), 0
            if time.monotonic() - saved > pause or done == steps:
                _save(state, work, identity, done)
                saved = time.monotonic()
            if done < steps and time_is_over():
                _save(state, work, identity, done)
                raise StoppedForTime(f"{description} stopped for time at step {done} of {steps}; run it again to go on")


def time_is_over() -> bool:
    """Whether this process has used up its time (``XPCI_DEADLINE``, Unix seconds; none without it)."""
    return time.time() > float(os.environ.get("XPCI_DEADLINE", "inf"))


def watched() -> bool:
    """True when a person sees the bar: a terminal, or a notebook that the runner did not start."""
    return "XPCI_HEADLESS" not in os.environ and ("ipykernel" in sys.modules or sys.stderr.isatty())


def _save(state: dict, work: Path, identity: str, step: int) -> None:
    tensors, values = {}, {}
    for name, part in state.items():
        part_tensors, part_values = _pack(part)
        tensors |= {f"{name}|{key}": tensor for key, tensor in part_tensors.items()}
        values[name] = part_values
    save_tensors(work / CHECKPOINT, tensors, {"identity": identity, "step": step, "values": values})


def _restore(state: dict, work: Path, identity: str, history: Path) -> int:
    """Load the checkpoint into ``state`` and return its step; 0 (and a fresh history) without a fitting one."""
    path = work / CHECKPOINT
    if path.is_file():
        tensors, facts = load_tensors(path)
        if facts["identity"] == identity:
            for name, part in state.items():
                own = {key.split("|", 1)[1]: t for key, t in tensors.items() if key.split("|", 1)[0] == name}
                _unpack(part, own, facts["values"][name])
            _keep_history(history, facts["step"])
            return facts["step"]
        print(f"the checkpoint in {work} belongs to other parameters; starting afresh")
    history.unlink(missing_ok=True)
    return 0


def _keep_history(history: Path, step: int) -> None:
    """Drop records after the checkpoint: those steps will be run, and logged, again."""
    records = [record for record in files.read_jsonl(history) if record["step"] <= step]
    with files.atomic_path(history) as temporary:
        temporary.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


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
