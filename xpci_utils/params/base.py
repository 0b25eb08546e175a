"""What the parameters of every stage share: the places it reads and writes, and what decides its result."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field

from xpci_utils import paths
from xpci_utils.params.cells import Cell, parse_labeller
from xpci_utils.params.model import Parameters, assigned_names


def _labeller(name: str) -> str:
    parse_labeller(name)
    return name


CellName = Annotated[str, AfterValidator(lambda name: Cell.parse(name).name)]
LabellerName = Annotated[str, AfterValidator(_labeller)]


class Content(NamedTuple):
    """Files whose content, not their place, decides a result: a folder of frames, a folder of pictures alone, a film,
    or a file with its sha256."""

    kind: Literal["folder", "pictures", "film", "sha256"]
    paths: tuple[Path, ...]


class Change(NamedTuple):
    """Why the version of a stage was raised, and for which parameters its results changed."""

    reason: str
    concerns: Callable[[Any], bool] = lambda parameters: True


class Former(NamedTuple):
    """What a parameter that records still hold is called today, and today's word for each of its values."""

    name: str
    values: Mapping[Any, Any]


class StageParameters(Parameters):
    """Parameters of one notebook and the places it reads and writes."""

    notebook: ClassVar[str]
    products: ClassVar[tuple[str, ...]]
    data_files: ClassVar[tuple[str, ...]] = ()  # small files that are part of the code
    changes: ClassVar[dict[int, Change]] = {}  # version -> what changed with it; version 1 is the first edition
    retired: ClassVar[frozenset[str]] = frozenset()  # former parameters whose value no longer matters
    former: ClassVar[dict[str, Former]] = {}  # former parameter -> what it is today
    sweep_file: ClassVar[str] = ""
    is_read: ClassVar[bool] = True  # whether other stages read its folder, whose content its record then identifies

    run_root: str = Field("runs/quick", min_length=1, description="folder of the run; relative to the repository root")
    output_folder: str = Field("", description="folder for the products; empty: the usual folder below run_root")
    force: bool = Field(False, description="repeat a finished stage and replace its products")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; their number affects the last bits of the result")

    @property
    def root(self) -> Path:
        return paths.resolve(self.run_root)

    @property
    def folder(self) -> Path:
        """The one folder this stage writes."""
        return paths.resolve(self.output_folder) if self.output_folder else self.root / self.place

    @property
    def work(self) -> Path:
        """Where its checkpoints lie while it runs."""
        return self.folder / "work" if self.output_folder else self.root / "work" / self.place

    @property
    def history(self) -> Path:
        """Where records of progress are appended."""
        return self.folder / "history.jsonl"

    @property
    def place(self) -> str:
        """Its folder below run_root."""
        raise NotImplementedError

    @property
    def inputs(self) -> list[Path]:
        """Finished folders that this stage reads."""
        return []

    @property
    def version(self) -> int:
        """The last version whose change concerns these parameters."""
        return max((number for number, change in self.changes.items() if change.concerns(self)), default=1)

    @property
    def contents(self) -> dict[str, Content]:
        """Files whose content decides the result, by the name under which ``run.json`` records their hash."""
        return {}

    def decisive(self) -> dict[str, Any]:
        """The parameters that decide the result: all but where it lies and whether it is repeated."""
        return self.model_dump(exclude={"run_root", "output_folder", "force"})

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The default of every parameter, which a record that is older than the parameter stands for."""
        return {name: field.default for name, field in cls.model_fields.items()}

    @classmethod
    def of_record(cls, recorded: Mapping[str, Any]) -> dict[str, Any]:
        """Recorded parameters in today's names and words, so that a renamed parameter makes no result stale."""
        values = dict(recorded)
        for name in cls.former.keys() & values.keys():
            today = cls.former[name]
            values[today.name] = today.values[values.pop(name)]
        return values

    @classmethod
    def from_notebook(cls, namespace: dict) -> Self:
        """Collect the parameters from a notebook's globals.

        Every name that the cells just before this one assign (the parameter cell, and the one papermill injects) must
        be a parameter. IPython keeps the text of executed cells in ``In``: all names of the namespace would not do,
        since the cell is run again, after all others, by whoever changes a parameter.
        """
        given = {name: namespace[name] for name in cls.model_fields if name in namespace}
        assigned = {name: namespace[name] for name in assigned_names(namespace["In"][:-1])}
        return cls.checked({**assigned, **given}, "the parameters of this notebook")


class SeededParameters(StageParameters):
    """Parameters of a stage that draws random numbers."""

    seed: int = Field(0, ge=0, description="seed of all random numbers in this stage")


class ShippableParameters(SeededParameters):
    """Parameters of a training that weights which come with the repository can stand in for (`xpci_utils.weights`)."""

    weights_file: ClassVar[str]

    shipped: str = Field("", description="folder of shipped weights that replace the training; empty: train")
    half_precision: bool = Field(
        False, description="round the weights to half precision before anything is made with them"
    )

    @property
    def hash_note(self) -> str:
        """Name of the file with the sha256 of the weights, beside them."""
        return str(Path(self.weights_file).with_suffix(".sha256"))

    @property
    def contents(self) -> dict[str, Content]:
        """Of shipped weights the content counts."""
        note = paths.resolve(self.shipped) / self.place / self.hash_note
        return {"shipped_sha256": Content("sha256", (note,))} if self.shipped else {}

    def decisive(self) -> dict[str, Any]:
        values = super().decisive()
        del values["shipped"]
        if not self.half_precision:
            del values["half_precision"]  # results that are older than this parameter stay the same
        return values
