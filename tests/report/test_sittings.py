"""A study in several sittings gives what one sitting gives, and cells of two studies never share a table.

Runs have made-up content (conftest); stages, records, files and Snakemake are the real ones. A sitting takes place in a
clone: a folder with parameters of its own, to which what is committed is copied.
"""

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from xpci_utils import files, paths, stages
from xpci_utils.params import Sweep, generate
from xpci_utils.params.profiles import overlay, sweep_of
from xpci_utils.params.runs import chain_folders, stage_folders
from xpci_utils.report.committed import load_results
from xpci_utils.report.merging import conflicts
from xpci_utils.running import cli, sittings, snakefile
from xpci_utils.verification import digests
from xpci_utils.verification.repository import Repository

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILE = "tiny"
SWEEP = Sweep(
    annotated=4,
    counts=[0, 4],
    series=["transunet__vit_t", "swin_unetr__vit_b", "emcad__vit_b"],
    labellers=["vit_t", "vit_b"],
    labeller_seeds=[0, 1],
    seeds=[0, 1],
    controls=[
        "emcad__r0004__none__n00000__mix",
        "emcad__r0004__vit_b__n00004__added",
        "emcad__r0004__true__n00004__fresh",
        "emcad__r0004__vit_b__n00004__unlabelled",
    ],
    control_seeds=[0, 1],
)
SECOND = [  # what the first sitting leaves undone
    "segmentation/emcad__r0004__vit_b__n00004__mix__s0",  # a cell whose pictures are shown
    "segmentation/transunet__r0004__none__n00000__mix__s1",
    "segmentation/emcad__r0004__vit_b__n00004__added__s1",
    "segmentation/emcad__r0004__true__n00004__fresh__s0",
]


class Clone:
    """A clone of the repository with a profile of few made-up stages."""

    def __init__(self, root: Path, monkeypatch, made_up_run):
        self.root, self.monkeypatch, self.made_up_run = root, monkeypatch, made_up_run
        root.mkdir()
        for name in ("Snakefile", "notebooks", "data", "profiles"):
            (root / name).symlink_to(REPOSITORY / name)
        shutil.copytree(REPOSITORY / "params", root / "params")
        self.set_parameters()

    def set_parameters(self, **values):
        """Write the profile, with ``values`` beside those of a made-up run."""
        self.enter()
        content = {"about": "made up", "04a_sample_pairs": {"pairs": 6}, "sweep": SWEEP.model_dump()}
        content |= {"06_tables_and_figures": {"collected": f"figures/{PROFILE}/results"}} | values
        (self.root / f"params/{PROFILE}.yaml").write_text(yaml.safe_dump(content))
        for name in overlay(PROFILE).files:
            files.write_text(self.root / f"params/{PROFILE}/{name}.yaml", generate.yaml_text(PROFILE, name))

    def enter(self):
        self.monkeypatch.setenv("XPCI_ROOT", str(self.root))

    @property
    def runs(self) -> Path:
        return self.root / "runs" / PROFILE

    @property
    def committed(self) -> Path:
        return self.root / "figures" / PROFILE

    def run(self, skip=(), **patched):
        """Make every stage that is not there yet."""
        self.enter()
        run = self.made_up_run(self.runs, SWEEP, skip)
        for name, write in patched.items():
            setattr(run, name, partial(write, run, getattr(run, name)))
        run.write()

    def restore(self) -> list[str]:
        """Places that runs of two grids would have to make, after the committed stages were restored."""
        self.enter()
        grids = [snakefile.stages_of(PROFILE, grid, self.runs, {}) for grid in ("paper", "controls")]
        made = dict.fromkeys(place for places in grids for place in places)
        return [place for place in made if stages.read_run(self.runs / place) is None]

    def collect(self) -> int:
        self.enter()
        return cli.main(["collect", "--profile", PROFILE])

    def results(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.committed / "results").iterdir()}


@pytest.fixture(scope="module", autouse=True)
def no_drawing():
    """The report has tests of its own; here only the results count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xpci_utils.report.write_report", lambda *_: None)
        yield


@pytest.fixture(autouse=True)
def no_locks():
    yield
    for held in stages.lock._HELD.values():
        held.close()
    stages.lock._HELD.clear()


@pytest.fixture(scope="module")
def first(tmp_path_factory, made_up_run):
    """A clone after the first sitting; no test changes it."""
    with pytest.MonkeyPatch.context() as patch:
        one = Clone(tmp_path_factory.mktemp("sittings") / "first", patch, made_up_run)
        one.run(skip=SECOND)
        assert one.collect() == 0
        yield one


@pytest.fixture
def clone(tmp_path, monkeypatch, made_up_run):
    return lambda name: Clone(tmp_path / name, monkeypatch, made_up_run)


@pytest.fixture
def second(first, clone):
    """A fresh clone of what the first sitting committed."""
    other = clone("second")
    shutil.copytree(first.committed, other.committed)
    return other


def test_two_sittings_in_two_clones_give_the_results_of_one(first, second, clone):
    """Byte for byte; times and dates are those of the same trainings, which are copied into the third clone."""
    second.restore()
    second.run()
    assert second.collect() == 0
    whole = clone("whole")
    shutil.copytree(first.runs, whole.runs)
    for place in SECOND:
        shutil.copytree(second.runs / place, whole.runs / place)
    assert whole.collect() == 0
    assert second.results() == whole.results()
    for file in (whole.committed / "chain").iterdir():
        assert file.read_bytes() == (first.committed / "chain" / file.name).read_bytes()


def test_a_fresh_clone_makes_what_is_missing_and_nothing_else(second):
    assert sorted(second.restore()) == sorted([*SECOND, "report"])
    for place in chain_folders(SWEEP):
        record = stages.read_run(second.runs / place)
        assert record["restored"]["file"] == f"figures/{PROFILE}/chain/{place.replace('/', '--')}.txz"
    assert not (second.runs / "segmentation/emcad__r0004__none__n00000__mix__s0").exists(), "its results are enough"


def test_snakemake_schedules_the_missing_cells_alone(second):
    """In a clone that never ran anything: one job for each missing cell of the grid, and the report."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment["XPCI_ROOT"] = str(second.root)
    command = ["snakemake", "--dry-run", "--cores", "2", "--quiet", "progress"]
    command += ["--config", f"profile={PROFILE}", "grid=controls"]
    done = subprocess.run(command, cwd=second.root, env=environment, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    wanted = set(stage_folders(SWEEP, "controls")) & {*SECOND, "report"}
    assert {*re.findall(rf"output: runs/{PROFILE}/(\S+)/run\.json", text)} == wanted
    assert len(wanted) > 2


def test_results_stay_and_new_ones_come_beside_them(first, second):
    before = load_results(first.committed / "results")
    second.restore()
    second.run(skip=SECOND[1:])
    assert second.collect() == 0
    after = load_results(second.committed / "results")
    assert set(after.runs) - set(before.runs) == {SECOND[0]}
    assert {place: after.runs[place] for place in before.runs} == before.runs
    new = after.cells.set_index("cell")
    for row in before.cells[before.cells["finished"]].to_dict("records"):
        assert new.loc[row["cell"], "dice"] == row["dice"], row["cell"]
    assert SECOND[1] in after.missing, "what is not finished says so"
    assert not new.loc[SECOND[1].removeprefix("segmentation/"), "finished"]


def test_a_pool_of_another_content_is_refused(second, capsys):
    """As another processor draws it from the same weights, when nobody restores the committed one."""

    def other_pairs(_, pairs, stage):
        pairs(stage)
        (stage.folder / "images/000003.png").write_bytes((stage.folder / "images/000004.png").read_bytes())

    before = second.results()
    kept = {path: path.rename(path.with_suffix(".away")) for path in (second.committed / "chain").glob("*.txz")}
    second.run(pairs=other_pairs)
    for path, away in kept.items():
        away.rename(path)
    assert second.collect() == 2
    message = capsys.readouterr().err
    assert "these results do not belong to those that were collected" in message
    assert re.search(r"pools/ddpm/pairs has the content \w+, not \w+", message)
    assert second.results() == before
    assert cli.main(["reproduce", "--profile", PROFILE]) == 2, "and nothing more is trained on it"
    assert "pools/ddpm/pairs has the content" in capsys.readouterr().err


def test_other_parameters_are_refused_before_anything_runs(second, capsys, monkeypatch):
    monkeypatch.setattr("xpci_utils.running.reproduce.run_snakemake", lambda *_: pytest.fail("something would run"))
    for notebook in ("05_train_segmentation", "02_train_ddpm"):
        second.set_parameters(**{notebook: {"steps": 7}})
        assert cli.main(["reproduce", "--profile", PROFILE]) == 2
        assert "-> 7). They would be of two studies: change the parameters back" in capsys.readouterr().err
    shutil.rmtree(second.committed / "results")  # the chain alone is there
    assert cli.main(["reproduce", "--profile", PROFILE]) == 2
    assert re.search(r"chain/ddpm.txz holds another result \(changed: steps: \d+ -> 7\)", capsys.readouterr().err)
    assert not (second.runs / "ddpm").exists()


def test_an_interrupted_collect_leaves_the_old_results(second, monkeypatch):
    before = second.results()
    second.restore()
    second.run()

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("xpci_utils.report.committed.np.savez_compressed", killed)
    assert second.collect() == 130
    assert second.results() == before
    monkeypatch.undo()
    second.enter()
    assert second.collect() == 0
    assert SECOND[0] in load_results(second.committed / "results").runs


def test_a_damaged_chain_stops_everything(second, capsys):
    file = second.committed / "chain/pools--ddpm--pairs.txz"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    second.enter()
    assert cli.main(["reproduce", "--profile", PROFILE]) == 2
    assert "pools--ddpm--pairs.txz is damaged or of another run" in capsys.readouterr().err
    assert stages.read_run(second.runs / "pools/ddpm/pairs") is None


def test_verify_compares_the_records_of_the_chain_with_the_results(first, tmp_path, monkeypatch):
    monkeypatch.setenv("XPCI_ROOT", str(first.root))
    repository = Repository(PROFILE, tmp_path, tmp_path / "runs")
    records = digests.shipped_records(repository.shipped, repository.results)
    assert (records.holds, records.result) == (True, f"{len(chain_folders(SWEEP))} records agree")
    record = tmp_path / "chain/pools/ddpm/pairs/run.json"
    files.write_json(record, files.read_json(record) | {"finished": "another day"})
    assert not digests.shipped_records(repository.shipped, repository.results).holds
    assert digests.digests(first.committed / "results", first.committed / "chain", required="*.*").holds


def test_what_a_result_was_made_from_counts_even_where_its_source_is_gone():
    kept = {"pools/ddpm/pairs": {"content": "a"}, "segmentation/x": {"content": "c", "made_from": {}}}
    new = {"segmentation/y": {"content": "d", "made_from": {"pools/ddpm/pairs": "b"}}}
    (sentence,) = conflicts(kept, new)
    assert sentence == "segmentation/y was made from pools/ddpm/pairs, which has the content b, not a"
    assert not conflicts(kept, {"segmentation/y": {"content": "d", "made_from": {"pools/ddpm/pairs": "a"}}})
    moved = {"pools/ddpm/pairs": {"content": "b"}, **new}
    assert not conflicts({}, moved)
    assert conflicts({}, moved | {"pools/ddpm/pairs": {"content": "c"}}), "drawn again after the cell was trained"
    trained_again = {"segmentation/x": {"content": "e", "made_from": {"pools/ddpm/pairs": "a"}}}
    assert not conflicts(kept, trained_again), "no other stage reads a network, and the collected one stays"


def test_profiles_without_sittings_keep_nothing_and_restore_nothing(tmp_path):
    assert sittings.chain_folder("laptop") is None
    assert sittings.collected_runs("laptop") == {}
    assert snakefile.stages_of("laptop", "paper", tmp_path, {}) == stage_folders(sweep_of("laptop"), "paper")
    assert sittings.chain_folder("study") == paths.root() / "figures/study/chain"
