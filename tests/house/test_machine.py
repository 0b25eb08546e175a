"""Which computer a record names."""

import platform

from xpci_utils import stages
from xpci_utils.params import PrepareFrames
from xpci_utils.stages import machine

CPUINFO = """processor\t: 0
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC 9V74 80-Core Processor
stepping\t: 1

processor\t: 1
model name\t: another
"""


def test_the_processor_is_the_first_one_that_linux_names(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    expected = "AMD EPYC 9V74 80-Core Processor (family 25, model 17, stepping 1)"
    assert machine.processor.__wrapped__() == expected


def test_a_system_without_that_file_has_a_name_too(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert machine.processor.__wrapped__() == (platform.processor() or platform.machine())


def test_a_record_names_the_processor_that_made_it(tmp_path):
    parameters = PrepareFrames(run_root=str(tmp_path))
    stage = stages.begin(parameters)
    for name in parameters.products:
        (stage.folder / name).write_text("{}")
    stage.finish({})
    assert stages.read_run(stage.folder)["processor"] == machine.processor()
