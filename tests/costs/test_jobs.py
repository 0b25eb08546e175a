"""The dry run: each job once, with what its units of work cost, and totals that add up."""

import dataclasses
from types import SimpleNamespace

import pandas as pd
import pytest

from xpci_utils import paths
from xpci_utils.costs import Cost, CostTable, View, dry_run, work, work_of
from xpci_utils.costs import jobs as jobs_module
from xpci_utils.costs.table import CONVOLUTION_RATE, GPU_CONTEXT_GIB, MATMUL_RATE
from xpci_utils.params import Sweep
from xpci_utils.params.profiles import stage_parameters, sweep_of
from xpci_utils.params.runs import stage_folders

NETWORKS = ("denoiser", "vit_b", "vit_t", "transunet", "swin_unetr", "emcad")


@pytest.fixture
def table():
    """Made-up costs: network k takes (k + 1) GFLOP of convolutions and 2 (k + 1) of products per frame and step."""
    costs = [Cost("simulator", "frame", 1, 3.0, 3.0, 1.0, 0.5)]
    for k, name in enumerate(NETWORKS, 1):
        common = {
            "wall_seconds": 1.0,
            "cpu_seconds": 1.0,
            "libraries_gib": 1.0,
            "parameters": 2**28,
            "trainable": 2**28,
        }
        for unit, batch, scale in (("forward", 1, 1), ("step", 2, 6)):
            flops = {"convolution_gflop": scale * k * 1.0, "matmul_gflop": scale * k * 2.0}
            memory = {"peak_gib": 1.0 + 4.0 + batch, "state_gib": 4.0}
            costs.append(Cost(name, unit, batch, **common, **flops, **memory))
    disk = {"frame": 2**20, "pair": 2**20, "label": 2**19, "report": 2**30, **dict.fromkeys(NETWORKS, 2**30)}
    return CostTable.of(costs, {"disk_bytes": disk, "report_seconds": 360.0})


def folders_of(profile, which="paper"):
    return stage_folders(Sweep.from_yaml(f"params/{profile}/sweep.yaml").for_frames(16), which)


def profile_stage(profile, folder):
    return stage_parameters(profile, folder, paths.resolve(f"runs/{profile}"), {})


def paper_work(folder):
    frames = profile_stage("paper", "frames")
    return work_of(profile_stage("paper", folder), frames, jobs_module.pairs_of("paper", frames))


@pytest.mark.parametrize("which", ["paper", "full", "controls"])
def test_each_job_is_listed_once_and_totals_add_up(table, which):
    jobs = dry_run("paper", folders_of("paper", which), table)
    assert [job.folder for job in jobs] == folders_of("paper", which)
    assert len({job.folder for job in jobs}) == len(jobs)
    total = jobs_module.total(jobs)
    for name in ("steps", "gpu_hours", "cpu_hours", "disk_gib"):
        assert getattr(total, name) == pytest.approx(sum(getattr(job, name) for job in jobs))
    for name in ("gpu_gib", "work_gib"):
        assert getattr(total, name) == max(getattr(job, name) for job in jobs)
    text = "\n".join(jobs_module.lines("paper", jobs))
    assert all(text.count(f"{job.folder} ") == 1 for job in jobs)


def test_the_published_scale_in_units_of_work():
    """50,000 iterations, 100 epochs of 200 frames with batch 1, 100 epochs of 10,200 with batch 4, 10,000 x 250."""
    assert paper_work("ddpm")["denoiser", "step"] == 50_000
    assert paper_work("sam/vit_b__s0")["vit_b", "step"] == 20_000
    assert paper_work("segmentation/emcad__r0200__vit_b__n10000__mix__s0")["emcad", "step"] == 255_000 * 4
    assert paper_work("segmentation/emcad__r0200__none__n00000__mix__s0")["emcad", "step"] == 5_000 * 4
    assert paper_work("segmentation/emcad__r0200__none__n10000__longer__s0")["emcad", "step"] == 255_000 * 4
    assert paper_work("pools/ddpm/pairs")["denoiser", "forward"] == 2_500_000
    assert paper_work("pools/heldout/pairs")["denoiser", "forward"] == 59 * 40
    assert paper_work("pools/heldout/labels/vit_b__s0")["vit_b", "forward"] == 59
    assert paper_work("pools/ddpm/labels/vit_t__s0") == {("vit_t", "forward"): 10_000}
    audited = {("denoiser", "forward"): 20 * 40, ("vit_b", "forward"): 2 * 20, ("simulator", "frame"): 3 * 200}
    assert paper_work("pools/ddpm/audit/vit_b__s0") == audited, "masks of 20 frames, their classes, and new frames"
    assert paper_work("report") == {}


def test_a_job_by_hand(table):
    """EMCAD with 500 pairs: 17,500 steps of 4 frames, 21 times 20 frames, 2 times the test frames, once the shifted."""
    (job,) = dry_run("paper", ["segmentation/emcad__r0200__vit_b__n00500__mix__s0"], table)
    frames = stage_parameters("paper", "frames", paths.resolve("runs/paper"), {})
    looks = 21 * frames.val_frames + 2 * frames.test_frames + frames.shifted_test_frames
    passes = 3 * 70_000 + looks  # a step of two frames costs six forward passes in this table
    seconds = passes * 6 * (1e9 / CONVOLUTION_RATE + 2e9 / MATMUL_RATE)
    assert job.steps == 17_500
    assert job.gpu_hours == pytest.approx(seconds / 3600)
    assert job.cpu_hours == 0
    assert job.gpu_gib == pytest.approx(GPU_CONTEXT_GIB + 4.0 + 2 * 2.0)  # batch 4, two measured frames took 2 GiB
    assert job.disk_gib == 1
    assert job.work_gib == 4  # weights, two moments, the best weights: 2^28 numbers of 4 bytes each


def test_an_arm_that_doubles_or_halves_the_batch_is_predicted_so(table):
    """Beside whole batches pairs double a step and its memory and bring no steps of their own; halves have half."""
    rows = {"vit_b__n05000__added-w050": 8, "none__n00000__mix": 4, "none__n00000__halfbatch": 2}
    for row, frames in rows.items():
        folder = f"segmentation/emcad__r0200__{row}__s0"
        assert paper_work(folder)["emcad", "step"] == 5_000 * frames
        (job,) = dry_run("paper", [folder], table)
        assert job.steps == 5_000
        assert job.gpu_gib == pytest.approx(GPU_CONTEXT_GIB + 4.0 + frames)  # two measured frames took 2 GiB


def test_work_that_no_gpu_does_is_counted_in_cpu_hours(table):
    frames, report = dry_run("paper", ["frames", "report"], table)
    assert frames.cpu_hours == pytest.approx(3.0 * paper_work("frames")["simulator", "frame"] / 3600)
    assert (frames.gpu_hours, frames.gpu_gib, report.gpu_hours) == (0, 0, 0)
    assert report.cpu_hours == pytest.approx(0.1)


def test_shipped_weights_are_looked_at_and_not_trained(table):
    frames, ddpm = (profile_stage("laptop_shipped", folder) for folder in ("frames", "ddpm"))
    assert ddpm.shipped
    assert ddpm.steps > 0
    trained = ddpm.model_copy(update={"shipped": ""})
    assert work_of(trained, frames, 500)["denoiser", "step"] == ddpm.steps * ddpm.batch_size
    assert work_of(ddpm, frames, 500).keys() == {("denoiser", "forward")}
    assert jobs_module.predict(ddpm, "ddpm", frames, 500, table).steps == 0


def test_what_the_table_does_not_know_is_a_dash_and_said(table):
    none = "\n".join(jobs_module.lines("laptop", dry_run("laptop", folders_of("laptop"), None)))
    assert "Profile laptop has no cost table: 'make rehearse PROFILE=laptop' measures one." in none
    less = {key: cost for key, cost in table.costs.items() if key[0] != "emcad"}
    jobs = dry_run("paper", folders_of("paper"), dataclasses.replace(table, costs=less))
    unknown = [job for job in jobs if job.gpu_hours is None]
    assert unknown
    assert all("emcad" in job.folder for job in unknown)
    assert f"{len(unknown)} jobs, printed with a dash" in "\n".join(jobs_module.lines("paper", jobs))
    assert jobs_module.total(jobs).gpu_hours < jobs_module.total(dry_run("paper", folders_of("paper"), table)).gpu_hours


def test_nothing_is_predicted_for_frames_that_only_the_user_knows(table):
    assert all(job.gpu_hours is None for job in dry_run("own_frames", folders_of("own_frames"), table))


def of_folder(shape, tile=0, counts=(16, 4, 4)):
    """Parameters of frames as `counted` makes them of a check-up."""
    splits = [split for split, count in zip(("train", "val", "test"), counts, strict=True) for _ in range(count)]
    checkup = SimpleNamespace(frames=pd.DataFrame({"split": splits}), shape=shape, tile=tile)
    frames = profile_stage("own_frames_gpu", "frames").model_copy(update={"classes_file": "data/classes.yaml"})
    return work.counted(frames, checkup)


def own_work(place, frames):
    return work_of(profile_stage("own_frames_gpu", place), frames, jobs_module.pairs_of("own_frames_gpu", frames))


def test_own_frames_are_predicted_from_their_number_and_size():
    """By hand: 400 pairs of 16 frames, 100 epochs of SAM, 10,000 steps of a cell, and no simulated frame."""
    frames = of_folder((484, 645))
    assert own_work("frames", frames) == {}
    assert own_work("sam/vit_b__s0", frames)["vit_b", "step"] == 1600
    assert own_work("pools/ddpm/pairs", frames) == {("denoiser", "forward"): 400 * 40}
    assert own_work("pools/heldout/pairs", frames) == {("denoiser", "forward"): 4 * 40}
    assert own_work("pools/ddpm/labels/vit_t__s0", frames) == {("vit_t", "forward"): 400}
    cell = own_work("segmentation/emcad__r0000__vit_b__n00400__mix__s0", frames)
    assert cell == {("emcad", "step"): 40_000, ("emcad", "forward"): 21 * 4 + 2 * 4}


def test_a_frame_counts_as_many_times_as_it_has_tiles():
    """1,000 x 1,200 pixels in tiles of 512: two by three. Pairs are counted by frames."""
    whole, cut = of_folder((484, 645)), of_folder((1000, 1200), tile=512)
    for place, unit in (("sam/vit_b__s0", ("vit_b", "step")), ("pools/heldout/pairs", ("denoiser", "forward"))):
        assert own_work(place, cut)[unit] == 6 * own_work(place, whole)[unit]
    assert work.view_of(cut) == View(512, 512, 10)
    drawn = {name: own_work("pools/ddpm/pairs", f)["denoiser", "forward"] for name, f in (("w", whole), ("c", cut))}
    assert drawn["c"] == drawn["w"] == 400 * 40


def test_costs_of_another_size_go_with_its_padded_pixels_but_for_sam(table):
    measured = dataclasses.replace(table, facts=table.facts | {"view": {"height": 624, "width": 640, "classes": 10}})
    half = measured.for_view(View(310, 640, 4))  # padded to 320 x 640
    for key, cost in measured.costs.items():
        ratio = 1 if key[0].startswith("vit") else 0.5
        assert half.costs[key].gflop == pytest.approx(ratio * cost.gflop)
        assert half.costs[key].state_gib == cost.state_gib, "weights do not grow with frames"
        kept = GPU_CONTEXT_GIB + cost.state_gib
        assert half.costs[key].gpu_gib(2) - kept == pytest.approx(ratio * (cost.gpu_gib(2) - kept))
    assert half.facts["disk_bytes"]["pair"] == 0.5 * table.facts["disk_bytes"]["pair"]
    assert half.facts["disk_bytes"]["report"] == table.facts["disk_bytes"]["report"]


def test_every_job_on_the_largest_frames_that_stay_whole_fits_a_card_of_24_gb():
    """What the limit of tiles is for; larger frames are cut."""
    limit = profile_stage("own_frames_gpu", "frames").largest_tile
    frames = of_folder((limit, limit))
    table = jobs_module.table_of("own_frames_gpu").for_view(work.view_of(frames))
    jobs = dry_run("own_frames_gpu", stage_folders(sweep_of("own_frames_gpu").for_frames(16)), table, frames=frames)
    assert all(job.gpu_gib is not None for job in jobs)
    assert not any(jobs_module.exceeds(job, 24.0) for job in jobs)


def test_a_dry_run_of_a_folder_says_its_counts_and_predicts(write_own_frames, tmp_path, capsys):
    mine = write_own_frames(tmp_path / "mine")
    assert jobs_module.main(["--profile", "own_frames_gpu", "--frames", str(mine)]) == 0
    printed = capsys.readouterr().out
    assert "12 annotated frames: 8 train, 2 val, 2 test; 0, 20 and 200 synthetic pairs" in printed
    assert "segmentation/emcad__r0000__vit_b__n00200__mix__s0" in printed
    assert "Every job fits on a card of 24 GB" in printed
    assert jobs_module.main(["--profile", "own_frames_gpu"]) == 2
    assert "give it by FRAMES=folder" in capsys.readouterr().err


def test_a_grid_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        jobs_module.main(["--profile", "paper", "--grid", "papper"])
    assert jobs_module.main(["--profile", "papper"]) == 2
    assert "there is no parameter file params/papper" in capsys.readouterr().err
