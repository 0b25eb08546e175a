"""One row of the smoke grid on a real Slurm controller with one node, through profiles/slurm.

Slurm and munge run from a folder of the test's own; only slurm.conf lies at the system's place while the test runs,
since Snakemake's job steps look for it nowhere else. Without Debian's slurm-wlm and munge, without the rights to start
them, or where a cluster is configured already, the test is skipped.
"""

import getpass
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from xpci_utils import paths, stages
from xpci_utils.params.runs import stage_folders

BIN = Path(sys.executable).parent
SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
DAEMONS = ("munged", "slurmctld", "slurmd")
SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"
CONFIG = """
ClusterName=test
SlurmctldHost={host}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser={user}
SlurmdUser={user}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort=26817
SlurmdPort=26818
NodeName={host} CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

pytestmark = [
    pytest.mark.skipif(not all(shutil.which(name, path=SBIN) for name in DAEMONS), reason="Slurm is not installed"),
    pytest.mark.skipif(SYSTEM_CONFIG.exists(), reason="a Slurm cluster is configured on this machine"),
    pytest.mark.skipif(os.geteuid() != 0, reason="slurmd starts jobs as root only"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Environment of a user of a one-node cluster that was started for this test."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    host = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout.strip()
    text = CONFIG.format(folder=folder, host=host, user=getpass.getuser(), cpus=os.cpu_count())
    environment = {**os.environ, "PATH": f"{BIN}:{SBIN}"}
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munge = [f"--{name}={folder}/munge.{end}" for name, end in files.items()]
    commands = [["munged", "--foreground", "--force", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]]
    started = []
    SYSTEM_CONFIG.parent.mkdir(parents=True, exist_ok=True)
    SYSTEM_CONFIG.write_text(text)
    try:
        for command in commands:
            with open(folder / f"{command[0]}.out", "w") as out:
                started.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
            time.sleep(1)
        wait_for_node(environment, folder)
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=60)
        SYSTEM_CONFIG.unlink()


def wait_for_node(environment, folder):
    for _ in range(60):
        done = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False)
        if done.stdout.strip() == "idle":
            return
        time.sleep(1)
    logs = "\n".join(path.read_text()[-1500:] for path in sorted(folder.glob("*.out")) + sorted(folder.glob("*.log")))
    pytest.fail(f"the node did not come up: {done.stdout}{done.stderr}\n{logs}")


def snakemake(environment, profile, root):
    """Snakemake with the Slurm profile; no GPU, little memory, and checks as often as a test can wait for."""
    rules = yaml.safe_load((paths.root() / "profiles/slurm/config.yaml").read_text())["set-resources"]
    small = [f"{rule}:{what}" for rule in rules for what in ("gpu=0", "mem_mb=1500", "runtime=10")]
    command = [BIN / "snakemake", "--workflow-profile", "profiles/slurm", "--set-resources", *small]
    command += ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5"]
    command += ["--config", f"profile={os.path.relpath(profile, paths.root() / 'params')}", f"run_root={root}"]
    return subprocess.run(
        [*map(str, command)],
        cwd=paths.root(),
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


def test_a_row_of_the_smoke_grid_runs_on_slurm(cluster, smoke_with, tmp_path):
    """One network and one labeller: every rule has a job."""
    folder, sweep = smoke_with(series=["transunet__vit_b"], labellers=["vit_b"])
    began = time.monotonic()
    done = snakemake(cluster, folder, tmp_path / "run")
    print(f"\nthe row took {time.monotonic() - began:.0f} s on Slurm")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    for place in stage_folders(sweep):
        assert stages.read_run(tmp_path / "run" / place), place
    assert "SLURM" in done.stdout + done.stderr
