"""The training loop: a run that is killed and resumed equals one that was not, bit for bit."""

import time

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from xpci_utils import files
from xpci_utils.randomness import torch_generator
from xpci_utils.training import (
    StoppedForTime,
    TrainingFolder,
    TrainingSettings,
    cosine_lr,
    dihedral,
    load_tensors,
    loop,
    poly_lr,
    run_steps,
    save_model,
    set_lr,
    warm_up,
)
from xpci_utils.training.loop import CHECKPOINT


@pytest.fixture(autouse=True)
def a_checkpoint_at_every_record(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)


class Average:
    """Something that is neither module nor optimiser but changes, like diffusers' EMAModel."""

    def __init__(self, parameters):
        self.shadow, self.count = [p.detach().clone() for p in parameters], 0

    def update(self, parameters):
        self.count += 1
        self.shadow = [0.9 * s + 0.1 * p.detach() for s, p in zip(self.shadow, parameters, strict=True)]

    def state_dict(self):
        return {"shadow_params": self.shadow, "count": self.count}

    def load_state_dict(self, state):
        self.shadow, self.count = state["shadow_params"], state["count"]


class Interrupted(Exception):
    pass


def train(folder, steps=30, stop_at=None, identity="a", log_every=5):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.99, 0.999), weight_decay=0.1)
    average, trace = Average(model.parameters()), []

    def update(step):
        if step == stop_at:
            raise Interrupted
        trace.append(step)
        set_lr(optimizer, poly_lr(1e-2, step, steps))
        x = torch.randn(6, 4, generator=torch_generator("data", 0, step))
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(model.parameters())
        return {"loss": loss.item()}

    run_steps(
        TrainingSettings(steps=steps, batch_size=6, learning_rate=1e-2, evaluations=2),
        update,
        {"model": model, "optimizer": optimizer, "average": average},
        TrainingFolder(folder, folder / "work", identity),
        evaluate=lambda step: {"evaluated at": step},
        log_every=log_every,
    )
    return [*model.state_dict().values(), *average.shadow], trace


@pytest.mark.parametrize("stop_at", [1, 7, 13, 29])
def test_a_killed_run_equals_an_undisturbed_one(tmp_path, stop_at):
    whole, _ = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", stop_at=stop_at)
    resumed, trace = train(tmp_path / "cut")
    assert trace[0] == stop_at // 5 * 5, "it goes on from the last checkpoint"
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    records = [files.read_jsonl(tmp_path / name / "history.jsonl") for name in ("whole", "cut")]
    plain = [[{k: v for k, v in record.items() if k != "seconds"} for record in part] for part in records]
    assert plain[0] == plain[1]


def test_a_finished_run_is_not_run_again(tmp_path):
    first, _ = train(tmp_path)
    again, trace = train(tmp_path)
    assert trace == []
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_checkpoint_of_other_parameters_is_not_used(tmp_path, capsys):
    train(tmp_path)
    _, trace = train(tmp_path, identity="b")
    assert len(trace) == 30
    assert "belongs to other parameters; starting afresh" in capsys.readouterr().out


def test_the_history_holds_means_and_evaluations(tmp_path):
    train(tmp_path)
    records = files.read_jsonl(tmp_path / "history.jsonl")
    assert [record["step"] for record in records] == [5, 10, 15, 20, 25, 30]
    assert [record.get("evaluated at") for record in records] == [None, None, 15, None, None, 30]
    assert records[-1]["loss"] < records[0]["loss"]


def test_it_stops_resumably_when_its_time_is_over(tmp_path, monkeypatch):
    whole, _ = train(tmp_path / "whole")
    monkeypatch.setenv("XPCI_DEADLINE", str(time.time() - 1))
    with pytest.raises(StoppedForTime, match="at step 5 of 30; run it again"):
        train(tmp_path / "cut")
    monkeypatch.delenv("XPCI_DEADLINE")
    resumed, trace = train(tmp_path / "cut")
    assert trace[0] == 5
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_a_model_carries_its_configuration(tmp_path):
    model = nn.Linear(2, 3)
    save_model(tmp_path / "m.safetensors", model, {"width": 3})
    tensors, config = load_tensors(tmp_path / "m.safetensors")
    assert config == {"width": 3}
    assert torch.equal(tensors["weight"], model.weight)
    (tmp_path / "m.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match="not a readable safetensors"):
        load_tensors(tmp_path / "m.safetensors")
    save_file(tensors, tmp_path / "m.safetensors", metadata={"facts": "of another program"})
    with pytest.raises(ValueError, match="delete it and run that stage again"):
        load_tensors(tmp_path / "m.safetensors")
    with pytest.raises(FileNotFoundError, match="run the stage that writes it"):
        load_tensors(tmp_path / "none.safetensors")
    assert CHECKPOINT.endswith(".safetensors")


def test_the_eight_symmetries_are_eight_and_equal_for_arrays_and_tensors():
    square = torch.arange(9).reshape(3, 3)
    assert len({tuple(dihedral(square, k).flatten().tolist()) for k in range(8)}) == 8
    for k in range(8):
        assert dihedral(square.numpy(), k).tolist() == dihedral(square, k).tolist()
    assert all(dihedral(torch.zeros(2, 5), k).shape == (2, 5) for k in range(4))


def test_polynomial_decay():
    assert poly_lr(1e-4, 0, 100) == 1e-4
    assert poly_lr(1e-4, 50, 100) == pytest.approx(1e-4 * 0.5**0.9)
    assert poly_lr(1e-4, 100, 100) == 0


def test_warm_up_and_cosine():
    assert [warm_up(step, 3) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert warm_up(0, 0) == 1.0
    assert cosine_lr(2.0, 0, 100) == 2.0
    assert cosine_lr(2.0, 50, 100) == pytest.approx(1.0)
    assert cosine_lr(2.0, 100, 100) == pytest.approx(0.0)


@pytest.mark.parametrize(("steps", "evaluations"), [(30, 4), (7, 3), (5, 10), (1, 1)])
def test_evaluations_are_evenly_spaced_and_end_with_the_training(steps, evaluations):
    """Never before the first step, never twice, the last one after the last step, gaps that differ by one step."""
    at = TrainingSettings(steps=steps, batch_size=1, learning_rate=1.0, evaluations=evaluations).evaluate_at()
    assert at[-1] == steps
    assert len(set(at)) == len(at) == min(steps, evaluations)
    gaps = [after - before for before, after in zip([0, *at], at, strict=False)]
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1
