"""The table of settings that differ from the published ones."""

from types import SimpleNamespace

from xpci_utils.params.generate import profile_values
from xpci_utils.report import published_differences


def results(**changed):
    parameters = {**profile_values("paper", "02_train_ddpm"), "run_root": "elsewhere", "seed": 3, **changed}
    return SimpleNamespace(runs={"ddpm": {"notebook": "02_train_ddpm", "parameters": parameters}})


def test_the_published_settings_differ_in_nothing():
    assert published_differences(results()).empty


def test_a_changed_setting_is_named_with_both_values():
    (row,) = published_differences(results(steps=1200)).to_dict("records")
    assert row["setting"] == "steps"
    assert (row["published scale"], row["this run"]) == ("50000", "1200")
