"""The committed cost table: complete, of these networks, and what docs/costs.md is made from."""

import pytest
import torch

from xpci_utils import grid, paths
from xpci_utils.costs import Cost, CostTable, rehearsal, table
from xpci_utils.costs.jobs import network_of
from xpci_utils.costs.page import kinds_table, page_text
from xpci_utils.params import TrainDdpm, TrainSegmentation

CLASSES = 10


@pytest.fixture(scope="module")
def committed():
    found = CostTable.read("paper")
    assert found, "data/costs/paper.csv is missing; run 'make rehearse PROFILE=paper'"
    return found


def built(stage):
    """The network of a stage, where possible without storage: shapes decide its parameters and FLOPs."""
    if isinstance(stage, TrainSegmentation):
        from xpci_utils.segmentation import build_network

        return build_network(network_of(stage), CLASSES, size=stage.size, image_size=(624, 640)).to("meta")
    with torch.device("meta"):
        if isinstance(stage, TrainDdpm):
            from xpci_utils.diffusion import build_denoiser, denoiser_config

            return build_denoiser(denoiser_config(stage.size, 624, 640, prediction=stage.prediction))
        from xpci_utils.sam import add_adapters, build_sam, set_trainable

        variant = grid.parse_labeller(stage.labeller)[0]
        return set_trainable(add_adapters(build_sam(variant, stage.size, CLASSES)), stage.trainable)


def test_every_unit_of_the_published_scale_is_in_the_table(committed):
    names = [network_of(stage) for stage in rehearsal.measured_stages("paper")]
    wanted = {(name, unit) for name in names if name != "simulator" for unit in ("step", "forward")}
    assert set(committed.costs) == wanted | {("simulator", "frame")}
    assert set(committed.facts["disk_bytes"]) == {"frame", "pair", "label", "report", *names} - {"simulator"}
    assert set(committed.facts["stages"]) == {stage.place for stage in rehearsal.rehearsed_stages("paper")}


def test_parameters_are_those_of_the_networks(committed):
    for stage in rehearsal.measured_stages("paper")[1:]:
        network = built(stage)
        for unit in ("step", "forward"):
            cost = committed.costs[network_of(stage), unit]
            assert cost.parameters == sum(p.numel() for p in network.parameters()), cost
            assert cost.trainable == sum(p.numel() for p in network.parameters() if p.requires_grad), cost


def test_the_published_denoiser_fits_this_kind_of_machine(committed):
    """124.05 M parameters and 1,567 GMAC per forward pass (improved-diffusion's U-Net at 640 x 640), 24 GiB."""
    forward, step = committed.costs["denoiser", "forward"], committed.costs["denoiser", "step"]
    assert forward.parameters == 124_053_252
    assert forward.gflop == pytest.approx(2 * 1567, rel=0.01)
    assert 3.5 < step.gflop / forward.gflop <= 4.05
    assert step.peak_gib < 24
    assert all(cost.peak_gib < 24 for cost in committed.costs.values())


def test_measured_flops_are_those_of_the_shapes(committed):
    """EMCAD's forward pass counted again without computing anything, to 0.1 %."""
    from torch.utils.flop_counter import FlopCounterMode

    from xpci_utils.costs.measure import FORMULAS

    (stage,) = [s for s in rehearsal.measured_stages("paper") if isinstance(s, TrainSegmentation) and "emcad" in s.cell]
    network = built(stage).eval()
    with FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 640, 640, device="meta"))
    assert committed.costs["emcad", "forward"].gflop == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-3)


def test_the_page_is_made_from_the_table(committed):
    page = (paths.root() / "docs/costs.md").read_text(encoding="utf-8")
    assert page == page_text(committed), "docs/costs.md is stale: 'make rehearse', or python -m xpci_utils.costs.page"
    rows = kinds_table(committed)[1]
    hours = [float(row[3].replace(",", "")) for row in rows]
    assert hours[-1] == pytest.approx(sum(hours[:-1]), abs=0.05 * len(hours))


def test_a_table_survives_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("XPCI_ROOT", str(tmp_path))
    assert CostTable.read("mine") is None
    cost = Cost("emcad", "step", 4, 1.5, 2.25, 3.125, 0.5, 0.25, 1024.0, 12.5, 10**9, 7)
    written = CostTable.of([cost], {"threads": 2})
    path = written.write("mine")
    assert path == tmp_path / "data/costs/mine.csv"
    assert CostTable.read("mine") == written


def test_predictions_grow_with_the_batch_and_not_with_what_is_kept():
    cost = Cost("emcad", "step", 2, 1.0, 1.0, 1.0 + 4.0 + 3.0, 1.0, 4.0, convolution_gflop=54.6e3, matmul_gflop=13.65e3)
    assert cost.gpu_seconds == pytest.approx(1.0 + 1.0)
    assert cost.gpu_gib(2) == pytest.approx(table.GPU_CONTEXT_GIB + 4.0 + 3.0)
    assert cost.gpu_gib(4) == pytest.approx(table.GPU_CONTEXT_GIB + 4.0 + 6.0)
