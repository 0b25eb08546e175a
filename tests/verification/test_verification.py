"""A falsified digit, weight or figure makes the verification fail; what is committed passes it."""

import gzip
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import stats

from xpci_utils import files, paths
from xpci_utils.report.committed import load_results, note_digests
from xpci_utils.running import cli
from xpci_utils.verification import __main__ as command
from xpci_utils.verification import digests, drawings, retraining
from xpci_utils.verification.check import Check, Finding, examine, table_of
from xpci_utils.verification.page import insert
from xpci_utils.verification.repository import Repository

FIGURES = paths.root() / "figures/laptop"
CELL = "segmentation/transunet__r0100__none__n00000__mix__s0"
LABELLER = "sam/vit_t__s0"


@pytest.fixture(scope="module")
def committed():
    return load_results(FIGURES / "results")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The committed report, drawn again by the command's own property."""
    scratch = tmp_path_factory.mktemp("scratch")
    return Repository("laptop", scratch, scratch / "runs").drawn


@pytest.fixture
def copy(tmp_path):
    """A copy of what is committed, to be falsified."""
    shutil.copytree(FIGURES, tmp_path / "figures")
    shutil.copytree(paths.root() / "data/weights", tmp_path / "weights")
    return tmp_path


def with_digit(path, old, new):
    """The file with one number replaced, wherever it stands first."""
    packed = path.suffix == ".gz"
    text = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    assert old in text
    text = text.replace(old, new, 1)
    path.write_bytes(gzip.compress(text, mtime=0) if packed else text)


def test_what_is_committed_holds(drawn, committed):
    for finding in (
        digests.digests(paths.root() / "data/weights"),
        digests.digests(FIGURES / "results", required="*.*"),
        digests.shipped_records(paths.root() / "data/weights/laptop", committed),
        digests.scores_of_frames(committed),
        drawings.compare_texts(FIGURES, drawn),
        drawings.compare_figures(FIGURES, drawn),
    ):
        assert finding.holds, finding


def test_a_falsified_weight_is_found(copy):
    """One bit of one weight; and weights beside which somebody put no digest."""
    weights = copy / "weights/vit_t/sam.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    finding = digests.digests(copy / "weights")
    assert not finding.holds
    assert "vit_t/sam.safetensors has another sha256" in finding.result
    (copy / "weights/vit_t/sam.sha256").unlink()
    assert "vit_t/sam.safetensors has no digest" in digests.digests(copy / "weights").result


def test_a_missing_weight_and_an_empty_folder_do_not_hold(copy, tmp_path):
    (copy / "weights/laptop/ddpm/denoiser_ema.safetensors").unlink()
    assert "denoiser_ema.safetensors is missing" in digests.digests(copy / "weights").result
    (tmp_path / "empty").mkdir()
    assert not digests.digests(tmp_path / "empty").holds


def test_a_falsified_digit_is_found_by_its_digest(copy):
    results = copy / "figures/results"
    with_digit(results / "cells.csv", b"0.7897394975949362", b"0.8897394975949362")
    finding = digests.digests(results, required="*.*")
    assert not finding.holds
    assert "cells.csv has another sha256" in finding.result


@pytest.mark.parametrize(("old", "new"), [(b"0.7897394975949362", b"0.7898394975949362"), (b",80755,", b",80756,")])
def test_a_falsified_score_with_a_digest_of_its_own_contradicts_its_frames(copy, old, new):
    """Who falsifies a score with its digest still has 240 frames that say otherwise: a Dice by 1e-4, a count by 1."""
    results = copy / "figures/results"
    with_digit(results / "cells.csv", old, new)
    note_digests(results)
    assert digests.digests(results, required="*.*").holds
    assert not digests.scores_of_frames(load_results(results)).holds


def test_a_falsified_table_is_found(copy, drawn):
    """A digit of the Markdown, a row more, and a table that nothing draws."""
    table = copy / "figures/tables/table1.md"
    with_digit(table, b"0.8", b"0.9")
    assert drawings.compare_texts(copy / "figures", drawn).result == "differing: tables/table1.md"
    shutil.copy(FIGURES / "tables/table1.md", table)
    (copy / "figures/tables/table9.md").write_text("| 1 |")
    assert drawings.compare_texts(copy / "figures", drawn).result == "differing: tables/table9.md"


@pytest.mark.parametrize("name", ["figure6.png", "figure5.png"])
def test_a_changed_figure_is_found(copy, drawn, name):
    """One marker more, six dots wide, in the curve's own colour."""
    path = copy / "figures/figures" / name
    picture = Image.open(path).convert("RGB")
    x, y = picture.width // 3, picture.height // 3
    ImageDraw.Draw(picture).ellipse((x, y, x + 6, y + 6), fill="#1b4f8a")
    picture.save(path)
    finding = drawings.compare_figures(copy / "figures", drawn)
    assert (finding.holds, finding.result) == (False, f"differing: figures/{name}")


def test_another_packing_or_rounding_of_a_figure_is_none(copy, drawn):
    """Equal pixels in another file, two grey levels of noise, and a PDF whose coordinates are off by 0.01 points."""
    folder = copy / "figures/figures"
    picture = np.asarray(Image.open(folder / "figure6.png").convert("RGB"), int)
    noisy = picture + np.random.default_rng(0).integers(-2, 3, picture.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / "figure6.png", compress_level=1)
    assert drawings.compare_figures(copy / "figures", drawn).holds


def pdf(path, content):
    path.write_bytes(b"%PDF-1.4\nstream\n" + content + b"\nendstream\n")
    return path


def test_pdf_streams_may_differ_in_a_hundredth_of_a_point_only(tmp_path):
    one = pdf(tmp_path / "a.pdf", b"0.00 72.00 m 144 72 l (Dice) Tj")
    assert drawings.same_pdf(one, pdf(tmp_path / "b.pdf", b"0.01 72.00 m 144 71.98 l (Dice) Tj"))
    assert not drawings.same_pdf(one, pdf(tmp_path / "c.pdf", b"0.00 73.00 m 144 72 l (Dice) Tj"))
    assert not drawings.same_pdf(one, pdf(tmp_path / "d.pdf", b"0.00 72.00 m 144 72 l (Dixe) Tj"))
    assert not drawings.same_pdf(one, pdf(tmp_path / "e.pdf", b"0.00 72.00 m 144 72 l (Dice) Tj\nendstream\nstream\n1"))


def test_a_record_of_shipped_weights_that_says_something_else_is_found(copy, committed):
    path = copy / "weights/laptop/sam/vit_t__s0/metrics.json"
    metrics = files.read_json(path)
    metrics["test"]["micro_f1"] += 1e-9
    files.write_json(path, metrics)
    finding = digests.shipped_records(copy / "weights/laptop", committed)
    assert (finding.holds, finding.result) == (False, "sam/vit_t__s0: scores differ")


# Trainings: the comparison alone; the command trains.


def test_what_is_trained_again_is_of_the_present_version_and_needs_frames_alone(committed):
    shipped = paths.root() / "data/weights/laptop"
    cell = retraining.cheapest("laptop", committed, "segmentation")
    labeller = retraining.cheapest("laptop", committed, "sam", shipped)
    for place in (cell, labeller):
        assert committed.runs[place]["inputs"].keys() == {"frames"}
    seconds = committed.runs[cell]["core_seconds"] + committed.runs[labeller]["core_seconds"]
    assert seconds < 10 * 60  # of the machine that made them; leaves five minutes of fifteen
    assert (shipped / labeller / "adapters.safetensors").is_file()


def test_results_that_all_belong_to_an_earlier_version_cannot_be_trained_again(committed):
    runs = {place: run | {"version": 0} for place, run in committed.runs.items() if place == "frames"}
    verdict = examine(Check("", "", lambda: retraining.cheapest("laptop", replace(committed, runs=runs), "sam")))
    assert not verdict.finding.holds
    assert "no committed result of sam is of the present version" in verdict.finding.result


def test_the_tolerance_is_that_of_two_draws_from_the_seeds(committed):
    """Against a simulation: of pairs drawn from one normal distribution 95 % lie closer than the limit on average."""
    seeds = retraining.seed_scores(CELL, committed)
    assert sorted(seeds) == list(range(8))
    limits = retraining.limits_of(seeds)
    dice = committed.of_row(CELL.removeprefix("segmentation/").removesuffix("__s0"))["dice"]
    assert limits["dice"] == pytest.approx(stats.t.ppf(0.975, 7) * np.sqrt(2) * dice.std(ddof=1), rel=1e-12)
    rng = np.random.default_rng(0)
    draws = rng.normal(0.8, 0.02, (4000, 10))
    close = []
    for row in draws:
        known = {n: dict.fromkeys(retraining.SCORES, value) for n, value in enumerate(row[:8])}
        close.append(abs(row[8] - row[9]) <= retraining.limits_of(known)["dice"])
    assert np.mean(close) == pytest.approx(0.95, abs=0.015)  # 4 standard errors of 4,000 trials


def test_one_seed_alone_has_no_tolerance():
    assert retraining.limits_of({0: dict.fromkeys(retraining.SCORES, 0.5)}) == dict.fromkeys(retraining.SCORES, 0.0)


def compared(monkeypatch, committed, place, change, machine="another"):
    """The finding on a repetition that differs from the committed result in ``change``."""
    again = change(committed)
    runs = {place: committed.runs[place] | {"processor": machine}}
    monkeypatch.setattr(retraining, "read_results", lambda *_: replace(again, runs=again.runs | runs))
    known = replace(committed, runs=committed.runs | {place: committed.runs[place] | {"processor": "one"}})
    return retraining.compare(place, known, paths.root())


def with_dice(amount):
    def change(results):
        cells = results.cells.copy()
        cells.loc[cells["cell"] == CELL.removeprefix("segmentation/"), "dice"] += amount
        return replace(results, cells=cells)

    return change


def test_an_equal_training_holds_everywhere(monkeypatch, committed):
    for machine in ("one", "another"):
        finding = compared(monkeypatch, committed, CELL, with_dice(0), machine)
        assert finding.holds
        assert finding.result.endswith("; equal to the last bit")


def test_the_last_bit_counts_on_the_machine_that_made_it_and_not_elsewhere(monkeypatch, committed):
    here = compared(monkeypatch, committed, CELL, with_dice(1e-12), "one")
    assert (here.holds, here.tolerance) == (False, "none: made on such a machine")
    elsewhere = compared(monkeypatch, committed, CELL, with_dice(1e-12))
    assert elsewhere.holds
    assert elsewhere.result.endswith("; not equal to the last bit")


def test_a_training_beyond_the_spread_of_the_seeds_does_not_hold(monkeypatch, committed):
    limit = retraining.limits_of(retraining.seed_scores(CELL, committed))["dice"]
    assert 0.005 < limit < 0.15  # a tolerance that forgives everything would be none
    assert compared(monkeypatch, committed, CELL, with_dice(0.99 * limit)).holds
    assert not compared(monkeypatch, committed, CELL, with_dice(1.01 * limit)).holds


def test_a_labeller_with_one_other_frame_is_not_equal(monkeypatch, committed):
    def change(results):
        frames = results.per_frame.copy()
        first = (frames["place"] == "sam/vit_t") & (frames["seed"] == 0)
        frames.loc[frames.index[first][0], "dice"] += 1e-5
        return replace(results, per_frame=frames)

    assert compared(monkeypatch, committed, LABELLER, lambda results: results, "one").holds
    assert not compared(monkeypatch, committed, LABELLER, change, "one").holds


def test_weights_made_again_are_compared_as_they_are_shipped(tmp_path):
    import torch

    from xpci_utils.training.storage import load_tensors, save_tensors

    shipped = paths.root() / "data/weights/laptop/sam/vit_t__s0"
    tensors, facts = load_tensors(shipped / "adapters.safetensors")
    halves = {name for name, tensor in tensors.items() if tensor.dtype == torch.float16}
    whole = {name: tensor.float() * (1 + 2**-14) if name in halves else tensor for name, tensor in tensors.items()}
    save_tensors(tmp_path / "adapters.safetensors", whole, facts)
    assert retraining.equal_weights(shipped, tmp_path)  # less than half a unit of half precision
    whole[min(halves)].view(-1)[0] += 0.1
    save_tensors(tmp_path / "adapters.safetensors", whole, facts)
    assert not retraining.equal_weights(shipped, tmp_path)


@pytest.mark.parametrize(("factor", "holds"), [(1.019, True), (1.021, False), (0.979, False)])
def test_the_first_loss_of_a_labeller_counts_where_bits_do_not(monkeypatch, committed, tmp_path, factor, holds):
    """A start from other weights shows in the first steps, however wide the spread of the seeds is in the end."""
    shipped = paths.root() / "data/weights/laptop"
    shutil.copytree(shipped / LABELLER, tmp_path / LABELLER)
    history = tmp_path / LABELLER / "history.jsonl"
    records = files.read_jsonl(history)
    history.unlink()
    files.append_jsonl(history, records[0] | {"loss": records[0]["loss"] * factor})
    other = replace(committed, measured={**committed.measured, LABELLER: {}})
    monkeypatch.setattr(retraining, "read_results", lambda *_: other)
    finding = retraining.compare(LABELLER, committed, tmp_path, shipped)
    assert (finding.holds, finding.result.split("; ")[1]) == (holds, "not equal to the last bit")


def test_simulated_frames_are_equal_on_one_processor_and_nearly_elsewhere(monkeypatch):
    noted = files.read_json(paths.root() / "data/cards/laptop.json")
    here, changes = noted["processor"], {"sha256": "another"}
    for change, on_it, elsewhere in (
        ({}, True, True),
        (changes, False, True),
        (changes | {"mean_grey": noted["mean_grey"] + 0.011}, False, False),
        (changes | {"pixels": noted["pixels"] | {"fragment": noted["pixels"]["fragment"] + 3}}, False, False),
        (changes | {"splits": {}}, False, False),
    ):
        monkeypatch.setattr(retraining, "facts_of", lambda _, change=change: noted | change)
        assert retraining.compare_frames(noted, paths.root(), here).holds is on_it, change
        assert retraining.compare_frames(noted, paths.root(), "another").holds is elsewhere, change


@pytest.mark.parametrize("name", retraining.MADE_BY)
def test_a_machine_is_the_same_only_if_everything_is_known_and_equal(name):
    record = {"device": "Linux, 2 cores", "processor": "x", "threads": 1, "versions": {"torch": "2"}}
    assert retraining.same_machine(record, dict(record))
    assert not retraining.same_machine(record, record | {name: "other"})
    assert not retraining.same_machine({key: value for key, value in record.items() if key != name}, record)


# The command


def checks(*holding):
    findings = [Finding("a", "b | c", "none", holds) for holds in holding]
    return lambda self, training: iter([Check("claim", "cmd", lambda f=finding: f) for finding in findings])


def test_the_command_fails_if_one_claim_does(monkeypatch, capsys):
    monkeypatch.setattr(Repository, "checks", checks(True, True))
    assert cli.main(["verify", "--without-training"]) == 0
    assert "2 of 2 claims hold" in capsys.readouterr().out
    monkeypatch.setattr(Repository, "checks", checks(True, False))
    assert cli.main(["verify"]) == 1
    output = capsys.readouterr().out
    assert "1 of 2 claims hold" in output
    assert "b \\| c" in output
    assert "**no**" in output


def test_the_table_is_written_between_its_comments(monkeypatch, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(
        "above\n<!-- made by xpci verify --write -->\nformer\n<!-- end of what xpci verify --write makes -->\nbelow\n"
    )
    monkeypatch.setattr(command, "PAGE", str(page))
    monkeypatch.setattr(Repository, "checks", checks(True))
    assert cli.main(["verify", "--write"]) == 0
    text = page.read_text()
    assert "former" not in text
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "1 of 1 claims hold" in text
    with pytest.raises(SystemExit) as stop:
        cli.main(["verify", "--write", "--without-training"])
    assert stop.value.code == 2


def test_a_profile_without_committed_results_is_an_error(capsys):
    assert cli.main(["verify", "--profile", "quick"]) == 2
    assert "no results of quick are committed" in capsys.readouterr().err


def test_a_page_without_a_place_for_it_is_an_error():
    with pytest.raises(ValueError, match="no place for it"):
        insert("text", "xpci verify --write", "table")


def test_a_call_that_was_interrupted_goes_on(monkeypatch, tmp_path):
    """A finished stage is not made again, and the minutes that it took are counted; frames are always made first."""
    made = []
    monkeypatch.setattr(retraining, "run_stage", lambda parameters: made.append(parameters.place) or 0)
    assert retraining.make_again("laptop", LABELLER, tmp_path) == 0
    assert made == ["frames", LABELLER]
    files.write_json(tmp_path / LABELLER / "run.json", {"wall_seconds": 90.0, "products": {}})
    assert retraining.make_again("laptop", LABELLER, tmp_path) == 1.5
    finding = Finding("", "", "", True, earlier_minutes=1.5)
    assert examine(Check("", "", lambda: finding)).minutes >= 1.5


def test_a_stage_that_fails_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(retraining, "run_stage", lambda parameters: 138)
    verdict = examine(Check("", "", lambda: retraining.make_again("laptop", LABELLER, tmp_path)))
    assert not verdict.finding.holds
    assert "frames could not be made again: exit code 138" in verdict.finding.result


def test_a_check_that_breaks_does_not_hold(tmp_path):
    verdict = examine(Check("claim", "cmd", lambda: load_results(tmp_path)))
    assert not verdict.finding.holds
    assert "lacks cells.csv" in verdict.finding.result
    assert table_of([verdict]).count("\n") == 2
