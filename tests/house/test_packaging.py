"""What is installed is what is declared: pyproject.toml, the lock file and environment.yml agree."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from xpci_utils import paths

PROJECT = tomllib.loads((paths.root() / "pyproject.toml").read_text())["project"]
DECLARED = [*PROJECT["dependencies"], *(item for extra in PROJECT["optional-dependencies"].values() for item in extra)]


def locked() -> dict[str, Requirement]:
    lines = (paths.root() / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", pin.name).lower(): pin for pin in pins}


@pytest.mark.parametrize("text", DECLARED)
def test_the_lock_satisfies_every_declared_dependency(text):
    wanted = Requirement(text)
    pin = locked()[re.sub(r"[-_.]+", "-", wanted.name).lower()]
    version = next(iter(pin.specifier)).version
    assert wanted.specifier.contains(version), f"{pin} does not satisfy {wanted}; run scripts/make_lock.py"


def test_every_version_is_exact_and_cuda_is_for_x86_linux_only():
    for name, pin in locked().items():
        assert [clause.operator for clause in pin.specifier] == ["=="], name
        assert bool(pin.marker) == bool(re.match(r"nvidia-|cuda-|triton$", name)), name
        if pin.marker:
            assert not pin.marker.evaluate({"platform_system": "Darwin", "platform_machine": "arm64"})


def test_the_conda_environment_only_names_python_and_the_lock():
    environment = yaml.safe_load((paths.root() / "environment.yml").read_text())
    plain = [item for item in environment["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert plain == ["python=3.11", "pip"]
    assert pip == ["-r requirements.lock", "-e ."]
    assert PROJECT["requires-python"] == ">=3.11"
