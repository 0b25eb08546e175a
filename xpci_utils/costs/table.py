"""The committed cost table, ``data/costs/<profile>.csv`` and ``.json``, and what it predicts for a GPU.

The CSV has a line per network and unit of work, measured on a CPU by ``make rehearse``; the JSON says on which machine,
with which versions, and what the rehearsed stages left on disk. Nothing in either is written by hand.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from xpci_utils import files, paths
from xpci_utils.frames.pad import padding
from xpci_utils.params.cells import VARIANTS

GIB = 2**30
GPU = "NVIDIA A100 40 GB"
FP32_PEAK, TF32_PEAK, BF16_PEAK = 19.5e12, 156e12, 312e12  # FLOP/s, dense, of its data sheet (NVIDIA 2021)

# The share of these peaks is assumed. On tensor cores, work shares its time with what counts no FLOPs and is bound by
# memory (normalisation, activations, the optimiser): about a third of the peak is what is left of it. Without tensor
# cores, large products run near their peak. Published trainings that these shares are compared with: `PUBLISHED`.
TENSOR_SHARE, FP32_SHARE = 0.35, 0.70
CONVOLUTION_RATE = TENSOR_SHARE * TF32_PEAK
MATMUL_RATE = FP32_SHARE * FP32_PEAK

# Precision -> FLOP/s of convolutions and of matrix products. "fp32" is PyTorch's default for a training in float32, as
# published: convolutions in TF32, products in plain FP32. "tf32": products in TF32 too. "bf16": autocast.
RATES = {
    "fp32": (CONVOLUTION_RATE, MATMUL_RATE),
    "tf32": (CONVOLUTION_RATE, TENSOR_SHARE * TF32_PEAK),
    "bf16": (TENSOR_SHARE * BF16_PEAK, TENSOR_SHARE * BF16_PEAK),
}


@dataclass(frozen=True)
class Published:
    """A training on one A100 in TF32 and in mixed precision: examples per second, and FLOPs of one example."""

    training: str
    unit: str
    tf32: float
    mixed: float
    gflop: float = 0.0  # 0: not known

    @property
    def shares(self) -> tuple[float, float]:
        """FLOP/s over the peak of tensor cores, in TF32 and in mixed precision."""
        flop = 1e9 * self.gflop
        return self.tf32 * flop / TF32_PEAK, self.mixed * flop / BF16_PEAK


def transformer_gflop(layers: int, width: int, tokens: int) -> float:
    """GFLOP of a training step of one sequence: 12 L w^2 weights times 6 per token, and attention's two products."""
    return (6 * 12 * layers * width**2 * tokens + 12 * layers * width * tokens**2) / 1e9


# Performance sections of github.com/NVIDIA/DeepLearningExamples, read in November 2026. ResNet-50: 4.1 G multiply-adds
# of an image of 224 x 224 (He et al. 2016), three passes. BERT-large: 24 layers of width 1024.
PUBLISHED = (
    Published("ResNet-50 v1.5, PyTorch 21.03", "images", 938, 2470, 3 * 2 * 4.1),
    Published("BERT-large, 512 tokens, PyTorch 20.06", "sequences", 41, 78, transformer_gflop(24, 1024, 512)),
    Published("BERT-large, 128 tokens, PyTorch 20.06", "sequences", 234, 415, transformer_gflop(24, 1024, 128)),
    Published("nnU-Net 2D, batch 64, PyTorch 22.11", "images", 797, 1239),
    Published("nnU-Net 3D, batch 2, PyTorch 22.11", "volumes", 11.27, 27.48),
)


def published_rates(convolutions: Published, products: Published) -> dict[str, tuple[float, float]]:
    """`RATES` with the shares of the peak that two published trainings reach; plain FP32 products as assumed."""
    (tf32, mixed), (tf32_products, mixed_products) = convolutions.shares, products.shares
    return {
        "fp32": (tf32 * TF32_PEAK, MATMUL_RATE),
        "tf32": (tf32 * TF32_PEAK, tf32_products * TF32_PEAK),
        "bf16": (mixed * BF16_PEAK, mixed_products * BF16_PEAK),
    }


LOW_RATES = published_rates(PUBLISHED[0], PUBLISHED[1])  # the lowest shares of those trainings
GROWING = ("wall_seconds", "cpu_seconds", "convolution_gflop", "matmul_gflop")  # with the pixels of a frame
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


# What was measured where that is not said: the frames of the profile paper.
PUBLISHED_VIEW = {"height": 624, "width": 640, "classes": 10}


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

    def gpu_seconds(self, precision: str = "fp32", rates: Mapping[str, tuple[float, float]] = RATES) -> float:
        """Predicted seconds on `GPU` in a precision, a key of ``rates``."""
        convolutions, products = rates[precision]
        return 1e9 * (self.convolution_gflop / convolutions + self.matmul_gflop / products)

    @property
    def passing_gib(self) -> float:
        """What a step needs beside the state."""
        return max(0.0, self.peak_gib - self.libraries_gib - self.state_gib)

    def gpu_gib(self, batch: int) -> float:
        """Predicted memory on `GPU` with ``batch`` frames: what a step needs beside the state grows with them."""
        return GPU_CONTEXT_GIB + self.state_gib + self.passing_gib * batch / self.batch

    def times(self, ratio: float) -> Cost:
        """The same for ``ratio`` times as many pixels."""
        grown = {name: getattr(self, name) * ratio for name in GROWING}
        return replace(self, **grown, peak_gib=self.libraries_gib + self.state_gib + self.passing_gib * ratio)


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
        return cls.of(read_rows(path, Cost), files.read_json(path.with_suffix(".json")))

    def for_view(self, view: View) -> CostTable:
        """The table for frames or tiles of another size, in proportion to their padded pixels.

        SAM sees 1024 x 1024 pixels of any frame, so its costs stay. Attention of the others grows faster than pixels;
        docs/own_frames_gpu.md says what that neglects.
        """
        ratio = pixel_ratio(view, self.facts)
        costs = [cost if cost.network in VARIANTS else cost.times(ratio) for cost in self.costs.values()]
        disk = dict(self.facts["disk_bytes"])
        disk |= {name: disk[name] * ratio for name in ("frame", "pair", "label")}
        return CostTable.of(costs, self.facts | {"disk_bytes": disk})

    def write(self, profile: str) -> Path:
        """Write both files, each atomically; returns the path of the CSV."""
        path = table_path(profile)
        write_rows(path, Cost, self.costs.values())
        files.write_json(path.with_suffix(".json"), self.facts)
        return path


def pixel_ratio(view: View, facts: Mapping[str, Any]) -> float:
    """Padded pixels of ``view`` over those of the frames that ``facts`` say were measured."""
    return _padded_pixels(view) / _padded_pixels(View(**facts.get("view", PUBLISHED_VIEW)))


def _padded_pixels(view: View) -> int:
    (top, bottom), (left, right) = padding(view.height, view.width)
    return (view.height + top + bottom) * (view.width + left + right)


def table_path(profile: str) -> Path:
    """Where the table of a profile lies."""
    return paths.root() / "data" / "costs" / f"{profile}.csv"


def read_rows(path: Path, kind: type) -> list[Any]:
    """Records of a dataclass of strings and numbers from a CSV file."""
    kinds = {field.name: {"str": str, "int": int, "float": float}[str(field.type)] for field in fields(kind)}
    with open(path, encoding="utf-8", newline="") as file:
        return [kind(**{name: kinds[name](text) for name, text in row.items()}) for row in csv.DictReader(file)]


def write_rows(path: Path, kind: type, records: Iterable[Any]) -> None:
    """Write records of a dataclass as CSV, numbers with five digits, atomically."""
    with files.atomic_path(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(kind)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _rounded(value) for name, value in asdict(record).items()} for record in records)


def _rounded(value: object) -> object:
    return float(f"{value:.5g}") if isinstance(value, float) else value
