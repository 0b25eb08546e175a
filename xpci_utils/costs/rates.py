"""Units of work as one GPU took them: measured by ``benchmarks/bench_gpu.py``, used by ``xpci dry-run --rates FILE``.

A file has a line per network, unit and precision, and a JSON file beside it that names GPU and versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from xpci_utils import files, paths
from xpci_utils.costs.table import GPU, GPU_CONTEXT_GIB, RATES, Cost, View, pixel_ratio, read_rows, write_rows
from xpci_utils.params import ParameterError
from xpci_utils.params.cells import VARIANTS


@dataclass(frozen=True)
class Rate:
    """One unit of work: "step", "forward", or "solver", a step of the fast sampler. ``seconds`` are those of ``batch``
    frames together, the median of several; ``peak_gib`` is what torch held for them, CUDA's own memory not counted."""

    network: str
    unit: str
    precision: str
    batch: int
    seconds: float
    peak_gib: float

    def times(self, ratio: float) -> Rate:
        """The same for ``ratio`` times as many pixels, weights in the memory included, which makes that a bound."""
        return replace(self, seconds=self.seconds * ratio, peak_gib=self.peak_gib * max(ratio, 1.0))


@dataclass(frozen=True)
class MeasuredRates:
    """Rates by (network, unit, precision), and on what they were measured."""

    rates: dict[tuple[str, str, str], Rate]
    facts: dict

    @classmethod
    def of(cls, rates: Iterable[Rate], facts: dict) -> MeasuredRates:
        return cls({(rate.network, rate.unit, rate.precision): rate for rate in rates}, facts)

    @classmethod
    def read(cls, file: str | Path) -> MeasuredRates:
        """Rates from a CSV file and the JSON beside it; ParameterError if they are not there or not such files."""
        path = paths.resolve(file)
        try:
            return cls.of(read_rows(path, Rate), files.read_json(path.with_suffix(".json")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ParameterError(f"{paths.display(path)} holds no rates of a GPU ({error})") from None

    def write(self, path: Path) -> Path:
        """Write both files; returns the path of the CSV."""
        write_rows(path, Rate, self.rates.values())
        files.write_json(path.with_suffix(".json"), self.facts)
        return path

    @property
    def gpu(self) -> str:
        """Name of the GPU."""
        return str(self.facts["gpu"])

    def seconds(self, network: str, unit: str, precision: str) -> float | None:
        """Seconds of one frame; None if it was not measured."""
        rate = self.rates.get((network, unit, precision))
        return rate.seconds / rate.batch if rate else None

    def peak_gib(self, network: str, unit: str, precision: str, batch: int) -> float | None:
        """Memory of ``batch`` frames; None if it was not measured with as many."""
        rate = self.rates.get((network, unit, precision))
        return rate.peak_gib if rate and rate.batch == batch else None

    def for_view(self, view: View) -> MeasuredRates:
        """The rates for frames or tiles of another size, as `CostTable.for_view` has the costs."""
        ratio = pixel_ratio(view, self.facts)
        return MeasuredRates.of(
            (rate if rate.network in VARIANTS else rate.times(ratio) for rate in self.rates.values()), self.facts
        )


@dataclass(frozen=True)
class Gpu:
    """How fast a GPU is: as measured where it was, else as FLOPs and assumed rates say."""

    rates: Mapping[str, tuple[float, float]] = field(default_factory=lambda: RATES)
    measured: MeasuredRates | None = None

    @property
    def name(self) -> str:
        return self.measured.gpu if self.measured else GPU

    def for_view(self, view: View) -> Gpu:
        """The same GPU for frames or tiles of another size."""
        return self if self.measured is None else replace(self, measured=self.measured.for_view(view))

    def knows(self, cost: Cost, precision: str) -> bool:
        """Whether a unit of work was measured."""
        return self.measured is not None and (cost.network, cost.unit, precision) in self.measured.rates

    def seconds(self, cost: Cost, precision: str) -> float:
        """Seconds of one frame."""
        measured = self.measured and self.measured.seconds(cost.network, cost.unit, precision)
        return measured or cost.gpu_seconds(precision, self.rates) / cost.batch

    def gib(self, cost: Cost, precision: str, batch: int) -> float:
        """Memory of ``batch`` frames, CUDA's own included. Where it was not measured it is that of float32."""
        measured = self.measured and self.measured.peak_gib(cost.network, cost.unit, precision, batch)
        return GPU_CONTEXT_GIB + measured if measured else cost.gpu_gib(batch)
