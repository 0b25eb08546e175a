"""Write requirements.lock from pyproject.toml: exact versions of everything, markers on what only CUDA needs.

    python scripts/make_lock.py

pip resolves in an empty environment and installs nothing. The pins hold on Linux, macOS and aarch64, since the
CUDA libraries that torch brings to x86-64 Linux carry a marker.
"""

import json
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CUDA = re.compile(r"nvidia-|cuda-|triton$")
MARKER = 'platform_system == "Linux" and platform_machine == "x86_64"'
HEADER = "# Exact versions, made by scripts/make_lock.py from pyproject.toml; tested on Python 3.11.\n"


def main() -> None:
    """Resolve the project with its extras and write the lock file."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        report = Path(folder, "report.json")
        command = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), f"{ROOT}[test,slurm,cameras,filters]"], check=True)
        packages = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    pins = sorted((normal(item["name"]), item["version"]) for item in packages)
    lines = [pin(name, version) for name, version in pins if name != "xpci-utils"]
    (ROOT / "requirements.lock").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"requirements.lock: {len(lines)} packages", file=sys.stderr)


def normal(name: str) -> str:
    """A package name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pin(name: str, version: str) -> str:
    """One line of the lock file; local build tags such as +cpu are dropped."""
    line = f"{name}=={version.split('+')[0]}"
    return f"{line} ; {MARKER}" if CUDA.match(name) else line


if __name__ == "__main__":
    main()
