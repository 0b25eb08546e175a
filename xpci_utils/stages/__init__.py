"""When a stage is done: its life from ``begin`` to ``finish``, its lock, its record and what its result depends on.

A stage (one notebook with one set of parameters) reads finished folders and writes one folder. It is finished when
that folder holds a valid ``run.json``, which is written last, by rename. The same stage asked for again returns at
once; asked for with other parameters, inputs or another version it stops with a sentence instead of overwriting.
"""

from xpci_utils.stages.former import FORMER_NOTEBOOK, notebooks_of, parameters_of, was_audited
from xpci_utils.stages.identity import (
    changed_since,
    content_digest,
    decisive,
    film_digest,
    folder_digest,
    inputs_of,
)
from xpci_utils.stages.kept import keep, kept_file, kept_files, record_of, restore
from xpci_utils.stages.lock import StageError, is_locked, refuse_if_locked
from xpci_utils.stages.record import RUN_FILE, differences, lost, read_record, read_run, training_frames, version_of
from xpci_utils.stages.spec import StageSpec
from xpci_utils.stages.stage import CURE, OtherResultError, Stage, begin, changes, inspect

__all__ = [
    "CURE",
    "FORMER_NOTEBOOK",
    "RUN_FILE",
    "OtherResultError",
    "Stage",
    "StageError",
    "StageSpec",
    "begin",
    "changed_since",
    "changes",
    "content_digest",
    "decisive",
    "differences",
    "film_digest",
    "folder_digest",
    "inputs_of",
    "inspect",
    "is_locked",
    "keep",
    "kept_file",
    "kept_files",
    "lost",
    "notebooks_of",
    "parameters_of",
    "read_record",
    "read_run",
    "record_of",
    "refuse_if_locked",
    "restore",
    "training_frames",
    "version_of",
    "was_audited",
]
