"""Results of notebook 04_generate_synthetic, which became three: all of them are read, and none is out of date."""

import json
from dataclasses import replace

import pytest

from xpci_utils import files, paths, stages
from xpci_utils.params import AuditPairs, LabelPairs, SamplePairs, stage_model
from xpci_utils.params.places import audit_place, labels_place, pairs_place, parse_place
from xpci_utils.report.committed import load_results, outdated
from xpci_utils.report.executed import executed_runs
from xpci_utils.report.versions import earlier_versions

KEPT = paths.root() / "figures/laptop/results"
AUDIT = audit_place("ddpm", "vit_b").folder


@pytest.fixture(scope="module")
def results():
    return load_results(KEPT)


@pytest.fixture
def former(results):
    """Folder -> record of everything that the former notebook wrote for the committed study."""
    runs = {place: run for place, run in results.runs.items() if run["notebook"] == stages.FORMER_NOTEBOOK}
    assert len(runs) == 20, "four pools, and sixteen sets of labels"
    return runs


def test_every_former_record_is_that_of_the_notebook_which_writes_its_folder_today(former):
    for place, run in former.items():
        notebook = parse_place(place).notebook
        assert stages.notebooks_of(run)[0] == notebook
        model = stage_model(notebook)
        assert model.checked(stages.parameters_of(run, model.model_fields)).place == place
    audited = [place for place, run in former.items() if stages.was_audited(run)]
    assert audited == [pairs_place("ddpm").folder]


def test_no_former_result_is_out_of_date(results, former):
    """Neither by its parameters nor by its version; a parameter that does decide is still compared."""
    assert not set(outdated("laptop", results)["place"]) & former.keys()
    assert not set(earlier_versions(results)["place"]) & former.keys()
    place = pairs_place("ddpm").folder
    other = SamplePairs(pairs=2500, sampling_steps=39)
    changed = stages.differences(former[place], stages.decisive(other), other)
    assert changed == ["sampling_steps: 40 -> 39"]


def test_a_pool_that_was_measured_when_it_was_sampled_lacks_no_audit(results):
    assert AUDIT not in results.missing
    pool = results.runs[pairs_place("ddpm").folder]
    unmeasured = pool | {"products": {name: pool["products"][name] for name in SamplePairs.products}}
    without = replace(results, runs=results.runs | {pairs_place("ddpm").folder: unmeasured})
    assert set(without.missing) - set(results.missing) == {AUDIT}


def write_former(root, parameters, products, **hashed):
    """The folder of a finished stage as the former notebook left it: products, record and executed notebook."""
    for name in products:
        files.write_text(parameters.folder / (name if "." in name else f"{name}/000000.png"), "x")
    record = {
        "notebook": stages.FORMER_NOTEBOOK,
        "parameters": {"pool": "ddpm", "labeller": "", "pairs": 200} | {"run_root": str(root)},
        "hashed": stages.decisive(parameters) | hashed,
        "identity": "0123456789abcdef",
        "version": 1,
        "inputs": stages.inputs_of(parameters),
        "products": {name: {"files": 1} if "." not in name else {"bytes": 1} for name in products},
        "wall_seconds": 1.0,
    }
    files.write_text(parameters.folder / stages.RUN_FILE, json.dumps(record))
    files.write_text(parameters.folder / "executed.ipynb", "{}")
    return record


def test_a_pool_of_the_former_notebook_is_finished_and_keeps_its_identity(write_run):
    """On disk: 04a takes it as its own, labels follow from it as before, and 04c audits it without touching it."""
    run_root = write_run()
    sample = SamplePairs(run_root=str(run_root), pairs=6)
    measured = ("fidelity.csv", "fidelity_edges.csv", "mask_agreement.csv", "memorisation.json")
    write_former(run_root, sample, (*SamplePairs.products, *measured), fresh_frames=100, audit_particles=1000)
    stage = stages.inspect(sample)
    assert (stage.to_do, stage.identity) == (False, "0123456789abcdef")
    labels = LabelPairs(run_root=str(run_root))
    assert stages.inputs_of(labels)[pairs_place("ddpm").folder] == "0123456789abcdef"
    assert stages.inputs_of(AuditPairs(run_root=str(run_root)))[pairs_place("ddpm").folder] == "0123456789abcdef"
    with pytest.raises(stages.OtherResultError, match="sampling_steps: 20 -> 9"):
        stages.inspect(SamplePairs(run_root=str(run_root), pairs=6, sampling_steps=9))
    assert labels.place == labels_place("ddpm", "vit_b").folder
    assert [run.notebook for run in executed_runs(run_root)] == [stages.FORMER_NOTEBOOK]
