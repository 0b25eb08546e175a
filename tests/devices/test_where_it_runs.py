"""Networks are loaded onto the device that there is, and run.json says which it was; GPUs are pretended."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from xpci_utils import paths
from xpci_utils.sam import add_adapters, build_sam, checkpoints
from xpci_utils.sam.checkpoints import load_labeller, save_labeller
from xpci_utils.segmentation import build_network, prediction
from xpci_utils.segmentation.prediction import load_network
from xpci_utils.stages import stage
from xpci_utils.training import save_model


def test_a_network_is_loaded_onto_the_default_device(tmp_path, monkeypatch):
    network = build_network("emcad", 4, size="quick")
    save_model(tmp_path / "model.safetensors", network, network.config | {"frames": {}})
    monkeypatch.setattr(prediction, "default_device", lambda: torch.device("meta"))
    loaded, _ = load_network(tmp_path / "model.safetensors")
    assert {p.device.type for p in loaded.parameters()} == {"meta"}
    assert not loaded.training


def test_a_labeller_is_loaded_onto_the_default_device(tmp_path, monkeypatch):
    model = add_adapters(build_sam("vit_t", "reduced", 4))
    model.config |= {"trainable": "all"}
    save_labeller(tmp_path / "adapters.safetensors", model)
    monkeypatch.setattr(checkpoints, "default_device", lambda: torch.device("meta"))
    loaded = load_labeller(tmp_path / "adapters.safetensors")
    assert {p.device.type for p in loaded.parameters()} == {"meta"}
    assert not loaded.training


def pretended(initialised):
    """As much of torch as a record asks for, on a computer with a GPU."""
    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: initialised,
        get_device_name=lambda: "NVIDIA A5000",
        max_memory_allocated=lambda: 5 * 2**20,
    )
    return SimpleNamespace(cuda=cuda)


@pytest.mark.parametrize(
    ("module", "name", "memory"),
    [
        (pretended(True), ", NVIDIA A5000", {"gpu_peak_memory_mib": 5}),
        (pretended(False), "", {}),
        (torch, "", {}) if not torch.cuda.is_available() else (None, "", {}),
        (None, "", {}),
    ],
)
def test_the_gpu_is_recorded_where_it_was_used(module, name, memory, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", module)
    assert (stage._gpu_name(), stage._gpu_memory()) == (name, memory)


def test_a_record_loads_no_torch():
    code = "import sys; from xpci_utils.stages import stage; stage._gpu_name(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=paths.root())


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would measure for minutes")
def test_the_bench_says_that_there_is_nothing_to_measure():
    command = [sys.executable, paths.root() / "benchmarks/bench_gpu.py"]
    done = subprocess.run(command, check=True, cwd=paths.root(), capture_output=True, text=True)
    assert done.stdout == "no CUDA GPU: nothing to measure\n"
