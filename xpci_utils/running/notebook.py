"""Run one notebook with one parameter file: what Snakemake calls for every stage.

Parameters are checked before a kernel starts, a finished stage is left alone, progress is printed from
``history.jsonl``, and the exit code tells what happened: 0 done, 1 a cell failed, 2 bad parameters, 75 stopped
for time and resumable, 138 the kernel died.
"""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from datetime import datetime
from pathlib import Path

from xpci_utils import files, paths, stages
from xpci_utils.params import ParameterError, StageParameters, stage_model
from xpci_utils.params.model import parse_yaml
from xpci_utils.running.gpus import card_for
from xpci_utils.running.options import add_parameters, parser_of
from xpci_utils.running.status import duration, progress_line

SLURM_MARGIN_SECONDS = 120  # before the end of a Slurm job: time to reach a checkpoint and write it
DONE, FAILED, BAD_PARAMETERS, TO_BE_CONTINUED, INTERRUPTED, KERNEL_DIED = 0, 1, 2, 75, 130, 138
GOES_ON = "run the same command again to continue from the last checkpoint"
STOPPED = "StoppedForTime"  # the error that says: the stage goes on in another run


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the notebook, and return the exit code."""
    options = _parse(arguments)
    try:
        overrides = {name: value_of(text) for name, text in options.parameter}
        if options.folder:
            overrides["output_folder"] = options.folder
        parameters = stage_model(Path(options.notebook).stem).from_yaml(options.file, overrides)
    except (ParameterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_PARAMETERS if isinstance(error, ParameterError) else FAILED
    return run_stage(parameters, options.minutes)


def run_stage(parameters: StageParameters, minutes: float | None = None) -> int:
    """Run a stage unless it is finished, in the way of another process, or of another result; returns the exit code."""
    try:
        stage = stages.inspect(parameters)
        if stage.to_do:
            stages.refuse_if_locked(stage.folder)
    except (stages.StageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    if not stage.to_do:
        print(f"{paths.display(stage.folder)} is finished; nothing to do")
        return DONE
    if deadline := _deadline(minutes):
        os.environ["XPCI_DEADLINE"] = str(deadline)
    return run_notebook(parameters)


def run_notebook(parameters: StageParameters) -> int:
    """Execute the notebook of ``parameters`` with papermill; keep its log on failure, file it on success."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    label, began = parameters.place, time.monotonic()
    log = parameters.root / "logs" / f"{label.replace('/', '--')}.ipynb"
    print(f"[{label}] started", flush=True)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with card_for(parameters), _Progress(label, parameters.history):
            _execute(parameters, log)
    except PapermillExecutionError as error:
        return _report_failure(label, error, log)
    except RuntimeError as error:
        if not isinstance(error, DeadKernelError) and "died" not in str(error):  # plain when it dies while it starts
            raise
        print(f"[{label}] the kernel died (out of memory, or killed); {GOES_ON}", file=sys.stderr)
        return KERNEL_DIED
    except KeyboardInterrupt:
        print(f"[{label}] interrupted; {GOES_ON}", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:  # the log itself cannot be written
        with contextlib.suppress(OSError):
            log.unlink(missing_ok=True)
        print(f"[{label}] failed: {error.strerror or error} ({paths.display(log)}); {stages.CURE}", file=sys.stderr)
        return FAILED
    if stages.read_run(parameters.folder) is None:
        print(f"[{label}] the notebook ended but its stage is not finished; see {paths.display(log)}", file=sys.stderr)
        return FAILED
    with contextlib.suppress(OSError):  # no part of "finished"
        shutil.move(log, parameters.folder / "executed.ipynb")  # which may be another disk
    print(f"[{label}] done in {duration(time.monotonic() - began)}", flush=True)
    return DONE


def _execute(parameters: StageParameters, log: Path) -> None:
    import papermill

    environment = {
        "XPCI_HEADLESS": "1",
        "XPCI_ROOT": str(paths.root()),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(parameters.threads),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    with tempfile.TemporaryDirectory() as ipython:
        # Kernels started side by side share nothing, and keep their notes on transport to themselves.
        profile = Path(ipython, "profile_default")
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text("get_config().Application.log_level = 50\n")
        os.environ.update(environment, IPYTHONDIR=ipython)
        signal.signal(signal.SIGTERM, _interrupt)
        papermill.execute_notebook(
            paths.root() / "notebooks" / f"{parameters.notebook}.ipynb",
            log,
            parameters=parameters.model_dump(),
            kernel_name="python3",
            cwd=paths.root(),
            progress_bar=False,
        )


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


def _report_failure(label: str, error, log: Path) -> int:
    if error.ename == STOPPED:
        print(f"[{label}] {error.evalue}", file=sys.stderr)
        return TO_BE_CONTINUED
    print(f"[{label}] failed: {error.ename}: {error.evalue}", file=sys.stderr)
    print(f"[{label}] the complete log is in {paths.display(log)}", file=sys.stderr)
    if os.strerror(errno.ENOSPC) in error.evalue:
        print(f"[{label}] {stages.CURE}", file=sys.stderr)
    return BAD_PARAMETERS if error.ename == "ParameterError" else FAILED


class _Progress(threading.Thread):
    """Prints one line per interval from the last record of ``history.jsonl`` while the kernel works."""

    def __init__(self, label: str, history: Path, interval: float = 20.0):
        super().__init__(daemon=True)
        self.label, self.history, self.interval = label, history, interval
        self.ended, self.before = threading.Event(), _changed(history)

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def run(self) -> None:
        last = None
        while not self.ended.wait(self.interval):
            fresh = _changed(self.history) != self.before  # by no clock: it may be put back, or be another computer's
            records = files.read_jsonl(self.history) if fresh else []
            if records and records[-1] != last:
                last = records[-1]
                print(f"[{self.label}] {progress_line(last)}", flush=True)


def _changed(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None


def _deadline(minutes: float | None) -> float | None:
    """Unix time at which to stop resumably: after ``minutes``, or a little before Slurm would end this job."""
    if minutes:
        return time.time() + 60 * minutes
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return None
    end = subprocess.run(["squeue", "-h", "-j", job, "-o", "%e"], capture_output=True, text=True, check=False).stdout
    try:
        return datetime.fromisoformat(end.strip()).timestamp() - SLURM_MARGIN_SECONDS
    except ValueError:  # a job without a time limit
        return None


def value_of(text: str) -> object:
    """What the text of a parameter at a prompt means: a value as in YAML, else the text."""
    try:
        return parse_yaml(text)
    except ValueError:
        return text


def _parse(arguments: list[str] | None) -> Namespace:
    parser = parser_of("run", __doc__)
    parser.epilog = (
        "Example: xpci run 02_train_ddpm -f params/quick/02_train_ddpm.yaml -p steps 600. Exit codes: 0 done, 1 a cell "
        "failed, 2 a parameter is wrong, 75 stopped for time and resumable, 138 the kernel died."
    )
    parser.add_argument("notebook", help="which notebook, by path or name: 05_train_segmentation")
    parser.add_argument("-f", "--file", required=True, metavar="PARAMS", help="flat YAML file with every parameter")
    add_parameters(parser)
    parser.add_argument("--folder", help="write the products to this folder instead of below run_root")
    parser.add_argument(
        "--minutes", type=float, help="stop after this time (exit code 75); the same command continues the run"
    )
    return parser.parse_args(arguments)
