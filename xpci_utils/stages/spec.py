"""What a stage needs of its parameters: `xpci_utils.params` has the models that provide it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from xpci_utils.params.base import Content


class StageSpec(Protocol):
    """Parameters of one stage, with the places that it reads and writes."""

    notebook: ClassVar[str]  # name of the notebook, without its suffix

    @property
    def folder(self) -> Path: ...  # the one folder that the stage writes

    @property
    def work(self) -> Path: ...  # checkpoints, removed when it is finished

    @property
    def root(self) -> Path: ...  # folder of the run; inputs are recorded relative to it

    @property
    def inputs(self) -> Sequence[Path]: ...  # finished folders that it reads

    @property
    def products(self) -> Sequence[str]: ...  # files and folders without which it is not finished

    @property
    def contents(self) -> Mapping[str, Content]: ...  # files whose content decides the result

    @property
    def sweep_file(self) -> str: ...  # of a report: the grid whose finished stages it reads; else empty

    @property
    def version(self) -> int: ...  # raised when the same parameters and inputs give another result

    @property
    def threads(self) -> int: ...

    @property
    def force(self) -> bool: ...  # repeat a finished stage

    is_read: ClassVar[bool]  # whether other stages read its folder

    retired: ClassVar[frozenset[str]]  # former parameters whose value no longer matters

    def of_record(self, recorded: Mapping[str, Any]) -> dict[str, Any]: ...  # recorded parameters in today's names

    def defaults(self) -> dict[str, Any]: ...  # of every parameter

    def decisive(self) -> dict[str, Any]: ...  # the parameters that decide the result

    def model_dump(self) -> dict[str, Any]: ...
