"""The committed cost table, ``data/costs/<profile>.csv`` and ``.json``, and what it predicts for a GPU.

The CSV has a line per network and unit of work, measured on a CPU by ``make rehearse``; the JSON says on which machine,
with which versions, and what the rehearsed stages left on disk. Nothing in either is written by hand.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from xpci_utils import files, paths

GIB = 2**30
GPU = "NVIDIA A100 40 GB"
TF32_PEAK, FP32_PEAK = 156e12, 19.5e12  # FLOP/s, dense, of its data sheet (bf16: 312e12)

# In a training in float32, as published, PyTorch's defaults give convolutions TF32 and matrix products plain FP32.
# Convolutions at batch 1 to 4 share their time with what counts no FLOPs and is bound by memory (normalisation,
# activations, the optimiser): about a third of the peak is what is left of it. Large FP32 products run near their peak.
CONVOLUTION_RATE = 0.35 * TF32_PEAK
MATMUL_RATE = 0.70 * FP32_PEAK
GPU_CONTEXT_GIB = 0.8  # CUDA's own, per process

UNITS = {
    "step": "optimiser step",
    "forward": "forward pass of one frame: a sampling step, a frame labelled or segmented",
    "frame": "simulated frame",
}


class MeasurementError(RuntimeError):
    """A measuring process failed; the message carries the last line it said."""


@dataclass(frozen=True)
class View:
    """What networks see: height and width of a frame (or tile) in pixels, and the number of classes, background too."""

    height: int
    width: int
    classes: int


@dataclass(frozen=True)
class Cost:
    """One unit of work (a key of `UNITS`) with ``batch`` frames. FLOPs count a multiply-add as two.

    Memory is in GiB: ``peak_gib`` is the largest resident size of the measuring process, ``libraries_gib`` what it had
    before a network was built, ``state_gib`` weights and whatever is kept beside them between steps.
    """

    network: str
    unit: str
    batch: int
    wall_seconds: float
    cpu_seconds: float
    peak_gib: float
    libraries_gib: float
    state_gib: float = 0.0
    convolution_gflop: float = 0.0
    matmul_gflop: float = 0.0
    parameters: int = 0
    trainable: int = 0

    @property
    def gflop(self) -> float:
        return self.convolution_gflop + self.matmul_gflop

    @property
    def gpu_seconds(self) -> float:
        """Predicted seconds on `GPU`."""
        return 1e9 * (self.convolution_gflop / CONVOLUTION_RATE + self.matmul_gflop / MATMUL_RATE)

    def gpu_gib(self, batch: int) -> float:
        """Predicted memory on `GPU` with ``batch`` frames: what a step needs beside the state grows with them."""
        passing = self.peak_gib - self.libraries_gib - self.state_gib
        return GPU_CONTEXT_GIB + self.state_gib + max(0.0, passing) * batch / self.batch


@dataclass(frozen=True)
class CostTable:
    """Costs by (network, unit), and the facts of their measurement."""

    costs: dict[tuple[str, str], Cost]
    facts: dict

    @classmethod
    def of(cls, costs: list[Cost], facts: dict) -> CostTable:
        return cls({(cost.network, cost.unit): cost for cost in costs}, facts)

    @classmethod
    def read(cls, profile: str) -> CostTable | None:
        """The committed table of a profile, or None if it was never rehearsed."""
        path = table_path(profile)
        if not path.is_file():
            return None
        kinds = {field.name: {"str": str, "int": int, "float": float}[str(field.type)] for field in fields(Cost)}
        with open(path, encoding="utf-8", newline="") as file:
            rows = [{name: kinds[name](text) for name, text in row.items()} for row in csv.DictReader(file)]
        return cls.of([Cost(**row) for row in rows], files.read_json(path.with_suffix(".json")))

    def write(self, profile: str) -> Path:
        """Write both files, each atomically; returns the path of the CSV."""
        path = table_path(profile)
        with files.atomic_path(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Cost)], lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: _rounded(value) for name, value in asdict(c).items()} for c in self.costs.values())
        files.write_json(path.with_suffix(".json"), self.facts)
        return path


def table_path(profile: str) -> Path:
    """Where the table of a profile lies."""
    return paths.root() / "data" / "costs" / f"{profile}.csv"


def _rounded(value: object) -> object:
    return float(f"{value:.5g}") if isinstance(value, float) else value
