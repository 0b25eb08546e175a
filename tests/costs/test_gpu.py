"""GPU hours: measured rates take the place of assumed ones, low precision saves by its rates alone, cards have room."""

import json

import pytest

from xpci_utils.costs import View, gpu, table, work
from xpci_utils.costs import jobs as jobs_module
from xpci_utils.costs.rates import Gpu, MeasuredRates, Rate
from xpci_utils.costs.table import LOW_RATES, PUBLISHED, RATES, CostTable
from xpci_utils.params import STAGES, AdaptSam, AuditPairs, ParameterError, Sweep, TrainDdpm, TrainSegmentation
from xpci_utils.params.profiles import profile_values
from xpci_utils.params.runs import stage_folders

SMALL = View(64, 64, 10)
CELL = "segmentation/transunet__r0200__vit_b__n10000__mix__s0"


def folders_of(profile):
    return stage_folders(Sweep.from_yaml(f"params/{profile}/sweep.yaml"), "paper")


def hours(profile, speed=jobs_module.A100):
    return jobs_module.total(jobs_module.dry_run(profile, folders_of(profile), jobs_module.table_of(profile), speed))


def test_the_fast_profile_differs_from_the_published_one_in_precision_alone():
    names = [name for name in STAGES if not name.startswith(("06", "07"))]
    changed = set()
    for name in names:
        published, fast = profile_values("paper", name), profile_values("paper_fast", name)
        changed |= {key for key in published if published[key] != fast[key]}
    assert changed == {"bf16", "tf32", "run_root"}
    assert profile_values("paper", "sweep") == profile_values("paper_fast", "sweep")


def test_what_the_fast_profile_saves_is_its_rates_and_nothing_else():
    """At equal rates both take the same time; at published shares of the peak it saves as well."""
    equal = Gpu(dict.fromkeys(RATES, (1e13, 1e13)))
    assert hours("paper", equal).gpu_hours == pytest.approx(hours("paper_fast", equal).gpu_hours)
    assert hours("paper").steps == hours("paper_fast").steps
    for rates in (RATES, LOW_RATES):
        published, fast = (hours(profile, Gpu(rates)).gpu_hours for profile in ("paper", "paper_fast"))
        assert 3 < published / fast < 5


def test_no_rate_is_above_a_peak_and_shares_are_among_the_published_ones():
    assert RATES["fp32"] == (table.CONVOLUTION_RATE, table.MATMUL_RATE)
    peaks = {"fp32": (156e12, 19.5e12), "tf32": (156e12, 156e12), "bf16": (312e12, 312e12)}
    for precision, rates in RATES.items():
        for rate, low, peak in zip(rates, LOW_RATES[precision], peaks[precision], strict=True):
            assert low <= rate < peak
    shares = [share for training in PUBLISHED if training.gflop for share in training.shares]
    assert min(shares) < table.TENSOR_SHARE <= max(shares)
    assert all(1.5 < training.mixed / training.tf32 < 2.7 for training in PUBLISHED)


def test_floating_point_operations_of_bert_large():
    """340 million parameters, of which 302 million are in its layers: 6 times 302e6 times 512 tokens, and attention."""
    assert table.transformer_gflop(24, 1024, 512) == pytest.approx(6 * 302e6 * 512 / 1e9 + 77, rel=0.01)


@pytest.mark.parametrize(
    ("parameters", "network", "unit", "precision"),
    [
        (TrainDdpm(bf16=True), "denoiser", "forward", "bf16"),
        (TrainSegmentation(bf16=True, tf32=True), "emcad", "step", "bf16"),
        (TrainSegmentation(bf16=True, tf32=True), "emcad", "forward", "fp32"),
        (AdaptSam(bf16=False, tf32=True), "vit_b", "step", "tf32"),
        (AdaptSam(bf16=False), "vit_b", "step", "fp32"),
        (AuditPairs(bf16=True), "denoiser", "forward", "bf16"),
        (AuditPairs(bf16=True), "vit_b", "forward", "fp32"),
    ],
)
def test_the_precision_of_a_unit_of_work(parameters, network, unit, precision):
    assert jobs_module.precision_of(parameters, network, unit) == precision


@pytest.fixture
def measured(tmp_path):
    """A GPU on which a step of TransUNet in float32 takes 0.2 s for four frames, and nothing else is known."""
    rates = [Rate("transunet", "step", "fp32", 4, 0.2, 17.25)]
    return MeasuredRates.of(rates, {"gpu": "NVIDIA A5000"}).write(tmp_path / "a5000.csv")


def test_measured_rates_take_the_place_of_assumed_ones(measured, capsys):
    speed = Gpu(measured=MeasuredRates.read(measured))
    costs = CostTable.read("paper")
    (assumed,), (job,) = (jobs_module.dry_run("paper", [CELL], costs, s) for s in (jobs_module.A100, speed))
    looks = 597 * costs.costs["transunet", "forward"].gpu_seconds()
    assert job.steps == 255_000
    assert job.gpu_hours == pytest.approx((255_000 * 0.2 + looks) / 3600)
    assert job.gpu_gib == pytest.approx(17.25 + 0.8)
    assert set(assumed.assumed) == {"transunet step in fp32", "transunet forward in fp32"}
    assert job.assumed == ("transunet forward in fp32",)
    assert jobs_module.main(["--profile", "paper", "--rates", str(measured)]) == 0
    text = capsys.readouterr().out
    assert "GPU: NVIDIA A5000, as measured" in text
    assert "predicted from FLOPs at assumed rates of another GPU: denoiser forward in fp32" in text


def test_rates_that_are_none_are_refused(tmp_path, capsys):
    assert jobs_module.main(["--rates", str(tmp_path / "none.csv")]) == 2
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert jobs_module.main(["--rates", str(tmp_path / "other.csv")]) == 2
    assert capsys.readouterr().err.count("holds no rates of a GPU") == 2
    with pytest.raises(ParameterError, match="holds no rates"):
        MeasuredRates.read(tmp_path / "other.csv")


def test_the_published_settings_fit_on_the_cards_of_the_paper(capsys):
    assert jobs_module.main(["--profile", "paper"]) == 0
    assert "Every job fits on a card of 24 GB (22.4 GiB)" in capsys.readouterr().out
    assert jobs_module.main(["--profile", "paper", "--gpu-memory", "17"]) == 0
    text = capsys.readouterr().out
    marked = [line.split()[0] for line in text.splitlines() if line.endswith(" !")]
    assert marked == ["ddpm", "total"]
    assert "1 jobs, marked !, need more than a card of 17 GB: ddpm" in text


def test_two_profiles_side_by_side(capsys):
    assert jobs_module.main(["--profile", "paper", "--compare", "paper_fast"]) == 0
    rows = {words[0]: words[1:] for words in map(str.split, capsys.readouterr().out.splitlines())}
    assert rows["GPU"] == ["hours", "paper", "paper_fast"]
    assert set(rows) >= set(folders_of("paper"))
    assert rows["total"] == [f"{hours(profile).gpu_hours:.2f}" for profile in ("paper", "paper_fast")]
    assert jobs_module.main(["--compare", "papper"]) == 2
    folders = {"a": [jobs_module.Job("x", 1, 2.0, 0, 1, 1, 1)], "b": [jobs_module.Job("y", 1)]}
    assert [line.split()[1:] for line in jobs_module.compared_lines(folders)][1:3] == [["2.00", "-"], ["-", "-"]]


def test_a_profile_without_a_table_takes_that_of_its_networks(monkeypatch):
    published = CostTable.read("paper")
    monkeypatch.setattr(CostTable, "read", lambda profile: published if profile == "paper" else None)
    assert jobs_module.table_of("paper_fast") == CostTable.read("paper")
    assert jobs_module.table_of("quick") is None
    assert jobs_module.table_of("own_frames") is None, "its networks are none of those that were measured"


def test_frames_of_a_folder_may_have_any_size_for_a_table_of_the_same_networks(monkeypatch):
    """Until the profile is rehearsed on somebody's frames it takes the table of the published scale."""
    read = CostTable.read
    monkeypatch.setattr(CostTable, "read", lambda profile: None if profile == "own_frames_gpu" else read(profile))
    assert jobs_module.table_of("own_frames_gpu") == read("paper_fast"), "the profile that it extends"


def test_rates_of_published_frames_are_those_of_their_pixels_for_other_frames():
    rates = [Rate(name, "step", "bf16", 4, 2.0, 8.0) for name in ("emcad", "vit_b")]
    gpu = Gpu(measured=MeasuredRates.of(rates, {"gpu": "some card"})).for_view(View(310, 640, 4))  # 320 x 640, padded
    assert gpu.measured.seconds("emcad", "step", "bf16") == pytest.approx(2.0 / 4 * 0.5)
    assert gpu.measured.seconds("vit_b", "step", "bf16") == pytest.approx(2.0 / 4), "SAM sees 1024 x 1024 of any frame"
    assert gpu.measured.peak_gib("emcad", "step", "bf16", 4) == 8.0, "no less: weights are part of it"
    larger = MeasuredRates.of(rates, {"gpu": "some card"}).for_view(View(640, 1280, 4))
    assert larger.peak_gib("emcad", "step", "bf16", 4) == pytest.approx(16.0)
    assert Gpu().for_view(View(310, 640, 4)) == Gpu()


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(gpu, "WARM_UP", 0)
    monkeypatch.setattr(gpu, "REPEATS", 1)


@pytest.mark.parametrize(
    ("parameters", "units"),
    [
        (
            TrainDdpm(batch_size=2),
            {(unit, p, n) for p in RATES for unit, n in (("forward", 3), ("solver", 3), ("step", 2))},
        ),
        (
            AdaptSam(labeller="vit_t", batch_size=1),
            {("step", p, 1) for p in RATES} | {("forward", p, 1) for p in ("fp32", "tf32")},
        ),
        (
            TrainSegmentation(cell="emcad__r0040__none__n00000__mix__s0", batch_size=2),
            {("step", p, 2) for p in RATES} | {("forward", p, 1) for p in ("fp32", "tf32")},
        ),
    ],
)
def test_every_unit_of_a_network_is_measured_in_every_precision(parameters, units, hurried):
    rates = list(gpu.measure_here(parameters, SMALL, block=3))
    assert {(rate.unit, rate.precision, rate.batch) for rate in rates} == units
    assert all(rate.seconds > 0 for rate in rates)
    lines = list(gpu.sampler_lines(MeasuredRates.of(rates, gpu.facts())))
    assert len(lines) == (6 if isinstance(parameters, TrainDdpm) else 0)


def test_what_does_not_fit_into_memory_is_left_out(hurried, monkeypatch, capsys):
    import torch

    def timed(call, device, plain=gpu._timed):
        if call.__name__ == "<lambda>" and torch.backends.cuda.matmul.fp32_precision == "tf32":
            raise torch.OutOfMemoryError
        return plain(call, device)

    monkeypatch.setattr(gpu, "_timed", timed)
    cell = "emcad__r0040__none__n00000__mix__s0"
    rates = list(gpu.measure_here(TrainSegmentation(cell=cell, batch_size=2), SMALL, 1))
    assert {rate.precision for rate in rates if rate.unit == "step"} == {"fp32", "bf16"}
    assert "emcad step in tf32: 2 frames do not fit into memory" in capsys.readouterr().err


def test_all_six_networks_are_measured_as_published():
    stages = gpu.measured_stages("paper")
    assert {work.network_of(stage) for stage in stages} == {
        "denoiser", "vit_b", "vit_t", "transunet", "swin_unetr", "emcad"
    }  # fmt: skip
    assert all(stage.batch_size == 4 for stage in stages if isinstance(stage, TrainSegmentation))
    assert all(stage.size == "paper" for stage in stages)


def test_measuring_in_a_process_of_its_own_and_writing_it(tmp_path):
    cell = "emcad__r0040__none__n00000__mix__s0"
    rates = gpu.measure_stage(TrainSegmentation(cell=cell, batch_size=1), SMALL, 1)
    path = MeasuredRates.of(rates, gpu.facts()).write(tmp_path / "rates.csv")
    assert MeasuredRates.read(path).rates.keys() == {("emcad", r.unit, r.precision) for r in rates}
    assert json.loads(path.with_suffix(".json").read_text())["torch"]
